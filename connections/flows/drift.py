"""What changed between two verifications of a connection."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from connections.contracts import Account
from connections.models import Check, Connection, Replacement, Verification

SHOWN = ("scope", "credential kind")  # before a switch
UNREACHED = Check.Outcome.UNREACHED
LISTED = {Check.Outcome.PROVEN, Check.Outcome.NOTED}


def since_last(
    verification: Verification, checks: list[Check], connection: Connection, account: Account
) -> list[dict[str, Any]]:
    """[{"what", "before", "after"}] against the verification before; empty for the first.

    An account that was renamed is the same one; what was not reached says nothing of a change.
    """
    before = (
        Verification.objects.filter(connection_id=verification.connection_id)
        .exclude(id=verification.id)
        .exclude(credential_kind="")
        .order_by("-started_at")
        .first()
    )
    if before is None:
        return []
    if before.account_id != verification.account_id:
        return [_change("account", before.account_id, verification.account_id)]
    found = [
        _change("account name", connection.account_name, account.name[:200]),
        _change("credential kind", before.credential_kind, verification.credential_kind),
        *_scopes(before, verification),
        *_checks(before, checks),
    ]
    return [change for change in found if change]


def was_agreed(verification: Verification) -> bool:
    """Whether somebody was shown all of it before they switched to this credential: it is the
    first look since, the scopes are those that they saw, and nothing but scopes made a change."""
    of_it = Verification.objects.filter(connection_id=verification.connection_id)
    switched = Replacement.objects.filter(
        connection_id=verification.connection_id, automatic=False, switched_at__isnull=False
    )
    last = switched.exclude(stage=Replacement.Stage.WENT_BACK).order_by("-switched_at").first()
    if last is None or verification.scopes is None:
        return False
    earlier = of_it.filter(started_at__gte=last.switched_at, finished_at__isnull=False)
    if verification.scopes != last.found.get("scopes") or (
        earlier.exclude(id=verification.id).exists()
    ):
        return False
    return all(
        each["what"] in SHOWN or Check.Outcome.MISSING in (each["before"], each["after"])
        for each in verification.drift
    )


def _change(what: str, before: object, after: object) -> dict[str, Any]:
    return {} if before == after else {"what": what, "before": before, "after": after}


def _scopes(before: Verification, now: Verification) -> list[dict[str, Any]]:
    if before.scopes is None or now.scopes is None or before.vocabulary != now.vocabulary:
        return []
    had, has = set(before.scopes), set(now.scopes)
    return [
        *({"what": "scope", "before": scope, "after": ""} for scope in sorted(had - has)),
        *({"what": "scope", "before": "", "after": scope} for scope in sorted(has - had)),
    ]


def _checks(before: Verification, checks: list[Check]) -> list[dict[str, Any]]:
    """Workspaces and capabilities whose check came out otherwise, appeared or went away."""
    had, has = _outcomes(Check.objects.filter(verification_id=before.id)), _outcomes(checks)
    for place in [place for place, check in had.items() if check.outcome == UNREACHED]:
        had[place] = _last_reached(had[place], before)
    listed = any(check.key == "workspaces" and check.outcome in LISTED for check in checks)
    changes = []
    for place in sorted(had.keys() | has.keys()):
        one, other = had.get(place), has.get(place)
        if UNREACHED in {one and one.outcome, other and other.outcome}:
            continue
        if other is None and not listed:
            continue
        title = (other or one).title  # type: ignore[union-attr]
        changes.append(_change(title, one.outcome if one else "", other.outcome if other else ""))
    return changes


def _outcomes(checks: Iterable[Check]) -> dict[tuple[str, str], Check]:
    return {
        (check.key, check.workspace): check
        for check in checks
        if check.key == "workspace" or check.key.startswith("capability:")
    }


def _last_reached(check: Check, before: Verification) -> Check:
    """The same check the last time that it was reached; itself when it never was."""
    older = Check.objects.filter(
        verification__connection_id=before.connection_id,
        verification__started_at__lt=before.started_at,
        key=check.key,
        workspace=check.workspace,
    )
    found = older.exclude(outcome=UNREACHED).order_by("-verification__started_at").first()
    return found or check
