"""A person's calendar feed: made, shown again, replaced, revoked, and found by its address.

The address is a secret that calendars send without a sign-in. Its SHA-256 finds it; the token is
sealed under the web process's own key, which is the platform's, so that its person can be shown it
again.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from django.conf import settings
from django.db import IntegrityError
from django.db.models import Q
from django.urls import reverse

from connections.models import CalendarFeed
from portal import audit, clock, own_seals, roles, tenancy, vault
from portal.keys import SealBroken
from portal.policy import Actor, Permission, authorize
from portal.secret import Secret, hashed
from portal.vault import Place

BYTES: Final = 32
READ_EVERY: Final = timedelta(hours=1)
DOMAIN: Final = "mfa"  # the keys that the web process holds, and no other


@dataclass(frozen=True, slots=True)
class Found:
    """Whose feed an address is."""

    id: UUID
    organization_id: UUID
    user_id: UUID


def make(*, actor: Actor) -> CalendarFeed:
    """This person has a new address; the one before, if any, is dead from now on.

    Call it outside of transactions: the token is sealed with a key of the platform.
    """
    with tenancy.transaction():
        actor = authorize(actor, Permission.CONNECTION_VIEW)
    feed_id, token = uuid4(), secrets.token_urlsafe(BYTES)
    sealed = _sealed(feed_id, token)
    try:
        with tenancy.transaction():
            actor = authorize(actor, Permission.CONNECTION_VIEW)
            _end(actor)
            feed: CalendarFeed = CalendarFeed.objects.create(
                id=feed_id,
                user_id=actor.id,
                hash=hashed(token),
                sealed=sealed,
                created_at=clock.now(),
            )
            audit.record(audit.Action.CALENDAR_FEED_MADE, actor=actor, subject=feed)
    except IntegrityError:  # pressed twice in the same moment: the other one's is as good
        with tenancy.transaction():
            return CalendarFeed.objects.get(user_id=actor.id, revoked_at=None)  # type: ignore[no-any-return]
    return feed


def revoke(*, actor: Actor) -> bool:
    """This person's address is dead from now on; whether there was one."""
    with tenancy.transaction():
        actor = authorize(actor, Permission.CONNECTION_VIEW)
        ended = _end(actor)
        for feed in ended:
            audit.record(audit.Action.CALENDAR_FEED_REVOKED, actor=actor, subject=feed)
    return bool(ended)


def of(actor: Actor) -> CalendarFeed | None:
    """The feed that this person has here."""
    found: CalendarFeed | None = CalendarFeed.objects.filter(
        user_id=actor.id, revoked_at=None
    ).first()
    return found


def address(feed: CalendarFeed) -> str:
    """Its whole address; empty when it does not open any more, and a new one has to be made.

    Call it outside of transactions.
    """
    try:
        with tenancy.elsewhere(tenancy.PLATFORM), tenancy.transaction():
            token = vault.unseal(bytes(feed.sealed), _place(feed.id))
    except SealBroken:
        return ""
    return str(settings.PORTAL_URL) + reverse("calendar_feed", args=[token.reveal()])


def by_token(token: str) -> Found | None:
    """Whose address this is; None for one that is unknown, replaced or revoked."""
    with roles.connection().cursor() as cursor:
        cursor.execute(
            "SELECT id, organization_id, user_id FROM connections_feed_by_hash(%s)", [hashed(token)]
        )
        row = cursor.fetchone()
    return Found(*row) if row else None


def note_read(feed_id: UUID, token: str) -> None:
    """It was read; written down once an hour, and sealed anew with the newest key."""
    with tenancy.transaction():
        stale = Q(read_at=None) | Q(read_at__lt=clock.now() - READ_EVERY)
        is_due = CalendarFeed.objects.filter(stale, id=feed_id, revoked_at=None).exists()
    if not is_due:
        return
    sealed = _sealed(feed_id, token)
    with tenancy.transaction():
        live = CalendarFeed.objects.filter(id=feed_id, revoked_at=None)
        live.update(read_at=clock.now(), sealed=sealed)


def reseal(versions: Collection[int]) -> None:
    """The tokens under these versions of the web process's data key are under its active one; what
    does not open stays. Call it outside of transactions."""
    for version in versions:
        for feed_id, organization_id in _under(version):
            with tenancy.elsewhere(organization_id):
                _seal_anew(feed_id)


def under(version: int) -> int:
    """How many living feeds of all organizations lie under this version."""
    return len(_under(version))


def _under(version: int) -> list[tuple[UUID, UUID]]:
    with roles.connection().cursor() as cursor:
        wanted = version.to_bytes(4, "big")
        cursor.execute("SELECT id, organization_id FROM connections_feeds_under(%s)", [wanted])
        return [(feed_id, organization_id) for feed_id, organization_id in cursor.fetchall()]


def _seal_anew(feed_id: UUID) -> None:
    with tenancy.transaction():
        feed = CalendarFeed.objects.filter(id=feed_id, revoked_at=None).first()
    if feed is None:
        return
    try:
        with tenancy.elsewhere(tenancy.PLATFORM), tenancy.transaction():
            token = vault.unseal(bytes(feed.sealed), _place(feed_id))
    except SealBroken:  # logged
        return
    sealed = _sealed(feed_id, token.reveal())
    with tenancy.transaction():
        CalendarFeed.objects.filter(id=feed_id, revoked_at=None).update(sealed=sealed)


own_seals.register(own_seals.Column(reseal, under))


def _end(actor: Actor) -> list[CalendarFeed]:
    """Their feed is over and its token is no longer kept; other requests of theirs wait."""
    rows = CalendarFeed.objects.select_for_update().filter(user_id=actor.id, revoked_at=None)
    found = list(rows)
    for feed in found:
        feed.revoked_at, feed.sealed = clock.now(), b""
        feed.save(update_fields=["revoked_at", "sealed"])
    return found


def _sealed(feed_id: UUID, token: str) -> bytes:
    with tenancy.elsewhere(tenancy.PLATFORM), tenancy.transaction():
        return vault.seal(Secret(token), _place(feed_id))


def _place(feed_id: UUID) -> Place:
    return Place(tenancy.PLATFORM, "connections_calendarfeed", feed_id, "sealed", DOMAIN)
