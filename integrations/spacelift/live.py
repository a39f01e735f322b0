"""What a real Spacelift confirms of the things we believe: queries only, nobody is named.

`apis` are clients with the token that the key was exchanged for ("own") and without one
("anonymous"). No mutation is sent here; the exchange was made before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from connections.contracts import Answer, Api, Finding, Method, Outcome
from connections.errors import VendorError
from integrations.answers import number, object_or_empty
from integrations.looks import ANY_STATUS, NO_ANSWER, Learned, is_good, learned
from integrations.spacelift import client, operations
from integrations.spacelift.methods import KEY_ID

Json = Mapping[str, Any]
NO_SUCH = "query NoSuch { noSuchFieldOfOurs }"

# key, operation, root field, claim
ENDPOINTS = (
    ("viewer", operations.VIEWER, "viewer", "The token says whose it is"),
    ("spaces", operations.SPACES, "searchSpaces", "Spaces come page by page with a level each"),
    ("all_spaces", operations.ALL_SPACES, "spaces", "Spaces come all at once as well"),
    ("stacks", operations.ONE_STACK, "searchStacks", "Stacks are found"),
    ("integrations", operations.INTEGRATIONS, "vcsIntegrations", "Integrations are listed"),
)
_EXCHANGES = "Would exchange a key once more; try a wrong secret by hand and look at the record."
_DELETES = "Would delete a key; delete one by hand and verify its connection."
UNTRIED = {
    "jwt_seconds": ("A token lives an hour at least", "Shown with each renewal in the record."),
    "wrong_key": ("A wrong secret is answered with null and no error", _EXCHANGES),
    "deletion_ends_jwts": ("A deleted key's tokens end at once", _DELETES),
    "says_valid_until": ("An exchange says until when its token is good", _EXCHANGES),
    "bucket_size": ("No limit is published", "Would use up what the account may ask."),
    "refill_per_second": ("No limit is published, so none returns", "As above."),
    "retry_after": ("A 429 says when to come back", "As above."),
}


@dataclass(frozen=True, slots=True)
class Looker:
    """Who asks, and with which key."""

    apis: Mapping[str, Api]
    key_id: str

    def ask(self, query: str, *, by: str = "own", **variables: object) -> Answer | None:
        """The answer, whatever it is; None when there is none."""
        body = {"query": query, "variables": variables}
        try:
            return self.apis[by].send("POST", client.PATH, body, accept=ANY_STATUS)
        except (KeyError, VendorError):
            return None

    def data(self, query: str, *, by: str = "own", **variables: object) -> Json:
        """What an answer gives; an empty object for any other."""
        answer = self.ask(query, by=by, **variables)
        return object_or_empty(answer.body, "data") if answer and is_good(answer) else {}


def findings(
    apis: Mapping[str, Api],
    fields: Mapping[str, str],
    method: Method,
    token: Mapping[str, object] | None = None,
) -> Iterator[Finding]:
    """One finding for each operation and behaviour."""
    looker = Looker(apis, fields[KEY_ID])
    for key, query, root, claim in ENDPOINTS:
        yield Finding(key, claim, *_endpoint(looker, query, root))
    for key, (claim, trial) in TRIALS.items():
        yield Finding(key, claim, *trial(looker))
    for key, (claim, why) in UNTRIED.items():
        yield Finding(key, claim, Outcome.OPEN, why)


def _endpoint(looker: Looker, query: str, root: str) -> Learned:
    wish: dict[str, Any] = {"input": {"first": 1}} if "$input" in query else {}
    answer = looker.ask(query, **wish)
    if answer is None:
        return NO_ANSWER
    wrong = client.judge(answer)
    if wrong is None:
        found = object_or_empty(answer.body, "data").get(root)
        return learned(found is not None, "200" if found is not None else "null")
    refuted = wrong.code in ("endpoint_removed", "unexpected_response", "refused")
    return (Outcome.REFUTED if refuted else Outcome.OPEN), f"{answer.status}, {wrong.code}"


# ── Behaviours ────────────────────────────────────────────────────────────────────────────────


def _stranger(looker: Looker) -> Learned:
    answer = looker.ask(operations.VIEWER, by="anonymous")
    if answer is None:
        return NO_ANSWER
    null = is_good(answer) and object_or_empty(answer.body, "data").get("viewer", 0) is None
    return learned(null, str(answer.status))


def _errors_with_200(looker: Looker) -> Learned:
    answer = looker.ask(NO_SUCH)
    if answer is None:
        return NO_ANSWER
    told = isinstance(answer.body, dict) and isinstance(answer.body.get("errors"), list)
    removed = getattr(client.judge(answer), "code", "") == "endpoint_removed"
    return learned(told and removed, str(answer.status))


def _levels(looker: Looker) -> Learned:
    found = object_or_empty(looker.data(operations.SPACES, input={"first": 50}), "searchSpaces")
    edges = found.get("edges")
    nodes = [edge.get("node") for edge in edges or () if isinstance(edge, dict)]
    said = {node.get("accessLevel") for node in nodes if isinstance(node, dict)} - {None}
    if not said:
        return NO_ANSWER
    return learned(said <= {"READ", "WRITE", "ADMIN"}, ", ".join(sorted(map(str, said))))


def _page_limit(looker: Looker) -> Learned:
    found = object_or_empty(looker.data(operations.SPACES, input={"first": 50}), "searchSpaces")
    info = object_or_empty(found, "pageInfo")
    if not info:
        return NO_ANSWER
    return learned(isinstance(info.get("hasNextPage"), bool))


def _own_key(looker: Looker) -> Learned:
    data = looker.data(operations.IDENTITY, key=looker.key_id)
    if not data:
        return NO_ANSWER
    if not isinstance(data.get("apiKey"), dict):
        return Outcome.OPEN, "This key may not see keys."
    ends = data["apiKey"].get("expiresAt")
    return learned(ends is None or number(ends) is not None)


TRIALS: Mapping[str, tuple[str, Callable[[Looker], Learned]]] = {
    "dead_jwt": ("A stranger is nobody, with status 200", _stranger),
    "errors_with_200": ("An operation that does not fit is told in errors", _errors_with_200),
    "searches_spaces": ("A level is READ, WRITE or ADMIN", _levels),
    "page_limit": ("A page says whether another one follows", _page_limit),
    "own_key": ("A key sees when it ends itself, where it administers a space", _own_key),
}
