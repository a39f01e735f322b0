"""The words of a trail: a line for each thing known, with who, when and by what evidence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from connections.contracts import BuildState, PullState, Verdict
from connections.models import Build, Deployment, InquiryState, Pipeline, PullRequest, Push
from connections.queries import identities, products
from connections.queries.trail_rows import Rows
from portal import phrases

STATES: Final = {
    BuildState.WAITING: ("waiting", "plain"),
    BuildState.RUNNING: ("running", "plain"),
    BuildState.SUCCESSFUL: ("successful", "good"),
    BuildState.FAILED: ("failed", "danger"),
    BuildState.STOPPED: ("stopped", "warning"),
    BuildState.UNKNOWN: ("in a state we do not know", "warning"),
}
PULLS: Final = {
    PullState.OPEN: "open",
    PullState.MERGED: "merged",
    PullState.DECLINED: "declined",
    PullState.SUPERSEDED: "superseded",
}
PUSHED: Final = "push"
ASKED: Final = ("commits", "pull-requests", "statuses")  # what a look at the vendor reads


@dataclass(frozen=True, slots=True)
class Who:
    """Somebody as the vendor calls them, and the member that is, where it is known."""

    name: str
    member: str = ""
    note: str = ""
    is_guess: bool = False

    @property
    def shown(self) -> str:
        return self.member if self.member and not self.is_guess else self.name


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that is known. `at` is when it was so, `read_at` when its list was read last."""

    label: str
    says: str = ""
    who: Who | None = None
    at: datetime | None = None
    source: str = ""
    read_at: datetime | None = None
    url: str = ""
    tone: str = "plain"
    steps: tuple[str, ...] = ()


def who(rows: Rows, remote_id: str, name: str, email: str = "") -> Who | None:
    """The person with the member they are; None where nobody is named."""
    key = rows.key_of(remote_id, email)
    found = rows.known.get(key) if key else None
    shown = name or (found.name if found else "") or email or remote_id
    if not shown:
        return None
    if found is None or found.state == identities.UNKNOWN:
        return Who(shown)
    if found.state == identities.BOT:
        return Who(shown, note="not a person")
    guess = found.state == identities.SUGGESTED
    gone = "" if found.is_member else "not a member any more"
    return Who(shown, member=found.member, note=gone, is_guess=guess)


# ── Commit ────────────────────────────────────────────────────────────────────────────────────


def of_commit(rows: Rows) -> Iterator[Line]:
    """Author and committer, as git has them."""
    commit = rows.commit
    if commit is None:
        return
    read = _read(rows, "commits")
    url = products.web_address(commit.url)
    author = who(rows, commit.author_remote_id, commit.author_name, commit.author_email)
    known = "" if commit.author_remote_id else f"No account of {_product(rows)} has this address."
    yield Line("Author", known, author, None, "Commit, as git has it", read, url)
    if commit.committer_remote_id or commit.committer_name or commit.committer_email:
        committer = who(
            rows, commit.committer_remote_id, commit.committer_name, commit.committer_email
        )
        source = "Commit, as git has it"
        yield Line("Committer", "", committer, commit.committed_at, source, read, url)
    else:
        said = f"{_product(rows)} did not say who committed it."
        yield Line("Committed", said, None, commit.committed_at, "Commit", read, url)


def pushed(rows: Rows) -> Iterator[Line]:
    """Who pushed, by each kind of evidence there is."""
    for push in rows.pushes:
        yield _push(rows, push)
    if rows.pushes:
        return
    read = _read(rows, "pipelines")
    for run in rows.pipelines:
        if run.trigger.lower() == PUSHED and not rows.roles.get(run.commit) and run.creator_name:
            pusher = who(rows, run.creator_remote_id, run.creator_name)
            says = f"A push to {run.refname} started pipeline {run.number}." if run.refname else ""
            source = f"Pipeline {run.number}, which a push started"
            url = products.web_address(run.url)
            yield Line("Pushed", says, pusher, run.remote_created_at, source, read, url)
            return
    for pull in rows.pulls:
        if pull.merge_hash and rows.subject.key.startswith(pull.merge_hash):
            merger = who(rows, pull.closed_by_remote_id, pull.closed_by_name)
            says = f"{_product(rows)} made this commit when #{pull.number} was merged."
            source = f"Pull request #{pull.number}"
            read = _read(rows, "pull-requests")
            yield Line("Pushed", says, merger, pull.closed_at, source, read, _url(pull))


def _push(rows: Rows, push: Push) -> Line:
    ref = f"To the {push.ref_kind} {push.ref_name}"
    ref += f", {rows.roles[push.commit]}" if rows.roles.get(push.commit) else ""
    along = f", along with {push.commit[:12]}" if rows.brought_along else ""
    return Line(
        "Pushed",
        f"{ref}{along}.",
        who(rows, push.by_remote_id, push.by_name),
        push.pushed_at or push.received_at,
        "Webhook with a right signature" + ("" if push.pushed_at else ", at the time it came"),
    )


# ── Reviews ───────────────────────────────────────────────────────────────────────────────────


def of_pull(rows: Rows, pull: PullRequest) -> Iterator[Line]:
    """Who asked for it, reviewed, approved, wanted changes, and merged or declined it."""
    read, url = _read(rows, "pull-requests"), _url(pull)
    source = f"Pull request #{pull.number}"

    def line(label: str, says: str, person: Who | None, at: Any, tone: str = "plain") -> Line:
        return Line(label, says, person, at, source, read, url, tone)

    author = who(rows, pull.author_remote_id, pull.author_name)
    branches = f"{pull.source_branch} into {pull.destination_branch}."
    yield line("Opened", branches, author, pull.remote_created_at)
    approved, changes, silent = _by_verdict(rows, pull)
    for person, at in approved:
        yield line("Approved", "", person, at, "good")
    for person, at in changes:
        yield line("Changes requested", "", person, at, "warning")
    if silent:
        names = ", ".join(person.shown for person in silent)
        yield line("Reviewers without a verdict", names, None, None)
    if not approved:
        says = "Nobody, so far." if pull.state == PullState.OPEN else "By nobody."
        yield line("Approved", says, None, None, "warning")
    yield from _closed(rows, pull, source)


Verdicts = list[tuple[Who, datetime | None]]


def _by_verdict(rows: Rows, pull: PullRequest) -> tuple[Verdicts, Verdicts, list[Who]]:
    approved: Verdicts = []
    changes: Verdicts = []
    silent: list[Who] = []
    for each in pull.participants:
        person = who(rows, str(each.get("id", "")), str(each.get("name", "")))
        if person is None:
            continue
        at = datetime.fromisoformat(each["at"]) if each.get("at") else None
        if each.get("verdict") == Verdict.APPROVED:
            approved.append((person, at))
        elif each.get("verdict") == Verdict.CHANGES:
            changes.append((person, at))
        elif each.get("reviewer"):
            silent.append(person)
    return approved, changes, silent


def _closed(rows: Rows, pull: PullRequest, source: str) -> Iterator[Line]:
    if pull.state == PullState.OPEN:
        return
    word = PULLS.get(PullState(pull.state), pull.state).capitalize()
    person = who(rows, pull.closed_by_remote_id, pull.closed_by_name)
    says = f"As {pull.merge_hash[:12]}." if pull.merge_hash else ""
    at = pull.closed_at or pull.remote_updated_at
    if pull.closed_at is None:
        says += f" {_product(rows)} tells no moment; this is its last change."
    if person is None:
        says += f" {_product(rows)} did not say by whom."
    tone = "good" if pull.state == PullState.MERGED else "plain"
    read = _read(rows, "pull-requests")
    yield Line(word, says.strip(), person, at, source, read, _url(pull), tone)


# ── Builds and deployments ────────────────────────────────────────────────────────────────────


def built(rows: Rows) -> Iterator[Line]:
    """Each build system's word, and each run of the vendor's own with its steps."""
    for build in rows.builds:
        yield _build(rows, build)
    for run in rows.pipelines:
        yield _run(rows, run)


def _build(rows: Rows, build: Build) -> Line:
    word, tone = _state(build.state)
    role = rows.roles.get(build.commit, "")
    says = f"{word.capitalize()}, of the {role}." if role else f"{word.capitalize()}."
    at = build.remote_updated_at or build.remote_created_at
    read = _read(rows, "statuses")
    url = products.web_address(build.url)
    return Line(f"Build {build.name}", says, None, at, "Build results", read, url, tone)


def _run(rows: Rows, run: Pipeline) -> Line:
    word, tone = _state(run.state)
    role = rows.roles.get(run.commit, "")
    says = word.capitalize()
    says += f" in {phrases.span(run.seconds)}" if run.seconds is not None else ""
    says += f", of the {role}" if role else ""
    says += f", on {run.refname}" if run.refname else ""
    return Line(
        f"Pipeline {run.number}",
        f"{says}. Started by {run.trigger.lower()}." if run.trigger else f"{says}.",
        who(rows, run.creator_remote_id, run.creator_name),
        run.completed_at or run.remote_created_at,
        "Pipelines",
        _read(rows, "pipelines"),
        products.web_address(run.url),
        tone,
        tuple(_steps(run)),
    )


def _steps(run: Pipeline) -> Iterator[str]:
    for step in run.steps:
        word, _ = _state(str(step.get("state", "")))
        seconds = step.get("seconds")
        took = f" in {phrases.span(seconds)}" if seconds is not None else ""
        yield f"{step.get('name') or 'Step'}: {word}{took}"


def deployed(rows: Rows) -> Iterator[Line]:
    """What went where, by whom, and how it ended."""
    for one in rows.deployments:
        yield _deployment(rows, one)


def _deployment(rows: Rows, one: Deployment) -> Line:
    word, tone = _state(one.state)
    role = rows.roles.get(one.commit, "")
    by = next((r for r in rows.pipelines if r.remote_id == one.pipeline_remote_id), None)
    says = f"{word.capitalize()}, of the {role}" if role else word.capitalize()
    says += f", by pipeline {by.number}" if by else ""
    person = who(rows, one.by_remote_id, one.by_name)
    at = one.completed_at or one.remote_updated_at or one.started_at
    read, url = _read(rows, "deployments"), products.web_address(one.url)
    return Line(one.environment, f"{says}.", person, at, "Deployments", read, url, tone)


def _state(word: str) -> tuple[str, str]:
    try:
        return STATES[BuildState(word)]
    except ValueError:
        return STATES[BuildState.UNKNOWN]


def _url(pull: PullRequest) -> str:
    return products.web_address(pull.url)


def _product(rows: Rows) -> str:
    return products.name_of(rows.connection.connector)


def _read(rows: Rows, stream: str) -> datetime | None:
    """When its list was read last, or this very thing because somebody asked."""
    state, look = rows.states.get(stream), rows.inquiry
    moments = [state.last_success_at] if state else []
    if look is not None and look.state == InquiryState.DONE and stream in ASKED:
        moments.append(look.finished_at)
    return max((moment for moment in moments if moment), default=None)
