"""The keys of this process, and the proof that they are the ones the database was made with.

Each key leaves a sentinel in the table `KeyCheck`. A process starts only when each of its keys
opens its own sentinel and every key that still wraps a living data key is there: a key made anew
after a lost volume would look healthy and lose everything. So nothing but `manage.py init_keys`
makes a domain's first key, once, and nothing but `manage.py keys stage` its next ones.
"""

from __future__ import annotations

import base64
import json
import logging
import resource
import sys
from collections.abc import Iterable, Iterator, Mapping, Set
from pathlib import Path
from typing import Final

from django.conf import settings
from django.utils import timezone

from portal import key_cache, key_providers, keyfile, roles
from portal.key_providers import KEYRING
from portal.keyfile import HOLDS, Keyring, KeyringRefused
from portal.keys import IntakeOpener, IntakeSealer, Key, lp, new_key
from portal.models import KeyCheck
from portal.problem import Problem

EXIT_CONFIG: Final = 78  # EX_CONFIG of sysexits.h

log = logging.getLogger(__name__)

_held: list[Keyring] = []
_read_from: list[tuple[int, ...]] = []


def current() -> Keyring:
    """This process's keys, read once; raises KeyringRefused."""
    if not _held:
        _read_from[:] = [_stamp()]
        _held.append(load())
    return _held[0]


def refresh() -> bool:
    """Whether the keyring's file has changed and is what this process uses from now on.

    A file that is not proved by the database is logged and not used: the keys stay as they were.
    """
    now = _stamp()
    if not _held or _read_from in ([], [now]):
        return False
    _read_from[:] = [now]
    try:
        ring = load()
        problems = prove(ring)
    except KeyringRefused as refused:
        problems = [refused.problem]
    if problems:
        log.error("keyring.refused", extra={"problems": [str(one) for one in problems]})
        return False
    _held[:] = [ring]
    key_cache.clear()
    log.info("keyring.changed", extra={"keys": fingerprints(), "active": active_versions()})
    return True


def _stamp() -> tuple[int, ...]:
    """Changes with the file that the settings name; empty when there is none."""
    try:
        found = Path(settings.KEYRING_FILE or "/nonexistent").stat()
    except OSError:
        return ()
    return (found.st_ino, found.st_mtime_ns, found.st_size)


def intake_sealer() -> tuple[int, IntakeSealer]:
    """What seals for workers, and its version; a worker's own key knows its public half."""
    try:
        return current().find(IntakeSealer, "intake_public")
    except keyfile.KeyMissing:
        version, opener = current().find(IntakeOpener, "intake")
        return version, IntakeSealer(opener.public_bytes())


def install(ring: Keyring | None) -> None:
    """Use this keyring from now on, None to read the settings again: for tests and tools."""
    _held[:] = [ring] if ring else []
    _read_from.clear()
    key_cache.clear()


def load() -> Keyring:
    """The keyring that the settings name, read now; raises KeyringRefused.

    A process that holds no keys needs no file, and is refused one that has some.
    """
    path = Path(settings.KEYRING_FILE) if settings.KEYRING_FILE else None
    if not HOLDS[settings.PROCESS] and path is None and settings.KEYRING_FD < 0:
        return Keyring({})
    return keyfile.parse(keyfile.read(path, settings.KEYRING_FD), settings.PROCESS)


def fingerprints() -> dict[str, str]:
    """Which keys this process holds, for its heartbeat: {"grant/v1": "9c1f…"}."""
    return {
        f"{domain}/v{version}": key.fingerprint
        for domain, versions in current().domains.items()
        for version, key in versions.keys.items()
    }


def active_versions() -> dict[str, int]:
    """Which version seals in each of this process's domains, for its heartbeat."""
    return {domain: versions.active for domain, versions in current().domains.items()}


# ── Proof at start ────────────────────────────────────────────────────────────────────────────


def require() -> None:
    """Exit with code 78 and a line for each problem unless every key is proved.

    Called before a process serves. It also turns core dumps off: they would hold the keys.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    problems = check_keyring()
    for problem in problems:
        print(f"keyring of {settings.PROCESS}: {problem}", file=sys.stderr)  # noqa: T201
    if problems:
        raise SystemExit(EXIT_CONFIG)


def check_keyring() -> list[Problem]:
    """What is wrong with this process's keys; asks the database of the role that speaks now."""
    try:
        ring = current()
    except KeyringRefused as refused:
        return [refused.problem]
    return prove(ring)


def prove(ring: Keyring) -> list[Problem]:
    """What the sentinels and the wrapped data keys say against this keyring."""
    if not ring.domains:
        return []
    sentinels = {(row.domain, row.version): row for row in KeyCheck.objects.all()}
    if not sentinels:
        return [Problem("The database knows no keys yet.", "Run `manage.py init_keys` once.")]
    return [*_unproved(ring, sentinels), *_missing(ring, sentinels)]


Sentinels = Mapping[tuple[str, int], KeyCheck]


def _unproved(ring: Keyring, sentinels: Sentinels) -> Iterator[Problem]:
    for domain, versions in ring.domains.items():
        for version, key in versions.keys.items():
            row = sentinels.get((_sentinel_domain(domain), version))
            if row is None:
                yield Problem(
                    f"The key {domain}/v{version} (fingerprint {key.fingerprint}) is not known"
                    " to the database.",
                    "Restore the keyring file of this installation from your backup.",
                )
            elif not _is_proved(domain, key, row):
                yield Problem(
                    f"The key {domain}/v{version} has the fingerprint {key.fingerprint}, but the"
                    f" database was made with {row.fingerprint}.",
                    "Restore the keyring file of this installation from your backup.",
                )


def _is_proved(domain: str, key: Key, row: KeyCheck) -> bool:
    if key.fingerprint != row.fingerprint:  # no secret, and all a public half can show
        return False
    if domain == "intake_public":
        return True
    return key.proves(bytes(row.blob), _sentinel_context(row.domain, row.version))


def _missing(ring: Keyring, sentinels: Sentinels) -> Iterator[Problem]:
    for domain, version, count in wrapping_keys():
        held = ring.domains.get(domain)
        if held and key_providers.name_of(version) != KEYRING:
            yield from _unreachable(domain, version, count)
        elif held and version not in held.keys:
            row = sentinels.get((domain, version))
            fingerprint = f"fingerprint {row.fingerprint}, " if row else ""
            yield Problem(
                f"The key {domain}/v{version} is missing"
                f" ({fingerprint}it wraps {count:,} data keys).",
                "Restore the keyring file that has it from your backup.",
            )


def _unreachable(domain: str, number: int, count: int) -> Iterator[Problem]:
    if not key_providers.is_configured(key_providers.name_of(number)):
        yield Problem(
            f"{count:,} data keys of {domain} are wrapped by {key_providers.titled(number)}, which"
            " is not configured.",
            "Give this process the provider's settings; docs/operations.md names them.",
        )


def wrapping_keys() -> list[tuple[str, int, int]]:
    """Domain, key version and how many living data keys it wraps, over all organizations."""
    with roles.connection().cursor() as cursor:
        cursor.execute("SELECT domain, version, data_keys FROM portal_wrapping_keys()")
        return [(domain, version, count) for domain, version, count in cursor.fetchall()]


# ── The first keys ────────────────────────────────────────────────────────────────────────────


def generate() -> dict[str, str]:
    """New keys: the text of each process's keyring file. Nothing is stored."""
    intake = new_key()
    raw = {"intake": intake, "intake_public": IntakeOpener(intake).public_bytes()}
    for domain in keyfile.DOMAINS.keys() - raw.keys():
        raw[domain] = new_key()
    return {
        process: _text({domain: _first(raw[domain]) for domain in domains})
        for process, domains in HOLDS.items()
        if domains
    }


def grown(texts: Mapping[str, str], domains: Set[str]) -> dict[str, str]:
    """The files, by process, that change when an older installation gets these domains.

    What a file has stays as it is, and a domain that one file has already comes to the others with
    the same key. Raises KeyringRefused when two files have different ones.
    """
    contents = {p: json.loads(texts.get(p, "{}")) for p in HOLDS if HOLDS[p]}
    before = {process: dict(content) for process, content in contents.items()}
    for domain in sorted(domains):
        found = [content[domain] for content in contents.values() if domain in content]
        if any(each != found[0] for each in found):
            raise KeyringRefused(f"Two keyring files have different keys of the domain {domain!r}.")
        entry = found[0] if found else _first(new_key())
        for process in contents:
            if domain in HOLDS[process]:
                contents[process][domain] = entry
    return {p: _text(content) for p, content in contents.items() if content != before[p]}


def _first(key: bytes) -> dict[str, object]:
    return {"active": 1, "keys": {"1": base64.b64encode(key).decode()}}


def _text(content: Mapping[str, object]) -> str:
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


def plant(rings: Iterable[Keyring], domains: Set[str] = keyfile.DOMAINS.keys()) -> None:
    """Leave a sentinel of each key of these domains; raises IntegrityError if there is one."""
    keys = {
        (domain, version): key
        for ring in rings
        for domain, versions in ring.domains.items()
        for version, key in versions.keys.items()
        if domain == _sentinel_domain(domain) and domain in domains
    }
    now = timezone.now()
    KeyCheck.objects.bulk_create(
        KeyCheck(
            domain=domain,
            version=version,
            blob=key.sentinel(_sentinel_context(domain, version)),
            fingerprint=key.fingerprint,
            activated_at=now,
        )
        for (domain, version), key in keys.items()
    )


def sentinel(domain: str, version: int, key: Key) -> bytes:
    """What only this key opens, for its row in the database."""
    return key.sentinel(_sentinel_context(domain, version))


def known() -> set[str]:
    """The domains of which the database has a sentinel or a living data key."""
    return {
        *KeyCheck.objects.values_list("domain", flat=True),
        *(domain for domain, _, _ in wrapping_keys()),
    }


def _sentinel_domain(domain: str) -> str:
    """The public half has the sentinel of the private one."""
    return "intake" if domain == "intake_public" else domain


def _sentinel_context(domain: str, version: int) -> bytes:
    return lp("portal/v1/sentinel", domain, version)
