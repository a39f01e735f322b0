"""What the real Confluence confirms of the things we believe: read-only, and nobody is named.

`apis` are clients with the credential as we send it ("own"), without one ("anonymous") and as
Bearer ("bearer"). A token's form led to a site, where paths begin.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from connections.contracts import Answer, Api, Finding, Method, Outcome
from integrations.atlassian_live import BEHAVIOURS, TRIALS, UNTRIED
from integrations.confluence import client
from integrations.looks import NO_ANSWER, Learned, Look, endpoint, learned

# key, path, claim
ENDPOINTS = (
    ("user", client.CURRENT_USER, "A token's account is read at its site"),
    ("spaces", client.SPACES.format(size=client.PAGE_SIZE), "Spaces come by 250"),
    ("pages", "wiki/api/v2/pages?limit=1", "Pages are listed by version 2"),
    ("search", client.PROOFS["search"], "Search is of version 1"),
)
REMOVED = ("content_v1", "wiki/rest/api/content/1", "Reading content by version 1 answers 410")
RELATIVE = ("next_link", "The next page is named without the gateway's part of the address")


def findings(
    apis: Mapping[str, Api],
    fields: Mapping[str, str],
    method: Method,
    token: Mapping[str, object] | None = None,
) -> Iterator[Finding]:
    """One finding for each endpoint and behaviour."""
    look = Look(apis, method, {})
    for key, path, claim in ENDPOINTS:
        yield Finding(key, claim, *endpoint(look.ask(path)))
    key, path, claim = REMOVED
    yield Finding(key, claim, *_gone(look.ask(path)))
    yield Finding(*RELATIVE, *_next_link(look))
    for key, claim in BEHAVIOURS.items():
        yield Finding(key, claim, *TRIALS[key](look, client.CURRENT_USER))
    for key, (claim, why) in UNTRIED.items():
        yield Finding(key, claim, Outcome.OPEN, why)


def _gone(answer: Answer | None) -> Learned:
    return NO_ANSWER if answer is None else learned(answer.status == 410, str(answer.status))


def _next_link(look: Look) -> Learned:
    links = look.ask_for_body("wiki/api/v2/spaces?limit=1").get("_links")
    link = links.get("next") if isinstance(links, dict) else None
    if not isinstance(link, str):
        return NO_ANSWER
    return learned(link.startswith("/wiki/"))
