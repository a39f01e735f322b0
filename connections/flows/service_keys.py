"""Keys for other services: made and shown once, limited, frozen, let go on, revoked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from connections import registry
from connections.api import key as key_text
from connections.flows import key_stops, pace
from connections.flows.problems import FlowProblem
from connections.models import Connection, KeyScope, ServiceKey
from portal import audit, roles, tenancy
from portal.fields import made_once
from portal.policy import Actor, Permission, authorize
from portal.secret import Secret

MOST_KEYS: Final = 200
MOST_CONNECTIONS: Final = 100
MOST_NETWORKS: Final = 20
DISTINCT_PER_HOUR: Final = range(1, 5001)
NAME_TAKEN: Final = "Choose a name that no other live key has."
STAYS_LIMITED: Final = "Name at least one: this key is for some connections only."
BY_HAND: Final = "by_hand"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a key may do, from where, and until when. `connections` are names.

    `keeps_its_end` leaves a key's `expires_at` as it is when it is changed.
    """

    scopes: Sequence[str]
    connectors: Sequence[str]
    connections: Sequence[str]
    networks: Sequence[str]
    distinct_per_hour: int
    expires_at: datetime | None
    keeps_its_end: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """A key as it was made; `whole` is None when the same form had made it before."""

    key: ServiceKey
    whole: Secret | None


def create(*, actor: Actor, name: str, limits: Limits, key: UUID) -> Made:
    """A key whose whole text exists in this answer only; the form sent again finds the first."""
    actor = authorize(actor, Permission.SERVICE_KEY_EDIT)
    made = ServiceKey.objects.filter(id=made_once(actor.id, key)).first()
    if made is not None:
        return Made(made, None)
    pace.keep("service_key", actor)
    if ServiceKey.objects.filter(revoked_at=None).count() >= MOST_KEYS:
        raise FlowProblem("many", "", f"There are {MOST_KEYS} keys already. Revoke some first.")
    minted = key_text.mint()
    wanted = ServiceKey(
        organization_id=tenancy.organization_id(),
        id=made_once(actor.id, key),
        name=_name(name),
        prefix=minted.prefix,
        hash=minted.hash,
        created_by_id=actor.id,
        created_by_name=actor.name,
        **_checked(limits),
    )
    if not _inserted(wanted):
        return Made(ServiceKey.objects.get(id=wanted.id), None)
    audit.record(
        audit.Action.SERVICE_KEY_CREATED,
        actor=actor,
        subject=wanted,
        prefix=minted.prefix,
        **_told(wanted),
    )
    return Made(wanted, minted.whole)


def _inserted(wanted: ServiceKey) -> bool:
    """Whether this call made it; the same form in the same moment is the other answer."""
    try:
        with transaction.atomic(using=roles.current()):
            wanted.save(force_insert=True)
    except IntegrityError:
        if ServiceKey.objects.filter(id=wanted.id).exists():
            return False
        raise FlowProblem("name", "name", NAME_TAKEN) from None
    return True


def edit(*, actor: Actor, key: ServiceKey, limits: Limits) -> None:
    """The key's limits are as given, from its next request on.

    A key for some connections never becomes one for all; those it has may stay, also revoked ones.
    """
    actor = authorize(actor, Permission.SERVICE_KEY_EDIT)
    key.hold()
    _require_live(key)
    before = _told(key)
    if limits.keeps_its_end:
        limits = replace(limits, expires_at=key.expires_at)
    changed = _checked(limits, key.connections)
    if key.connections and not changed["connections"]:
        raise FlowProblem("connections", "connections", STAYS_LIMITED)
    for name, value in changed.items():
        setattr(key, name, value)
    key.save(update_fields=list(changed))
    now = _told(key)
    audit.record(
        audit.Action.SERVICE_KEY_CHANGED,
        actor=actor,
        subject=key,
        **{name: now[name] for name in now if now[name] != before[name]},
    )


def freeze(*, actor: Actor, key: ServiceKey) -> None:
    """The key is stopped from its next request on; it can go on later."""
    actor = authorize(actor, Permission.SERVICE_KEY_EDIT)
    key.hold()
    _require_live(key)
    if key.frozen_at is not None:
        return
    key.frozen_at, key.frozen_because = timezone.now(), BY_HAND
    key.save(update_fields=["frozen_at", "frozen_because"])
    audit.record(audit.Action.SERVICE_KEY_FROZEN, actor=actor, subject=key, because=BY_HAND)


def thaw(*, actor: Actor, key: ServiceKey) -> None:
    """The key goes on; its hour of different connections begins anew."""
    actor = authorize(actor, Permission.SERVICE_KEY_EDIT)
    key.hold()
    _require_live(key)
    if key.frozen_at is None:
        return
    key.frozen_at, key.frozen_because, key.thawed_at = None, "", timezone.now()
    key.save(update_fields=["frozen_at", "frozen_because", "thawed_at"])
    key_stops.over(key)
    audit.record(audit.Action.SERVICE_KEY_THAWED, actor=actor, subject=key)


def revoke(*, actor: Actor, key: ServiceKey, typed_name: str) -> None:
    """The key is refused from its next request on, for ever; what it leased stays on record."""
    actor = authorize(actor, Permission.SERVICE_KEY_EDIT)
    if " ".join(typed_name.split()) != key.name:
        raise FlowProblem("typed_name", "typed_name", "Type the key's name exactly.")
    key.hold()
    if key.is_revoked:
        return
    key.revoked_at, key.revoked_because = timezone.now(), BY_HAND
    key.save(update_fields=["revoked_at", "revoked_because"])
    key_stops.over(key)
    audit.record(audit.Action.SERVICE_KEY_REVOKED, actor=actor, subject=key, because=BY_HAND)


def _require_live(key: ServiceKey) -> None:
    if key.is_revoked:
        raise FlowProblem("revoked", "", "A revoked key stays revoked. Make a new one.")


# ── What may be wished for ────────────────────────────────────────────────────────────────────


def _name(name: str) -> str:
    name = " ".join(name.split())[:80]
    taken = ServiceKey.objects.filter(name__iexact=name, revoked_at=None).exists()
    if not name or taken:
        raise FlowProblem("name", "name", NAME_TAKEN)
    return name


def _checked(limits: Limits, kept: Sequence[UUID] = ()) -> dict[str, object]:
    """The columns of these limits; raises FlowProblem beside the field that is wrong."""
    scopes = [scope.value for scope in KeyScope if scope.value in limits.scopes]
    if not scopes or len(scopes) != len(set(limits.scopes)):
        raise FlowProblem("scopes", "scopes", "Choose what the key may do.")
    connectors = sorted(set(limits.connectors))
    if not connectors or not set(connectors) <= registry.connectors().keys():
        raise FlowProblem("connectors", "connectors", "Choose for which products the key is.")
    if limits.distinct_per_hour not in DISTINCT_PER_HOUR:
        raise FlowProblem("limit", "distinct_per_hour", "Choose between 1 and 5,000.")
    if limits.expires_at is not None and limits.expires_at <= timezone.now():
        raise FlowProblem("expires", "expires_at", "Choose a day to come.")
    return {
        "scopes": scopes,
        "connectors": connectors,
        "connections": _connections(limits.connections, connectors, kept),
        "networks": _networks(limits.networks),
        "distinct_per_hour": limits.distinct_per_hour,
        "expires_at": limits.expires_at,
    }


def _connections(
    names: Sequence[str], connectors: Sequence[str], kept: Sequence[UUID]
) -> list[UUID]:
    """The ids behind these names, which are unique here and never change. `kept` may be revoked."""
    wanted = sorted({" ".join(name.split()) for name in names} - {""})
    if len(wanted) > MOST_CONNECTIONS:
        raise FlowProblem("connections", "connections", f"Name at most {MOST_CONNECTIONS}.")
    live = Q(connector__in=connectors) & ~Q(state=Connection.State.REVOKED)
    able = Connection.objects.filter(live | Q(id__in=kept), name__in=wanted)
    found = dict(able.values_list("name", "id"))
    unknown = [name for name in wanted if name not in found]
    if unknown:
        raise FlowProblem(
            "connections",
            "connections",
            f"There is no live connection of these products that is called {unknown[0]!r}.",
        )
    return [found[name] for name in wanted]


def _networks(texts: Sequence[str]) -> list[str]:
    wanted = [text.strip() for text in texts if text.strip()]
    if len(wanted) > MOST_NETWORKS:
        raise FlowProblem("networks", "networks", f"List at most {MOST_NETWORKS} networks.")
    try:
        return sorted({str(_plain(ip_network(text))) for text in wanted})
    except ValueError:
        raise FlowProblem(
            "networks",
            "networks",
            "Write an address or a network on each line, such as 192.0.2.7 or 2001:db8::/48.",
        ) from None


def _plain(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """The network as addresses are compared with it: IPv4 that is written as IPv6 is IPv4."""
    mapped = network.version == 6 and network.network_address.ipv4_mapped
    if not mapped or network.prefixlen < 96:
        return network
    return ip_network((mapped, network.prefixlen - 96))


def _told(key: ServiceKey) -> dict[str, object]:
    """The limits, for the record."""
    return {
        "scopes": key.scopes,
        "connectors": key.connectors,
        "connections": [str(each) for each in key.connections],
        "networks": key.networks,
        "distinct_per_hour": key.distinct_per_hour,
        "expires_at": key.expires_at.isoformat() if key.expires_at else None,
    }
