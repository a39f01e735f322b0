"""Replacing a key-encryption key without a pause: stage, activate, retire, one step at a time.

Works on the keyring files of all processes and on the sentinels, as the database's owner. Each step
may stop half-way and be asked for again. A file never has a key that the database does not know,
because processes refuse such a file: the sentinel comes first and goes last.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from portal import (
    audit,
    clock,
    key_stand,
    key_versions,
    keyfile,
    keyring,
    keystore,
    roles,
    tenancy,
)
from portal.audit import Action
from portal.keyfile import Keyring, Versions
from portal.models import KeyCheck
from portal.phrases import plural
from portal.policy import SYSTEM
from portal.steps import step


@dataclass(frozen=True, slots=True)
class Version:
    """One version of one domain's key, as the record names it."""

    domain: str
    version: int
    fingerprint: str
    id: UUID = tenancy.PLATFORM

    def __str__(self) -> str:
        return f"{self.domain}/v{self.version}"


class Refused(Exception):
    """The step may not be taken now; the text says why and what to do."""


def active(domain: str) -> Version:
    """The version that seals now, as the database knows it; raises Refused."""
    with roles.using_role("owner"):
        number = key_stand.target(domain)
    row = _row(domain, number or 0)
    return Version(row.domain, row.version, row.fingerprint)


def stage(directory: Path, domain: str) -> Version:
    """The next version is in every file that holds the domain, and opens but does not seal yet.

    Asked again before it was activated, it completes what is missing and makes no other key.
    """
    with _held(directory, domain) as texts:
        number = _next(texts, domain)
        changed = key_versions.staged(texts, domain, number)
        ring = _parsed(texts | changed)
        row = _planted(ring, domain, number)
        step("keys.sentinel_planted")
        _write(directory, changed, "keys.file_staged")
        return _recorded(Action.KEY_STAGED, row)


def activate(directory: Path, domain: str, *, at_once: bool = False) -> Version:
    """New seals use the staged version. Every living process must hold it, unless `at_once`."""
    with _held(directory, domain) as texts:
        row = _newest(domain)
        if key_versions.lacking(texts, domain, row.version):
            raise Refused(f"{_named(row)} is not in every file. Run `keys stage {domain}` first.")
        without = key_stand.without(domain, row.version, row.fingerprint)
        if without and not at_once:
            raise Refused(f"{_named(row)} is not held by {_listed(without)} yet. Wait for them.")
        changed = key_versions.activated(texts, domain, row.version)
        _write(directory, changed, "keys.file_activated")
        with roles.using_role("owner"):
            KeyCheck.objects.filter(id=row.id, activated_at=None).update(
                activated_at=timezone.now()
            )
        return _recorded(Action.KEY_ACTIVATED, row)


def retire(directory: Path, domain: str, version: int, *, backups_gone: bool = False) -> Version:
    """Nothing needs the version any more, and no file has it; raises Refused with who needs it.

    A backup of the database from before it was empty needs it: for BACKUP_DAYS, unless the caller
    knows that no such backup is kept.
    """
    with _held(directory, domain) as texts:
        row = _row(domain, version)
        if key_versions.active(texts, domain) == version:
            raise Refused(f"{_named(row)} is the active one.")
        if using := key_stand.using(domain, version):
            raise Refused(f"{_named(row)} still seals in {_listed(using)}. Wait for them.")
        _require_unused(row)
        _require_no_backup(row, backups_gone=backups_gone)
        _write(directory, key_versions.without(texts, domain, version), "keys.file_retired")
        named = _recorded(Action.KEY_RETIRED, row)
        with roles.using_role("owner"):
            row.delete()
        return named


def adopt(directory: Path) -> list[Version]:
    """The database knows every version of the files: after restoring a backup from before a stage.

    Only files of which the database proves at least one version of each domain are believed.
    """
    made: list[Version] = []
    with keystore.exclusive(directory):
        texts = _texts(directory)
        rings = _parsed(texts)
        with roles.using_role("owner"):
            known = {(row.domain, row.version): row for row in KeyCheck.objects.all()}
        for domain in key_versions.REPLACEABLE:
            proven = [v for d, v in known if d == domain and _is_proved(rings, known[d, v])]
            for version in key_versions.versions(texts, domain):
                if (domain, version) in known or not proven:
                    continue
                row = _planted(rings, domain, version)
                if version <= key_versions.active(texts, domain):
                    with roles.using_role("owner"):
                        row.activated_at = timezone.now()
                        row.save(update_fields=["activated_at"])
                made.append(_recorded(Action.KEY_STAGED, row))
    return made


# ── The files and the sentinels ───────────────────────────────────────────────────────────────


@contextmanager
def _held(directory: Path, domain: str) -> Iterator[dict[str, str]]:
    """Inside, nobody else changes the files, and all that hold the domain are there and proved."""
    if domain not in key_versions.REPLACEABLE:
        named = ", ".join(key_versions.REPLACEABLE)
        raise Refused(f"The domain {domain!r} has no key to replace. There are {named}.")
    with keystore.exclusive(directory):
        texts = _texts(directory)
        if absent := [p for p in key_versions.holders(domain) if p not in texts]:
            files = ", ".join(f"{process}.json" for process in absent)
            raise Refused(f"{directory} lacks {files}. Work where all key files are.")
        with roles.using_role("owner"):
            problems = keyring.prove(_parsed(texts))
        if problems:
            raise Refused("\n".join(map(str, problems)))
        yield texts


def _texts(directory: Path) -> dict[str, str]:
    paths = keystore.files(directory)
    return {process: keyfile.read(path) for process, path in paths.items() if path.exists()}


def _parsed(texts: dict[str, str]) -> Keyring:
    """All keys of all files in one hand; raises KeyringRefused for a file that is wrong."""
    domains: dict[str, Versions] = {}
    for process, text in texts.items():
        domains |= keyfile.parse(text, process).domains
    return Keyring(domains)


def _write(directory: Path, changed: dict[str, str], name: str) -> None:
    paths = keystore.files(directory)
    for process, text in changed.items():
        keyfile.parse(text, process)  # what a process would refuse is not written
        keystore.put(paths[process], text)
        step(name)


def _next(texts: dict[str, str], domain: str) -> int:
    """The version that waits to be activated, or the one after all that there were."""
    with roles.using_role("owner"):
        rows = dict(KeyCheck.objects.filter(domain=domain).values_list("version", "activated_at"))
    newest = max([*rows, *key_versions.versions(texts, domain)])
    return newest if rows.get(newest, newest) is None else newest + 1


def _planted(ring: Keyring, domain: str, version: int) -> KeyCheck:
    """The sentinel of that version, made with the very key of the files."""
    key = ring.domains[domain].keys[version]
    with roles.using_role("owner"):
        row = KeyCheck.objects.filter(domain=domain, version=version).first()
        if row is not None and row.fingerprint == key.fingerprint:
            return row
        blob = keyring.sentinel(domain, version, key)
        row, _ = KeyCheck.objects.update_or_create(
            domain=domain,
            version=version,
            defaults={"blob": blob, "fingerprint": key.fingerprint, "activated_at": None},
        )
        return row


def _is_proved(ring: Keyring, row: KeyCheck) -> bool:
    held = ring.domains.get(row.domain)
    key = held.keys.get(row.version) if held else None
    return key is not None and key.fingerprint == row.fingerprint


def _newest(domain: str) -> KeyCheck:
    with roles.using_role("owner"):
        found = KeyCheck.objects.filter(domain=domain).order_by("-version").first()
    if found is None:
        raise Refused(f"The database knows no key of the domain {domain!r}.")
    return found


def _row(domain: str, version: int) -> KeyCheck:
    with roles.using_role("owner"):
        found = KeyCheck.objects.filter(domain=domain, version=version).first()
    if found is None:
        raise Refused(f"There is no key {domain}/v{version}.")
    return found


def _require_unused(row: KeyCheck) -> None:
    """The proof pass: not one living data key, and nothing on its way in, is under it."""
    count = key_stand.uses(row.domain, row.version)
    if count:
        what = plural(count, "row is,rows are")
        raise Refused(f"{what} still under {_named(row)}. Run `keys rewrap {row.domain}`.")
    if row.emptied_at is None:
        row.emptied_at = clock.now()
        with roles.using_role("owner"):
            row.save(update_fields=["emptied_at"])


def _require_no_backup(row: KeyCheck, *, backups_gone: bool) -> None:
    needed_until = needed_by_backups(row)
    if needed_until and clock.now() < needed_until and not backups_gone:
        raise Refused(
            f"A backup from before {row.emptied_at:%Y-%m-%d %H:%M} UTC needs {_named(row)}. It can"
            f" go on {needed_until:%Y-%m-%d}, or now with --backups-gone if none is kept."
        )


def needed_by_backups(row: KeyCheck) -> datetime | None:
    """Until when a backup that is kept may need the key; None while it is not empty."""
    return row.emptied_at and row.emptied_at + timedelta(days=settings.BACKUP_DAYS)


def _recorded(action: Action, row: KeyCheck) -> Version:
    named = Version(row.domain, row.version, row.fingerprint)
    with roles.using_role("worker"), tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
        audit.record(action, actor=SYSTEM, subject=named, fingerprint=named.fingerprint)
    return named


def _named(row: KeyCheck) -> str:
    return f"{row.domain}/v{row.version} (fingerprint {row.fingerprint})"


def _listed(processes: list[str]) -> str:
    return ", ".join(processes)
