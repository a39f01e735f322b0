"""What the real Bitbucket Cloud confirms of the things we believe: read-only, and nobody is named.

Tries every endpoint we use or simulate, and every behaviour without a source. `apis` are clients
with the credential as we send it ("own"), without one ("anonymous") and as Bearer ("bearer").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from urllib.parse import quote

from connections.contracts import Answer, Api, Finding, Method, Outcome
from integrations.bitbucket_cloud import client
from integrations.bitbucket_cloud.live_claims import (
    BEHAVIOURS,
    ENDPOINTS,
    REMOVED,
    REPOSITORY,
    TOKEN_CLAIMS,
    UNTRIED,
)
from integrations.bitbucket_cloud.scopes import ACCESS_TOKEN, API_TOKEN, IMPLIES, OAUTH
from integrations.looks import NO_ANSWER, Learned, Look, endpoint, form, learned, note

PLACES = ("workspace", "project", "repository")


def findings(
    apis: Mapping[str, Api],
    fields: Mapping[str, str],
    method: Method,
    token: Mapping[str, object] | None = None,
) -> Iterator[Finding]:
    """One finding for each endpoint and behaviour; `token` is a token answer if there was one."""
    look = Look(apis, method, places(apis["own"], fields, method))
    for key, path, claim in ENDPOINTS:
        yield Finding(key, claim, *endpoint(look.ask(path)))
    for key, path, claim in REMOVED:
        yield Finding(key, claim, *removed(look.ask(path)))
    for key, claim in BEHAVIOURS.items():
        yield Finding(key, claim, *TRIALS[key](look))
    for key, claim in TOKEN_CLAIMS.items():
        yield Finding(key, claim, *of_token(key, token))
    for key, (claim, why) in UNTRIED.items():
        yield Finding(key, claim, Outcome.OPEN, why)


def places(api: Api, fields: Mapping[str, str], method: Method) -> dict[str, str]:
    """A workspace, project and repository of the account's own, as far as it has them."""
    found = {name: fields[name] for name in PLACES if name in fields}
    look = Look({"own": api}, method, found)
    if "workspace" not in found:
        access = look.ask_for_first("user/workspaces?pagelen=10")
        note(found, "workspace", access.get("workspace"), "slug")
    note(found, "workspace_uuid", look.ask_for_body("workspaces/{workspace}"), "uuid")
    if "repository" not in found:
        repository = look.ask_for_first("repositories/{workspace}?pagelen=10")
        note(found, "repository", repository, "slug")
        note(found, "project", repository.get("project"), "key")
    return {name: quote(value, safe="") for name, value in found.items()}


# ── Endpoints ─────────────────────────────────────────────────────────────────────────────────


def removed(answer: Answer | None) -> Learned:
    """Confirmed by 410, whose announcement we read."""
    if answer is None:
        return NO_ANSWER
    told = "with" if getattr(client.judge(answer), "announcement_url", "") else "without"
    said = f"{answer.status}, {told} an announcement"
    return (Outcome.CONFIRMED if answer.status == 410 else Outcome.REFUTED), said


# ── Behaviours ────────────────────────────────────────────────────────────────────────────────


def _workspace_shape(look: Look) -> Learned:
    item = look.ask_for_first("user/workspaces?pagelen=10")
    if not item:
        return NO_ANSWER
    inner = item.get("workspace")
    named = isinstance(inner, dict) and "name" in inner
    return learned(isinstance(item.get("administrator"), bool) and not named)


def _is_personal(look: Look) -> Learned:
    body = look.ask_for_body("workspaces/{workspace}")
    return learned("is_personal" in body) if body else NO_ANSWER


def _access_token_user(look: Look) -> Learned:
    answer = look.ask("user")
    if look.method.vocabulary != ACCESS_TOKEN or answer is None:
        return Outcome.OPEN, "Needs an access token."
    told = client.scopes(answer) is not None
    said = f"{answer.status}, scopes {'in' if told else 'not in'} the headers"
    return (Outcome.CONFIRMED if answer.status == 403 and told else Outcome.REFUTED), said


def _oauth_credential_type(look: Look) -> Learned:
    answer = look.ask("user")
    kind = client.credential_kind(answer) if answer else ""
    if look.method.vocabulary != OAUTH:
        return Outcome.OPEN, f"Needs an OAuth token; this one is {kind or 'not named'}."
    return learned(kind == "oauth2", kind or "not said")


def _collapse_scopes(look: Look) -> Learned:
    answer = look.ask("user")
    words = client.scopes(answer) if answer else None
    strong = [word for word in words or () if word in IMPLIES]
    if words is None or not strong:
        return Outcome.OPEN, "Needs a credential with a scope that implies another."
    return learned(not any(implied in words for word in strong for implied in IMPLIES[word]))


def _accepted_scopes(look: Look) -> Learned:
    answer = look.ask("user")
    return _header(answer, "x-accepted-oauth-scopes")


def _api_token_as_bearer(look: Look) -> Learned:
    answer = look.ask("user", by="bearer")
    if look.method.vocabulary != API_TOKEN or answer is None:
        return Outcome.OPEN, "Needs an API token."
    return learned(answer.status in (200, 403), str(answer.status))


def _rate_limit(look: Look) -> Learned:
    return _limit(look.ask("repositories/{workspace}?pagelen=10"), 1000)


def _anonymous_rate_limit(look: Look) -> Learned:
    return _limit(look.ask("hook_events", by="anonymous"), 60)


def _page_limit(look: Look) -> Learned:
    answer = look.ask(REPOSITORY + "/pullrequests?pagelen=51")
    if answer is None or answer.status in (401, 403, 404, 429):
        return NO_ANSWER
    return learned(answer.status == 400, str(answer.status))


def _next_link(look: Look) -> Learned:
    link = look.ask_for_body("repositories/{workspace}?pagelen=10").get("next")
    if not isinstance(link, str):
        return Outcome.OPEN, "Needs more than ten repositories."
    followed = look.ask(link.replace("{", "{{").replace("}", "}}"))
    return learned(followed is not None and followed.status == 200)


def _missing_repository(look: Look) -> Learned:
    return _missing(look.ask("repositories/{workspace}/no-such-repository-0e1f"), "JSON")


def _missing_pull_request(look: Look) -> Learned:
    return _missing(look.ask(REPOSITORY + "/pullrequests/999999999"), "text")


def _removed_status(look: Look) -> Learned:
    answers = [look.ask(f"{REPOSITORY}/{name}") for name in ("issues", "wiki")]
    statuses = [answer.status for answer in answers if answer is not None]
    if not statuses:
        return NO_ANSWER
    return learned(set(statuses) <= {404, 410}, ", ".join(map(str, statuses)))


def _permissions_by_uuid(look: Look) -> Learned:
    answer = look.ask("workspaces/{workspace_uuid}/permissions?pagelen=10")
    if answer is None or answer.status in (401, 403, 429):
        return NO_ANSWER
    return learned(answer.status == 404, str(answer.status))


def _compress(look: Look) -> Learned:
    return _header(look.ask("hook_events"), "content-encoding")


TRIALS: Mapping[str, Callable[[Look], Learned]] = {
    "workspace_shape": _workspace_shape,
    "is_personal": _is_personal,
    "access_token_user": _access_token_user,
    "oauth_credential_type": _oauth_credential_type,
    "collapse_scopes": _collapse_scopes,
    "accepted_scopes": _accepted_scopes,
    "api_token_as_bearer": _api_token_as_bearer,
    "rate_limit": _rate_limit,
    "anonymous_rate_limit": _anonymous_rate_limit,
    "page_limit": _page_limit,
    "next_link": _next_link,
    "missing_repository": _missing_repository,
    "missing_pull_request": _missing_pull_request,
    "removed_status": _removed_status,
    "permissions_by_uuid": _permissions_by_uuid,
    "compress": _compress,
}


def of_token(key: str, token: Mapping[str, object] | None) -> Learned:
    """What a token answer's form tells; its values are not repeated."""
    if token is None:
        return Outcome.OPEN, "Needs a consumer's key and secret."
    length = len(str(token.get("access_token", "")))
    seconds = token.get("expires_in")
    return {
        "scope_key": learned("scope" in token and "scopes" not in token),
        "access_token_seconds": learned(seconds in (3600, 7200), str(seconds)[:12]),
        "token_length": (Outcome.CONFIRMED if length > 2500 else Outcome.OPEN, f"{length}"),
        "token_state": learned("state" in token),
    }[key]


# ── Reading answers ───────────────────────────────────────────────────────────────────────────


def _missing(answer: Answer | None, expected: str) -> Learned:
    if answer is None or answer.status in (401, 403, 429):
        return NO_ANSWER
    holds = answer.status == 404 and form(answer) == expected
    return learned(holds, f"{answer.status}, {form(answer)}")


def _header(answer: Answer | None, name: str) -> Learned:
    if answer is None:
        return NO_ANSWER
    sent = name in answer.headers
    return learned(sent, f"{name} is {'sent' if sent else 'not sent'}")


def _limit(answer: Answer | None, expected: int) -> Learned:
    limit = client.rate(answer).limit if answer else None
    if limit is None:
        return Outcome.OPEN, "The header is not sent."
    return learned(limit == expected, str(limit))
