"""A replacement's row as a worker holds it: looked at again in each transaction, moved, ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID

from django.db.models import QuerySet

from connections import access, registry
from connections.access import Way
from connections.contracts import Method
from connections.models import Connection, Credential, Replacement
from portal import clock, tenancy, work
from portal.policy import SYSTEM, Actor

Stage = Replacement.Stage
ENDS_AS = "ends_as"
MAY_BE_THERE = "may_be_there"  # a token that we had the vendor make, and nobody else knows


def load(replacement_id: UUID | str) -> Replacement | None:
    """The row, or None when it is gone."""
    with tenancy.transaction():
        return _rows().filter(id=replacement_id).first()


@contextmanager
def at(claim: work.Claim, one: Replacement, *stages: str) -> Iterator[Replacement | None]:
    """A transaction with connection and row locked; None when another worker, or a person, was
    faster and the row is at another stage."""
    with tenancy.transaction():
        claim.hold()
        Connection.objects.select_for_update(no_key=True).filter(id=one.connection_id).first()
        yield _rows().filter(id=one.id, stage__in=stages).first()


def _rows() -> QuerySet[Replacement]:
    found: QuerySet[Replacement] = Replacement.objects.select_related(
        "connection", "connection__consumer"
    )
    return found


def move(row: Replacement, stage: str, *, error: str = "", detail: str = "") -> None:
    """The row is at this stage."""
    row.stage, row.error, row.error_detail = stage, error[:40], detail[:200]
    row.asked_at = clock.now()
    row.save()


def end(row: Replacement, stage: str, *, error: str = "", detail: str = "") -> None:
    """The replacement is over."""
    row.ended_at = clock.now()
    move(row, stage, error=error, detail=detail)


def drop(row: Replacement, ends_as: str, *, error: str = "", detail: str = "") -> None:
    """The new one is to be forgotten; then the replacement has ended in this way."""
    row.found = row.found | {ENDS_AS: ends_as}
    move(row, Stage.DROPPING, error=error, detail=detail)


def actor_of(row: Replacement) -> Actor:
    """Who asked for what the worker does now."""
    if row.user_id is None:
        return SYSTEM
    return Actor("person", row.user_id, row.user_name)


def way_of(row: Replacement) -> Way:
    """The vendor as the new credential reaches it."""
    with tenancy.transaction():
        way = access.way_of(row.connection)
        method = way.manifest.method(row.method)
        return replace(way, method=method, fields=row.fields, consumer=None)


def method_before(row: Replacement) -> Method:
    """The method of the old credential."""
    return registry.get(row.connection.connector).manifest.method(str(row.before["method"]))


def credential(credential_id: UUID | None) -> Credential | None:
    """The credential of this id; call it inside a transaction."""
    found: Credential | None = Credential.objects.filter(id=credential_id).first()
    return found


def current(connection: Connection) -> Credential | None:
    """The credential in use; call it inside a transaction."""
    found: Credential | None = Credential.objects.filter(
        connection_id=connection.id, replaced_at=None
    ).first()
    return found
