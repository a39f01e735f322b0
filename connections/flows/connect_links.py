"""Connect links: an admin asks somebody without an account to link, by a one-use address.

Whoever sends one answers for what is linked by it: when they may not link any more, the address is
dead. `flows/guests.py` is the other side, of the person who opens it.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from connections import registry
from connections.contracts import Manifest
from connections.flows import connect_mail, link, link_inputs as inputs, pace, rights
from connections.flows.connect_mail import Sent
from connections.flows.problems import FlowProblem
from connections.models import Connection, ConnectLink, PendingLink, connect_link_expiry
from portal import audit, notices, people, tenancy, work
from portal.audit import Action
from portal.fields import made_once
from portal.policy import Actor, Permission, authorize
from portal.secret import hashed

Stage = PendingLink.Stage
SHORTEST_REASON = 10
MOST = 200
UNUSABLE = "This link no longer works. Ask for a new one."


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be linked: again in place with `relink`, else new, under `name` for a team."""

    connector: str
    capabilities: Sequence[str]
    reason: str = ""
    relink: Connection | None = None
    name: str = ""
    team_id: UUID | None = None
    campaign_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who holds the right at the vendor; without an address the link is copied by hand."""

    name: str
    email: str = ""
    message: str = ""


def send(*, actor: Actor, wish: Wish, to: Recipient, key: UUID) -> Sent:
    """The link exists and is mailed where there is an address; the same form sent again finds it.

    Raises FlowProblem for what cannot be linked.
    """
    actor = authorize(actor, Permission.CONNECT_LINK_SEND)
    pace.keep("connect_link", actor)
    with tenancy.transaction():
        sent = make(actor, wish, to, made_once(actor.id, key))
        if to.email and sent.address:
            connect_mail.later([sent], actor)
    return sent


def send_many(*, actor: Actor, wishes: Sequence[Wish], to: Recipient, key: UUID) -> list[Sent]:
    """One link for each wish, all for one person, and one mail that lists them."""
    actor = authorize(actor, Permission.CONNECT_LINK_SEND)
    pace.keep("connect_link", actor)
    if len(wishes) > MOST:
        raise FlowProblem("many", "", f"Send at most {MOST} links at once. Choose fewer.")
    with tenancy.transaction():
        once = made_once(actor.id, key)
        sent = [make(actor, wish, to, made_once(once, wish_key(wish))) for wish in wishes]
        fresh = [each for each in sent if each.address]
        if to.email and fresh:
            connect_mail.later(fresh, actor)
    return sent


def wish_key(wish: Wish) -> UUID:
    """What tells the wishes of one form apart."""
    if wish.relink is None:
        raise FlowProblem("relink", "", "Choose connections that are linked again.")
    return UUID(str(wish.relink.id))


def again(connection: Connection, *, campaign_id: UUID | None = None) -> Wish:
    """The wish to have this connection linked again as it is."""
    return Wish(
        connector=connection.connector,
        capabilities=connection.capabilities,
        reason=connection.reason,
        relink=connection,
        name=connection.name,
        team_id=connection.team_id,
        campaign_id=campaign_id,
    )


def revoke(*, actor: Actor, connect_link: ConnectLink) -> None:
    """The address no longer works, and what was begun by it is over."""
    actor = authorize(actor, Permission.CONNECT_LINK_SEND)
    with tenancy.transaction():
        held = _held(connect_link)
        if held.linked_at is not None:
            raise FlowProblem("used", "", "It was used already. Revoke the connection instead.")
        if held.revoked_at is None:
            end(held, actor.name)
            audit.record(Action.CONNECT_LINK_REVOKED, actor=actor, subject=held)


def agree(*, actor: Actor, connect_link: ConnectLink) -> None:
    """The connection moves to the other account that came by this link; a worker goes on."""
    actor = authorize(actor, Permission.CONNECT_LINK_SEND)
    pending = asking(connect_link)
    if pending is None:
        raise FlowProblem("too_late", "", "This has moved on. Look at it again.")
    rights.linker(actor, connect_link.relink, connect_link.connector)
    link.confirm_account(actor=sponsor(connect_link), pending=pending)
    notices.resolve(asks(connect_link))
    audit.record(
        Action.CONNECT_LINK_AGREED,
        actor=actor,
        subject=connect_link,
        account=pending.found_account.get("now", {}).get("name", ""),
    )


def asking(connect_link: ConnectLink) -> PendingLink | None:
    """The link under way that waits for a word on another account."""
    found: PendingLink | None = (
        PendingLink.objects.filter(connect_link_id=connect_link.id, stage=Stage.CONFIRM_ACCOUNT)
        .order_by("-created_at")
        .first()
    )
    return found


def asks(connect_link: ConnectLink) -> str:
    """The cause under which the sender is asked about another account."""
    return f"connect_link:{connect_link.id}:account"


def sponsor(connect_link: ConnectLink) -> Actor:
    """Who sent it, as the actor whose rights count."""
    return Actor("person", connect_link.sent_by_id, connect_link.sent_by_name)


@people.on_departed
def _left(user_id: UUID) -> None:
    """What somebody sent who is no member any more is dead."""
    for each in ConnectLink.objects.filter(sent_by_id=user_id, linked_at=None, revoked_at=None):
        end(each, "Portal")


def make(
    actor: Actor, wish: Wish, to: Recipient, link_id: UUID, *, sending_id: UUID | None = None
) -> Sent:
    """The link and its address, or the link alone when it was made before; on record.

    One of a sending is not mailed yet. Raises FlowProblem or PermissionDenied.
    """
    rights.linker(actor, wish.relink, wish.connector)
    known = ConnectLink.objects.filter(id=link_id).first()
    if known is not None:
        return Sent(known, "")
    token = secrets.token_urlsafe(32)
    made = _made(actor, wish, to, link_id, token, sending_id)
    audit.record(
        Action.CONNECT_LINK_SENT,
        actor=actor,
        subject=made,
        to=made.to_name,
        email=made.to_email,
        connector=made.connector,
        capabilities=made.capabilities,
        again=made.relink_id is not None,
        expires_at=made.expires_at,
    )
    return Sent(made, _address(token))


def readdress(connect_link: ConnectLink) -> Sent:
    """Another address, with a new term; the one before, which nobody was told, no longer works."""
    token = secrets.token_urlsafe(32)
    connect_link.token_hash, connect_link.expires_at = hashed(token), connect_link_expiry()
    connect_link.save(update_fields=["token_hash", "expires_at"])
    return Sent(connect_link, _address(token))


def _address(token: str) -> str:
    return str(settings.PORTAL_URL) + reverse("connect_link", args=[token])


def _made(
    actor: Actor, wish: Wish, to: Recipient, link_id: UUID, token: str, sending_id: UUID | None
) -> ConnectLink:
    manifest = registry.get(wish.connector).manifest
    values: dict[str, Any] = {
        "capabilities": _capabilities(manifest, wish),
        "reason": wish.reason.strip()[:300],
        "name": wish.relink.name if wish.relink else inputs.free_name(wish.name),
        "team_id": _team(wish),
    }
    if wish.relink and wish.relink.state == Connection.State.REVOKED:
        raise FlowProblem("revoked", "", "A revoked connection stays revoked. Link a new one.")
    if not to.name.strip():
        raise FlowProblem("to_name", "to_name", "Say who it is for.")
    made: ConnectLink = ConnectLink.objects.create(
        id=link_id,
        connector=wish.connector,
        relink=wish.relink,
        campaign_id=wish.campaign_id,
        token_hash=hashed(token),
        to_name=to.name.strip()[:80],
        to_email=to.email.strip().lower(),
        message=to.message.strip()[:500],
        mailed_at=timezone.now() if to.email and sending_id is None else None,
        sending_id=sending_id,
        sent_by_id=actor.id,
        sent_by_name=actor.name[:200],
        **values,
    )
    return made


def _team(wish: Wish) -> UUID | None:
    return wish.relink.team_id if wish.relink else inputs.team_of(wish.team_id, wish.connector)


def _capabilities(manifest: Manifest, wish: Wish) -> list[str]:
    known = {each.key: each for each in manifest.capabilities}
    if not wish.capabilities or not set(wish.capabilities) <= known.keys():
        raise FlowProblem("capabilities", "capabilities", "Choose at least one of the list.")
    writes = any(known[key].writes for key in wish.capabilities)
    if writes and len(wish.reason.strip()) < SHORTEST_REASON:
        raise FlowProblem(
            "reason", "reason", "Say in a sentence why write access is needed (10 letters or more)."
        )
    return [key for key in known if key in wish.capabilities]


def _held(connect_link: ConnectLink) -> ConnectLink:
    found: ConnectLink = ConnectLink.objects.select_for_update().get(id=connect_link.id)
    return found


def end(held: ConnectLink, by: str) -> None:
    """It no longer works, and what was begun by it is over."""
    held.revoked_at, held.revoked_by_name = timezone.now(), by[:200]
    held.save(update_fields=["revoked_at", "revoked_by_name"])
    notices.resolve(asks(held))
    begun = PendingLink.objects.filter(connect_link_id=held.id).exclude(stage=Stage.DONE)
    for pending in begun:
        pending.stage, pending.error = Stage.FAILED, "abandoned"
        pending.save(update_fields=["stage", "error"])
        work.later("forget_link", pending_link_id=pending.id)
