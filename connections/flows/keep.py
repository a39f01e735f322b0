"""Records of one page become rows, by their remote id: keeping a page twice does no harm.

A row that is as the record says is not written, so that a pass over what did not change costs the
database nothing. Absence is told by comparison: a pass of one page names all there is, and only the
pages of a longer one mark what they list.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

from django.db.models import F, JSONField, Q
from psycopg import sql

from connections.contracts import BranchRecord, Record, Rejected
from connections.flows import persons, relay_capture, relay_choice
from connections.flows.shelves import SHELVES as SHELVES, Kept as Kept, Shelf
from connections.models import Repository, StreamState, Workspace
from portal import roles, tenancy

UNREADABLE: Final = "unreadable"
UNIDENTIFIED: Final = "unidentified"  # unreadable, and which item it is cannot be told

# Nobody is waited for while other lists are held: a run that keeps pages may lock them the other
# way.
_GROW: Final = """
WITH mine AS (
  SELECT s.id, j.by
    FROM json_to_recordset(%(rows)s::json)
      AS j(workspace_id uuid, repository_id uuid, stream text, by integer)
    JOIN connections_streamstate s
      ON s.organization_id = %(organization)s AND s.workspace_id = j.workspace_id
     AND s.repository_id IS NOT DISTINCT FROM j.repository_id AND s.stream = j.stream
     FOR NO KEY UPDATE OF s SKIP LOCKED)
UPDATE connections_streamstate s SET held = s.held + m.by FROM mine m WHERE s.id = m.id
RETURNING s.workspace_id, s.repository_id, s.stream
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Whose rows they are: a workspace's own, or a repository's."""

    workspace: Workspace
    repository: Repository | None = None

    @property
    def container_id(self) -> UUID:
        held: UUID = self.workspace.id if self.repository is None else self.repository.id
        return held


@dataclass(frozen=True, slots=True)
class Seen:
    """Which pass saw it and when; `marks` when the pass has more pages than this.

    What was found gone after it `began` stays gone: the vendor may have answered before that.
    """

    pass_id: UUID
    at: datetime
    marks: bool = False
    began: datetime | None = None


class Written(list[str]):
    """Remote ids of the rows that were written; `new` of them were not there before, or gone."""

    new: int = 0

    def add(self, other: Written) -> None:
        self.extend(other)
        self.new += other.new


def page(place: Place, records: Sequence[Record], seen: Seen) -> Written:
    """All records are rows of this container; those that were written."""
    written = Written()
    if not records:
        return written
    shelf = SHELVES[type(records[0])]
    same = _same(place, shelf, seen)
    rows = {r.remote_id: {"remote_id": r.remote_id, **shelf.columns(r)} for r in records}
    own = tuple(rows[records[0].remote_id])
    statement = _upsert(shelf, tuple(same), own)
    where = [place.workspace.organization_id, place.container_id]
    began = [seen.began or seen.at] * 2
    with roles.connection().cursor() as cursor:
        cursor.execute(statement, [json.dumps(list(rows.values())), *same.values(), *where, *began])
        for remote_id, is_new in cursor.fetchall():
            written.append(remote_id)
            written.new += is_new
    _note_main(place, records)
    if seen.marks and not shelf.is_witness and len(written) < len(rows):
        mark(shelf.model, place, rows.keys() - set(written), seen)
    if written:
        new = set(written)
        persons.note(place.workspace.connection_id, (r for r in records if r.remote_id in new))
        if place.repository is not None:
            relay_capture.note(place.repository, shelf.model, written)
        elif shelf.model is Repository:
            relay_choice.join(place.workspace.connection_id)
    return written


def _note_main(place: Place, records: Sequence[Record]) -> None:
    """The repository has the main branch that a list of branches names."""
    named = (one.name for one in records if isinstance(one, BranchRecord) and one.is_main)
    name, held = next(named, ""), place.repository
    if held is not None and name not in ("", held.main_branch):
        Repository.objects.filter(id=held.id).update(main_branch=name)
        held.main_branch = name


def _same(place: Place, shelf: Shelf, seen: Seen) -> dict[str, Any]:
    """What all rows of a page share."""
    same: dict[str, Any] = {
        "organization_id": place.workspace.organization_id,
        shelf.container: place.container_id,
        "seen_run": seen.pass_id,
        "seen_at": seen.at,
        "gone_at": None,
    }
    if shelf.is_of_repository or shelf.model is Repository:
        same["connection_id"] = place.workspace.connection_id
    return {**same, **shelf.first}


@cache
def _upsert(shelf: Shelf, same: tuple[str, ...], own: tuple[str, ...]) -> str:
    """One statement for a whole page: what its rows share, and as JSON what each has of its own.

    A hundred models with twenty parameters each cost five times as much on our side. Rows that are
    as they should be are left out before the conflict, which would lock them.
    """
    table, names = sql.Identifier(shelf.model._meta.db_table), sql.SQL(", ").join
    changing = (*own[1:], "seen_run", "seen_at", "gone_at")
    return (
        sql.SQL(
            "WITH new AS (SELECT * FROM json_populate_recordset(NULL::{table}, %s::json))"
            " INSERT INTO {table} AS held (id, {same}, {own})"
            " SELECT gen_random_uuid(), {given}, {fresh} FROM new LEFT JOIN {table} AS old"
            " ON old.organization_id = %s AND old.{container} = %s"
            " AND old.remote_id = new.remote_id WHERE old.id IS NULL OR old.gone_at <= %s"
            " OR (old.gone_at IS NULL AND ({values}) IS DISTINCT FROM ({olds}) AND {newer})"
            " ORDER BY new.remote_id"
            " ON CONFLICT (organization_id, {container}, remote_id) DO UPDATE SET {changes}"
            " WHERE held.gone_at <= %s OR (held.gone_at IS NULL AND {still_newer})"
            # That statement's own snapshot is of before: a row that was gone is there anew.
            " RETURNING held.remote_id, held.xmax = 0 OR EXISTS (SELECT FROM {table} AS was"
            " WHERE was.id = held.id AND was.gone_at IS NOT NULL)"
        )
        .format(
            table=table,
            container=sql.Identifier(shelf.container),
            same=names(map(sql.Identifier, same)),
            own=names(map(sql.Identifier, own)),
            given=names([sql.Placeholder()] * len(same)),
            fresh=names(sql.Identifier("new", name) for name in own),
            values=names(_value(shelf, name, "new", "old") for name in own[1:]),
            olds=names(sql.Identifier("old", name) for name in own[1:]),
            newer=_newer(shelf, "new", "old"),
            changes=names(
                sql.SQL("{} = {}").format(sql.Identifier(name), value)
                for name, value in _changes(shelf, changing)
            ),
            still_newer=_newer(shelf, "excluded", "held"),
        )
        .as_string(None)
    )


def _changes(shelf: Shelf, changing: Sequence[str]) -> Iterator[tuple[str, sql.Composable]]:
    """What each column of a held row becomes; its former value is remembered where one is kept."""
    for name in changing:
        yield name, _value(shelf, name, "excluded", "held")
    if shelf.former is None:
        return
    moment = sql.SQL("excluded.seen_at" if shelf.former.is_dated else "NULL")
    column, remembered = shelf.former.column, shelf.former.remembered
    became = {remembered: sql.Identifier("held", column), shelf.former.moment: moment}
    for name, value in became.items():
        moved = "CASE WHEN held.gone_at IS NULL AND held.{0} <> excluded.{0} THEN {1} ELSE {2} END"
        yield (
            name,
            sql.SQL(moved).format(sql.Identifier(column), value, sql.Identifier("held", name)),
        )


def _value(shelf: Shelf, name: str, one: str, other: str) -> sql.Composable:
    """The column of `one`, or of `other` where an empty value says nothing."""
    value, held = sql.Identifier(one, name), sql.Identifier(other, name)
    if name in shelf.sticky_while:
        same = shelf.sticky_while[name]
        return sql.SQL("CASE WHEN {} = {} THEN coalesce({}, {}) ELSE {} END").format(
            sql.Identifier(one, same), sql.Identifier(other, same), value, held, value
        )
    if name not in shelf.sticky:
        return value
    field = shelf.model._meta.get_field(name)
    if field.null:
        return sql.SQL("coalesce({}, {})").format(value, held)
    empty = sql.Literal("[]" if isinstance(field, JSONField) else "")
    return sql.SQL("CASE WHEN {0} = {2} THEN coalesce({1}, {0}) ELSE {0} END").format(
        value, held, empty
    )


def _newer(shelf: Shelf, one: str, other: str) -> sql.Composable:
    """Whether one is not older than the other; what has no age is never older."""
    if not shelf.ages:
        return sql.SQL("TRUE")
    ages = sql.SQL(", ").join
    return sql.SQL("coalesce(({one}) >= ({other}), TRUE)").format(
        one=ages(sql.Identifier(one, name) for name in shelf.ages),
        other=ages(sql.Identifier(other, name) for name in shelf.ages),
    )


def grew(place: Place, stream: str, by: int) -> None:
    """So many more rows of this list are there; nobody has to count a long one for that."""
    if by:
        _grew(list_of(place, stream), by)


List = tuple[UUID, UUID | None, str]  # workspace, repository and stream
Grown = Counter[List]


def list_of(place: Place, stream: str) -> List:
    return place.workspace.id, place.repository.id if place.repository else None, stream


@contextmanager
def growing() -> Iterator[Grown]:
    """By how much lists grew meanwhile is written at the end, at once; outside of transactions."""
    grown: Grown = Counter()
    try:
        yield grown
    finally:
        _grow({each: by for each, by in grown.items() if by})


def _grow(grown: Mapping[List, int]) -> None:
    if not grown:
        return
    rows = [
        {"workspace_id": str(w), "repository_id": r and str(r), "stream": stream, "by": by}
        for (w, r, stream), by in grown.items()
    ]
    with tenancy.transaction(), roles.connection().cursor() as cursor:
        facts: dict[str, Any] = {"rows": json.dumps(rows)}
        facts["organization"] = tenancy.organization_id()
        cursor.execute(_GROW, facts)
        written = set(cursor.fetchall())
    for each in sorted(grown.keys() - written, key=str):
        with tenancy.transaction():  # somebody held it just now: each alone, so nobody deadlocks
            _grew(each, grown[each])


def _grew(one: List, by: int) -> None:
    workspace_id, repository_id, stream = one
    rows = StreamState.objects.filter(workspace_id=workspace_id, stream=stream)
    rows.filter(repository_id=repository_id).update(held=F("held") + by)


def mark(model: Kept, place: Place, remote_ids: Iterable[str], seen: Seen) -> None:
    """These rows bear the pass that saw them."""
    rows = present(model, place).filter(remote_id__in=list(remote_ids))
    rows.exclude(seen_run=seen.pass_id).update(seen_run=seen.pass_id, seen_at=seen.at)


def rejected(model: Kept, place: Place, items: Sequence[Rejected], seen: Seen) -> None:
    """What could not be read was listed all the same: its row stays, and says that it is old."""
    changed: dict[str, Any] = {"seen_run": seen.pass_id, "seen_at": seen.at, "gone_at": None}
    if model is Repository:
        changed["last_error"] = UNREADABLE
    known = [item.remote_id for item in items if item.remote_id]
    there = Q(gone_at=None) | Q(gone_at__lte=seen.began or seen.at)
    rows_of(model, place).filter(there, remote_id__in=known).update(**changed)


def rows_of(model: Kept, place: Place) -> Any:
    """All rows of this container, those that are gone included."""
    if place.repository is not None:
        return model.objects.filter(repository_id=place.repository.id)
    return model.objects.filter(workspace_id=place.workspace.id)


def present(model: Kept, place: Place) -> Any:
    """The rows of this container that are not gone."""
    return rows_of(model, place).filter(gone_at=None)
