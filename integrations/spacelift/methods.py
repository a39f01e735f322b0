"""The way to link a Spacelift account: an API key, and what to click there."""

from __future__ import annotations

from connections.contracts import Field, Method, MethodKind, Step
from integrations.spacelift.scopes import LEVEL

API_DOCS = "https://docs.spacelift.io/integrations/api"
KEYS_DOCS = "https://docs.spacelift.io/concepts/authorization/assigning-roles-api-keys"
KEY_NAME = "Portal connection"
KEY_ID = "key_id"
BILLED = (
    "Spacelift counts each API key that was used in a billing period as a user, and bills it like "
    "one."
)

API_KEY_METHOD = Method(
    key="api-key",
    kind=MethodKind.EXCHANGED,
    title="API key",
    summary="A key of the account's own with a role in the spaces you choose. Its secret is "
    "exchanged for a token of some hours, again and again. " + BILLED,
    vocabulary=LEVEL,
    credential_kind="api_key",
    fields=(
        Field(
            name=KEY_ID,
            label="API key ID",
            help="The 26 capitals and digits behind api_key_id in the file that Spacelift gave "
            "you; not the key's name.",
            placeholder="01J8Q0000000000000000000AA",
            pattern=r"[0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{26}",
            max_length=26,
        ),
        Field(
            name="secret",
            label="API key secret",
            help="What stands behind api_key_secret in the same file. Not the token for Terraform.",
            secret=True,
            pattern=r"[\x21-\x7e]{16,512}",
            kind="password",
            max_length=512,
        ),
    ),
    steps=(
        Step(
            "At Spacelift click your name in the corner below, then Organization settings, API "
            "keys. You have to administer the root space.",
            url=API_DOCS,
        ),
        Step("Choose “Create API key” and name it.", copy=KEY_NAME),
        Step("As type choose Secret: a key of type OIDC has no secret to paste."),
        Step(
            "Give it a role in each space that shall be reached: the least that this page lists "
            "for what you chose. With login policies the key has to be named in the policy.",
            url=KEYS_DOCS,
        ),
        Step(
            "Create it. A file with the ID and the secret is downloaded, one time only: open it, "
            "copy both, and delete it."
        ),
    ),
    acts_as="The key, a machine user of the account",
    lifetime="Until it is deleted, or until its day where it has one; the tokens that it is "
    "exchanged for are renewed by themselves",
    limits=BILLED + " No request limit is published; where Spacelift asks us to wait, we do.",
    withdraw=(
        Step(
            "At Spacelift open Organization settings, API keys, find the key by its ID, and choose "
            "Delete. From then on it counts as a user no more.",
            url=API_DOCS,
        ),
    ),
)

METHODS = (API_KEY_METHOD,)
