"""What changed between two verifications of a connection."""

from __future__ import annotations

from typing import Any

from connections.models import Check, Verification


def since_last(verification: Verification, checks: list[Check]) -> list[dict[str, Any]]:
    """[{"what", "before", "after"}] against the verification before; empty for the first."""
    before = (
        Verification.objects.filter(connection_id=verification.connection_id)
        .exclude(id=verification.id)
        .exclude(credential_kind="")
        .order_by("-started_at")
        .first()
    )
    if before is None:
        return []
    found = [
        _change("account", before.account_id, verification.account_id),
        _change("credential kind", before.credential_kind, verification.credential_kind),
        *_scopes(before, verification),
        *_checks(before, checks),
    ]
    return [change for change in found if change]


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
    had = {
        (check.key, check.workspace): check
        for check in Check.objects.filter(verification_id=before.id)
    }
    has = {(check.key, check.workspace): check for check in checks}
    changes = []
    for place in sorted(had.keys() | has.keys()):
        if place[0] != "workspace" and not place[0].startswith("capability:"):
            continue
        one, other = had.get(place), has.get(place)
        title = (other or one).title  # type: ignore[union-attr]
        changes.append(_change(title, one.outcome if one else "", other.outcome if other else ""))
    return changes
