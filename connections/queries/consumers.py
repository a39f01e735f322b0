"""OAuth consumers as their pages show them: facts, guides, and who depends on them."""

from __future__ import annotations

from dataclasses import dataclass

from connections import lookups, registry
from connections.contracts import Manifest, Step
from connections.flows.consumers import available
from connections.flows.link import callback_url
from connections.models import Consumer
from connections.queries import products
from connections.queries.linking import filled
from portal import tenancy


@dataclass(frozen=True, slots=True)
class ConnectorConsumers:
    """One connector with its consumers and how to register one at the vendor."""

    manifest: Manifest
    callback: str
    guide: list[Step]
    own: list[Consumer]
    shared: list[Consumer]

    @property
    def needs_consumer(self) -> bool:
        return self.manifest.oauth is not None


@dataclass(frozen=True, slots=True)
class ConsumerPage:
    consumer: Consumer
    product: str
    callback: str
    used_by: int
    is_platform: bool


def consumer_pages() -> list[ConnectorConsumers]:
    """Every connector; `shared` are the platform's, as an organization sees them."""
    return [_of_connector(slug, each.manifest) for slug, each in registry.connectors().items()]


def choices() -> list[tuple[str, str]]:
    """Every consumer that this organization may link with, by its id, with product and server."""
    return [
        (str(one.id), f"{one.name} ({one.base_url or each.manifest.name})")
        for slug, each in registry.connectors().items()
        if each.manifest.oauth is not None
        for one in available(slug)
    ]


def _of_connector(slug: str, manifest: Manifest) -> ConnectorConsumers:
    usable, here = available(slug), tenancy.organization_id()
    address = callback_url(slug)
    return ConnectorConsumers(
        manifest=manifest,
        callback=address,
        guide=filled(manifest.oauth.consumer_steps, address) if manifest.oauth else [],
        own=[each for each in usable if each.organization_id == here],
        shared=[each for each in usable if each.organization_id != here],
    )


def consumer_page(consumer: Consumer) -> ConsumerPage:
    """One consumer of the organization that is acted for, with how many depend on it anywhere."""
    return ConsumerPage(
        consumer=consumer,
        product=products.name_of(consumer.connector),
        callback=callback_url(consumer.connector),
        used_by=lookups.using_consumer(consumer.id),
        is_platform=consumer.organization_id == tenancy.PLATFORM,
    )
