"""The ways to link an Atlassian product: what differs is the product's name and its vocabulary."""

from __future__ import annotations

from connections.contracts import (
    ClientCredentials,
    Field,
    Lookup,
    Method,
    MethodKind,
    OAuth2,
    Scheme,
    Step,
    TokenPrefix,
)
from integrations.atlassian import CLOUD_ID, OAUTH, SITE, TOKEN, UNSCOPED

TOKENS_PAGE = "https://id.atlassian.com/manage-profile/security/api-tokens"
APPS_PAGE = "https://id.atlassian.com/manage-profile/apps"
ADMIN_PAGE = "https://admin.atlassian.com/"
CONSOLE = "https://developer.atlassian.com/console/myapps/"
OAUTH_DOCS = "https://developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps/"
SERVICE_DOCS = (
    "https://support.atlassian.com/user-management/docs/manage-api-tokens-for-service-accounts/"
)
SERVICE_OAUTH_DOCS = (
    "https://support.atlassian.com/user-management/docs/"
    "create-oauth-2-0-credential-for-service-accounts/"
)
AUTH = "https://auth.atlassian.com"
HOUR = 3600
TOKEN_NAME = "Portal connection"
TICK = "Tick the scopes this page lists for what you chose, and no others."
COPY_NOW = "Create it and copy the token at once: Atlassian shows it one time only."
ONE_YEAR = "At most one year; cannot be extended, only replaced"
BURST = "Limited by the second only: no budget of points for API tokens"

SITE_NAME = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

# What everybody may ask of a site, without signing in.
CLOUD_ID_LOOKUP = Lookup(
    url="https://{site}.atlassian.net/_edge/tenant_info",
    key="cloudId",
    field=CLOUD_ID,
    pattern=UUID,
)
SITE_FIELD = Field(
    name=SITE,
    label="Site",
    help="The part before .atlassian.net in the site's address, in small letters.",
    placeholder="acme",
    pattern=SITE_NAME,
    max_length=63,
)
EMAIL_FIELD = Field(
    name="email",
    label="Atlassian account e-mail",
    help="The address you sign in to Atlassian with.",
    placeholder="you@example.com",
    pattern=r"[^@\s:]+@[^@\s:]+",
    kind="email",
    max_length=254,
)
CLIENT_ID_FIELD = Field(
    name="client_id",
    label="Client ID",
    help="It is shown beside the secret, and again later.",
    placeholder="aB3dE5fG7hI9",
    pattern=r"[\x21-\x7e]+",
    random=True,
)


def secret_field(label: str, example: str) -> Field:
    """What is pasted; Atlassian says that tokens vary in length."""
    return Field(
        name="token",
        label=label,
        help="Paste it whole. It is sealed when you save and never shown again.",
        placeholder=example,
        secret=True,
        pattern=r"[\x21-\x7e]+",
        kind="password",
        max_length=16_384,
    )


# ── Consent ───────────────────────────────────────────────────────────────────────────────────


def authorization_server(product: str, scopes: str) -> OAuth2:
    """Atlassian's, for an app of the developer console.

    https://developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps/
    """
    return OAuth2(
        authorize_url=f"{AUTH}/authorize",
        token_url=f"{AUTH}/oauth/token",
        pkce=True,  # ignored there so far, and no replacement for the secret
        client_auth="body",
        body="json",
        always=("offline_access", "read:me"),
        authorize_params={"audience": "api.atlassian.com", "prompt": "consent"},
        grace_seconds=600,
        refresh_idle_days=90,
        default_lifetime_seconds=HOUR,
        wrong_client=(("access_denied", "unauthorized"),),  # the secret is wrong or missing: 401
        consumer_steps=(
            Step(
                "Open the developer console and choose Create, OAuth 2.0 integration. Where it "
                "asks for the kind of grant choose account-level: one consent opens several sites.",
                url=CONSOLE,
            ),
            Step("Name it so that people recognise it when they are asked.", copy="Portal"),
            Step(
                f"Under Permissions add the {product} API and the User identity API, then {scopes}"
            ),
            Step(
                "Under Authorization configure OAuth 2.0 (3LO) with this callback URL. It must "
                "match to the letter, and an app has one: each product needs an app of its own.",
                copy="{callback_url}",
            ),
            Step("Under Distribution share it, or only its own author can allow it."),
            Step("Under Settings copy Client ID and Secret."),
        ),
    )


def oauth(product: str) -> Method:
    """A person signs in and allows it, for one site or several."""
    return Method(
        key="oauth",
        kind=MethodKind.AUTHORIZATION_CODE,
        title="Sign in to Atlassian",
        summary="You sign in at Atlassian, choose sites and allow what is listed. Nothing to copy; "
        "kept alive by itself.",
        vocabulary=OAUTH,
        credential_kind="oauth2",
        acts_as=f"Who signs in, at the {product} sites they choose, as far as the scopes reach",
        lifetime="Renewed by itself; ends when unused for 90 days, when the password changes, or "
        "when they withdraw it",
        limits="65,000 points an hour for the app, shared by all its users",
        withdraw=WITHDRAW_GRANT,
        personal=True,
    )


# ── Tokens ────────────────────────────────────────────────────────────────────────────────────


def scoped_token(product: str) -> Method:
    """A person's token with scopes: at the gateway only, whose address knows the site by its id."""
    return Method(
        key="scoped-token",
        kind=MethodKind.SECRET,
        title="API token with scopes",
        summary=f"A token of your Atlassian account with the scopes you tick, for {product} only.",
        vocabulary=TOKEN,
        credential_kind="api_token",
        fields=(SITE_FIELD, EMAIL_FIELD, secret_field("Token", "ATATT…")),
        steps=(
            Step("Open Atlassian account settings, Security, API tokens.", url=TOKENS_PAGE),
            Step("Choose “Create API token with scopes”."),
            Step("Give it a name and an expiry date, at most one year away.", copy=TOKEN_NAME),
            Step(f"Choose {product} as the app."),
            Step(TICK),
            Step(COPY_NOW),
        ),
        withdraw=WITHDRAW_TOKEN,
        scheme=Scheme.BASIC,
        basic_user="email",
        acts_as="Who made it, at one site",
        lifetime=ONE_YEAR,
        limits=BURST,
        personal=True,
        api_url=gateway(product),
        lookup=CLOUD_ID_LOOKUP,
    )


def classic_token(product: str) -> Method:
    """A person's token without scopes: at the site's own address only."""
    return Method(
        key="classic-token",
        kind=MethodKind.SECRET,
        title="API token without scopes",
        summary="A token that may do all that you may. Prefer one with scopes.",
        vocabulary=UNSCOPED,
        credential_kind="classic_api_token",
        fields=(SITE_FIELD, EMAIL_FIELD, secret_field("Token", "ATATT…")),
        steps=(
            Step("Open Atlassian account settings, Security, API tokens.", url=TOKENS_PAGE),
            Step("Choose “Create API token”, the one without scopes."),
            Step("Give it a name and an expiry date, at most one year away.", copy=TOKEN_NAME),
            Step(COPY_NOW),
        ),
        withdraw=WITHDRAW_TOKEN,
        scheme=Scheme.BASIC,
        basic_user="email",
        acts_as=f"Who made it, with all their rights, at one {product} site",
        lifetime=ONE_YEAR,
        limits=BURST,
        personal=True,
        api_url="https://{site}.atlassian.net/",
        lookup=CLOUD_ID_LOOKUP,
    )


def service_token(product: str) -> Method:
    """A service account's token: always with scopes, and sent as Bearer."""
    return Method(
        key="service-account-token",
        kind=MethodKind.SECRET,
        title="Service account's API token",
        summary="A token that belongs to no person, with the scopes an organization admin ticks.",
        vocabulary=TOKEN,
        credential_kind="service_account_token",
        fields=(SITE_FIELD, secret_field("Token", "ATSTT…")),
        steps=(
            Step("Open Atlassian administration, Directory, Service accounts.", url=ADMIN_PAGE),
            Step(f"Choose or create one, and give it access to {product} at the site."),
            Step(
                "Choose Create credentials, API token, a name and an expiry date.", url=SERVICE_DOCS
            ),
            Step(TICK),
            Step(COPY_NOW),
        ),
        withdraw=WITHDRAW_SERVICE,
        acts_as="The service account, not a person, at one site",
        lifetime=ONE_YEAR,
        limits=BURST + "; five service accounts are free",
        api_url=gateway(product),
        lookup=CLOUD_ID_LOOKUP,
    )


def service_oauth(product: str) -> Method:
    """A service account's client, exchanged for a token of an hour."""
    return Method(
        key="service-account-oauth",
        kind=MethodKind.EXCHANGED,
        title="Service account's OAuth credential",
        summary="A client ID and secret of a service account. A worker exchanges them for a token "
        "of an hour, again and again.",
        vocabulary=TOKEN,
        credential_kind="service_account_oauth",
        fields=(SITE_FIELD, CLIENT_ID_FIELD, secret_field("Client secret", "ATOA…")),
        steps=(
            Step("Open Atlassian administration, Directory, Service accounts.", url=ADMIN_PAGE),
            Step(f"Choose or create one, and give it access to {product} at the site."),
            Step("Choose Create credentials, OAuth 2.0, and a name.", url=SERVICE_OAUTH_DOCS),
            Step(TICK),
            Step("Create it and copy both: the secret is shown one time only."),
        ),
        withdraw=WITHDRAW_SERVICE,
        acts_as="The service account, not a person, at one site",
        lifetime="Until it is revoked; each access token lives for an hour and is fetched anew",
        limits="65,000 points an hour",
        exchange=ClientCredentials(
            token_url=f"{AUTH}/oauth/token", body="json", default_lifetime_seconds=HOUR
        ),
        api_url=gateway(product),
        lookup=CLOUD_ID_LOOKUP,
    )


def gateway(product: str) -> str:
    """Where tokens with scopes work: one site's address at api.atlassian.com."""
    return f"https://api.atlassian.com/ex/{product.lower()}/{{{CLOUD_ID}}}/"


WITHDRAW_GRANT = (
    Step("Open Atlassian account settings, Connected apps.", url=APPS_PAGE),
    Step("Find the app by the name under which it asked you, and choose Remove access."),
)
WITHDRAW_TOKEN = (
    Step("Open Atlassian account settings, Security, API tokens.", url=TOKENS_PAGE),
    Step("Find the token by its name and its expiry date, and choose Revoke."),
)
WITHDRAW_SERVICE = (
    Step("Open Atlassian administration, Directory, Service accounts.", url=ADMIN_PAGE),
    Step("Open the account's credentials, find it by its name, and choose Revoke."),
)

# Observed; Atlassian documents none of them. Whether a user's token has scopes does not show.
TOKEN_PREFIXES = (
    TokenPrefix("ATATT", "Atlassian API token", methods=("scoped-token", "classic-token")),
    TokenPrefix("ATSTT", "service account's API token", methods=("service-account-token",)),
)
