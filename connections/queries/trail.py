"""The trail of a commit or pull request: who, what, where and when, and what is not known.

From what was read before; nobody is asked for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from connections.contracts import BuildState, Verdict
from connections.explain import explain
from connections.models import Connection, Inquiry, Pipeline, PullRequest, Repository
from connections.queries import products, trail_gaps, trail_lines, trail_rows
from connections.queries.trail_gaps import Gap
from connections.queries.trail_lines import Line
from connections.queries.trail_rows import Rows
from connections.queries.trail_search import COMMIT, Subject
from portal import phrases


@dataclass(frozen=True, slots=True)
class Part:
    """A heading, what is known below it, and what is not."""

    title: str
    lines: tuple[Line, ...]
    gaps: tuple[Gap, ...] = ()
    url: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Trail:
    """All of it; `summary` answers the question that most people come with."""

    subject: Subject
    repository: Repository
    connection: Connection
    product: str
    title: str
    message: str
    url: str
    summary: tuple[str, ...]
    gaps: tuple[Gap, ...]
    parts: tuple[Part, ...]
    inquiry: Inquiry | None

    @property
    def why_failed(self) -> str:
        """What stood in the way of the last look, in words."""
        return failure(self.inquiry, self.product)

    @property
    def is_being_looked_at(self) -> bool:
        return self.inquiry is not None and self.inquiry.finished_at is None

    @property
    def may_be_looked_at(self) -> bool:
        return self.connection.is_live and self.repository.gone_at is None


def failure(inquiry: Inquiry | None, product: str) -> str:
    """What stood in the way of a look at the vendor; empty where nothing did."""
    if inquiry is None or not inquiry.error:
        return ""
    cause = explain(inquiry.error, product=product)
    return f"{cause.title}. {cause.who_acts}"


def trail(subject: Subject, readable: Iterable[UUID]) -> Trail:
    """The trail as far as rows tell it; `readable` are the connections this person may read."""
    rows = trail_rows.load(subject, readable)
    kept = rows.commit or rows.pull
    name = f"{subject.repository.full_name} {subject.short}"
    return Trail(
        subject=subject,
        repository=subject.repository,
        connection=rows.connection,
        product=products.name_of(rows.connection.connector),
        title=name,
        message=_said(rows),
        url=products.web_address(kept.url) if kept else "",
        summary=tuple(_summary(rows)),
        gaps=tuple(trail_gaps.of_subject(rows)),
        parts=tuple(_parts(rows)),
        inquiry=rows.inquiry,
    )


def _parts(rows: Rows) -> list[Part]:
    pushed = tuple(trail_lines.pushed(rows))
    of_push = () if pushed else (trail_gaps.pushing(rows),)
    first = (*trail_lines.of_commit(rows), *pushed)
    title = "Commit" if rows.subject.kind == COMMIT else "Commits"
    of_review = tuple(trail_gaps.reviewing(rows))
    reviews = [
        Part(
            f"Pull request #{pull.number}: {pull.title}",
            tuple(trail_lines.of_pull(rows, pull)),
            of_review if index == 0 else (),
            products.web_address(pull.url),
            f"pull-{pull.number}",
        )
        for index, pull in enumerate(rows.pulls)
    ]
    built = Part(
        "Builds", tuple(trail_lines.built(rows)), tuple(trail_gaps.building(rows)), key="builds"
    )
    gone = Part(
        "Deployments",
        tuple(trail_lines.deployed(rows)),
        tuple(trail_gaps.deploying(rows)),
        key="deployments",
    )
    unreviewed = [] if reviews else [Part("Pull requests", (), of_review, key="pulls")]
    return [Part(title, first, of_push, key="commit"), *reviews, *unreviewed, built, gone]


# ── In a few sentences ────────────────────────────────────────────────────────────────────────


def _said(rows: Rows) -> str:
    """What a commit says, in one line, or a pull request's title."""
    if rows.commit is not None:
        return " ".join(rows.commit.message.split())
    return str(rows.pull.title) if rows.pull is not None else ""


def _summary(rows: Rows) -> Iterable[str]:
    """Approved by whom, pushed by whom, built how, deployed where."""
    yield from _of_reviews(rows)
    pushers = _names(line.who for line in trail_lines.pushed(rows))
    yield f"Pushed by {pushers}." if pushers else "Who pushed it is not known."
    yield _of_builds(rows)
    yield from _of_deployments(rows)


def _of_reviews(rows: Rows) -> Iterable[str]:
    """Each pull request with those who approved it, for one may have been approved alone."""
    approved = {pull.number: _approvers(rows, pull) for pull in rows.pulls}
    said = [f"by {names} in #{number}" for number, names in approved.items() if names]
    if said:
        yield f"Approved {'; '.join(said)}."
    elif rows.pulls:
        yield "Nobody approved it, as far as the pull requests say now."
    else:
        yield "Who approved it is not known."
    without = [f"#{number}" for number, names in approved.items() if not names]
    if said and without:
        yield f"Nobody approved {', '.join(without)}, as far as is known now."


def _approvers(rows: Rows, pull: PullRequest) -> str:
    return _names(
        trail_lines.who(rows, str(each.get("id", "")), str(each.get("name", "")))
        for each in pull.participants
        if each.get("verdict") == Verdict.APPROVED
    )


def _of_builds(rows: Rows) -> str:
    """Those of the commit itself, and apart from them those of what it was merged as."""
    found: dict[str, list[str]] = {}
    told = [(build.commit, build.state) for build in rows.builds]
    for commit, state in (*told, *((run.commit, run.state) for run in _unannounced(rows))):
        found.setdefault(rows.roles.get(commit, ""), []).append(state)
    if not found:
        return "No build of it is known."
    said = []
    for role, states in sorted(found.items()):
        of_what = f" of the {role}" if role else ""
        if len(states) == 1:
            said.append(f"1 build{of_what} {trail_lines.STATES[BuildState(states[0])][0]}")
            continue
        good = states.count(BuildState.SUCCESSFUL)
        said.append(f"{good} of {phrases.plural(len(states), 'build')}{of_what} successful")
    return f"{'; '.join(said)}."


def _unannounced(rows: Rows) -> Iterable[Pipeline]:
    """Runs of which no build result tells: a vendor may set one for each of its own."""
    told = [build.url.partition("?")[0] for build in rows.builds]
    return (
        run
        for run in rows.pipelines
        if not any(url.endswith(f"/results/{run.number}") for url in told)
    )


def _of_deployments(rows: Rows) -> Iterable[str]:
    found: dict[str, list[str]] = {}
    for one in rows.deployments:
        if one.state == BuildState.SUCCESSFUL:
            found.setdefault(rows.roles.get(one.commit, ""), []).append(one.environment)
    for role, places in sorted(found.items()):
        names = ", ".join(dict.fromkeys(places))
        yield f"The {role} was deployed to {names}." if role else f"Deployed to {names}."


def _names(people: Iterable[trail_lines.Who | None]) -> str:
    return ", ".join(dict.fromkeys(person.shown for person in people if person is not None))


# ── As text ───────────────────────────────────────────────────────────────────────────────────


def as_text(found: Trail) -> str:
    """The same as plain text, to be put into a ticket; every moment with its zone."""
    lines = [found.title, *([found.message] if found.message else []), found.url, ""]
    lines += [*found.summary, ""]
    lines += [f"Not known: {_gap(gap)}" for gap in found.gaps]
    for part in found.parts:
        lines += ["", part.title, *map(_line, part.lines)]
        lines += [f"- Not known: {_gap(gap)}" for gap in part.gaps]
    lines += ["", f"From what {found.connection.name} ({found.product}) read."]
    return "\n".join(line for line in lines if line is not None) + "\n"


def _line(line: Line) -> str:
    words = [f"- {line.label}:"]
    if line.who is not None:
        words.append(_person(line.who))
    words += [line.says] if line.says else []
    words += [phrases.absolute(line.at)] if line.at else []
    read = f", read {phrases.absolute(line.read_at)}" if line.read_at else ""
    words += [f"({line.source}{read})"] if line.source else []
    words += [line.url] if line.url else []
    return "\n".join([" ".join(words), *(f"  - {step}" for step in line.steps)])


def _person(who: trail_lines.Who) -> str:
    said = who.name
    if who.member and who.member != who.name:
        said = (
            f"{who.name} (perhaps {who.member})" if who.is_guess else f"{who.member} ({who.name})"
        )
    return f"{said}, {who.note}" if who.note else said


def _gap(gap: Gap) -> str:
    return f"{gap.says} ({phrases.absolute(gap.at)})" if gap.at else gap.says
