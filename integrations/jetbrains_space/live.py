"""What a Space that still runs confirms of the things we believe: read-only, nobody is named.

`apis` are clients with the credential as we send it ("own") and without one ("anonymous").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from connections.contracts import Answer, Api, Finding, Method, Outcome
from connections.errors import VendorError
from integrations.answers import BadItem, object_or_empty
from integrations.jetbrains_space import authorizations, reading
from integrations.jetbrains_space.scopes import RIGHT
from integrations.looks import NO_ANSWER, Learned, Look, endpoint, is_good, learned

PROJECTS = "projects?$skip=0&$top=1&$fields=next,totalCount,data(id,key,name)"
PROJECT = "projects/key:{project}"

# key, path, claim
OF_EVERYBODY = (
    ("organization", "organization?$fields=id,name", "The organization tells its name"),
    ("projects", PROJECTS, "Projects come in batches"),
    ("project", PROJECT + "?$fields=id,key", "A project is read by its key"),
    (
        "jobs",
        PROJECT + "/automation/jobs?repoFilter=&branchFilter=&$top=1&$fields=totalCount",
        "Jobs of a project are listed without filters",
    ),
)
OF_PEOPLE = (
    (
        "profile",
        "team-directory/profiles/me?$fields=id,username,name(firstName,lastName)",
        "A person's token tells whose it is",
    ),
    (
        "memberships",
        "team-directory/memberships?$top=1&$fields=totalCount",
        "Memberships come in batches",
    ),
    (
        "own_tokens",
        "team-directory/profiles/me/permanent-tokens?$top=1&$fields=totalCount",
        "A person's own tokens are listed",
    ),
)
OF_APPLICATIONS = (
    ("application", "applications/me?$fields=id,clientId,name", "An application knows itself"),
    (
        "own_tokens",
        "applications/me/permanent-tokens?$top=1&$fields=totalCount",
        "An application's own tokens are listed",
    ),
)

_BROWSER = "Needs a person's consent in a browser; link by OAuth once and look at the record."
_WAITING = "Shows by itself in the record of a connection that lives for a day."
UNTRIED = {
    "access_token_seconds": ("An access token lives for ten minutes", _WAITING),
    "code_seconds": ("An authorization code lives for minutes", _BROWSER),
    "pkce_required": ("“Require PKCE” refuses a sign-in without a challenge", _BROWSER),
    "refresh_token": ("A renewal keeps the refresh token", _WAITING),
    "requests_per_minute": ("There is a limit of requests", "Would have to be exceeded."),
    "retry_after": ("A 429 says when to try again", "Would have to be exceeded."),
    "ended_token": ("A withdrawn token is refused with 401", "Withdraw one and verify."),
}


def findings(
    apis: Mapping[str, Api],
    fields: Mapping[str, str],
    method: Method,
    token: Mapping[str, object] | None = None,
) -> Iterator[Finding]:
    """One finding for each endpoint and behaviour."""
    look = Look(apis, method, places(apis, method))
    own = OF_APPLICATIONS if method.vocabulary == RIGHT else OF_PEOPLE
    for key, path, claim in (*OF_EVERYBODY, *own):
        yield Finding(key, claim, *endpoint(look.ask(path)))
    for key, (claim, trial) in TRIALS.items():
        yield Finding(key, claim, *trial(look))
    for key, (claim, why) in UNTRIED.items():
        yield Finding(key, claim, Outcome.OPEN, why)


def places(apis: Mapping[str, Api], method: Method) -> dict[str, str]:
    """A project that the credential reaches, if it reaches one."""
    first = Look(apis, method, {}).ask_for_first(PROJECTS, "data")
    try:
        return {"project": quote(reading.key(first), safe="")}
    except BadItem:
        return {}


# ── Behaviours ────────────────────────────────────────────────────────────────────────────────


def _next_at_end(look: Look) -> Learned:
    body = look.ask_for_body("projects?$skip=0&$top=100&$fields=next,totalCount,data(id)")
    data, total = body.get("data"), body.get("totalCount")
    if not isinstance(data, list) or not isinstance(total, int):
        return NO_ANSWER
    if len(data) < total:
        return Outcome.OPEN, "Needs fewer than a hundred projects."
    return learned(bool(body.get("next")), "named" if body.get("next") else "empty")


def _page_limit(look: Look) -> Learned:
    answer = look.ask("projects?$skip=0&$top=100&$fields=next,totalCount,data(id)")
    return NO_ANSWER if answer is None else learned(answer.status == 200, str(answer.status))


def _key_is_object(look: Look) -> Learned:
    body = look.ask_for_body(PROJECT + "?$fields=key")
    return learned(bool(object_or_empty(body, "key").get("key"))) if body else NO_ANSWER


def _error_codes(look: Look) -> Learned:
    answer = look.ask("projects/key:NOSUCHPROJECT0E1F?$fields=id")
    if answer is None or answer.status in (401, 429):
        return NO_ANSWER
    return learned(answer.status == 404 and _code(answer) == "not-found", _said(answer))


def _stranger(look: Look) -> Learned:
    answer = look.ask("organization?$fields=id", by="anonymous")
    if answer is None:
        return NO_ANSWER
    return learned(answer.status == 401, _said(answer))


def _applications_tell_rights(look: Look) -> Learned:
    if look.method.vocabulary != RIGHT:
        return Outcome.OPEN, "Needs an application's credential."
    answer = look.ask(f"{authorizations.AUTHORIZATIONS}/authorized-contexts?$fields=className")
    return NO_ANSWER if answer is None else learned(answer.status == 200, str(answer.status))


def _checks_permissions(look: Look) -> Learned:
    """A question that Space takes by POST; it changes nothing."""
    if look.method.vocabulary == RIGHT:
        return Outcome.OPEN, "Needs a person's credential."
    try:
        told = authorizations.of_person(look.apis["own"], ())
    except VendorError as error:
        return Outcome.REFUTED, error.code
    return learned(told is not None)


TRIALS: Mapping[str, tuple[str, Callable[[Look], Learned]]] = {
    "next_at_end": ("The last batch names a next one too", _next_at_end),
    "page_limit": ("A hundred items may be asked for at once", _page_limit),
    "project_key": ("A project's key is an object with the key in it", _key_is_object),
    "error_codes": ("A missing project is 404 with the code not-found", _error_codes),
    "stranger": ("Who shows no credential is refused with 401", _stranger),
    "applications_tell_rights": ("An application may read its rights", _applications_tell_rights),
    "checks_permissions": ("A person may ask which rights they have", _checks_permissions),
}


def _code(answer: Answer) -> Any:
    return answer.body.get("error") if isinstance(answer.body, dict) else None


def _said(answer: Answer) -> str:
    return str(answer.status) if is_good(answer) else f"{answer.status}, {_code(answer)}"
