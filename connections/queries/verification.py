"""The verification tab: the latest test as it runs or ended, its matrix, and those before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connections.contracts import Manifest
from connections.explain import Explanation, explain
from connections.flows.placed import RIGHTS
from connections.models import Check, CheckOutcome, Connection, Credential, Outcome, Verification
from connections.queries.credential import kind_word
from connections.queries.matrix import Matrix, checks_of, is_of_place, matrix_of

HISTORY = 30
KIND_OF_CREDENTIAL = "credential"
OUTCOME_WORDS: Mapping[str, tuple[str, str, str]] = {
    Outcome.RUNNING: ("Running", "hourglass", "plain"),
    Outcome.PASSED: ("Passed", "circle-check", "good"),
    Outcome.PARTLY: ("Passed in part", "alert-triangle", "warning"),
    Outcome.FAILED: ("Failed", "circle-x", "danger"),
    Outcome.UNREACHED: ("Not reached", "circle-minus", "warning"),
}
CHECK_WORDS: Mapping[str, tuple[str, str, str]] = {
    CheckOutcome.WAITING: ("Waiting", "circle-dashed", "plain"),
    CheckOutcome.PROVEN: ("Proven", "circle-check", "good"),
    CheckOutcome.REFUSED: ("Refused", "circle-x", "danger"),
    CheckOutcome.MISSING: ("Scope missing", "circle-x", "danger"),
    CheckOutcome.UNPROVABLE: ("Not provable by reading", "circle-minus", "plain"),
    CheckOutcome.UNREACHED: ("Not reached", "circle-minus", "warning"),
    CheckOutcome.NOTED: ("Noted", "info-circle", "plain"),
}


@dataclass(frozen=True, slots=True)
class CheckLine:
    check: Check
    word: str
    icon: str
    tone: str
    trouble: Explanation | None

    @property
    def detail(self) -> str:
        """What came back, in words."""
        is_kind = self.check.key == KIND_OF_CREDENTIAL
        return kind_word(self.check.detail) if is_kind else str(self.check.detail)


@dataclass(frozen=True, slots=True)
class Drift:
    """What differs from the verification before; "" is "was not there"."""

    what: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Past:
    """One verification of the history."""

    at: datetime
    word: str
    icon: str
    tone: str
    requested_by: str
    drift: list[Drift]


@dataclass(frozen=True, slots=True)
class VerificationTab:
    latest: Verification | None
    word: str
    icon: str
    tone: str
    lines: list[CheckLine]
    place_lines: list[CheckLine]  # what was noted of each place, which the matrix tells shorter
    answered: int
    matrix: Matrix | None
    drift: list[Drift]
    history: list[Past]

    @property
    def is_running(self) -> bool:
        return self.latest is not None and self.latest.finished_at is None


def verification_tab(
    *,
    connection: Connection,
    product: str,
    manifest: Manifest | None,
    credential: Credential | None,
    latest: Verification | None,
) -> VerificationTab:
    """The whole tab; without a verification there is a matrix of what the credential says."""
    checks = checks_of(latest.id) if latest else []
    word, icon, tone = OUTCOME_WORDS[latest.outcome] if latest else ("", "", "plain")
    matrix = None
    if manifest:
        known = latest if latest and latest.vocabulary else credential
        matrix = matrix_of(
            manifest=manifest,
            connection=connection,
            vocabulary=known.vocabulary if known else "",
            scopes=known.scopes if known else None,
            checks=checks,
        )
    return VerificationTab(
        latest=latest,
        word=word,
        icon=icon,
        tone=tone,
        lines=[_line(check, product) for check in checks if not _is_folded(check)],
        place_lines=[_line(check, product) for check in checks if _is_rights(check)],
        answered=sum(check.outcome != CheckOutcome.WAITING for check in checks),
        matrix=matrix,
        drift=drifts(latest.drift) if latest else [],
        history=_history(connection),
    )


def _is_rights(check: Check) -> bool:
    return bool(check.key == RIGHTS and check.outcome == CheckOutcome.NOTED)


def _is_folded(check: Check) -> bool:
    return is_of_place(check) or _is_rights(check)


def _line(check: Check, product: str) -> CheckLine:
    word, icon, tone = CHECK_WORDS[check.outcome]
    trouble = explain(check.error, product=product) if check.error else None
    return CheckLine(check, word, icon, tone, trouble)


def _history(connection: Connection) -> list[Past]:
    rows = Verification.objects.filter(connection_id=connection.id).order_by("-started_at")
    return [
        Past(row.started_at, *OUTCOME_WORDS[row.outcome], row.requested_by, drifts(row.drift))
        for row in rows[:HISTORY]
    ]


def drifts(stored: list[dict[str, Any]]) -> list[Drift]:
    """The stored drift in words: an outcome reads as on the page, a lone scope as come or gone."""
    return [
        Drift(
            what=str(entry.get("what", "")).capitalize(),
            before=_said(entry, "before"),
            after=_said(entry, "after"),
        )
        for entry in stored
        if isinstance(entry, dict)
    ]


def _said(entry: dict[str, Any], when: str) -> str:
    text = str(entry.get(when) or "")
    if entry.get("what") == "credential kind":
        return kind_word(text)
    return CHECK_WORDS[text][0].lower() if text in CHECK_WORDS else text
