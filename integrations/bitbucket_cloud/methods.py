"""The ways to link Bitbucket Cloud, each with what to click there and which boxes to tick."""

from __future__ import annotations

from datetime import date

from connections.contracts import (
    Field,
    Method,
    MethodEnd,
    MethodKind,
    Scheme,
    Step,
    TokenPrefix,
)
from integrations.bitbucket_cloud.scopes import (
    ACCESS_TOKEN,
    API_TOKEN,
    OAUTH,
    PROJECT_TOKEN_OFFERS,
    REPOSITORY_TOKEN_OFFERS,
    WORKSPACE_TOKEN_OFFERS,
)

API_TOKENS_PAGE = "https://id.atlassian.com/manage-profile/security/api-tokens"
APP_PASSWORDS_PAGE = "https://bitbucket.org/account/settings/app-passwords/"
TOKEN_NAME = "Portal connection"
ACCESS_TOKEN_DOCS = "https://support.atlassian.com/bitbucket-cloud/docs/"
SLUG = r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,127}"

_TICK = "Tick the boxes this page lists for what you chose, and no others."
_COPY_NOW = "Create it and copy the token at once: Bitbucket shows it one time only."
_UNTIL_REVOKED = "Until the date you choose, until it is revoked, or until what it opens is deleted"
_PREMIUM = "Needs Bitbucket Premium. Cannot read permissions or manage deploy keys."

WORKSPACE_FIELD = Field(
    name="workspace",
    label="Workspace ID",
    help="The part after bitbucket.org/ in the address of the workspace.",
    placeholder="acme-engineering",
    pattern=SLUG,
    max_length=128,
)
PROJECT_FIELD = Field(
    name="project",
    label="Project key",
    help="The short key in capitals beside the project's name, and after /projects/ in its "
    "address.",
    placeholder="PLAT",
    pattern=r"[A-Za-z][A-Za-z0-9_]{0,127}",
    max_length=128,
)
REPOSITORY_FIELD = Field(
    name="repository",
    label="Repository ID",
    help="The last part of the repository's address: bitbucket.org/workspace/repository.",
    placeholder="payments-api",
    pattern=SLUG,
    max_length=128,
)


def _token_field(example: str) -> Field:
    return Field(
        name="token",
        label="Token",
        help="Paste it whole. It is sealed when you save and never shown again.",
        placeholder=example,
        secret=True,
        pattern=r"[\x21-\x7e]+",
        kind="password",
        max_length=16_384,  # Atlassian's tokens have passed 2,500 characters
    )


OAUTH_METHOD = Method(
    key="oauth",
    kind=MethodKind.AUTHORIZATION_CODE,
    title="Sign in to Bitbucket",
    summary="You sign in at Bitbucket and allow what is listed. Nothing to copy; kept alive by "
    "itself.",
    vocabulary=OAUTH,
    credential_kind="oauth2",
    acts_as="Who signs in, in every workspace they can open, as far as the scopes reach",
    lifetime="Renewed by itself; ends when unused for three months or when they withdraw it",
    limits="1,000 API requests an hour for the account, shared with all its other uses",
    personal=True,
)

CLIENT_CREDENTIALS_METHOD = Method(
    key="client-credentials",
    kind=MethodKind.CLIENT_CREDENTIALS,
    title="OAuth consumer of your own",
    summary="The consumer itself signs in, without a person. For automation that must outlive "
    "people.",
    vocabulary=OAUTH,
    credential_kind="client_credentials",
    steps=(
        Step(
            "The consumer must be marked as private and have a callback URL, or Bitbucket "
            "refuses this.",
            copy="{callback_url}",
        ),
        Step("A consumer in a personal workspace reaches that workspace only."),
    ),
    acts_as="The consumer (an app user of its workspace), not a person",
    lifetime="A new access token is fetched whenever needed; ends with the consumer's secret",
    limits="1,000 API requests an hour",
)

API_TOKEN_METHOD = Method(
    key="api-token",
    kind=MethodKind.SECRET,
    title="API token",
    summary="A token of your Atlassian account with the scopes you tick, for Bitbucket only.",
    vocabulary=API_TOKEN,
    credential_kind="api_token",
    fields=(
        Field(
            name="email",
            label="Atlassian account e-mail",
            help="The address you sign in to Atlassian with, not your Bitbucket user name.",
            placeholder="you@example.com",
            pattern=r"[^@\s:]+@[^@\s:]+",
            kind="email",
            max_length=254,
        ),
        _token_field("ATATT…"),
    ),
    steps=(
        Step("Open Atlassian account settings, Security, API tokens.", url=API_TOKENS_PAGE),
        Step(
            "Choose “Create API token with scopes”. A token without scopes does not work at "
            "Bitbucket."
        ),
        Step("Give it a name and an expiry date, at most one year away.", copy=TOKEN_NAME),
        Step("Choose Bitbucket as the app."),
        Step(_TICK + " None of these scopes includes another."),
        Step(_COPY_NOW),
    ),
    withdraw=(
        Step("Open Atlassian account settings, Security, API tokens.", url=API_TOKENS_PAGE),
        Step("Find the token by its name and its expiry date, and choose Revoke."),
    ),
    scheme=Scheme.BASIC,
    basic_user="email",
    acts_as="Who made it, in every workspace they can open unless it is limited to one",
    lifetime="At most one year; cannot be extended, only replaced",
    limits="1,000 API requests an hour for the account, shared with all its other uses",
    personal=True,
)


def _access_token(*, of: str, fields: tuple[Field, ...], path: str, **rest: str) -> Method:
    """A Bearer token that belongs to a workspace, project or repository rather than to a person."""
    offers = {
        "workspace": WORKSPACE_TOKEN_OFFERS,
        "project": PROJECT_TOKEN_OFFERS,
        "repository": REPOSITORY_TOKEN_OFFERS,
    }[of]
    return Method(
        key=f"{of}-token",
        kind=MethodKind.SECRET,
        title=f"{of.capitalize()} access token",
        vocabulary=ACCESS_TOKEN,
        fields=(*fields, _token_field("ATCTT3xFfG…")),
        steps=(
            Step(
                f"Open the {of} at Bitbucket, then {path}.",
                url=f"{ACCESS_TOKEN_DOCS}{of}-access-tokens/",
            ),
            Step(f"Choose “Create {of} access token” and name it.", copy=TOKEN_NAME),
            Step(_TICK),
            Step(_COPY_NOW),
        ),
        withdraw=(
            Step(
                f"Open the {of} at Bitbucket, then {path}.",
                url=f"{ACCESS_TOKEN_DOCS}{of}-access-tokens/",
            ),
            Step("Find the token by its name and the day it was made, and choose Revoke."),
        ),
        acts_as=f"A bot user of the {of}, not a person",
        lifetime=_UNTIL_REVOKED,
        offers=offers,
        summary=rest["summary"],
        credential_kind=rest["credential_kind"],
        limits=rest["limits"],
    )


WORKSPACE_TOKEN_METHOD = _access_token(
    of="workspace",
    fields=(WORKSPACE_FIELD,),
    path="Settings, Security, Access tokens",
    summary="Opens one workspace with all its repositories, and belongs to no person.",
    credential_kind="workspace_access_token",
    limits=_PREMIUM,
)
PROJECT_TOKEN_METHOD = _access_token(
    of="project",
    fields=(WORKSPACE_FIELD, PROJECT_FIELD),
    path="Project settings, Security, Access tokens",
    summary="Opens the repositories of one project, and belongs to no person.",
    credential_kind="project_access_token",
    limits=_PREMIUM + " Cannot list members.",
)
REPOSITORY_TOKEN_METHOD = _access_token(
    of="repository",
    fields=(WORKSPACE_FIELD, REPOSITORY_FIELD),
    path="Repository settings, Security, Access tokens",
    summary="Opens one repository and nothing else. The smallest way to link.",
    credential_kind="repo_access_token",
    limits="Cannot list projects or members, read permissions or manage deploy keys.",
)

# Nobody can make one any more (creation ended on 9 September 2025); imports still bring them.
APP_PASSWORD_METHOD = Method(
    key="app-password",
    kind=MethodKind.SECRET,
    title="App password",
    summary="A password for programs that Atlassian removed. It can only be moved to an API token.",
    vocabulary=OAUTH,
    # No source shows the word: if Bitbucket says another one, that one is shown.
    credential_kind="apppassword",
    fields=(
        Field(
            name="username",
            label="Bitbucket user name",
            help="The name in the address of your personal workspace, not your e-mail address.",
            placeholder="dana",
            pattern=r"[^@\s:]+",
            max_length=128,
        ),
        _token_field("ATBB…"),
    ),
    steps=(Step("Nobody can make one any more. Move to an API token."),),
    withdraw=(
        Step("Open Bitbucket's personal settings, App passwords.", url=APP_PASSWORDS_PAGE),
        Step("Delete the one that this connection used, if it is still listed."),
    ),
    scheme=Scheme.BASIC,
    basic_user="username",
    acts_as="Who made it, in every workspace they can open",
    lifetime="Ended for everybody on 28 July 2026",
    limits="1,000 API requests an hour for the account, shared with all its other uses",
    personal=True,
    end=MethodEnd(
        on=date(2026, 7, 28),
        failing_since=date(2026, 6, 9),
        by="Atlassian",
        instead="api-token",
        url="https://support.atlassian.com/bitbucket-cloud/docs/using-api-tokens/",
    ),
)

METHODS = (
    OAUTH_METHOD,
    API_TOKEN_METHOD,
    WORKSPACE_TOKEN_METHOD,
    PROJECT_TOKEN_METHOD,
    REPOSITORY_TOKEN_METHOD,
    CLIENT_CREDENTIALS_METHOD,
    APP_PASSWORD_METHOD,
)

# Observed by TruffleHog's detectors; Atlassian documents none of them.
TOKEN_PREFIXES = (
    TokenPrefix("ATATT", "Atlassian API token", methods=("api-token",)),
    TokenPrefix(
        "ATCTT3xFfG",
        "Bitbucket access token",
        methods=("repository-token", "project-token", "workspace-token"),
    ),
    TokenPrefix(
        "ATBB",
        "Bitbucket app password",
        methods=("app-password",),
        refusal="This is an app password. Atlassian removed app passwords on 28 July 2026. Create "
        "an API token with scopes instead.",
    ),
    TokenPrefix(
        "BBDC-",
        "Bitbucket Data Center token",
        refusal="This token belongs to a Bitbucket Data Center server of your own. Bitbucket "
        "Cloud does not know it.",
    ),
)
