"""What a real Bitbucket Data Center confirms of the things we believe: read-only, nobody is named.

`apis` are clients with the credential as we send it ("own"), without one ("anonymous") and as
Bearer ("bearer"), which a password cannot be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from urllib.parse import quote

from connections.contracts import Answer, Api, Finding, Method, Outcome, Scheme
from integrations import looks
from integrations.bitbucket import count
from integrations.bitbucket_data_center import client, reading, versions
from integrations.bitbucket_data_center.live_claims import (
    API,
    BEHAVIOURS,
    ENDPOINTS,
    PROJECT,
    UNTRIED,
)
from integrations.bitbucket_events import objects
from integrations.looks import NO_ANSWER, Learned, Look, is_good, learned, note

PROPERTIES = f"{API}/application-properties"


def findings(
    apis: Mapping[str, Api],
    fields: Mapping[str, str],
    method: Method,
    token: Mapping[str, object] | None = None,
) -> Iterator[Finding]:
    """One finding for each endpoint and behaviour."""
    look = Look(apis, method, places(apis["own"], fields, method))
    for key, path, claim in ENDPOINTS:
        yield Finding(key, claim, *endpoint(look.ask(path)))
    for key, claim in BEHAVIOURS.items():
        yield Finding(key, claim, *TRIALS[key](look))
    for key, (claim, why) in UNTRIED.items():
        yield Finding(key, claim, Outcome.OPEN, why)


def places(api: Api, fields: Mapping[str, str], method: Method) -> dict[str, str]:
    """A user, project and repository of the account's own, as far as it has them."""
    found = {name: fields[name] for name in ("project", "repository") if name in fields}
    look = Look({"own": api}, method, found)
    answer = look.ask(PROPERTIES)
    if answer is not None and client.user(answer):
        found["user"] = client.user(answer)
    if "project" not in found:
        note(found, "project", look.ask_for_first(f"{API}/projects?limit=10"), "key")
    if "repository" not in found:
        note(found, "repository", look.ask_for_first(PROJECT + "/repos?limit=10"), "slug")
    return {name: quote(value, safe="~") for name, value in found.items()}


def endpoint(answer: Answer | None) -> Learned:
    """As at Cloud, but that 200 to a stranger leaves it open."""
    if answer is not None and is_good(answer) and not client.user(answer):
        return Outcome.OPEN, "200, as to a stranger"
    return looks.endpoint(answer)


# ── Behaviours ────────────────────────────────────────────────────────────────────────────────


def _version(look: Look) -> Learned:
    version = look.ask_for_body(PROPERTIES).get("version")
    if not isinstance(version, str):
        return NO_ANSWER
    ends = versions.end_of_life(version)
    said = f"{version}, until {ends}" if ends else f"{version}, no end known"
    return learned(ends is None or ends >= datetime.now(UTC).date(), said)


def _user_header(look: Look) -> Learned:
    answers = [look.ask(PROPERTIES), look.ask(f"{API}/projects?limit=1")]
    if None in answers:
        return NO_ANSWER
    return learned(all(client.user(answer) for answer in answers if answer))


def _refused_token(look: Look) -> Learned:
    """Asked without a credential: what a wrong token gets cannot be tried with the right one."""
    answer = look.ask(f"{API}/projects?limit=1", by="anonymous")
    if answer is None:
        return NO_ANSWER
    said = f"Strangers get {answer.status} here, {'with' if client.user(answer) else 'without'}"
    return Outcome.OPEN, f"{said} a name in the header."


def _anonymous_user(look: Look) -> Learned:
    answer = look.ask(f"{API}/users/{{user}}", by="anonymous")
    return NO_ANSWER if answer is None else learned(answer.status == 401, str(answer.status))


def _next_page_start(look: Look) -> Learned:
    body = look.ask_for_body(f"{API}/projects?limit=1")
    if not body or body.get("isLastPage") is True:
        return Outcome.OPEN, "Needs more than one project."
    return learned(isinstance(body.get("nextPageStart"), int))


def _iso_dates(look: Look) -> Learned:
    token = look.ask_for_first("access-tokens/latest/users/{user}?limit=1")
    made = token.get("createdDate")
    if made is None:
        return Outcome.OPEN, "Needs a token of the user's own."
    return learned(isinstance(made, int) and reading.moment(made) is not None, type(made).__name__)


def _page_limit(look: Look) -> Learned:
    answer = look.ask(f"{API}/projects?limit=1000")
    if answer is None:
        return NO_ANSWER
    limit = answer.body.get("limit") if is_good(answer) else None
    return learned(answer.status == 200, f"limit {limit}")


DATES = ("updatedDate", "createdDate")


def _newest_pull_requests(look: Look) -> Learned:
    path = f"{API}/projects/{{project}}/repos/{{repository}}/pull-requests"
    values = look.ask_for_body(f"{path}?state=ALL&order=NEWEST&limit=100").get("values")
    items = objects(values)
    moved, made = ([count(one, key) or 0 for one in items] for key in DATES)
    if 0 in (*moved, *made):
        return Outcome.OPEN, "Dates are no numbers."
    if made == sorted(made, reverse=True):
        return Outcome.OPEN, "Needs a pull request that changed after a younger one."
    return learned(moved == sorted(moved, reverse=True))


def _missing_project(look: Look) -> Learned:
    answer = look.ask(f"{API}/projects/NOSUCHPROJECT0E1F")
    if answer is None or answer.status in (401, 403, 429):
        return NO_ANSWER
    has_envelope = isinstance(answer.body, dict) and isinstance(answer.body.get("errors"), list)
    return learned(answer.status == 404 and has_envelope, str(answer.status))


def _user_token_as_basic(look: Look) -> Learned:
    answer = look.ask(PROPERTIES)
    if look.method.scheme is not Scheme.BASIC or answer is None:
        return Outcome.OPEN, "Use --method password with a token in its place."
    return learned(bool(client.user(answer)), str(answer.status))


def _bucket_size(look: Look) -> Learned:
    answer = look.ask(PROPERTIES)
    if answer is None:
        return NO_ANSWER
    sent = "x-ratelimit-limit" in answer.headers
    return (Outcome.CONFIRMED, "sent") if sent else (Outcome.OPEN, "The header is not sent.")


TRIALS: Mapping[str, Callable[[Look], Learned]] = {
    "version": _version,
    "user_header": _user_header,
    "refused_token": _refused_token,
    "anonymous_user": _anonymous_user,
    "next_page_start": _next_page_start,
    "iso_dates": _iso_dates,
    "newest_pull_requests": _newest_pull_requests,
    "page_limit": _page_limit,
    "missing_project": _missing_project,
    "user_token_as_basic": _user_token_as_basic,
    "bucket_size": _bucket_size,
}
