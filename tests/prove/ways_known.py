"""Every way to link the four vendors, and whom it acts as. A way of a manifest that has no row here
fails the proof."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from connections import registry
from connections.contracts import Method, MethodKind
from integrations.sandbox.atlassian.cast import ALL_CONFLUENCE, JIRA_WORK
from tests.live import LivePortal
from tests.prove.ways_vendors import (
    SPACE,
    AtlassianClient,
    AtlassianToken,
    Rows,
    Source,
    SpaceApp,
    SpaceliftKey,
    SpaceToken,
    rows,
)

VENDORS = ("jira", "confluence", "spacelift", "jetbrains-space")
DANA, BOT = "dana@acme.example", "Portal Bot"
OURS = "Our portal"
HOUR = 3600


@dataclass(frozen=True, slots=True)
class Consent:
    """A sign-in at a consent page, through this consumer of the vendor's."""

    vendor: str
    app: str
    user: str = "dana"
    sites: tuple[str, ...] = ()
    base_url: str = ""
    accept: str = "Accept"
    ended_by_us: bool = False

    @property
    def option(self) -> str:
        """What the wizard calls the organization's own consumer."""
        return f"{OURS} ({self.base_url})" if self.base_url else OURS

    def consumer(self, portal: LivePortal) -> tuple[str, str]:
        """Key and secret, as the vendor shows them to whoever registered it."""
        found = next(
            each
            for each in rows(portal, self.vendor, "apps")
            if each["name"] == self.app and each.get("origin", "") == self.base_url
        )
        return str(found.get("key") or found["client_id"]), str(found["secret"])

    def living(self, portal: LivePortal) -> set[str]:
        """The ids of the grants of this person by this consumer that were not withdrawn."""
        known: Rows = portal.ask(f"/{self.vendor}/grants")  # type: ignore[assignment]
        key = self.consumer(portal)[0]
        mine = (e for e in known if key in (e.get("key"), e.get("client_id")))
        return {str(each["id"]) for each in mine if not each["revoked"]}


@dataclass(frozen=True, slots=True)
class Way:
    """`account` is whom the page says it acts as; a token of an exchange lives `seconds`."""

    connector: str
    method: str
    account: str
    source: Source | Consent
    seconds: int = 0
    only: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.connector} {self.method}"


def _atlassian(product: str, scopes: tuple[str, ...]) -> Iterator[Way]:
    consent = Consent("atlassian", f"{product}-portal", sites=("acme",))
    client = AtlassianClient("bot-oauth", "service_clients")
    yield Way(product, "oauth", "Dana Levi", consent, HOUR)
    scoped = AtlassianToken("scoped", "dana", scopes, DANA)
    yield Way(product, "scoped-token", "Dana Levi", scoped)
    yield Way(product, "service-account-token", BOT, AtlassianToken("service", "bot", scopes))
    yield Way(product, "service-account-oauth", BOT, client, HOUR)
    yield Way(product, "classic-token", "Dana Levi", AtlassianToken("classic", "dana", (), DANA))


_SITE = AtlassianClient("acme-site", "site_credentials")
_SPACE_APP = "acme-space-robot"
_SPACE_CONSENT = Consent("jetbrains-space", "Portal", base_url=SPACE, ended_by_us=True)

KNOWN: tuple[Way, ...] = (
    Way("jira", "site-credentials", "acme", _SITE, 900, only=("relay-development",)),
    *_atlassian("jira", tuple(JIRA_WORK)),
    *_atlassian("confluence", tuple(ALL_CONFLUENCE)),
    Way("spacelift", "api-key", "proof", SpaceliftKey(), 10 * HOUR),
    Way("jetbrains-space", "oauth", "Dana Levi", _SPACE_CONSENT, 600),
    Way("jetbrains-space", "service-account", "Robot", SpaceApp(_SPACE_APP), 600),
    Way("jetbrains-space", "personal-token", "Dana Levi", SpaceToken({"user": "dana"})),
    Way("jetbrains-space", "application-token", "Robot", SpaceToken({"app": _SPACE_APP})),
)

# One way of each kind, and one of each vendor: what the tests walk.
SHORT = (
    ("jira", "site-credentials"),
    ("confluence", "scoped-token"),
    ("spacelift", "api-key"),
    ("jetbrains-space", "oauth"),
)


def in_short() -> list[Way]:
    return [way for way in KNOWN if (way.connector, way.method) in SHORT]


def offered() -> list[tuple[str, Method]]:
    """Every way that a person can choose, by the vendors' manifests."""
    found = registry.connectors()
    return [(slug, method) for slug in VENDORS for method in found[slug].manifest.choices]


def missing() -> list[str]:
    """The ways of a manifest without a row here, and rows without a way."""
    told = {(way.connector, way.method) for way in KNOWN}
    ours = {(slug, method.key) for slug, method in offered()}
    return sorted(" ".join(each) for each in told ^ ours)


def method_of(way: Way) -> Method:
    return registry.get(way.connector).manifest.method(way.method)


def renews_itself(way: Way) -> bool:
    return method_of(way).kind is not MethodKind.SECRET
