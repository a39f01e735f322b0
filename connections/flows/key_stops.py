"""A key at the door of the api process: let in, or refused; ended when it stands in an address.

What stops by itself, a key over its limit or one that leaked, is told to people by a worker.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Final
from uuid import UUID

from django.db.models import Q
from django.urls import reverse

from connections.flows.leases import UNKNOWN_KEY, NotGranted
from connections.models import KeyScope, LeaseOutcome, ServiceKey
from portal import audit, clock, notices, roles, tenancy, work
from portal.models import Organization, Severity
from portal.notice_kinds import Kind
from portal.policy import SYSTEM, Permission

TOO_MANY: Final = "too_many"
EXPOSED: Final = "exposed"
RESTORED: Final = "restored_backup"
JOB: Final = "service_key_stopped"
TO_THE_MINUTE: Final = timedelta(minutes=1)

notices.register(
    Kind(
        "service_key_frozen",
        label="A service key was frozen",
        title="The service key {subject} was frozen",
        sentence="It asked for tokens of more different connections in an hour than it may. Look at"
        " what it leased: if that was not its service, revoke it.",
        button="See what it leased",
        severity=Severity.BROKEN,
        email=True,
        urgent=True,
    ),
    Kind(
        "service_key_exposed",
        label="A service key leaked",
        title="The service key {subject} was revoked",
        sentence="It was sent in an address, where logs along the way keep it. Give its service a"
        " new key, and let it send that in the Authorization header.",
        button="See what it leased",
        severity=Severity.BROKEN,
        email=True,
        urgent=True,
    ),
)


def found(key_hash: bytes) -> tuple[UUID, UUID] | None:
    """Key and organization of this hash; the only thing asked before an organization is known."""
    with roles.connection().cursor() as cursor:
        cursor.execute("SELECT connections_service_key_by_hash(%s)", [key_hash])
        known: list[UUID] | None = cursor.fetchone()[0]
    return (known[0], known[1]) if known else None


@contextmanager
def entered(key_hash: bytes, scope: KeyScope | None, address: str) -> Iterator[ServiceKey]:
    """Inside, this key's organization is acted for; raises NotGranted when the key will not do.

    Without a scope any key will that has not ended and comes from where it may.
    """
    known = found(key_hash)
    if known is None:
        raise NotGranted(UNKNOWN_KEY)
    with tenancy.acting_for(known[1]), tenancy.transaction():
        key: ServiceKey = ServiceKey.objects.get(id=known[0])
        refusal = refusal_of(key, scope, address)
        if refusal is not None:
            raise NotGranted(refusal)
        _used(key)
        yield key


def _used(key: ServiceKey) -> None:
    """Its page says so, to the minute; nobody waits for a row that another request holds."""
    now = clock.now()
    if key.last_used_at is None or key.last_used_at < now - TO_THE_MINUTE:
        free = ServiceKey.objects.select_for_update(skip_locked=True, no_key=True)
        own = free.filter(id=key.id).values("id")
        ServiceKey.objects.filter(id__in=own).update(last_used_at=now)


def refusal_of(key: ServiceKey, scope: KeyScope | None, address: str) -> LeaseOutcome | None:
    """Why this key may not do that now, in the order of `connections_lease`; None when it may."""
    if key.is_revoked:
        return LeaseOutcome.KEY_REVOKED
    if key.expires_at is not None and key.expires_at <= clock.now():
        return LeaseOutcome.KEY_EXPIRED
    if key.frozen_at is not None:
        return LeaseOutcome.KEY_FROZEN
    if key.networks and not _lies_in(address, key.networks):
        return LeaseOutcome.NETWORK
    return None if scope is None or scope in key.scopes else LeaseOutcome.SCOPE


def _lies_in(address: str, networks: list[str]) -> bool:
    if not address:
        return False
    place = ip_address(address)
    return any(place in ip_network(network) for network in networks)


# ── What stops by itself ──────────────────────────────────────────────────────────────────────


def exposed(key_hash: bytes) -> None:
    """A key that was seen in an address is revoked at once, and a worker tells people."""
    known = found(key_hash)
    if known is None:
        return
    with tenancy.acting_for(known[1]), tenancy.transaction():
        exposed_here(key_hash)


def exposed_here(key_hash: bytes) -> None:
    """The same for a key of the acting organization, inside its transaction."""
    live = ServiceKey.objects.filter(hash=key_hash, revoked_at=None)
    key = live.only("id").first()
    if key is None:
        return
    # The api process may not touch a frozen key: the worker revokes that one.
    live.filter(frozen_at=None).update(revoked_at=clock.now(), revoked_because=EXPOSED)
    work.later(
        JOB,
        priority=work.WAITING,
        dedupe=f"key_stopped:{key.id}:{EXPOSED}",
        key_id=key.id,
        because=EXPOSED,
    )


def stopped(claim: work.Claim, *, key_id: str, because: str) -> None:
    """The stop is on record and told to who may edit keys, once. Runs in a worker.

    Nobody is told of a freeze that somebody has lifted or made pointless in the meantime.
    """
    with tenancy.transaction():
        claim.hold()
        key: ServiceKey = ServiceKey.objects.select_for_update(no_key=True).get(id=key_id)
        was_exposed = because == EXPOSED
        if was_exposed and not key.is_revoked:
            key.revoked_at, key.revoked_because = clock.now(), EXPOSED
            key.save(update_fields=["revoked_at", "revoked_because"])
        action = (
            audit.Action.SERVICE_KEY_REVOKED if was_exposed else audit.Action.SERVICE_KEY_FROZEN
        )
        audit.record(action, actor=SYSTEM, subject=key, because=because)
        if was_exposed or (key.frozen_at is not None and not key.is_revoked):
            notices.tell(
                "service_key_exposed" if was_exposed else "service_key_frozen",
                subject=key,
                audience=notices.who_may(Permission.SERVICE_KEY_EDIT),
                dedupe=notice_of(key, because),
                url=page_of(key),
            )
        claim.done()


def freeze_restored(made_by: datetime) -> None:
    """The acting organization's live keys of before then are frozen: the backup that was restored
    does not know whether they were revoked since. On record and told, each once.

    A key that somebody has let go on since then goes on.
    """
    known = ServiceKey.objects.select_for_update(no_key=True).filter(created_at__lte=made_by)
    live = known.filter(revoked_at=None, frozen_at=None)
    for key in live.filter(Q(thawed_at=None) | Q(thawed_at__lte=made_by)).order_by("id"):
        key.frozen_at, key.frozen_because = clock.now(), RESTORED
        key.save(update_fields=["frozen_at", "frozen_because"])
        audit.record(audit.Action.SERVICE_KEY_FROZEN, actor=SYSTEM, subject=key, because=RESTORED)
        notices.tell(
            "service_key_frozen",
            subject=key,
            audience=notices.who_may(Permission.SERVICE_KEY_EDIT),
            dedupe=notice_of(key, RESTORED),
            url=page_of(key),
            body="A backup was restored, which does not know whether this key was revoked since."
            " Let it go on if its service still uses it, or revoke it.",
            button="Look at it",
        )


def over(key: ServiceKey) -> None:
    """Somebody let it go on or revoked it: what was told of its freeze is over."""
    for because in (TOO_MANY, RESTORED):
        notices.resolve(notice_of(key, because))


def notice_of(key: ServiceKey, because: str) -> str:
    """By what the notice of this stop is found again."""
    return f"service_key:{key.id}:{because}"


def page_of(key: ServiceKey) -> str:
    """The key's page."""
    slug = Organization.objects.values_list("slug", flat=True).get(id=key.organization_id)
    return reverse("service_key", args=[slug, key.id])
