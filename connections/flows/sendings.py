"""The connect links of a whole campaign: who is asked for what, and a worker that sends them.

Each connection is asked of whoever linked it last by a connect link, else of the member who granted
it; or all of one person who is named. `sending.py` is the worker's side.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from connections.flows import pace
from connections.flows.connect_links import Recipient
from connections.flows.problems import FlowProblem
from connections.models import (
    Campaign,
    CampaignItem,
    Connection,
    ConnectLink,
    ConnectSending,
)
from portal import audit, roles, tenancy, work
from portal.fields import made_once
from portal.models import Membership
from portal.policy import Actor, Permission, authorize

State = ConnectSending.State

SEND: Final = "send_connect_links"


@dataclass(frozen=True, slots=True)
class Share:
    """What one person is asked for."""

    to: Recipient
    connection_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Who is asked for what; `nobodys` are those of people who have left or have no address."""

    shares: tuple[Share, ...]
    nobodys: int

    @property
    def links(self) -> int:
        return sum(len(each.connection_ids) for each in self.shares)


def left_in_all(campaign: Campaign) -> QuerySet[Any]:
    """The connections that the campaign still waits for, by name."""
    items = CampaignItem.objects.filter(campaign=campaign, done_at=None, excluded_at=None)
    found: QuerySet[Any] = Connection.objects.filter(id__in=items.values("connection_id"))
    return found.exclude(state=Connection.State.REVOKED).order_by("name", "id")


def left_to_send(campaign: Campaign, *, owner_id: UUID | None = None) -> QuerySet[Any]:
    """Those of them for which no link of this campaign is open; `owner_id` keeps one person's."""
    is_open = ConnectLink.objects.filter(
        campaign_id=campaign.id, linked_at=None, revoked_at=None, expires_at__gt=timezone.now()
    )
    found = left_in_all(campaign).exclude(id__in=is_open.values("relink_id"))
    return found.filter(granted_by_id=owner_id) if owner_id else found


def plan(campaign: Campaign, *, to: Recipient | None = None, owner_id: UUID | None = None) -> Plan:
    """Who would be asked for what is left to send; all of it of `to`, where one is named."""
    left = left_to_send(campaign, owner_id=owner_id)
    rows = left.values_list("id", "granted_by_id", "granted_by_name")
    if to is not None:
        ids = tuple(row[0] for row in rows)
        return Plan((Share(to, ids),) if ids else (), 0)
    guests, members = _guests(left), _members()
    shares: dict[str, list[UUID]] = defaultdict(list)
    names: dict[str, str] = {}
    nobodys = 0
    for connection_id, user_id, name in rows:
        who = guests.get((connection_id, name)) or _member(members, user_id, name)
        if who is None:
            nobodys += 1
            continue
        names.setdefault(who.email, who.name)
        shares[who.email].append(connection_id)
    found = (Share(Recipient(names[email], email), tuple(ids)) for email, ids in shares.items())
    return Plan(tuple(sorted(found, key=lambda share: -len(share.connection_ids))), nobodys)


def start(
    *, actor: Actor, campaign: Campaign, to: Recipient, owner_id: UUID | None, key: UUID
) -> ConnectSending:
    """A worker sends what is left; without an address in `to`, to whoever linked or granted each.

    The same form sent again finds the first. Raises FlowProblem when nothing can be sent, or
    something is being sent already.
    """
    actor = authorize(actor, Permission.CONNECT_LINK_SEND)
    sending_id = made_once(actor.id, key)
    if (before := ConnectSending.objects.filter(id=sending_id).first()) is not None:
        return before  # type: ignore[no-any-return]
    pace.keep("connect_link", actor)
    if not campaign.is_open:
        raise FlowProblem("over", "", "This campaign is over.")
    named = to if to.email else None
    count = plan(campaign, to=named, owner_id=owner_id).links
    if not count:
        raise FlowProblem("empty", "", "Nobody is left to whom a link could be mailed.")
    made = ConnectSending(
        id=sending_id,
        organization_id=tenancy.organization_id(),
        campaign=campaign,
        owner_id=owner_id,
        to_name=to.name.strip()[:80] if named else "",
        to_email=to.email.strip().lower(),
        message=to.message.strip()[:500],
        total=count,
        sent_by_id=actor.id,
        sent_by_name=actor.name[:200],
    )
    if not _inserted(made):
        return ConnectSending.objects.get(id=made.id)  # type: ignore[no-any-return]
    audit.record(
        audit.Action.CONNECT_SENDING_STARTED,
        actor=actor,
        subject=made,
        links=count,
        to=made.to_email or "each owner",
    )
    work.later(SEND, priority=work.FULL, sending_id=made.id)
    return made


def cancel(*, actor: Actor, sending: ConnectSending) -> None:
    """No further link is sent; those that were mailed stay good."""
    actor = authorize(actor, Permission.CONNECT_LINK_SEND)
    held: ConnectSending = ConnectSending.objects.select_for_update().get(id=sending.id)
    if not held.is_running:
        raise FlowProblem("too_late", "", "It has ended already.")
    finish(held, State.CANCELLED)
    audit.record(audit.Action.CONNECT_SENDING_CANCELLED, actor=actor, subject=held)


def finish(held: ConnectSending, state: str, error: str = "") -> None:
    """The sending has ended; a link that nobody was told of is over."""
    held.state, held.error, held.finished_at = state, error, timezone.now()
    held.save(update_fields=["state", "error", "finished_at", "left_out"])
    unmailed(held).update(revoked_at=held.finished_at, revoked_by_name="Portal")


def unmailed(sending: ConnectSending) -> QuerySet[ConnectLink]:
    """Its links whose addresses nobody was told yet."""
    found: QuerySet[ConnectLink] = ConnectLink.objects.filter(
        sending_id=sending.id, mailed_at=None, linked_at=None, revoked_at=None
    )
    return found.order_by("to_email", "name", "id")


def mailed(sending: ConnectSending) -> int:
    """How many of its links were mailed."""
    return int(ConnectLink.objects.filter(sending_id=sending.id).exclude(mailed_at=None).count())


def _inserted(made: ConnectSending) -> bool:
    """Whether this call made it; the same form in the same moment is the other answer.

    Raises FlowProblem while another sending of this campaign is under way.
    """
    try:
        with transaction.atomic(using=roles.current()):
            made.save(force_insert=True)
    except IntegrityError:
        if ConnectSending.objects.filter(id=made.id).exists():
            return False
        raise FlowProblem(
            "running", "", "Links of this campaign are being sent already. Wait for the end."
        ) from None
    return True


def _guests(connections: QuerySet[Any]) -> dict[tuple[UUID, str], Recipient]:
    """Who linked each of these by a connect link, by the name under which they granted it."""
    used = ConnectLink.objects.filter(connection_id__in=connections.order_by().values("id"))
    used = used.exclude(linked_at=None).exclude(to_email="").order_by("linked_at")
    return {
        (each.connection_id, each.as_granter): Recipient(each.to_name, each.to_email)
        for each in used.only("connection_id", "to_name", "to_email", "sent_by_name")
    }


def _members() -> dict[UUID, tuple[str, str]]:
    """Name and address of each member who can sign in."""
    found: Iterable[tuple[UUID, str, str]] = Membership.objects.filter(
        user__is_active=True
    ).values_list("user_id", "user__name", "user__email")
    return {user_id: (name or email, email) for user_id, name, email in found}


def _member(
    members: dict[UUID, tuple[str, str]], user_id: UUID | None, granted_by: str
) -> Recipient | None:
    """The member who granted it; nobody when a guest whose address is not known did."""
    if user_id not in members or ConnectLink.ASKED_BY in granted_by:
        return None
    return Recipient(*members[user_id])
