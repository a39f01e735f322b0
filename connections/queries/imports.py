"""Imports as their pages show them: the list, one dry run or run with its rows, the report."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.core.exceptions import BadRequest
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from connections import registry
from connections.explain import explain, explain_link
from connections.flows import import_asking as asking, imports
from connections.models import ImportBatch, ImportRow
from portal import cursor as cursors, phrases
from portal.models import Team

Outcome, State = ImportRow.Outcome, ImportBatch.State
SHOWN: Final = 30
FILTERS: Final = {
    "": "All rows",
    "broken": "Cannot be imported",
    "warned": "With a warning",
    "sound": "Without findings",
    "waiting": "Waiting",
    "made": "Imported",
    "skipped": "Skipped",
    "failed": "Failed",
}
STATES: Final = {
    State.READY: ("hourglass", "plain"),
    State.RUNNING: ("refresh", "plain"),
    State.DONE: ("circle-check", "good"),
    State.CANCELLED: ("circle-minus", "plain"),
    State.UNDOING: ("refresh", "plain"),
    State.UNDONE: ("history", "plain"),
    State.DISCARDED: ("trash", "plain"),
}
OUTCOMES: Final = {
    Outcome.WAITING: ("hourglass", "plain"),
    Outcome.CREATED: ("circle-check", "good"),
    Outcome.DEAD: ("alert-triangle", "warning"),
    Outcome.REPLACED: ("refresh", "good"),
    Outcome.SKIPPED: ("circle-minus", "plain"),
    Outcome.FAILED: ("circle-x", "danger"),
    Outcome.REFUSED: ("circle-x", "danger"),
    Outcome.CANCELLED: ("circle-minus", "plain"),
    Outcome.UNDONE: ("history", "plain"),
}
AGAIN: Final = "Upload this row again later."
# Where the words of the link wizard would not fit.
WHY: Final = {
    "name_taken": "Another connection has this name by now. Rename the row and upload it again.",
    "default_taken": "The organization has its default connection by now. Name a team in the row.",
    "expired": f"What the file brought for it does not open any more. {AGAIN}",
    "grant_used": "Its access had ended. The refresh token of the file was used to ask whose it is,"
    " and works no more; what it gave was kept for three days. Link it anew.",
    "personal": "The rotation policy allows no credential there that acts as a person. Bring one"
    " that belongs to nobody, or have the policy changed or the connection excepted.",
    "replacement_under_way": "A replacement of its credential is under way. See to that first.",
    "refresh_under_way": f"Its credential was being renewed at that moment. {AGAIN}",
    "not_allowed": "Whoever began this import may not import any more.",
    "attempts_used_up": f"It did not work after several tries. {AGAIN}",
    "unavailable": f"The vendor did not answer, after several tries. {AGAIN}",
    "answer_lost": f"The vendor's answers were lost, after several tries. {AGAIN}",
    "rate_limited": f"The vendor asked us to slow down for too long. {AGAIN}",
    "unexpected_response": f"The vendor's answers could not be read. {AGAIN}",
}
RENEWED: Final = (
    "Its access had ended and was renewed, which used up the refresh token of the file; the new one"
    " is kept sealed for three days, to be tried again here."
)
WHEN_KEPT: Final = {  # the file's row is of no use any more
    "name_taken": "Another connection has this name by now. Rename that one.",
    "default_taken": "The organization has its default connection by now.",
}
BEGINS_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Line:
    """One import in the list."""

    batch: ImportBatch
    word: str
    icon: str
    tone: str


@dataclass(frozen=True, slots=True)
class RowLine:
    """One row: what it would be, what was found, what became of it."""

    row: ImportRow
    product: str
    method: str
    word: str
    icon: str
    tone: str
    why: str


@dataclass(frozen=True, slots=True)
class ImportPage:
    """One import, whole. `counts` are the rows by outcome, in words; `seconds` since it began."""

    batch: ImportBatch
    word: str
    icon: str
    tone: str
    counts: list[tuple[str, str, str, int]]
    done: int
    total: int
    failed: int
    rate: str
    remaining: str
    waits: str
    lines: list[RowLine]
    previous: str
    next: str
    show: str
    undo: imports.Undoing | None
    retries: int

    @property
    def ready(self) -> int:
        return self.batch.sound + self.batch.warned

    @property
    def filters(self) -> list[tuple[str, str]]:
        return list(FILTERS.items())


def latest() -> list[Line]:
    """The imports of the last time, newest first."""
    found = ImportBatch.objects.order_by("-created_at")[:SHOWN]
    return [Line(batch, batch.get_state_display(), *STATES[State(batch.state)]) for batch in found]


def teams() -> list[tuple[str, str]]:
    rows = Team.objects.order_by("name").values_list("id", "name")
    return [(str(key), name) for key, name in rows]


def import_page(request: HttpRequest, batch: ImportBatch) -> ImportPage:
    """The page of this import, by the filter and the cursor in the address."""
    show = request.GET.get("show", "")
    if show not in FILTERS:
        raise BadRequest("This filter is not known. Choose one of the list.")
    rows = _filtered(batch.id, show).select_related("connection", "team")
    page = cursors.page(rows, by=["number"], cursor=request.GET.get("cursor", ""))
    counted = outcome_counts(batch.id)
    waiting = counted.get(Outcome.WAITING, 0)
    total = batch.sound + batch.warned
    done = total - waiting
    rate, remaining = _speed(batch, done, waiting)
    over = batch.state in {State.DONE, State.CANCELLED}
    return ImportPage(
        batch=batch,
        word=batch.get_state_display(),
        icon=STATES[State(batch.state)][0],
        tone=STATES[State(batch.state)][1],
        counts=[
            (outcome.label, *OUTCOMES[outcome], counted[outcome])
            for outcome in Outcome
            if counted.get(outcome)
        ],
        done=done,
        total=total,
        failed=counted.get(Outcome.FAILED, 0),
        rate=rate,
        remaining=remaining,
        waits=_waits(batch),
        lines=[_line(row) for row in page.rows],
        previous=cursors.link(request, page.previous),
        next=cursors.link(request, page.next),
        show=show,
        undo=imports.preview_undo(batch) if over else None,
        retries=asking.kept(batch.id).count() if over else 0,
    )


def outcome_counts(batch_id: UUID) -> dict[str, int]:
    """How many rows of this import ended how."""
    found = ImportRow.objects.filter(batch_id=batch_id).values("outcome")
    return {each["outcome"]: each["n"] for each in found.annotate(n=Count("id"))}


def _filtered(batch_id: UUID, show: str) -> QuerySet[ImportRow]:
    rows: QuerySet[ImportRow] = ImportRow.objects.filter(batch_id=batch_id)
    narrowed: dict[str, dict[str, Any]] = {
        "broken": {"level": "error"},
        "warned": {"level": "warning"},
        "sound": {"level": "ok"},
        "waiting": {"outcome": Outcome.WAITING},
        "made": {"outcome__in": [*imports.MADE, Outcome.REPLACED]},
        "skipped": {"outcome": Outcome.SKIPPED},
        "failed": {"outcome": Outcome.FAILED},
    }
    return rows.filter(**narrowed.get(show, {}))


def _speed(batch: ImportBatch, done: int, waiting: int) -> tuple[str, str]:
    return phrases.pace(done, waiting, batch.started_at if batch.state == State.RUNNING else None)


def _waits(batch: ImportBatch) -> str:
    if batch.state != State.RUNNING or not batch.waits_for:
        return ""
    until = phrases.absolute(batch.waits_until) if batch.waits_until else "later"
    return f"{explain(batch.waits_for, product='The vendor').title}. It goes on at {until}."


def _line(row: ImportRow) -> RowLine:
    product, method = names_of(row)
    icon, tone = OUTCOMES[Outcome(row.outcome)]
    return RowLine(row, product, method, row.get_outcome_display(), icon, tone, why_of(row))


def names_of(row: ImportRow) -> tuple[str, str]:
    """The product and the method in words; as they stand in the row when they are not known."""
    connector = registry.connectors().get(row.connector)
    if connector is None:
        return row.connector, row.method
    methods = {method.key: method.title for method in connector.manifest.methods}
    return connector.manifest.name, methods.get(row.method, row.method)


def why_of(row: ImportRow) -> str:
    """Why it ended so, in a sentence or two; nothing for what went well."""
    if asking.keeps(row):
        why = WHEN_KEPT.get(row.code) or _why_of(row).removesuffix(AGAIN)
        return f"{why.strip()} {RENEWED}".strip()
    return _why_of(row)


def _why_of(row: ImportRow) -> str:
    if row.code == "account_taken":
        return f"This account is linked already, as {row.other_name}."
    if row.code == "loses_capabilities":
        return f"{row.other_name} keeps its credential: this one lacks {row.detail}."
    if row.code in WHY:
        return WHY[row.code]
    if row.code:
        found = explain_link(row.code, product=names_of(row)[0] or "the vendor")
        said = f" It said: {row.detail}" if row.detail else ""
        return f"{found.title}.{said} {found.remedy}"
    if row.outcome == Outcome.REPLACED:
        return f"The credential of {row.other_name} was replaced; the old one is kept sealed."
    return ""


# ── The report ────────────────────────────────────────────────────────────────────────────────


def report(batch: ImportBatch) -> Iterator[str]:
    """Every row with what was found and what became of it, as CSV; no secret, no live formula."""
    yield _csv("row", "outcome", "name", "product", "method", "team", "account", "why", "findings")
    rows = ImportRow.objects.filter(batch_id=batch.id).select_related("team").order_by("number")
    for row in rows.iterator(chunk_size=500):
        product, method = names_of(row)
        findings = " · ".join(_told(each) for each in row.findings)
        yield _csv(
            str(row.number),
            row.get_outcome_display(),
            row.name,
            product,
            method,
            row.team.name if row.team else "",
            row.account_name,
            why_of(row),
            findings,
        )


def _told(finding: dict[str, str]) -> str:
    field = f" ({finding['field']})" if finding["field"] else ""
    return f"{finding['level']}{field}: {finding['text']}"


def _csv(*cells: str) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(inert(cells))
    return text.getvalue()


def inert(cells: Iterable[str]) -> list[str]:
    """Cells that a spreadsheet shows and does not calculate (abuse case X20)."""
    return [f"'{cell}" if cell.startswith(BEGINS_FORMULA) else cell for cell in cells]
