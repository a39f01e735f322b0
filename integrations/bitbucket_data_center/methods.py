"""The ways to link a Bitbucket Data Center: what to click there and which boxes to tick."""

from __future__ import annotations

import base64
import binascii
import re

from connections.contracts import (
    Field,
    Method,
    MethodKind,
    Scheme,
    Step,
    TokenPrefix,
    TokenRotation,
)
from integrations.bitbucket_data_center.scopes import (
    OAUTH,
    PASSWORD,
    PROJECT_TOKEN_OFFERS,
    REPOSITORY_TOKEN_OFFERS,
    TOKEN,
    USER_TOKEN_OFFERS,
)

TOKEN_DOCS = "https://confluence.atlassian.com/bitbucketserver/http-access-tokens-939515499.html"
TOKEN_NAME = "Portal connection"
PREFIX = "BBDC-"
USUAL_DAYS = 90

_TICK = "Give it the permissions this page lists for what you chose, and no others."
_COPY_NOW = "Create it and copy the token at once: Bitbucket shows it one time only."
_LIVES = "Until the day you choose, or until it is revoked; replaced by itself where you want it"
_PACE = "Counted against the server's own rate limit of the account, where it has one"

PROJECT_FIELD = Field(
    name="project",
    label="Project key",
    help="The short key in capitals after /projects/ in the project's address.",
    placeholder="PAY",
    pattern=r"~?[A-Za-z0-9][A-Za-z0-9_.\-]{0,127}",
    max_length=129,
)
REPOSITORY_FIELD = Field(
    name="repository",
    label="Repository slug",
    help="The part after /repos/ in the repository's address.",
    placeholder="billing-api",
    pattern=r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,127}",
    max_length=128,
)
USERNAME_FIELD = Field(
    name="username",
    label="User name",
    help="The name you sign in to this Bitbucket with, not your e-mail address.",
    placeholder="dlevi",
    pattern=r"[^\s:]{1,255}",
    max_length=255,
)


def _secret_field(label: str, example: str, pattern: str) -> Field:
    return Field(
        name="token",
        label=label,
        help="Paste it whole. It is sealed when you save and never shown again.",
        placeholder=example,
        secret=True,
        pattern=pattern,
        kind="password",
        max_length=1024,
    )


_TOKEN_FIELD = _secret_field("HTTP access token", "BBDC-…", r"[\x21-\x7e]+")


def token_id(token: str) -> str:
    """The id that an HTTP access token carries in itself; "" for one of another shape.

    A token is base64 of its id, a colon and random bytes, since 8.x with "BBDC-" before it. The
    example of Atlassian's REST document reads so: id 252973515069, token MjUyOTczNTE1MDY5On2r…
    """
    text = token.removeprefix(PREFIX)
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return ""
    found = re.match(rb"([0-9]{6,20}):", raw)
    return found.group(1).decode() if found else ""


def _rotation(path: str, *needs: str) -> TokenRotation:
    return TokenRotation(days=USUAL_DAYS, needs=needs, token_id=token_id, by_hand_path=path)


OAUTH_METHOD = Method(
    key="oauth",
    kind=MethodKind.AUTHORIZATION_CODE,
    title="Sign in to your Bitbucket",
    summary="You sign in at your own Bitbucket and allow what is listed. Nothing to copy; kept "
    "alive by itself. Needs Bitbucket 7.20 or newer and https.",
    vocabulary=OAUTH,
    credential_kind="oauth2",
    acts_as="Who signs in, in every project they can open, as far as the scopes reach",
    lifetime="Renewed by itself; ends when they or an administrator withdraw it",
    limits=_PACE,
    personal=True,
)

USER_TOKEN_METHOD = Method(
    key="user-token",
    kind=MethodKind.SECRET,
    title="HTTP access token of a person",
    summary="A token of your account with the permissions you choose. Can be replaced by itself.",
    vocabulary=TOKEN,
    credential_kind="user_http_token",
    fields=(_TOKEN_FIELD,),
    steps=(
        Step("At your Bitbucket open Manage account, HTTP access tokens.", url=TOKEN_DOCS),
        Step("Choose “Create token” and name it.", copy=TOKEN_NAME),
        Step(_TICK),
        Step("Let it expire automatically, after 90 days for example."),
        Step(_COPY_NOW),
    ),
    acts_as="Who made it, in every project they can open, as far as its permissions reach",
    lifetime=_LIVES,
    limits=_PACE,
    offers=USER_TOKEN_OFFERS,
    personal=True,
    rotation=_rotation("plugins/servlet/access-tokens/manage"),
)

PROJECT_TOKEN_METHOD = Method(
    key="project-token",
    kind=MethodKind.SECRET,
    title="HTTP access token of a project",
    summary="Opens the repositories of one project, and belongs to no person.",
    vocabulary=TOKEN,
    credential_kind="project_http_token",
    fields=(PROJECT_FIELD, _TOKEN_FIELD),
    steps=(
        Step("Open the project at your Bitbucket, then Project settings, HTTP access tokens."),
        Step("Choose “Create token” and name it.", copy=TOKEN_NAME),
        Step(_TICK),
        Step(_COPY_NOW),
    ),
    acts_as="The project, not a person",
    lifetime=_LIVES,
    limits=_PACE + ". To be replaced by itself it needs the permission Project admin.",
    offers=PROJECT_TOKEN_OFFERS,
    rotation=_rotation("plugins/servlet/access-tokens/projects/{project}/manage", "PROJECT_ADMIN"),
)

REPOSITORY_TOKEN_METHOD = Method(
    key="repository-token",
    kind=MethodKind.SECRET,
    title="HTTP access token of a repository",
    summary="Opens one repository and nothing else. The smallest way to link.",
    vocabulary=TOKEN,
    credential_kind="repository_http_token",
    fields=(PROJECT_FIELD, REPOSITORY_FIELD, _TOKEN_FIELD),
    steps=(
        Step(
            "Open the repository at your Bitbucket, then Repository settings, HTTP access tokens."
        ),
        Step("Choose “Create token” and name it.", copy=TOKEN_NAME),
        Step(_TICK),
        Step(_COPY_NOW),
    ),
    acts_as="The repository, not a person",
    lifetime=_LIVES,
    limits=_PACE + ". To be replaced by itself it needs the permission Repository admin.",
    offers=REPOSITORY_TOKEN_OFFERS,
    rotation=_rotation(
        "plugins/servlet/access-tokens/projects/{project}/repos/{repository}/manage",
        "REPO_ADMIN",
    ),
)

PASSWORD_METHOD = Method(
    key="password",
    kind=MethodKind.SECRET,
    title="User name and password",
    summary="Where neither OAuth nor tokens are allowed. It can do all that the account can; a "
    "token is the better way.",
    vocabulary=PASSWORD,
    credential_kind="password",
    fields=(USERNAME_FIELD, _secret_field("Password or token", "", r"[^\x00-\x1f\x7f]+")),
    steps=(Step("Use an account made for this, with no more rights than it needs."),),
    scheme=Scheme.BASIC,
    basic_user="username",
    acts_as="That account, with all its rights",
    lifetime="Until the password is changed",
    limits=_PACE + ". Three wrong passwords can lock the account behind a CAPTCHA.",
    personal=True,
)

METHODS = (
    OAUTH_METHOD,
    USER_TOKEN_METHOD,
    PROJECT_TOKEN_METHOD,
    REPOSITORY_TOKEN_METHOD,
    PASSWORD_METHOD,
)

_CLOUD = "This token belongs to bitbucket.org. A Bitbucket Data Center does not know it."
TOKEN_PREFIXES = (
    TokenPrefix(
        PREFIX,
        "Bitbucket Data Center token",
        methods=("user-token", "project-token", "repository-token", "password"),
    ),
    TokenPrefix("ATATT", "Atlassian API token", refusal=_CLOUD),
    TokenPrefix("ATCTT3xFfG", "Bitbucket access token", refusal=_CLOUD),
    TokenPrefix("ATBB", "Bitbucket app password", refusal=_CLOUD),
)
