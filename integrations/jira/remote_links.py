"""Remote issue links: what ordinary tokens can write instead of the development panel.

One link for each thing and issue. Its global id is ours, so that the same link is changed and
never doubled, and can be found to be taken back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import quote

from connections.contracts import (
    BranchRecord,
    BuildRecord,
    CommitRecord,
    DeploymentRecord,
    Outcomes,
    Packing,
    Parcel,
    PipelineRecord,
    PullRequestRecord,
    PullState,
    Reach,
    RelayEvent,
    RelayKind,
    Sent,
    Told,
)
from connections.errors import AccessDenied
from integrations import atlassian
from integrations.jira.entity_ids import repository_id
from integrations.jira.issue_keys import keys_of
from integrations.jira.parcels import PRODUCT, latest
from integrations.jira.relay_answers import no_such_issue
from integrations.jira.sending import ask
from integrations.jira.wording import address, cut, present

PATH: Final = "rest/api/3/issue/{issue}/remotelink"
LONGEST_GLOBAL_ID: Final = 255
LONGEST_TITLE: Final = 255
MOST_ISSUES: Final = 20  # of one thing: each is a request of its own
REFUSED: Final = frozenset({400, 413})
GONE: Final = frozenset({404})
DENIED: Final = "This account may not link {keys}."
WORDS: Final = {
    RelayKind.COMMIT: "Commit",
    RelayKind.BRANCH: "Branch",
    RelayKind.PULL_REQUEST: "Pull request",
    RelayKind.BUILD: "Build",
    RelayKind.DEPLOYMENT: "Deployment",
}


def rest(reach: Reach, path: str) -> str:
    """The path of Jira's REST API, as this connection reaches the destination."""
    return atlassian.at(reach.fields, "jira", reach.destination.remote_id, path)


def pack(events: Sequence[RelayEvent], *, mark: str) -> Packing:
    """A parcel for each event that has issues, or had some."""
    parcels: list[Parcel] = []
    idle: list[RelayEvent] = []
    for event in latest(events):
        issues = keys_of(event)[:MOST_ISSUES]
        gone = tuple(key for key in event.former if key not in issues)
        if not issues and not gone:
            idle.append(event)
            continue
        name = "Link issues" if issues else "Take back links"
        body = {"issues": list(issues), "gone": list(gone), "link": link(event, mark)}
        verb = "POST" if issues else "DELETE"
        parcels.append(Parcel(name, (event,), verb, PATH, body, withdraws=not issues))
    return Packing(tuple(parcels), tuple(idle))


def link(event: RelayEvent, mark: str) -> dict[str, Any]:
    """The link as every issue of the event gets it; of what is gone, its global id alone."""
    known = {"globalId": global_id(event, mark)}
    if event.record is None:
        return known
    title, url, resolved = _shown(event)
    return known | {
        "application": {"type": "connections.portal", "name": PRODUCT},
        "relationship": WORDS[event.kind],
        "object": present(
            url=address(url, event.repository.url),
            title=cut(title, LONGEST_TITLE),
            summary=cut(_summary(event), LONGEST_TITLE),
            status={"resolved": resolved},
        ),
    }


def global_id(event: RelayEvent, mark: str) -> str:
    """What tells this link from all others; a key that is too long is hashed."""
    start = f"system=portal&link={mark}&repository={repository_id(event.repository)}&{event.kind}="
    if len(start) + len(event.key) <= LONGEST_GLOBAL_ID:
        return start + event.key
    return start + hashlib.sha256(event.key.encode()).hexdigest()[:40]


def send(reach: Reach, parcel: Parcel) -> Sent:
    """The link at each issue; what hung on an issue that is not named any more is taken away."""
    (event,) = parcel.events
    body: Any = parcel.body
    asked = _Asked(reach, body["link"])
    for key in body["gone"]:
        asked.remove(key)
    for key in body["issues"]:
        asked.add(key)
    return asked.sent(event)


class _Asked:
    """The requests for one link, and what they came to."""

    def __init__(self, reach: Reach, link: dict[str, Any]) -> None:
        self.reach, self.link = reach, link
        self.linked: list[str] = []
        self.unknown: list[str] = []
        self.denied: list[str] = []
        self.status, self.request, self.seconds, self.requests = 0, "", 0.0, 0

    def add(self, key: str) -> None:
        try:
            status = self._ask("POST", _at(key), self.link, GONE | REFUSED)
        except AccessDenied:
            self.denied.append(key)
            return
        if status in GONE:
            self.unknown.append(key)
        elif status in REFUSED:
            self.denied.append(key)
        else:
            self.linked.append(key)

    def remove(self, key: str) -> None:
        try:
            self._ask("DELETE", f"{_at(key)}?{_query(self.link['globalId'])}", None, GONE)
        except AccessDenied:
            self.denied.append(key)

    def sent(self, event: RelayEvent) -> Sent:
        return Sent(
            (self._word(event),), self.status, self.request, self.seconds, max(self.requests, 1)
        )

    def _word(self, event: RelayEvent) -> Told:
        detail = DENIED.format(keys=", ".join(self.denied)) if self.denied else ""
        unknown = tuple(self.unknown)
        if self.linked:
            return Told(event, Outcomes.ACCEPTED, detail, tuple(self.linked), unknown)
        if self.denied:
            return Told(event, Outcomes.REFUSED, detail, unknown=unknown)
        if unknown:
            return Told(event, Outcomes.UNKNOWN_SUBJECT, no_such_issue(unknown), unknown=unknown)
        return Told(event, Outcomes.WITHDRAWN)

    def _ask(self, verb: str, path: str, body: object, accept: frozenset[int]) -> int:
        self.requests += 1
        answer = ask(self.reach, verb, rest(self.reach, path), body, accept)
        self.status, self.request = answer.status, answer.request
        self.seconds += answer.latency_seconds
        return answer.status


def erase(reach: Reach, known: Sequence[RelayEvent], mark: str) -> int:
    """None of these links is there any more, but so many of issues that are closed to us now."""
    left = 0
    for event in known:
        query = _query(global_id(event, mark))
        for key in event.former:
            try:
                ask(reach, "DELETE", rest(reach, f"{_at(key)}?{query}"), None, GONE)
            except AccessDenied:
                left += 1
    return left


def remains(reach: Reach, known: Sequence[RelayEvent], mark: str) -> bool:
    """Whether one of these links is still there."""
    for event in known:
        query = _query(global_id(event, mark))
        for key in event.former:
            answer = ask(reach, "GET", rest(reach, f"{_at(key)}?{query}"), None, GONE)
            if answer.status not in GONE and answer.body:
                return True
    return False


def _at(key: str) -> str:
    return PATH.replace("{issue}", quote(key, safe=""))


def _query(global_id: str) -> str:
    return f"globalId={quote(global_id, safe='')}"


# ── What a link shows ─────────────────────────────────────────────────────────────────────────


def _shown(event: RelayEvent) -> tuple[str, str, bool]:
    """Title, address, and whether Jira strikes it through."""
    page: Callable[..., str] = event.links.filled
    home = event.repository.url
    match event.record:
        case CommitRecord() as record:
            line = next(iter(record.message.strip().splitlines()), "")
            url = record.url or page(event.links.commit, home, hash=record.remote_id)
            return f"{record.remote_id[:7]} {line}".strip(), url, False
        case BranchRecord() as record:
            return record.name, page(event.links.branch, home, branch=record.name), False
        case PullRequestRecord() as record:
            url = record.url or page(event.links.pull_request, home, number=str(record.number))
            return f"#{record.number} {record.title}", url, record.state is not PullState.OPEN
        case BuildRecord() as record:
            return f"{record.name or record.key}: {record.state}", record.url, False
        case PipelineRecord() as record:
            return f"{event.repository.name} #{record.number}: {record.state}", record.url, False
        case DeploymentRecord() as record:
            return f"{record.environment}: {record.state}", record.url, False
    raise TypeError("There is nothing to show.")


def _summary(event: RelayEvent) -> str:
    """Where it is and, of a pull request, how it stands and who approved it."""
    home = event.repository.full_name or event.repository.name
    record = event.record
    if not isinstance(record, PullRequestRecord):
        return home
    approved = [each.person.name for each in record.participants if each.verdict == "approved"]
    by = f", approved by {', '.join(filter(None, approved))}" if any(approved) else ""
    return f"{home}: {'draft' if record.draft else record.state}{by}"
