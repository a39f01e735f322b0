"""The refresh ledger in words: each attempt, and a run of quiet renewals as one line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Final
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest

from connections.flows.refreshing import Caller
from connections.grant_explanations import LOST
from connections.lineage import AnswerClass, Decision
from connections.models import Connection, Credential, RefreshAttempt
from portal import cursor as cursors, phrases

MOST: Final = 500  # attempts that one story tells; the table of renewals has them all
SHOWN_OF_FINGERPRINT: Final = 8

_A, _D = AnswerClass, Decision

CALLERS: Final[Mapping[str, str]] = {
    Caller.SCHEDULE: "the schedule",
    Caller.KEEP_ALIVE: "the schedule, so that a paused one stays alive",
    Caller.SPOOL: "an earlier attempt, kept on disk",
    Caller.LEASE: "a service",
    Caller.SYNC: "a sync",
    Caller.VERIFY: "a verification",
    Caller.PROBE: "a health check",
}
ANSWERS: Final[Mapping[str, str]] = {
    _A.KEPT: "A new token",
    _A.TEMPORARY: "Not asked, or turned away unread: the token is not spent",
    _A.IN_DOUBT: "No whole answer: the token may be spent",
    _A.REFUSED: "The token is refused",
    _A.CONNECTOR_FAULT: "The OAuth consumer is refused, not this grant",
    _A.SUBJECT_CHANGED: "A token of another account",
}
DECISIONS: Final[Mapping[str, str]] = {
    _D.BECAME_CURRENT: "The new token is in use",
    _D.KEPT_AS_CANDIDATE: "Kept sealed as a spare: another answer came first",
    _D.CANDIDATE_PROMOTED: "A spare token took its place",
    _D.IGNORED_MOVED_ON: "Nothing: it says nothing of the token in use",
    _D.SUSPECT: "Not believed yet: looked at again",
    _D.NEEDS_REAUTHORIZATION: "Believed: it needs a new link",
    _D.RETRY_LATER: "Tried again later",
    _D.RETRY_SAME_PARENT: "Asked again with the same token",
    _D.BREAKER: "Not held against the grant: tried again later",
}
_TOO_LATE = "An answer came after another worker had renewed the token"
TITLES: Final[Mapping[tuple[str, str], str]] = {
    (_A.KEPT, _D.BECAME_CURRENT): "Token renewed",
    (_A.KEPT, _D.KEPT_AS_CANDIDATE): "A second new token came, and is kept as a spare",
    (_A.KEPT, _D.IGNORED_MOVED_ON): "A new token came for a credential that is gone",
    (_A.REFUSED, _D.CANDIDATE_PROMOTED): "{product} refused the token, and a spare took its place",
    (_A.REFUSED, _D.SUSPECT): "{product} refused the token, and we look again",
    (_A.REFUSED, _D.NEEDS_REAUTHORIZATION): "{product} refused the token at each look",
    (_A.REFUSED, _D.BREAKER): "{product} refuses many at once, so its refusal is not believed",
    (_A.REFUSED, _D.RETRY_SAME_PARENT): "A refusal was read too late to be believed",
    (_A.SUBJECT_CHANGED, _D.NEEDS_REAUTHORIZATION): "{product} answered for another account",
    (_A.CONNECTOR_FAULT, _D.BREAKER): "{product} refused the OAuth consumer, not this grant",
    (_A.IN_DOUBT, _D.RETRY_SAME_PARENT): "{product} was asked, and no whole answer came",
    (_A.TEMPORARY, _D.RETRY_SAME_PARENT): "{product} could not be asked for the missing answer",
    (_A.TEMPORARY, _D.RETRY_LATER): "The token could not be renewed yet",
}
# The same when an answer to this very token was missed before.
LOST_TITLES: Final[Mapping[str, str]] = {
    _D.SUSPECT: "{product} refused the token of the missing answer, and we look again",
    _D.NEEDS_REAUTHORIZATION: "The next token was lost on its way",
}
LOST_BECAUSE: Final = "{product} spent the old one, and no worker kept its answer"
_TONES: Final[Mapping[str, str]] = {
    _D.SUSPECT: "warning",
    _D.BREAKER: "warning",
    _D.RETRY_SAME_PARENT: "warning",
    _D.NEEDS_REAUTHORIZATION: "danger",
}
# What may come again and again and says the same each time.
_FOLDED: Final = frozenset({_D.BECAME_CURRENT, _D.RETRY_LATER, _D.BREAKER})
_ICONS: Final = {"plain": "refresh", "warning": "alert-triangle", "danger": "alert-circle"}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One line of the ledger in words."""

    row: RefreshAttempt
    title: str
    because: str = ""

    @property
    def is_quiet(self) -> bool:
        """Whether it went as it should: asked, answered, in use."""
        return (self.row.answer, self.row.decision) == (_A.KEPT, _D.BECAME_CURRENT)

    @property
    def asked_by(self) -> str:
        return CALLERS.get(self.row.caller, self.row.caller)

    @property
    def took(self) -> str:
        """How long the vendor was waited for; empty when nothing was sent."""
        return "" if self.row.latency_ms is None else phrases.span(self.row.latency_ms / 1000)

    @property
    def versions(self) -> str:
        """The version it was asked with, and the one it became."""
        became = self.row.received_version
        asked = f"version {self.row.parent_version}"
        return f"{asked} became {became}" if became else asked

    @property
    def line(self) -> str:
        """The same in one line, for one of many."""
        told = [self.because, f"asked by {self.asked_by}", self.versions, self.took]
        told += [f"worker {self.row.worker}", self.row.reference]
        return " · ".join(part for part in told if part)

    @property
    def fingerprints(self) -> str:
        """Of the tokens spent and received, shortened."""
        told = [("spent", self.row.spent), ("received", self.row.received)]
        return ", ".join(f"{word} {_shortened(value)}" for word, value in told if value)

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Everything that the ledger has of it, each with its label; nothing empty."""
        row = self.row
        told = [
            ("Asked by", self.asked_by),
            ("Worker", row.worker),
            ("Asked with", self.versions),
            ("Took", self.took or "nothing was sent"),
            ("Answer", ANSWERS.get(row.answer, row.answer)),
            ("Decided", DECISIONS.get(row.decision, row.decision)),
            ("Code", row.reference),
            ("Fingerprints", self.fingerprints),
        ]
        return [(label, value) for label, value in told if value]


@dataclass(frozen=True, slots=True)
class Renewal:
    """One attempt, or a run of those that say the same, the newest first."""

    attempts: Sequence[Attempt]

    @property
    def last(self) -> Attempt:
        return self.attempts[0]

    @property
    def at(self) -> datetime:
        return self.last.row.at

    @property
    def since(self) -> datetime | None:
        """When a run began; None for a single attempt."""
        return self.attempts[-1].row.at if self.is_run else None

    @property
    def is_run(self) -> bool:
        return len(self.attempts) > 1

    @property
    def title(self) -> str:
        if not self.is_run:
            return self.last.title
        times = phrases.plural(len(self.attempts), "time")
        return f"{self.last.title}{'' if self.last.is_quiet else ','} {times}"

    @property
    def tone(self) -> str:
        return _TONES.get(self.last.row.decision, "plain")

    @property
    def icon(self) -> str:
        return _ICONS[self.tone]

    @property
    def line(self) -> str:
        """What else a time line says of it."""
        if self.since:
            return f"since {phrases.absolute(self.since)}"
        return self.last.line

    @property
    def took(self) -> str:
        """How long the vendor was waited for, at most."""
        waited = [one.row.latency_ms for one in self.attempts if one.row.latency_ms is not None]
        if not waited:
            return "not sent"
        return f"{'up to ' if self.is_run else ''}{phrases.span(max(waited) / 1000)}"

    @property
    def asked_by(self) -> str:
        """Who asked; of a run, everybody who did."""
        return ", ".join(dict.fromkeys(one.asked_by for one in self.attempts))

    @property
    def decided(self) -> str:
        """What was decided and why, where the title does not say it."""
        if self.last.is_quiet:
            return ""
        told = [self.last.because, DECISIONS.get(self.last.row.decision, "")]
        return ". ".join(part for part in told if part)


@dataclass(frozen=True, slots=True)
class RenewalPage:
    rows: list[Renewal]
    previous: str
    next: str


def renewals(request: HttpRequest, connection: Connection, product: str) -> RenewalPage:
    """A page of the ledger of this connection, newest first; by the cursor in the address."""
    rows = RefreshAttempt.objects.filter(connection_id=connection.id)
    page = cursors.page(rows, by=("-at", "-id"), cursor=request.GET.get("renewals", ""))
    return RenewalPage(
        rows=_folded(page.rows, connection, product),
        previous=cursors.link(request, page.previous, "renewals", "renewals"),
        next=cursors.link(request, page.next, "renewals", "renewals"),
    )


def story(
    connection: Connection,
    product: str,
    *,
    after: datetime | None = None,
    until: datetime | None = None,
) -> list[Renewal]:
    """What became of its renewals in that time, newest first."""
    rows: QuerySet[RefreshAttempt] = RefreshAttempt.objects.filter(connection_id=connection.id)
    if after is not None:
        rows = rows.filter(at__gt=after)
    if until is not None:
        rows = rows.filter(at__lte=until)
    return _folded(list(rows.order_by("-at", "-id")[:MOST]), connection, product)


def _folded(rows: Sequence[RefreshAttempt], connection: Connection, product: str) -> list[Renewal]:
    missed = _missed(rows, connection)
    told = [_attempt(row, product, missed) for row in rows]
    return [Renewal(list(group)) for _, group in groupby(told, key=_alike)]


def _alike(attempt: Attempt) -> tuple[object, ...]:
    """Neighbours with the same are told as one; nobody has the same as what is told alone."""
    row = attempt.row
    return (row.credential_id, attempt.title, None if row.decision in _FOLDED else row.id)


def _attempt(row: RefreshAttempt, product: str, missed: set[tuple[UUID, int]]) -> Attempt:
    title, because = TITLES.get((row.answer, row.decision), _TOO_LATE), ""
    if row.answer == _A.REFUSED and (row.credential_id, row.parent_version) in missed:
        title = LOST_TITLES.get(row.decision, title)
        because = LOST_BECAUSE if row.decision == _D.NEEDS_REAUTHORIZATION else ""
    return Attempt(row, title.replace("{product}", product), because.replace("{product}", product))


def _missed(rows: Iterable[RefreshAttempt], connection: Connection) -> set[tuple[UUID, int]]:
    """Credentials and versions of these rows that were spent once without a whole answer.

    A worker that died in between wrote no line: then the connection itself says so.
    """
    parents = {row.parent_version for row in rows if row.answer == _A.REFUSED}
    if not parents:
        return set()
    doubted = RefreshAttempt.objects.filter(
        connection_id=connection.id, answer=_A.IN_DOUBT, parent_version__in=parents
    )
    missed = set(doubted.values_list("credential_id", "parent_version"))
    if connection.last_error == LOST:
        current = Credential.objects.filter(connection_id=connection.id, replaced_at=None)
        missed |= set(current.values_list("id", "version"))
    return missed


def _shortened(fingerprint: str) -> str:
    return f"{fingerprint[:SHOWN_OF_FINGERPRINT]}…" if fingerprint else ""
