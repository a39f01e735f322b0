"""The catalogue: what each product gives, asks and takes, and what stands in the way of linking."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count

from connections import registry
from connections.contracts import Capability, Manifest, Method, MethodKind, Retired
from connections.flows import consumers
from connections.models import Connection, ConnectionState, Consumer
from connections.queries import products
from portal import tenancy

HOW_LONG = "About two minutes"
THEN = ", then the first sync runs by itself"


@dataclass(frozen=True, slots=True)
class Product:
    """One card of the catalogue."""

    manifest: Manifest
    linked: int

    @property
    def how_long(self) -> str:
        return how_long(self.manifest.slug)

    @property
    def mark(self) -> str:
        return f"img/connectors/{self.manifest.slug}.svg"


@dataclass(frozen=True, slots=True)
class Way:
    """A method as the product's page tells of it; `obstacle` says why it cannot be used now."""

    method: Method
    cannot: list[str]
    obstacle: str


@dataclass(frozen=True, slots=True)
class ProductPage:
    manifest: Manifest
    linked: int
    reads: list[Capability]
    writes: list[Capability]
    ways: list[Way]
    lacks_consumer: bool

    @property
    def how_long(self) -> str:
        return how_long(self.manifest.slug)

    @property
    def gone(self) -> list[Retired]:
        """What the vendor removed of a product that is still there."""
        return [each for each in self.manifest.retired if not each.is_all]


def how_long(slug: str) -> str:
    """What linking takes, and what happens by itself afterwards."""
    return HOW_LONG + (THEN if products.has_lists(slug) else "")


def catalogue() -> list[Product]:
    """Every product that can be linked here, with how many connections it has."""
    rows = Connection.objects.exclude(state=ConnectionState.REVOKED).values_list("connector")
    linked = dict(rows.annotate(Count("id")).order_by())
    return [
        Product(each.manifest, linked.get(slug, 0)) for slug, each in registry.connectors().items()
    ]


def product_page(slug: str) -> ProductPage:
    """One product in full; KeyError when there is none."""
    manifest = registry.get(slug).manifest
    usable = consumers.available(slug)
    rows = Connection.objects.filter(connector=slug).exclude(state=ConnectionState.REVOKED)
    return ProductPage(
        manifest=manifest,
        linked=rows.count(),
        reads=[c for c in manifest.capabilities if not c.writes],
        writes=[c for c in manifest.capabilities if c.writes],
        ways=[way(manifest, method, manifest.capabilities, usable) for method in manifest.choices],
        lacks_consumer=manifest.oauth is not None and not usable,
    )


def way(
    manifest: Manifest,
    method: Method,
    capabilities: tuple[Capability, ...] | list[Capability],
    usable: list[Consumer],
) -> Way:
    """The method with the capabilities it can never have."""
    cannot = [c.title for c in capabilities if manifest.obstacle(c, method)]
    return Way(method, cannot, obstacle_of(method, usable))


def obstacle_of(method: Method, usable: list[Consumer]) -> str:
    """Why nobody here can use this method now; empty when they can."""
    if method.kind.is_pasted:
        return ""
    if method.kind is MethodKind.CLIENT_CREDENTIALS:
        own = [c for c in usable if c.organization_id == tenancy.organization_id()]
        return "" if own else "Needs an OAuth consumer of your own organization."
    return "" if usable else "Needs an OAuth consumer, and none is registered yet."
