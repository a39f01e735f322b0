"""What operators see of the whole: counts, processes and keys, never a tenant's content.

The numbers come from functions of the lookup role, which ask again if the asker is an operator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

from portal import key_stand, roles
from portal.key_versions import domains_of
from portal.models import Heartbeat, KeyCheck

ALIVE = timedelta(seconds=45)

_counts: dict[str, Callable[[UUID], dict[UUID, int]]] = {}


@dataclass(frozen=True, slots=True)
class OrganizationCounts:
    """One organization as operators see it; `more` holds what other floors count, by label."""

    id: UUID
    slug: str
    name: str
    created_at: datetime
    members: int
    invitations: int
    more: dict[str, int]


@dataclass(frozen=True, slots=True)
class JobCounts:
    kind: str
    waiting: int
    due: int
    running: int
    done_today: int
    failed_today: int
    oldest_due: datetime | None


@dataclass(frozen=True, slots=True)
class KeyLine:
    """One version of one domain's key; `strangers` are processes with another key in its place.

    `stage` is staged, active, or old; `users` are the processes that seal with it.
    """

    domain: str
    version: int
    fingerprint: str
    created_at: datetime
    stage: str
    emptied_at: datetime | None
    data_keys: int
    holders: int
    strangers: int
    users: int


def on_counts(label: str, count: Callable[[UUID], dict[UUID, int]]) -> None:
    """Register another column of the organizations page: asker's id → count per organization."""
    _counts[label] = count


def count_labels() -> list[str]:
    return list(_counts)


def organizations(asker: UUID) -> list[OrganizationCounts]:
    """All organizations by name; empty when the asker is no operator."""
    more = {label: count(asker) for label, count in _counts.items()}
    rows = _called("portal_organizations(%s)", asker)
    return [_counted(row, more) for row in rows]


def _counted(row: tuple[Any, ...], more: dict[str, dict[UUID, int]]) -> OrganizationCounts:
    own = {label: counts.get(row[0], 0) for label, counts in more.items()}
    return OrganizationCounts(row[0], row[1], row[2], row[3], row[4], row[5], own)


def jobs(asker: UUID) -> list[JobCounts]:
    """Work by kind: what waits, is due, runs, and what ended in the last 24 hours."""
    return [JobCounts(*row) for row in _called("portal_job_counts(%s)", asker)]


def processes() -> list[Any]:
    """Processes seen in the last day, the living first, each with `is_alive`."""
    rows = list(Heartbeat.objects.order_by("-seen_at")[:200])
    for row in rows:
        row.is_alive = row.seen_at > timezone.now() - ALIVE  # type: ignore[attr-defined]
    return rows


def keys() -> list[KeyLine]:
    """Every version of every domain, with how many data keys it wraps and who holds it."""
    wraps = {(row[0], row[1]): row[2] for row in _called("portal_wrapping_keys()")}
    living = [process for process in processes() if process.is_alive]
    held = [process.keys for process in living]
    checks = list(KeyCheck.objects.order_by("domain", "-version"))
    targets = {domain: key_stand.target(domain) for domain in {one.domain for one in checks}}
    return [
        KeyLine(
            domain=check.domain,
            version=check.version,
            fingerprint=check.fingerprint,
            created_at=check.created_at,
            stage=_stage(check.version, targets[check.domain]),
            emptied_at=check.emptied_at,
            data_keys=wraps.get((check.domain, check.version), 0),
            holders=sum(_holds(keys, check) is True for keys in held),
            strangers=sum(_holds(keys, check) is False for keys in held),
            users=sum(check.version in _used(process.active, check.domain) for process in living),
        )
        for check in checks
    ]


@dataclass(frozen=True, slots=True)
class DataKeys:
    """One domain's data keys in all organizations, counted by what they still do."""

    domain: str
    active: int
    decrypt_only: int
    destroyed: int
    oldest: datetime | None


def data_keys() -> list[DataKeys]:
    """Each domain's data keys; `oldest` is when the oldest that still seals was made."""
    found: dict[str, dict[str, tuple[int, datetime]]] = {}
    for domain, state, count, oldest in _called("portal_data_key_states()"):
        found.setdefault(domain, {})[state] = (count, oldest)
    return [_counted_keys(domain, states) for domain, states in sorted(found.items())]


def _counted_keys(domain: str, states: dict[str, tuple[int, datetime]]) -> DataKeys:
    counts = {name: count for name, (count, _) in states.items()}
    return DataKeys(
        domain=domain,
        active=counts.get("active", 0),
        decrypt_only=counts.get("decrypt_only", 0),
        destroyed=counts.get("destroyed", 0),
        oldest=states["active"][1] if "active" in states else None,
    )


def _stage(version: int, target: int | None) -> str:
    if target is None or version > target:
        return "staged"
    return "active" if version == target else "old"


def _used(active: dict[str, int], domain: str) -> list[int]:
    """The versions that a process seals with; the public half counts as its private one."""
    return [active[name] for name in domains_of(domain) if name in active]


def _holds(keys: dict[str, str], check: KeyCheck) -> bool | None:
    """Whether a process holds this very key; None when it holds none of this name."""
    names = [f"{name}/v{check.version}" for name in domains_of(check.domain)]
    found = [keys[name] for name in names if name in keys]
    return all(one == check.fingerprint for one in found) if found else None


def _called(function: str, *arguments: UUID) -> list[tuple[Any, ...]]:
    with roles.connection().cursor() as cursor:
        cursor.execute(f"SELECT * FROM {function}", list(arguments))  # noqa: S608
        return list(cursor.fetchall())
