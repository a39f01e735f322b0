"""The wish to erase an organization: an owner asks, an operator confirms, and for days both may
take it back. What then happens is `portal/erasing.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings

from portal import audit, clock, erasure_notices, people, roles, tenancy, work
from portal.audience import operators
from portal.audit import Action
from portal.models import AuditEvent, Erasure, Membership, Team
from portal.policy import Actor, Permission, authorize
from portal.refused import Impossible

KIND: Final = "erase_organization"

_previews: list[Callable[[], dict[str, int]]] = []


def on_preview(count: Callable[[], dict[str, int]]) -> Callable[[], dict[str, int]]:
    """Register what else goes with the acting organization, counted, by what it is called."""
    _previews.append(count)
    return count


@dataclass(frozen=True, slots=True)
class Asked:
    """An erasure that is open, as operators see it."""

    id: UUID
    organization_id: UUID
    slug: str
    name: str
    asked_by: str
    asked_at: datetime
    confirmed_by: str
    confirmed_at: datetime | None
    due_at: datetime | None
    because: str = ""


def preview() -> dict[str, int]:
    """What would go, counted, by what it is called."""
    found = {
        "members": Membership.objects.count(),
        "teams": Team.objects.count(),
        "entries on the record": AuditEvent.objects.count(),
    }
    for count in _previews:
        found |= count()
    return found


def open_one() -> Erasure | None:
    """The acting organization's erasure that was asked for and not taken back."""
    found: Erasure | None = Erasure.objects.filter(ended_at=None).first()
    return found


def ask(*, actor: Actor, typed_name: str, because: str = "") -> Erasure:
    """An operator is asked to erase the acting organization; nothing of it changes yet."""
    with tenancy.transaction():
        organization = people.held()
        actor = authorize(actor, Permission.ORGANIZATION_ERASE)
        if " ".join(typed_name.split()) != organization.name:
            raise Impossible("The name does not match. Type it exactly as it is written.")
        if (found := open_one()) is not None:
            return found
        made: Erasure = Erasure.objects.create(
            asked_by_id=actor.id,
            asked_by=actor.name[:200],
            asked_at=clock.now(),
            because=because[:500],
            counted=preview(),
        )
        audit.record(Action.ERASURE_ASKED, actor=actor, subject=organization, **made.counted)
        erasure_notices.asked(made, organization)
        return made


def confirm(*, actor: Actor, organization_id: UUID, typed_name: str) -> Erasure:
    """The days of grace begin; after them it cannot be taken back. Never by who asked for it."""
    with tenancy.acting_for(organization_id), tenancy.transaction():
        organization = people.held()
        _require_operator(actor)
        wanted = open_one()
        if wanted is None:
            raise Impossible("Nobody asks for this any more.")
        if wanted.asked_by_id == actor.id:
            raise Impossible("You asked for this yourself. Another operator has to confirm it.")
        if " ".join(typed_name.split()) != organization.name:
            raise Impossible("The name does not match. Type it exactly as it is written.")
        if wanted.due_at is not None:
            return wanted
        wanted.confirmed_by_id, wanted.confirmed_by = actor.id, actor.name[:200]
        wanted.confirmed_at = clock.now()
        wanted.due_at = wanted.confirmed_at + timedelta(days=settings.ERASE_GRACE_DAYS)
        wanted.save(update_fields=["confirmed_by_id", "confirmed_by", "confirmed_at", "due_at"])
        work.later(KIND, run_at=wanted.due_at, max_attempts=500, erasure_id=wanted.id)
        due = wanted.due_at
        audit.record(Action.ERASURE_CONFIRMED, actor=actor, subject=organization, due_at=due)
        erasure_notices.confirmed(wanted, organization)
        return wanted


def take_back(*, actor: Actor, organization_id: UUID) -> None:
    """The organization stays. An owner may do it, or an operator, until the grace is over."""
    with tenancy.acting_for(organization_id), tenancy.transaction():
        organization = people.held()
        if actor.kind == "operator":
            _require_operator(actor)
        else:
            actor = authorize(actor, Permission.ORGANIZATION_ERASE)
        wanted = open_one()
        if wanted is None:
            return
        if wanted.due_at is not None and wanted.due_at <= clock.now():
            raise Impossible("The days of grace are over: the erasure has begun.")
        wanted.ended_at, wanted.ended_by = clock.now(), actor.name[:200]
        wanted.save(update_fields=["ended_at", "ended_by"])
        audit.record(Action.ERASURE_ENDED, actor=actor, subject=organization)
        erasure_notices.taken_back(wanted, organization)


def all_open(asker: UUID) -> list[Asked]:
    """Every open erasure, the oldest wish first; empty when the asker is no operator."""
    with roles.connection().cursor() as cursor:
        cursor.execute("SELECT * FROM portal_erasures(%s)", [asker])
        found = [Asked(*row) for row in cursor.fetchall()]
    return [replace(one, because=_because(one)) for one in found]


def _because(one: Asked) -> str:
    with tenancy.acting_for(one.organization_id), tenancy.transaction():
        held = open_one()
        return held.because if held else ""


def _require_operator(actor: Actor) -> None:
    """Asked of the database again, as every flow does."""
    if actor.kind != "operator" or actor.id is None or actor.id not in operators():
        raise Impossible("Only an operator of the platform may do this.")
