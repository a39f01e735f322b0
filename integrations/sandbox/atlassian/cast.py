"""Apps, credentials and tokens that exist from the start, derived from the seed, worth nothing."""

from __future__ import annotations

from integrations.sandbox.atlassian.credentials import (
    ApiToken,
    App,
    Client,
    Registry,
    derived,
    token_text,
)
from integrations.sandbox.atlassian.scopes import CONFLUENCE, JIRA, of_permissions
from integrations.sandbox.atlassian.world import World
from integrations.sandbox.vendor import Callbacks

DAY = 86400.0
ALWAYS = ["read:me", "offline_access"]
JIRA_WORK = ["read:jira-work", "write:jira-work", "read:jira-user"]
ALL_CONFLUENCE = list(CONFLUENCE)

# name, about, connector whose callback it has, scopes
APPS = (
    ("jira-portal", "All that the portal asks for at Jira", "jira", [*JIRA, *ALWAYS]),
    ("confluence-portal", "All that the portal asks for at Confluence", "confluence",
     [*CONFLUENCE, *ALWAYS]),
    ("jira-narrow", "Lacks write:jira-work", "jira",
     ["read:jira-work", "read:jira-user", *ALWAYS]),
    ("both-portal", "Jira and Confluence in one app: acme is listed twice", "jira",
     [*JIRA, *CONFLUENCE, *ALWAYS]),
    ("jira-online", "Lacks offline_access, so that nothing can be refreshed", "jira",
     [*JIRA, "read:me"]),
)  # fmt: skip
# name, about, site, permissions
SITE_CREDENTIALS = (
    ("acme-site", "Development information, builds and deployments at acme", "acme",
     ["devinfo", "builds", "deployments"]),
    ("acme-builds", "Builds only", "acme", ["builds"]),
    ("fjord-site", "Development information, builds and deployments at fjord", "fjord",
     ["devinfo", "builds", "deployments"]),
)  # fmt: skip
# name, about, site, scopes of the service account's OAuth client
SERVICE_CLIENTS = (
    ("bot-oauth", "A service account's OAuth client for Jira and Confluence", "acme",
     [*JIRA_WORK, *ALL_CONFLUENCE]),
)  # fmt: skip
# name, about, kind, account, scopes, days to live
TOKENS: tuple[tuple[str, str, str, str, list[str], int], ...] = (
    ("dana-classic", "Dana's API token without scopes: for the site's own address", "classic",
     "dana", [], 300),
    ("dana-jira", "Dana's scoped token for Jira", "scoped", "dana", JIRA_WORK, 300),
    ("dana-confluence", "Dana's scoped token for Confluence", "scoped", "dana",
     ALL_CONFLUENCE, 300),
    ("dana-narrow", "Can say whose it is, and no more", "scoped", "dana", ["read:jira-user"], 200),
    ("dana-expiring", "Expires in five days", "scoped", "dana", JIRA_WORK, 5),
    ("dana-expired", "Expired yesterday", "scoped", "dana", JIRA_WORK, -1),
    ("tomas-classic", "Tomás is at acme only, without administration", "classic", "tomas", [],
     200),
    ("tomas-jira", "Tomás's scoped token for Jira", "scoped", "tomas", JIRA_WORK, 200),
    ("nora-classic", "Nora is at no site", "classic", "nora", [], 200),
    ("bot-jira", "The service account's scoped token for Jira", "service", "bot", JIRA_WORK, 300),
    ("bot-confluence", "The service account's scoped token for Confluence", "service", "bot",
     ALL_CONFLUENCE, 300),
)  # fmt: skip


def enrol(registry: Registry, world: World, callbacks: Callbacks, seed: int, now: float) -> None:
    """Enter everything above."""
    for name, about, slug, scopes in APPS:
        mark = f"{seed}:app:{name}"
        key = derived(f"{mark}:key", 32)
        secret = "ATOA" + derived(f"{mark}:secret", 60)
        registry.apps[key] = App(name, key, secret, callbacks(slug), list(scopes), about)
    for name, about, site, permissions in SITE_CREDENTIALS:
        enter(registry, f"{seed}:site:{name}", Client(
            name, "", "", site, of_permissions(permissions), permissions=list(permissions),
            about=about,
        ))  # fmt: skip
    for name, about, site, scopes in SERVICE_CLIENTS:
        enter(registry, f"{seed}:service:{name}", Client(
            name, "", "", site, list(scopes), account=world.accounts["bot"].account_id,
            expires_at=now + 300 * DAY, about=about,
        ))  # fmt: skip
    for name, about, kind, who, scopes, days in TOKENS:
        account = world.accounts[who]
        text = token_text(kind, f"{seed}:token:{name}")
        registry.keep_token(
            ApiToken(
                name, kind, text, account.account_id, account.email, list(scopes),
                now + days * DAY, about=about,
            )
        )  # fmt: skip


def enter(registry: Registry, mark: str, client: Client) -> None:
    client.client_id = derived(f"{mark}:id", 32)
    client.secret = "ATOA" + derived(f"{mark}:secret", 60)
    registry.clients[client.client_id] = client
