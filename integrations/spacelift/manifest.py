"""Everything about Spacelift that is data."""

from __future__ import annotations

from connections.contracts import Manifest, SelfHosted
from integrations.spacelift.methods import API_DOCS, BILLED, METHODS
from integrations.spacelift.scopes import CAPABILITIES, IMPLIES

MANIFEST = Manifest(
    contract_version=1,
    slug="spacelift",
    name="Spacelift",
    vendor="Spacelift",
    summary="Stacks that build from your repositories, in the spaces of a Spacelift account.",
    gives=(
        "Who the key is, and what it may do in each space",
        "Stacks and the repositories they build",
        "Integrations with code hosts",
    ),
    takes="The account's address and an API key. " + BILLED,
    api_url="/",
    docs_url=API_DOCS,
    methods=METHODS,
    capabilities=CAPABILITIES,
    implies=IMPLIES,
    self_hosted=SelfHosted(
        label="Address of your Spacelift account",
        help="As it begins in the browser: https, the account's name, app.spacelift.io. For an "
        "account in the United States, or a Spacelift that you run yourself, its own address.",
        placeholder="https://acme.app.spacelift.io",
        known_hosts=("*.app.spacelift.io", "*.app.us.spacelift.io"),
    ),
    endpoints=("graphql",),
    workspace_word="space",
    unlisted="Nothing of Spacelift is copied here: it is asked when somebody wants to know.",
    aliases=("spacelift-io",),
    quirks=(
        BILLED,
        "Most failures are answered with status 200 and a list of errors.",
        "One word, unauthorized, stands for a token that is not good and for a role that is too "
        "small; who is asked tells them apart.",
        "A wrong key or secret is answered with nothing at all.",
        "The documentation gives tokens one hour in one place and ten in another; each says until "
        "when it is good.",
    ),
)
