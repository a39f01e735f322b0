"""What the overview says of what comes due: policies, campaigns, and the next vendor's change."""

from __future__ import annotations

from dataclasses import dataclass

from connections.contracts import VendorChange
from connections.queries import changes, policies, products
from connections.queries.campaigns import CampaignLine, open_campaigns
from connections.queries.policies import Counts
from portal import clock
from portal.policy import Actor, Permission, allows

CAMPAIGNS = 3


@dataclass(frozen=True, slots=True)
class Coming:
    """`change` is the next one of a product's vendor; `product` is its name."""

    counts: Counts
    campaigns: list[CampaignLine]
    product: str
    change: VendorChange | None

    @property
    def is_clear(self) -> bool:
        return self.counts.is_clear and not self.campaigns


def coming(actor: Actor) -> Coming | None:
    """For those who read the details of every connection; None for others."""
    if not (allows(actor, Permission.CONNECTION_MANAGE) or allows(actor, Permission.AUDIT_VIEW)):
        return None
    today, linked = clock.now().date(), changes.linked()
    coming = (pair for pair in changes.every() if pair[1].on > today and pair[0] in linked)
    slug, change = next(coming, ("", None))
    return Coming(
        counts=policies.counts(),
        campaigns=open_campaigns()[:CAMPAIGNS],
        product=products.name_of(slug) if change else "",
        change=change,
    )
