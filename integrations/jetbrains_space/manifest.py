"""Everything about JetBrains Space that is data: whom it still serves, paths, manners of OAuth."""

from __future__ import annotations

from datetime import date

from connections.contracts import Manifest, OAuth2, Retired, SelfHosted, Step
from integrations.jetbrains_space.methods import HELP, METHODS, TOKEN_PREFIXES
from integrations.jetbrains_space.scopes import CAPABILITIES

ENDED = date(2025, 6, 1)
ENDED_URL = "https://blog.jetbrains.com/space/tag/api/"

CONSUMER_STEPS = (
    Step(
        "As an administrator of the organization open Extensions, Installed to organization, New "
        "application.",
        url=f"{HELP}single-org-applications.html",
    ),
    Step("Name it so that people recognise it when they are asked to allow it.", copy="Portal"),
    Step("On its Authentication tab enable Authorization Code Flow and choose Require PKCE."),
    Step("Paste this redirect URI. It must match to the letter.", copy="{callback_url}"),
    Step("Leave Allow public (untrusted) clients off: the portal keeps the secret."),
    Step("Save, and copy Client ID and Client secret: they are the key and the secret here."),
)

AUTHORIZATION_SERVER = OAuth2(
    authorize_url="oauth/auth",
    token_url="oauth/token",
    pkce=True,
    client_auth="basic",
    sends_scope=True,
    unsaid=("**",),
    authorize_params={"access_type": "offline", "request_credentials": "default"},
    default_lifetime_seconds=600,
    consumer_steps=CONSUMER_STEPS,
)

_PROFILE = "team-directory/profiles/me"
ENDPOINTS = (
    "projects",
    "applications/me",
    "applications/me/authorizations/authorized-contexts",
    "applications/me/authorizations/authorized-rights",
    "permissions/check-permission",
    _PROFILE,
    f"{_PROFILE}/permanent-tokens",
    f"{_PROFILE}/permanent-tokens/{{token}}",
    "applications/me/permanent-tokens",
    "applications/me/permanent-tokens/{token}",
    "team-directory/profiles/oauth-consents/me/refresh-tokens/self",
)

RETIRED = (
    Retired(
        title="JetBrains Space and SpaceCode",
        on=ENDED,
        why="JetBrains discontinued Space and SpaceCode. Organizations at jetbrains.space are "
        "gone; their addresses answer nobody. This connector serves installations of Space "
        "On-Premises that still run, and simulators.",
        instead="For builds JetBrains names TeamCity; code moves to another Git host.",
        url=ENDED_URL,
        is_all=True,
    ),
)

MANIFEST = Manifest(
    contract_version=1,
    slug="jetbrains-space",
    name="JetBrains Space",
    vendor="JetBrains",
    summary="Projects of a Space that still runs: its product was discontinued on 1 June 2025.",
    gives=(
        "Projects",
        "What the credential may do in each of them",
        "Jobs that can be started, and checks beside commits, once a link sends them",
    ),
    takes="Its address, and a sign-in, an application's client secret, or a permanent token.",
    api_url="api/http/",
    docs_url=HELP,
    methods=METHODS,
    capabilities=CAPABILITIES,
    oauth=AUTHORIZATION_SERVER,
    self_hosted=SelfHosted(
        label="Address of your Space",
        help="As it begins in the browser. It needs https. A server inside a private network has "
        "to be allowed first by the people who run this portal.",
        placeholder="https://space.example.com",
        known_hosts=("*.jetbrains.space",),
    ),
    token_prefixes=TOKEN_PREFIXES,
    retired=RETIRED,
    endpoints=ENDPOINTS,
    workspace_word="project",
    unlisted="Space's own repositories are not read: what happens elsewhere is sent to Space, not "
    "the other way round.",
    quirks=(
        "A scope of ** means everything that was granted, and does not say what that is.",
        "A right may be granted globally, or in one project and not in the next.",
        "What an application was granted it may read; of a person's token nobody tells the scope.",
        "A batch says where the next one starts also when there is none.",
        "A job or check at a project that may not be seen is refused, not found.",
    ),
)
