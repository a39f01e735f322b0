"""Where each version of each key stands: who holds it, who seals with it, what is under it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.utils import timezone

from portal import everybody, key_providers, keyring, presence, roles, tenancy
from portal.key_providers import KEYRING
from portal.key_versions import domains_of
from portal.keyfile import HOLDS
from portal.models import Heartbeat, KeyCheck


def without(domain: str, version: int, fingerprint: str) -> list[str]:
    """The living processes that should hold this key and do not say that they do."""
    return [
        named(one)
        for one in presence.living()
        for name in domains_of(domain)
        if name in HOLDS.get(one.kind, ()) and one.keys.get(f"{name}/v{version}") != fingerprint
    ]


def using(domain: str, version: int) -> list[str]:
    """The living processes that seal with this version, or hold the domain and do not say."""
    return [
        named(one)
        for one in presence.living()
        for name in domains_of(domain)
        if name in HOLDS.get(one.kind, ()) and one.active.get(name) in (None, version)
    ]


def named(one: Heartbeat) -> str:
    return f"{one.kind} on {one.host} ({one.pid})"


def target(domain: str) -> int | None:
    """The version that new seals should use: the newest that was activated."""
    found = KeyCheck.objects.filter(domain=domain).exclude(activated_at=None)
    newest = found.order_by("-version").values_list("version", flat=True).first()
    if newest is None:  # keys that an earlier release made
        newest = (
            KeyCheck.objects.filter(domain=domain)
            .order_by("version")
            .values_list("version", flat=True)
            .first()
        )
    return newest


def uses(domain: str, version: int) -> int:
    """How many living rows need this version: data keys, or secrets on their way in."""
    if domain == "intake":
        return _waiting(version)
    return sum(n for d, v, n in keyring.wrapping_keys() if (d, v) == (domain, version))


_WAITING = """
SELECT count(*) FROM portal_intake
 WHERE organization_id = %s AND expires_at > %s AND substring(blob FROM 4 FOR 4) = %s
"""


def _waiting(version: int) -> int:
    """Secrets handed in under this version of the intake's key that are not moved yet."""
    found = max([outside().get(_outside_name(version), 0), *_reported(version)])
    wanted = version.to_bytes(4, "big")
    with roles.using_role("worker"):
        for organization_id in (tenancy.PLATFORM, *everybody.organizations()):
            with (
                tenancy.elsewhere(organization_id),
                tenancy.transaction(),
                roles.connection().cursor() as cursor,
            ):
                cursor.execute(_WAITING, [organization_id, timezone.now(), wanted])
                found += int(cursor.fetchone()[0])
    return found


_outside: list[Callable[[], Mapping[int, int]]] = []


def on_outside(count: Callable[[], Mapping[int, int]]) -> None:
    """Register what is sealed for workers and lies outside the database, counted by key version."""
    _outside.append(count)


def outside() -> dict[str, int]:
    """The same as a worker says it with its heartbeat: {"outside/v1": 3}."""
    found: dict[str, int] = {}
    for count in _outside:
        for version, number in count().items():
            name = _outside_name(version)
            found[name] = found.get(name, 0) + number
    return found


def _outside_name(version: int) -> str:
    return f"outside/v{version}"


def _reported(version: int) -> list[int]:
    """What the living processes say; those that share a folder count the same."""
    return [int(one.active.get(_outside_name(version), 0)) for one in presence.living()]


def left(domain: str) -> tuple[int, int]:
    """Data keys of the domain that are not under the newest version yet, and all of them."""
    newest, provider = target(domain), key_providers.name_for(domain)
    counts = [(v, n) for d, v, n in keyring.wrapping_keys() if d == domain]
    elsewhere = [n for v, n in counts if key_providers.name_of(v) != provider]
    if provider != KEYRING:  # which of its versions is the newest, it knows itself
        return sum(elsewhere), sum(n for _, n in counts)
    return sum(n for v, n in counts if v != newest), sum(n for _, n in counts)


def away() -> list[tuple[str, int, int]]:
    """Domain, number and how many data keys lie under it, of all that the keyring does not wrap."""
    found = keyring.wrapping_keys()
    return sorted(one for one in found if key_providers.name_of(one[1]) != KEYRING)


def not_using(domain: str, version: int) -> list[str]:
    """The living processes that do not seal with this version yet."""
    return [
        named(one)
        for one in presence.living()
        for name in domains_of(domain)
        if name in HOLDS.get(one.kind, ()) and one.active.get(name) != version
    ]
