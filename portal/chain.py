"""How far the acting organization's record is proven, as its page shows it.

A short chain is walked each time. A long one shows the last walk's result, which the cache keeps.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.core.cache import cache
from django.utils import timezone

from portal import audit, ledgers, tenancy
from portal.models import AuditHead

SHORT = 1000
KEPT_SECONDS = 30 * 24 * 3600


@dataclass(frozen=True, slots=True)
class ChainState:
    """`length` rows are on record; the first `proven` of them were seen to fit at `at`."""

    length: int
    proven: int
    at: datetime | None
    broken_at: int | None = None
    reason: str = ""


def state() -> ChainState:
    """What is known now; call it inside a transaction."""
    head = AuditHead.objects.first()
    length = head.sequence if head else 0
    if length <= SHORT:
        return _walked(*audit.verify())
    kept = cache.get(_key())
    if kept is None:
        return ChainState(length=length, proven=0, at=None)
    proven, at, broken_at, reason = kept
    return ChainState(length, proven, at, broken_at, reason)


def verify_now() -> ChainState:
    """Walk the whole chain with all that it took up, and keep the result."""
    found = _walked(*ledgers.verify())
    if found.length > SHORT:
        kept = (found.proven, found.at, found.broken_at, found.reason)
        cache.set(_key(), kept, KEPT_SECONDS)
    return found


def _walked(proven: int, broken: audit.Broken | None) -> ChainState:
    head = AuditHead.objects.first()
    return ChainState(
        length=head.sequence if head else 0,
        proven=proven,
        at=timezone.now(),
        broken_at=broken.sequence if broken else None,
        reason=broken.reason if broken else "",
    )


def _key() -> str:
    return f"chain:{tenancy.organization_id()}"
