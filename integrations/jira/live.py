"""What the real Jira confirms of the things we believe: read-only, and nobody is named.

`apis` are clients with the credential as we send it ("own"), without one ("anonymous") and as
Bearer ("bearer"). Where a token's form led to a site, paths begin there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from connections.contracts import Answer, Api, Finding, Method, Outcome
from integrations.atlassian import CLOUD_ID
from integrations.atlassian_live import BEHAVIOURS, TRIALS, UNTRIED
from integrations.jira import client
from integrations.jira.scopes import BUILDS, DEPLOYMENTS, DEVINFO, SITE_TICKS
from integrations.looks import NO_ANSWER, Learned, Look, endpoint

# key, path, claim
ENDPOINTS = (
    ("myself", client.MYSELF, "A token's account is read at its site"),
    ("server", client.SERVER_INFO, "The site tells its title"),
    ("projects", client.PROJECTS.format(size=50, start=0), "Projects come by fifty"),
    (
        "permissions",
        "rest/api/3/mypermissions?permissions=BROWSE_PROJECTS,LINK_ISSUES",
        "Rights that some project grants are told together",
    ),
    ("people", "rest/api/3/user/search?query=a&maxResults=1", "People are found by a text"),
)
# key, kind of data, claim
PROVIDERS = (
    ("devinfo", DEVINFO, "Development information is asked for by property"),
    ("builds", BUILDS, "A build that nobody wrote is 404"),
    ("deployments", DEPLOYMENTS, "A deployment that nobody wrote is 404"),
)


def findings(
    apis: Mapping[str, Api],
    fields: Mapping[str, str],
    method: Method,
    token: Mapping[str, object] | None = None,
) -> Iterator[Finding]:
    """One finding for each endpoint and behaviour."""
    look = Look(apis, method, {"cloud": fields.get(CLOUD_ID, "")})
    if method.vocabulary == SITE_TICKS:
        for key, kind, claim in PROVIDERS:
            yield Finding(key, claim, *_provider(look.ask(client.PROVIDERS[kind]), key))
    else:
        for key, path, claim in ENDPOINTS:
            yield Finding(key, claim, *_read(look.ask(path)))
        for key, claim in BEHAVIOURS.items():
            yield Finding(key, claim, *TRIALS[key](look, client.MYSELF))
    for key, (claim, why) in UNTRIED.items():
        yield Finding(key, claim, Outcome.OPEN, why)


def _read(answer: Answer | None) -> Learned:
    """As any endpoint; people come as a bare list."""
    if answer is not None and answer.status == 200 and isinstance(answer.body, list):
        return Outcome.CONFIRMED, "200"
    return endpoint(answer)


def _provider(answer: Answer | None, key: str) -> Learned:
    if answer is None:
        return NO_ANSWER
    if answer.status in (401, 403, 429):
        return Outcome.OPEN, str(answer.status)
    wanted = 200 if key == "devinfo" else 404
    return (Outcome.CONFIRMED if answer.status == wanted else Outcome.REFUTED), str(answer.status)
