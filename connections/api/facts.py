"""Connections as other services read them: facts, health and scopes; never a form's answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet
from django.http import QueryDict

from connections import registry
from connections.api import kinds
from connections.api.asking import Refusal, canonical
from connections.api.told import home_url, moment
from connections.lease_scopes import missing_scopes
from connections.models import Connection, ConnectionState, Credential, Outcome, ServiceKey
from connections.queries import health, products
from portal import cursor as cursors

MOST: Final = 100
USUAL: Final = 50
FIELDS: Final = frozenset({"connector", "state", "label", "ids", "limit", "cursor"})
COLUMNS: Final = (
    *("id", "name", "connector", "method", "labels", "capabilities", "state", "paused_at"),
    *(
        "suspect_since",
        "orphaned_at",
        "last_error",
        "last_error_at",
        "last_success_at",
        "linked_at",
    ),
    *("account_id", "account_name", "account_kind", "organization_id"),
)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the address asks for; every value was checked."""

    connector: str = ""
    state: str = ""
    label: str = ""
    ids: tuple[str, ...] = ()
    limit: int = USUAL
    cursor: str = ""

    @classmethod
    def read(cls, query: QueryDict) -> Wish:
        """Raises Refusal for a filter that is not on the list, or one that is sent twice."""
        for name, values in query.lists():
            if name not in FIELDS:
                raise Refusal(kinds.BAD_REQUEST, f"There is no filter {name[:40]!r}.")
            if len(values) > 1:
                raise Refusal(kinds.BAD_REQUEST, f"The filter {name!r} was sent twice.")
            if any(not letter.isprintable() for letter in values[0]):
                raise Refusal(kinds.BAD_REQUEST, f"The filter {name!r} is no plain text.")
        state = query.get("state", "")
        if state not in ("", *ConnectionState.values):
            raise Refusal(kinds.BAD_REQUEST, "There is no such state.")
        return cls(
            connector=query.get("connector", ""),
            state=state,
            label=query.get("label", ""),
            ids=_ids(query.get("ids", "")),
            limit=_limit(query.get("limit", "")),
            cursor=query.get("cursor", ""),
        )


def _ids(text: str) -> tuple[str, ...]:
    ids = tuple(dict.fromkeys(text.split(","))) if text else ()
    if len(ids) > MOST:
        raise Refusal(kinds.BAD_REQUEST, f"Name at most {MOST} ids at a time.")
    return ids


def _limit(text: str) -> int:
    if not text:
        return USUAL
    if not text.isascii() or not text.isdigit() or len(text) > 3 or not 1 <= int(text) <= MOST:
        raise Refusal(kinds.BAD_REQUEST, f"The limit is a whole number from 1 to {MOST}.")
    return int(text)


def page(key: ServiceKey, wish: Wish) -> dict[str, object]:
    """One page of what the key is for, by name; ids that it is not for are told as unknown."""
    found = _reach(key)
    wanted = {name: getattr(wish, name) for name in ("connector", "state") if getattr(wish, name)}
    found = found.filter(**wanted)
    if wish.label:
        found = found.filter(labels__contains=[wish.label])
    if wish.ids:
        found = found.filter(id__in=_known(wish.ids))
    shown = cursors.page(found, by=("name",), cursor=wish.cursor, size=wish.limit)
    return {
        "connections": _told(shown.rows),
        "next_cursor": shown.next or None,
        "unknown_ids": _unknown(key, wish.ids),
    }


def _unknown(key: ServiceKey, ids: Sequence[str]) -> list[str]:
    """Those that lead to nothing, the same on each page: one that another page shows, or that a
    filter leaves out, is no unknown one, or who cleans up by this would lose it."""
    if not ids:
        return []
    reached = _reach(key).filter(id__in=_known(ids)).values_list("id", flat=True)
    found = {str(id_) for id_ in reached}
    return [each for each in ids if each not in found]


def _known(ids: Sequence[str]) -> list[UUID]:
    """Those that are ids at all."""
    found = []
    for each in ids:
        try:
            found.append(canonical(each))
        except Refusal:
            continue
    return found


def one(key: ServiceKey, connection_id: UUID) -> dict[str, object]:
    """One connection; one of another organization, or none at all, is not found."""
    found = _plain().filter(id=connection_id).first()
    if found is None:
        raise Refusal(kinds.NOT_FOUND)
    if found.connector not in key.connectors or (
        key.connections and connection_id not in key.connections
    ):
        raise Refusal(kinds.NOT_ENTITLED)
    return _told([found])[0]


def _plain() -> QuerySet[Connection]:
    shown: QuerySet[Connection] = Connection.objects.only(*COLUMNS)
    return shown.annotate(outcome=health.last_outcome())


def _reach(key: ServiceKey) -> QuerySet[Connection]:
    """The connections that this key is for."""
    found = _plain().filter(connector__in=key.connectors)
    return found.filter(id__in=key.connections) if key.connections else found


def _told(rows: Sequence[Any]) -> list[dict[str, object]]:
    current = Credential.objects.filter(
        connection_id__in=[row.id for row in rows], replaced_at=None
    ).only("connection_id", "vocabulary", "scopes", "expires_at", "refreshable")
    credentials = {each.connection_id: each for each in current}
    home = home_url()
    return [_one(row, credentials.get(row.id), home) for row in rows]


def _one(row: Any, credential: Credential | None, home: str) -> dict[str, object]:
    return {
        "id": str(row.id),
        "name": row.name,
        "connector": row.connector,
        "product": products.name_of(row.connector),
        "labels": row.labels,
        "state": row.state,
        "paused_at": moment(row.paused_at),
        "suspect_since": moment(row.suspect_since),
        "health": health.word_of(row, lacks=row.outcome == Outcome.PARTLY),
        "trouble": row.last_error or None,
        "trouble_at": moment(row.last_error_at),
        "last_success_at": moment(row.last_success_at),
        "linked_at": moment(row.linked_at),
        "account": {"id": row.account_id, "name": row.account_name, "kind": row.account_kind},
        "capabilities": row.capabilities,
        "token": _token(row, credential),
        "page_url": f"{home}connections/{row.id}/",
    }


def _token(row: Any, credential: Credential | None) -> dict[str, object] | None:
    """What is known of its token; None once it is erased."""
    if credential is None:
        return None
    known = row.connector in registry.connectors()
    return {
        "leasable": credential.refreshable and known,
        "expires_at": moment(credential.expires_at),
        "scopes": credential.scopes,
        "missing_scopes": missing_scopes(
            row.connector, credential.vocabulary, row.capabilities, credential.scopes
        ),
    }
