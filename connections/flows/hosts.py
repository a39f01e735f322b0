"""Addresses of self-hosted products that people type: who may name a new one, and the one answer
to all that cannot be reached.

Whoever could tell refused, closed and filtered apart would have a scanner of the networks around
this portal (trust.md §8.1). So all read alike, and the reason goes to the log.
"""

from __future__ import annotations

import logging
import time
from typing import Final

from connections import explain
from connections.base_urls import BASE_URL, Place, host_of, place_of
from connections.contracts import Manifest
from connections.errors import Blocked, TlsFailed, Unavailable, VendorError
from connections.flows import pace, rights
from connections.flows.problems import FlowProblem
from connections.models import Connection, Consumer
from portal import context_vars
from portal.policy import Actor, Permission, allows, present

log = logging.getLogger(__name__)

NOT_REACHED: Final = "not_reached"
FLOOR_SECONDS: Final = 2.0
WHO_RUN_IT: Final = frozenset({"system", "operator"})
GUEST: Final = "guest"
NOT_YOURS: Final = "new_host"
ASK_FIRST: Final = "This server is new here, and an owner or admin decides about new ones."


class NotReached(VendorError):
    """Nothing answers at the address that a person typed, or it may not be asked."""

    code = NOT_REACHED


def entered(*, actor: Actor, manifest: Manifest, text: str, counted_as: str = "host") -> str:
    """The base URL in canonical form; raises FlowProblem, for every refused one in the same words.

    One that no connection or consumer of the organization has yet takes the right to name it; a
    guest has it from whoever sent the connect link. `counted_as` is the pace that a new one keeps.
    """
    found = canonical(actor=actor, manifest=manifest, text=text, counted_as=counted_as)
    if actor.kind not in WHO_RUN_IT and not _is_known(manifest, found):
        if not may_name(actor, manifest, found):
            raise FlowProblem(NOT_YOURS, BASE_URL, ASK_FIRST)
        pace.keep(counted_as, actor)
    return found


def canonical(*, actor: Actor, manifest: Manifest, text: str, counted_as: str = "host") -> str:
    """The base URL in one form; raises FlowProblem in the same words for each that is refused."""
    try:
        return str(place_of(manifest, text).base())
    except Blocked as blocked:
        pace.keep(counted_as, actor)
        log.warning("link.address_refused", extra={"reason": blocked.reason})
        raise refusal(manifest) from None


def may_name(actor: Actor, manifest: Manifest, base_url: str) -> bool:
    """Whether they may link at it: known here, a right of theirs, or approved when they asked."""
    return (
        actor.kind in WHO_RUN_IT | {GUEST}
        or _is_vendors(manifest, base_url)
        or _is_known(manifest, base_url)
        or allows(present(actor), Permission.HOST_ENTER)
        or rights.allowed_host(actor, manifest.slug, base_url) is not None
    )


def _is_vendors(manifest: Manifest, base_url: str) -> bool:
    return manifest.self_hosted is not None and manifest.self_hosted.knows(host_of(base_url))


def _is_known(manifest: Manifest, base_url: str) -> bool:
    linked = Connection.objects.filter(
        connector=manifest.slug, **{f"fields__{BASE_URL}": base_url}
    ).exclude(state=Connection.State.REVOKED)
    # The platform's own consumers serve everybody: row security shows those and no others.
    registered = Consumer.everywhere.filter(
        connector=manifest.slug, base_url=base_url, removed_at=None
    )
    return bool(linked.exists() or registered.exists())


def refusal(manifest: Manifest, field: str = BASE_URL) -> FlowProblem:
    """What a person reads of every address that may not be reached."""
    said = explain.explain_link(NOT_REACHED, product=manifest.name)
    return FlowProblem(NOT_REACHED, field, f"{said.title}. {said.remedy} {reference()}")


def reference() -> str:
    """What to quote, so that whoever runs this portal finds the reason in the log."""
    return f"Reference: {context_vars.request_id.get() or 'none'}."


def first_contact(place: Place, error: VendorError, began: float) -> VendorError:
    """The error as somebody may read it who tries an address for the first time.

    What could not be reached says so in one way, and not before two seconds have passed.
    """
    is_silent = isinstance(error, Blocked | Unavailable) and error.status is None
    if not place.typed or isinstance(error, TlsFailed) or not is_silent:
        return error
    why = error.reason if isinstance(error, Blocked) else error.code
    log.warning("link.not_reached", extra={"host": host_of(place.typed), "reason": why})
    time.sleep(max(0.0, FLOOR_SECONDS - (time.monotonic() - began)))
    return NotReached(reference())
