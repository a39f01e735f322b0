"""The ways to link an organization of Space: what to click there and which rights to give."""

from __future__ import annotations

from connections.contracts import (
    ClientCredentials,
    Field,
    Method,
    MethodKind,
    Step,
    TokenPrefix,
    TokenRotation,
)
from integrations.jetbrains_space.scopes import EVERYTHING, RIGHT, SCOPE

HELP = "https://www.jetbrains.com/help/space/"
TOKEN_NAME = "Portal connection"
USUAL_DAYS = 90
PREFIX = "eyJ"

_COPY_NOW = "Create it and copy the token at once: Space shows it one time only."
_GIVE = "Give it the permissions this page lists for what you chose, and no others."
_WHERE = (
    "Give each permission globally, or in the projects that the portal shall reach: choose the "
    "context first, then the permission. Whoever administers that context has to approve it."
)
_PACE = "No limit is documented; the portal waits where Space asks for it"


def _token_field(label: str) -> Field:
    return Field(
        name="token",
        label=label,
        help="Paste it whole. It is sealed when you save and never shown again.",
        placeholder="eyJ…",
        secret=True,
        pattern=r"[\x21-\x7e]+",
        kind="password",
        max_length=8192,
    )


OAUTH_METHOD = Method(
    key="oauth",
    kind=MethodKind.AUTHORIZATION_CODE,
    title="Sign in to Space",
    summary="You sign in at your organization and accept what is listed. Nothing to copy; kept "
    "alive by itself.",
    vocabulary=SCOPE,
    credential_kind="oauth2",
    acts_as="Who signs in, in every project they can open, as far as the scopes reach",
    lifetime="Renewed by itself; ends when they withdraw it, and when the connection is revoked",
    limits=_PACE,
    withdraw=(
        Step(
            "In Space open your avatar, Preferences, Authorized applications, find the "
            "application and choose Remove."
        ),
    ),
    personal=True,
)

SERVICE_ACCOUNT_METHOD = Method(
    key="service-account",
    kind=MethodKind.EXCHANGED,
    title="Service account of an application",
    summary="An application of your organization acts on its own behalf, with rights that you "
    "give it project by project. Belongs to no person.",
    vocabulary=RIGHT,
    credential_kind="service_account",
    fields=(
        Field(
            name="client_id",
            label="Client ID",
            help="On the application's Authentication tab.",
            placeholder="98071167-004c-4ddf-ba37-5d4599fdf319",
            pattern=r"[A-Za-z0-9._~-]{1,128}",
            max_length=128,
        ),
        Field(
            name="secret",
            label="Client secret",
            help="Beside it. It is sealed when you save and never shown again.",
            secret=True,
            pattern=r"[\x21-\x7e]+",
            kind="password",
            max_length=1024,
        ),
    ),
    steps=(
        Step(
            "As an administrator of the organization open Extensions, Installed to organization, "
            "New application, and name it.",
            copy="Portal",
            url=f"{HELP}single-org-applications.html",
        ),
        Step("On its Authentication tab enable Client Credentials Flow."),
        Step(f"On its Authorization tab: {_GIVE}"),
        Step(_WHERE),
        Step("Copy Client ID and Client secret from the Authentication tab."),
    ),
    acts_as="The application, not a person",
    lifetime="Until somebody regenerates the secret or removes the application",
    limits=_PACE,
    withdraw=(
        Step(
            "Open the application in Extensions, Installed to organization, and on its "
            "Authentication tab regenerate the client secret, or delete the application."
        ),
    ),
    exchange=ClientCredentials(
        token_url="oauth/token",
        client_auth="basic",
        params={"scope": EVERYTHING},
        unsaid=(EVERYTHING,),
        default_lifetime_seconds=600,
    ),
)

PERSONAL_TOKEN_METHOD = Method(
    key="personal-token",
    kind=MethodKind.SECRET,
    title="Personal token",
    summary="A permanent token of your account with the permissions you choose. Can be replaced "
    "by itself.",
    vocabulary=SCOPE,
    credential_kind="personal_token",
    fields=(_token_field("Personal token"),),
    steps=(
        Step(
            "In Space open your avatar, Preferences, Personal Tokens, New personal token.",
            url=f"{HELP}personal-tokens.html",
        ),
        Step("Name it.", copy=TOKEN_NAME),
        Step(f"Choose Limited access. {_GIVE}"),
        Step(_COPY_NOW),
    ),
    acts_as="Who made it, in every project they can open, as far as its permissions reach",
    lifetime="Until the day you choose, or for ever; replaced by itself where you want it",
    limits=_PACE + ". To be replaced by itself it needs to create and to manage permanent tokens.",
    rotation=TokenRotation(
        days=USUAL_DAYS,
        needs=("global:Profile.PermanentTokens.Create", "global:Profile.PermanentTokens.Edit"),
        by_hand_path="me/preferences/personal-tokens",
    ),
    withdraw=(
        Step("In Space open your avatar, Preferences, Personal Tokens, find it and choose Revoke."),
    ),
    personal=True,
)

APPLICATION_TOKEN_METHOD = Method(
    key="application-token",
    kind=MethodKind.SECRET,
    title="Permanent token of an application",
    summary="As the service account, where its client secret shall not be handed on.",
    vocabulary=RIGHT,
    credential_kind="application_token",
    fields=(_token_field("Permanent token"),),
    steps=(
        Step(
            "As an administrator of the organization open Extensions, Installed to organization, "
            "the application, Permanent Tokens, New permanent token.",
            url=f"{HELP}authorize-with-permanent-token.html",
        ),
        Step("Name it, and choose when it expires.", copy=TOKEN_NAME),
        Step(f"On the application's Authorization tab: {_GIVE}"),
        Step(_WHERE),
        Step(_COPY_NOW),
    ),
    acts_as="The application, not a person",
    lifetime="Until the day you choose; replaced by itself where you want it",
    limits=_PACE + ". To be replaced by itself the application needs to update applications and "
    "to view their secrets.",
    rotation=TokenRotation(
        days=USUAL_DAYS, needs=("Applications.Edit", "Applications.ViewSecrets")
    ),
    withdraw=(Step("Open the application's Permanent Tokens, find the token and choose Revoke."),),
)

METHODS = (
    OAUTH_METHOD,
    SERVICE_ACCOUNT_METHOD,
    PERSONAL_TOKEN_METHOD,
    APPLICATION_TOKEN_METHOD,
)

_ELSEWHERE = "This token belongs to another product. A Space does not know it."
TOKEN_PREFIXES = (
    TokenPrefix(PREFIX, "Space permanent token", methods=("personal-token", "application-token")),
    TokenPrefix("perm:", "YouTrack or TeamCity permanent token", refusal=_ELSEWHERE),
    TokenPrefix("perm-", "YouTrack or TeamCity permanent token", refusal=_ELSEWHERE),
)
