"""After a key leaked: what follows is jobs, so that it happens whatever becomes of the command.

Each organization does what was registered here. Its data keys are replaced once every living
process wraps with another key: until then this job stays open, and no further key is made for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.conf import settings
from django.utils import timezone

from portal import (
    audit,
    everybody,
    key_rewrap,
    key_rotation,
    key_stand,
    keyring,
    platform,
    roles,
    tenancy,
    work,
)
from portal.audit import Action
from portal.key_ceremony import Version
from portal.models import Job
from portal.policy import SYSTEM
from portal.steps import step

KIND: Final = "key_leaked"
SPREAD: Final = "spread_key_leak"
REKEY: Final = "rekey_after_leak"
PORTION: Final = 500


@dataclass(frozen=True, slots=True)
class Leak:
    """The version of a key that leaked, and why that is believed."""

    domain: str
    version: int
    because: str

    def __str__(self) -> str:
        return f"{self.domain}/v{self.version}"


Hook = Callable[[Leak], object]
_hooks: list[Hook] = []


def on_emergency(hook: Hook) -> Hook:
    """Register what happens in each organization when a key leaked.

    It runs in a worker, acting for the organization and outside of transactions, maybe twice.
    """
    _hooks.append(hook)
    return hook


def open_leak(domain: str) -> tuple[int, datetime] | None:
    """The leaked version of which not everything is replaced yet, and when that was declared."""
    with tenancy.elsewhere(tenancy.PLATFORM), tenancy.transaction():
        found = Job.objects.filter(dedupe=f"{REKEY}:{domain}", done_at=None).first()
    return (
        (int(found.ref["version"]), datetime.fromisoformat(found.ref["since"])) if found else None
    )


def declare(leaked: Version, because: str) -> None:
    """The leak is on record, and workers see to what follows from it; before anything else is done.

    What was sealed under a data key that a leaked key wrapped must count as read.
    """
    domain, version, since = leaked.domain, leaked.version, timezone.now().isoformat()
    with (
        roles.using_role("worker"),
        tenancy.elsewhere(tenancy.PLATFORM),
        tenancy.transaction(),
    ):
        audit.record(Action.KEY_LEAKED, actor=SYSTEM, subject=leaked, because=because)
        named, why = f"{SPREAD}:{leaked}", because[:200]
        work.later(SPREAD, dedupe=named, domain=domain, version=version, because=why)
        named = f"{REKEY}:{domain}"
        work.later(
            REKEY, dedupe=named, max_attempts=500, domain=domain, version=version, since=since
        )
    step("keys.leak_declared")


@work.job(SPREAD)
def spread(claim: work.Claim, *, domain: str, version: str, because: str) -> None:
    """Each organization has a job that does what a leak asks for there; the platform says so."""
    if claim.organization_id != tenancy.PLATFORM:
        return
    named = f"{KIND}:{domain}/v{version}"
    for organization_id in everybody.organizations():
        claim.stay()
        with tenancy.elsewhere(organization_id), tenancy.transaction():
            work.later(KIND, dedupe=named, domain=domain, version=version, because=because)
    step("keys.leak_spread")


@work.job(KIND)
def perform(claim: work.Claim, *, domain: str, version: str, because: str) -> None:
    """What other floors registered has happened in this organization."""
    for hook in _hooks:
        claim.stay()
        hook(Leak(domain, int(version), because))


@work.job(REKEY)
def rekey(claim: work.Claim, *, domain: str, version: str, since: str) -> None:
    """Nothing lies under the leaked key, and every data key it ever wrapped is being replaced."""
    newest = key_stand.target(domain) or 0
    if newest <= int(version):
        raise _wait("not_activated")
    if key_stand.not_using(domain, newest):  # they would wrap another data key under it
        raise _wait("still_used")
    if domain in key_rewrap.ACROSS:
        _rekey_all(claim, domain, newest)
    elif any(one.domain == domain and _is_older(one, since) for one in platform.data_keys()):
        raise _wait("second_factors")  # the web process does this: `portal/mfa_keys.py`
    step("keys.leak_answered")


def _rekey_all(claim: work.Claim, domain: str, newest: int) -> None:
    keyring.refresh()
    if keyring.active_versions().get(domain) != newest:
        raise _wait("keys_not_read")
    key_rewrap.rewrap(domain, progress=lambda _: claim.stay())
    step("keys.leak_rewrapped")
    moment, found = timezone.now(), everybody.organizations()
    for at in range(0, len(found), PORTION):
        claim.stay()
        key_rotation.ask(found[at : at + PORTION], moment, once=f"{REKEY}:{domain}/v{newest}")


def _is_older(one: platform.DataKeys, since: str) -> bool:
    return one.oldest is not None and one.oldest < datetime.fromisoformat(since)


def _wait(code: str) -> work.RetryLater:
    return work.RetryLater(code, seconds=settings.SWEEP_SECONDS, free=True)
