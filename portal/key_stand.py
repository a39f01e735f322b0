"""Where each version of each key stands: who holds it, who seals with it, what is under it."""

from __future__ import annotations

from portal import key_providers, keyring, presence, roles
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


def _waiting(version: int) -> int:
    """Secrets handed in before the next version was activated; they are moved within minutes."""
    later = KeyCheck.objects.filter(domain="intake", version__gt=version).exclude(activated_at=None)
    since = later.order_by("version").values_list("activated_at", flat=True).first()
    if since is None:
        return 1
    with roles.connection().cursor() as cursor:
        cursor.execute("SELECT portal_intake_waiting(%s)", [since])
        return int(cursor.fetchone()[0])


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
