"""Which issues a deployment is shown at: of all commits that it brought, not of the last alone."""

from __future__ import annotations

import threading
from datetime import timedelta
from uuid import uuid4

from django.db import connections as databases

from connections.contracts import DeploymentRecord, RelayKind
from connections.flows import relay_capture, relay_records
from connections.flows.relay_drawing import Row
from connections.models import (
    Branch,
    Commit,
    Deployment,
    Link,
    Pipeline,
    PullRequest,
    RelayItem,
    Repository,
    StreamState,
)
from integrations.jira.issue_keys import keys_of
from portal import clock, roles
from tests.connections import joining
from tests.works import Works

GRAPH = {"a": "", "b": "a", "c": "b", "x": "a", "m": "cx", "n": "m"}  # x came in by the merge m


def hash_of(letter: str) -> str:
    return letter * 40


def shown(works: Works, *deployed: tuple[str, str, str]) -> list[list[str]]:
    """The keys of each deployment: (commit, environment, how it ended), one an hour."""
    code = joining.code(works)
    link = joining.joined(works, code, joining.target(works))
    began = clock.now() - timedelta(days=1)
    with roles.using_role("worker"), works.inside():
        here = Repository.objects.get(connection=code, slug="api")
        for letter, parents in GRAPH.items():
            Commit.objects.create(
                connection=code, repository=here, remote_id=hash_of(letter),
                parents=[hash_of(each) for each in parents], message=f"KEY-{ord(letter)} {letter}",
            )  # fmt: skip
        for hour, (letter, environment, state) in enumerate(deployed):
            at = began + timedelta(hours=hour)
            Deployment.objects.create(
                connection=code, repository=here, remote_id=f"{{{hour}}}", commit=hash_of(letter),
                environment=environment, state=state, started_at=at,
                completed_at=at + timedelta(minutes=5),
            )  # fmt: skip
            RelayItem.objects.create(
                link=link, connection_id=link.target_id, repository=here, sequence=1,
                kind=RelayKind.DEPLOYMENT, key=f"{{{hour}}}", cause="webhook",
            )  # fmt: skip
        again = Link.objects.select_related("source", "target", "destination").get(id=link.id)
        items = RelayItem.objects.filter(link=again, repository=here).order_by("key")
        events = relay_records.events(again, list(items))
        return [[chr(int(key[4:])) for key in keys_of(event)] for event in events]


def test_a_deployment_names_what_came_since_the_last_one_there(works: Works) -> None:
    assert shown(
        works,
        ("a", "Production", "successful"),
        ("b", "Staging", "successful"),
        ("b", "Production", "failed"),
        ("m", "Production", "successful"),
        ("m", "Staging", "successful"),
        ("n", "Production", "running"),
        ("b", "Production", "successful"),
        ("b", "Production", "successful"),
    ) == [
        ["a"],  # the first there
        ["b"],
        ["b"],
        ["m", "c", "x", "b"],  # what failed did not bring it
        ["m", "c", "x"],  # b was there already
        ["n"],
        ["b"],  # back to what was
        ["b"],  # the same again
    ]


def test_a_commit_that_is_written_while_its_deployment_is_taken_sends_it_again(
    works: Works,
) -> None:
    code = joining.code(works)
    link = joining.joined(works, code, joining.target(works))
    with works.inside():
        here = Repository.objects.get(connection=code, slug="api")
    here.relayed_at = clock.now()
    with roles.using_role("worker"), works.inside():
        Deployment.objects.create(
            connection=code, repository=here, remote_id="{1}", commit=hash_of("a"),
            environment="Production", state="successful",
        )  # fmt: skip
    joining.item(works, link, repository=here, kind=RelayKind.DEPLOYMENT, key="{1}")

    def write() -> None:
        with roles.using_role("worker"), works.inside():
            Commit.objects.create(
                connection=code, repository=here, remote_id=hash_of("a"), message="KEY-1 a"
            )
            relay_capture.note(here, Commit, [hash_of("a")])
        databases.close_all()

    writer = threading.Thread(target=write)
    with roles.using_role("worker"), works.inside():
        rows = RelayItem.objects.filter(kind=RelayKind.DEPLOYMENT)
        rows.update(lease_owner=uuid4(), lease_until=clock.now() + timedelta(minutes=1))
        writer.start()
        writer.join(0.7)
    writer.join(20)
    with works.inside():
        assert RelayItem.objects.get(kind=RelayKind.DEPLOYMENT).sequence > 1


def test_what_is_deployed_again_has_the_later_ones_state_whatever_order_they_come_in(
    works: Works,
) -> None:
    """Both have their run's number: a target could not tell them apart."""
    code = joining.code(works)
    link = joining.joined(works, code, joining.target(works))
    with roles.using_role("worker"), works.inside():
        here = Repository.objects.get(connection=code, slug="web-shop")
        run = Pipeline.objects.get(repository=here)
        for key, hours, state in (("{z}", 3, "failed"), ("{a}", 1, "successful")):
            Deployment.objects.create(
                connection=code, repository=here, remote_id=key, commit=run.commit, state=state,
                environment="Live", pipeline_remote_id=run.remote_id,
                started_at=clock.now() - timedelta(hours=hours),
            )  # fmt: skip
        again = Link.objects.select_related("source", "target", "destination").get(id=link.id)
        wanted = [Row(here.id, "deployment", key, clock.now()) for key in ("{a}", "{z}")]
        later, first = relay_records.events(again, wanted)
    assert (later.number, first.record) == (run.number, None)
    assert isinstance(later.record, DeploymentRecord)
    assert later.record.state == "successful"


def test_a_pull_request_knows_its_branch_and_that_it_is_gone(works: Works) -> None:
    code = joining.code(works)
    link = joining.joined(works, code, joining.target(works))
    with roles.using_role("worker"), works.inside():
        here = Repository.objects.get(connection=code, slug="web-shop")
        again = Link.objects.select_related("source", "target", "destination").get(id=link.id)

        def told() -> tuple[str, bool, bool]:
            wanted = [Row(here.id, "pull_request", "7", clock.now())]
            (event,) = relay_records.events(again, wanted)
            return event.branch_key, event.branch_gone, event.head is not None

        assert told() == ("branch:ACME-1-cart", False, True)
        Branch.objects.update(gone_at=clock.now())
        assert told() == ("branch:ACME-1-cart", True, False)
        Branch.objects.all().delete()
        assert told() == ("", False, False)  # nobody reads branches here
        StreamState.objects.create(
            connection=code, workspace_id=here.workspace_id, repository=here, stream="branches"
        )
        assert told() == ("", True, False)  # made and deleted before anybody looked


def test_a_forks_pull_request_names_no_issues_of_our_branch_of_that_name(works: Works) -> None:
    code = joining.code(works)
    link = joining.joined(works, code, joining.target(works))
    with roles.using_role("worker"), works.inside():
        here = Repository.objects.get(connection=code, slug="web-shop")
        again = Link.objects.select_related("source", "target", "destination").get(id=link.id)
        found = {}
        for source in (here.full_name.upper(), "nora/web-shop"):
            PullRequest.objects.update(source_repository=source)
            wanted = [Row(here.id, "branch", "branch:ACME-1-cart", clock.now())]
            (event,) = relay_records.events(again, wanted)
            found[source] = event.mentions
    assert list(found.values()) == [("ACME-1: Take the cart along",), ()]
