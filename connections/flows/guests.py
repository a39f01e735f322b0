"""The other side of a connect link: somebody without an account opens it, links, and leaves.

They act under the rights of who sent it, and only for what that link names. What they begin is
bound to their browser's session; the address works until something was linked by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.utils import timezone

from connections import lookups
from connections.flows import (
    connect_links,
    link,
    once,
    pace,
    rights,
    telling,
    told_links,
)
from connections.flows.problems import FlowProblem
from connections.models import Connection, ConnectLink, PendingLink
from portal import audit, context_vars, notices, tenancy, work
from portal.audit import Action
from portal.policy import Actor
from portal.secret import hashed

Stage = PendingLink.Stage
AFTERWARDS = timedelta(days=1)  # for so long the page of thanks can be read again
MOST_UNDER_WAY = 10  # browsers that have begun by one link, and not ended
BEFORE_WORKER = (Stage.CHOOSING, Stage.AT_VENDOR, Stage.FAILED)


def found(token_hash: bytes) -> lookups.FoundConnectLink | None:
    """Whose link has this hash; None when nobody's has."""
    return lookups.connect_link(token_hash)


def opened(connect_link_id: UUID) -> ConnectLink | None:
    """The link, marked as opened; None when it no longer works."""
    known = ConnectLink.objects.select_for_update().filter(id=connect_link_id).first()
    if known is None or not is_usable(known):
        return None
    if known.opened_at is None:
        known.opened_at = timezone.now()
        known.opened_from = context_vars.address.get()
        known.save(update_fields=["opened_at", "opened_from"])
        audit.record(Action.CONNECT_LINK_OPENED, actor=guest(known), subject=known)
    return known  # type: ignore[no-any-return]


def is_usable(connect_link: ConnectLink) -> bool:
    """Whether something may still be linked by it: open, and its sender still may."""
    if not connect_link.is_open or connect_link.sent_by_id is None:
        return False
    if connect_link.relink and connect_link.relink.state == Connection.State.REVOKED:
        return False
    try:
        who = connect_links.sponsor(connect_link)
        rights.linker(who, connect_link.relink, connect_link.connector)
    except PermissionDenied:
        return False
    return True


def begin(*, connect_link: ConnectLink, session_key: str, name: str) -> PendingLink:
    """A link under way for this browser's session, or the one that is there; `name` is free.

    It counts against the connect link, not against its sender, who has other things to do.
    """
    if not is_usable(connect_link):
        raise FlowProblem("too_late", "", connect_links.UNUSABLE)
    mine = under_way(connect_link, session_key)
    if mine is not None and mine.stage in BEFORE_WORKER:
        return mine
    _make_room(connect_link)
    relink = connect_link.relink
    pending: PendingLink = PendingLink.objects.create(
        connector=connect_link.connector,
        connect_link=connect_link,
        user_id=connect_link.sent_by_id,
        session_hash=hashed(session_key),
        relink=relink,
        team_id=connect_link.team_id,
        name=relink.name if relink else name,
        method=relink.method if relink else "",
        capabilities=connect_link.capabilities,
        reason=connect_link.reason,
    )
    work.later(
        "forget_link", run_at=timezone.now() + link.FORGOTTEN_AFTER, pending_link_id=pending.id
    )
    connect_link.begun_at = timezone.now()
    connect_link.linked_from = context_vars.address.get()
    connect_link.save(update_fields=["begun_at", "linked_from"])
    who = guest(connect_link)
    audit.record(Action.LINK_BEGUN, actor=who, subject=pending, connector=pending.connector)
    return pending


def _make_room(connect_link: ConnectLink) -> None:
    pace.keep_of("guest", connect_link.id)
    ConnectLink.objects.select_for_update().get(id=connect_link.id)
    begun = PendingLink.objects.filter(connect_link_id=connect_link.id)
    if begun.exclude(stage__in=(Stage.DONE, Stage.FAILED)).count() >= MOST_UNDER_WAY:
        raise FlowProblem("many", "", "It was begun in too many browsers. Ask for a new link.")


def under_way(connect_link: ConnectLink, session_key: str) -> PendingLink | None:
    """What this browser's session began by this link, the latest."""
    begun = PendingLink.objects.select_related("relink", "connection", "consumer", "team").filter(
        connect_link_id=connect_link.id, session_hash=hashed(session_key)
    )
    found: PendingLink | None = begun.order_by("-created_at").first()
    return found


def may_look_back(connect_link: ConnectLink, pending: PendingLink | None) -> bool:
    """Whether this session linked it, lately: they may read what they allowed."""
    at = connect_link.linked_at
    return bool(pending and pending.stage == Stage.DONE and at and at > timezone.now() - AFTERWARDS)


def answered(
    *, connector: str, params: Mapping[str, Sequence[str]], session_key: str
) -> PendingLink | None:
    """Take the vendor's answer to a guest; None when it is no guest's of this session.

    Call it outside any organization.
    """
    answer = link.single(params)
    known = answer and lookups.connect_answer(hashed(answer.get("state", "")), hashed(session_key))
    if not answer or not known:
        return None
    with tenancy.acting_for(known.organization_id), tenancy.transaction():
        pending: PendingLink | None = (
            PendingLink.objects.select_for_update().filter(id=known.id).first()
        )
        is_taken = pending and link.taken(pending, connector, answer, session_key)
        return pending if is_taken else None


def is_live(pending: PendingLink) -> bool:
    """Whether what a guest began may be settled; its row is locked until the transaction ends."""
    locked = ConnectLink.objects.select_for_update().filter(id=pending.connect_link_id).first()
    return bool(locked and locked.is_open)


def use_up(pending: PendingLink, connection: Connection) -> None:
    """What allowed this one link allows no other."""
    if pending.connect_link_id:
        _used(pending, connection)
    else:
        once.spend(pending)


def _used(pending: PendingLink, connection: Connection) -> None:
    """The link was used, in the transaction in which the connection appeared."""
    held: ConnectLink = ConnectLink.objects.select_for_update().get(id=pending.connect_link_id)
    held.linked_at, held.connection_id = timezone.now(), connection.id
    held.linked_account = connection.account_name[:200]
    held.save(update_fields=["linked_at", "connection", "linked_account"])
    connection.granted_by_name = held.as_granter
    connection.save(update_fields=["granted_by_name"])
    audit.record(
        Action.CONNECT_LINK_USED,
        actor=guest(held),
        subject=connection,
        account=held.linked_account,
        sent_by=held.sent_by_name,
        sent_from=held.linked_from,
    )
    notices.resolve(connect_links.asks(held))
    _tell(told_links.LINK_USED, held, connection, f"connect_link:{held.id}:used")


def ask_about_account(pending: PendingLink) -> None:
    """Who sent the link is asked whether the other account is wanted."""
    held: ConnectLink = ConnectLink.objects.get(id=pending.connect_link_id)
    if held.sent_by_id is None:
        return
    notices.tell(
        told_links.LINK_ASKS,
        subject=held,
        audience=[held.sent_by_id],
        dedupe=connect_links.asks(held),
        url=telling.page_of("connect_sent_one", held.id),
        body=f"{held.to_name} signed in as {pending.found_account['now']['name']}."
        " Nothing has changed yet. It goes on when you agree.",
        team_id=held.team_id,
    )


def guest(connect_link: ConnectLink) -> Actor:
    """The person who holds the link, as the record names them."""
    return Actor("guest", None, connect_link.to_name)


def _tell(kind: str, held: ConnectLink, connection: Connection, dedupe: str) -> None:
    if held.sent_by_id is None:
        return
    notices.tell(
        kind,
        subject=connection,
        audience=[held.sent_by_id],
        dedupe=dedupe,
        url=telling.page_of("connection", connection.id),
        body=f"{held.to_name} linked it as {held.linked_account}.",
        team_id=connection.team_id,
    )
