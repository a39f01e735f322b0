"""After a key leaked: whoever registered here does, in each organization, what a leak asks for."""

from __future__ import annotations

from collections.abc import Callable

from portal import audit, everybody, key_rotation, tenancy, work
from portal.audit import Action
from portal.clock import now
from portal.key_ceremony import Version
from portal.policy import SYSTEM

KIND = "key_leaked"
Hook = Callable[[str, str], object]

_hooks: list[Hook] = []


def on_emergency(hook: Hook) -> Hook:
    """Register what happens in each organization when a key leaked: `hook(domain, because)`.

    It runs in a worker, acting for the organization and outside of transactions, maybe twice.
    """
    _hooks.append(hook)
    return hook


def emergency(leaked: Version, because: str) -> int:
    """Every organization's data keys are replaced and its credentials to be; how many there are.

    What was sealed under a data key that a leaked key wrapped must count as read.
    """
    organizations = everybody.organizations()
    with tenancy.elsewhere(tenancy.PLATFORM), tenancy.transaction():
        audit.record(Action.KEY_LEAKED, actor=SYSTEM, subject=leaked, because=because)
    key_rotation.ask(organizations, now())

    def one() -> None:
        with tenancy.transaction():
            work.later(KIND, dedupe=f"{KIND}:{leaked}", domain=leaked.domain, because=because[:200])

    everybody.for_each(organizations, one)
    return len(organizations)


@work.job(KIND)
def perform(claim: work.Claim, *, domain: str, because: str) -> None:
    """What other floors registered has happened in this organization."""
    for hook in _hooks:
        hook(domain, because)
