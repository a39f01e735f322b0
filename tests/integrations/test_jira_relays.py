"""Jira keeps the contract of targets; and shows on its pages what it will show at the issue."""

from __future__ import annotations

from datetime import timedelta

from connections.contracts import (
    BuildState,
    HookRecord,
    Participation,
    PullState,
    RelayKind,
    Verdict,
    WorkspaceRecord,
)
from integrations.jira import CONNECTOR
from integrations.jira.doubles import doubles
from integrations.jira.panel import preview
from tests.contract_relays import RelaysContract
from tests.integrations.jira_events import (
    NOW,
    TOMAS,
    branch,
    build,
    commit,
    deployment,
    pipeline,
    pull,
)

ACME = WorkspaceRecord("c1", "acme", "Acme", url="https://acme.atlassian.net")


class TestJiraRelays(RelaysContract):
    connector = CONNECTOR
    events = (commit(), commit(2), branch(), pull(), build(), pipeline(), deployment())


def test_a_panel_is_put_together_as_jira_does_it() -> None:
    approved = (Participation(TOMAS, reviewer=True, verdict=Verdict.APPROVED),)
    events = [
        commit(1),
        commit(2, "PAY-1 again", at=NOW + timedelta(hours=1)),
        branch(),
        pull(7, state=PullState.MERGED),
        pull(8, draft=True, participants=approved),
        build("unit"),
        build("lint", BuildState.FAILED),
        deployment("Staging"),
        deployment("Production"),
        deployment("QA", state=BuildState.RUNNING),
    ]
    (panel,) = preview(events, destination=ACME)
    told = {section.kind: (section.summary, section.note) for section in panel.sections}
    assert told == {
        RelayKind.BRANCH: ("1 branch", ""),
        RelayKind.COMMIT: ("2 commits", ""),
        RelayKind.PULL_REQUEST: ("2 pull requests", "DRAFT"),
        RelayKind.BUILD: ("2 builds", "1 failed"),
        RelayKind.DEPLOYMENT: ("Deployed to Production, Staging", ""),
    }
    assert panel.url == "https://acme.atlassian.net/browse/PAY-1"
    assert panel.new_branch.startswith("https://bitbucket.org/branch/create?issueKey=PAY-1")
    draft = next(row for row in panel.sections[2].rows if row.name == "#8")
    assert (draft.state, draft.who, draft.detail) == ("DRAFT", "Dana Miller", "1 of 1 approved")


def test_the_issue_that_something_happened_at_last_comes_first() -> None:
    events = [commit(1, "PAY-1 x"), commit(2, "OPS-2 y", at=NOW + timedelta(days=1))]
    assert [each.subject for each in preview(events, destination=ACME)] == ["OPS-2", "PAY-1"]


def test_the_vendors_own_link_is_known_by_its_hook() -> None:
    own = "https://acme.atlassian.net/rest/bitbucket/1.0/repository/9999/sync"
    hooks = [
        HookRecord("1", own, True, ("repo:push",)),
        HookRecord("2", own.replace("acme", "fjord"), True, ("repo:push",)),
        HookRecord("3", own, False, ("repo:push",)),
        HookRecord("4", "https://acme.atlassian.net/plugins/x", True, ("repo:push",)),
    ]
    assert [hook.remote_id for hook in doubles(ACME, hooks)] == ["1"]
