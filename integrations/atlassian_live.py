"""What both live checks of this cloud share: behaviours, and what nobody can try by reading."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from connections.contracts import Outcome, Scheme
from integrations.looks import NO_ANSWER, Learned, Look, learned

_BROWSER = "Needs a person's consent in a browser; link by signing in once and look at the record."
_EXHAUSTING = "Would use up the account's budget."

BEHAVIOURS = {
    "scopes_unsaid": "No answer says which scopes an API token has",
    "strangers": "Without a credential the account is 401",
    "other_scheme": "A token with a user name does not work as Bearer",
    "budget_said": "Answers tell what is left of the budget",
}
UNTRIED = {
    "access_token_seconds": ("A person's access token lives an hour", _BROWSER),
    "rotation": ("A refresh brings a new refresh token", _BROWSER),
    "refresh_grace_seconds": ("A spent refresh token can be exchanged for ten minutes", _BROWSER),
    "late_reuse": ("Later than that the whole grant is over", _BROWSER),
    "refresh_idle_seconds": ("A grant ends when unused for 90 days", _BROWSER),
    "dead_refresh_status": ("A dead grant is 403 with invalid_grant", _BROWSER),
    "verify_pkce": ("A code challenge is tolerated and not looked at", _BROWSER),
    "sites_listed": ("A site is listed once for each of its products", _BROWSER),
    "retry_after_seconds": ("429 says when to come back, and why", _EXHAUSTING),
    "burst_per_second": ("A hundred reads in a second are too many", _EXHAUSTING),
}

Trial = Callable[[Look, str], Learned]


def _scopes_unsaid(look: Look, who: str) -> Learned:
    answer = look.ask(who)
    if answer is None:
        return NO_ANSWER
    said = [name for name in answer.headers if "scope" in name]
    return learned(not said, ", ".join(said))


def _strangers(look: Look, who: str) -> Learned:
    answer = look.ask(who, by="anonymous")
    return NO_ANSWER if answer is None else learned(answer.status == 401, str(answer.status))


def _other_scheme(look: Look, who: str) -> Learned:
    if look.method.scheme is not Scheme.BASIC:
        return Outcome.OPEN, "Needs a token with a user name."
    answer = look.ask(who, by="bearer")
    return NO_ANSWER if answer is None else learned(answer.status == 401, str(answer.status))


def _budget_said(look: Look, who: str) -> Learned:
    answer = look.ask(who)
    if answer is None:
        return NO_ANSWER
    said = sorted(name for name in answer.headers if "ratelimit" in name)
    return learned(bool(said), ", ".join(said))


TRIALS: Mapping[str, Trial] = {
    "scopes_unsaid": _scopes_unsaid,
    "strangers": _strangers,
    "other_scheme": _other_scheme,
    "budget_said": _budget_said,
}
