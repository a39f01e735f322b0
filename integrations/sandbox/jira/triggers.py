"""What Jira itself does when development information arrives: workflow triggers and smart commits.

Neither happens where `preventTransitions` says so, for what is older than two weeks, or for what
was there already. Triggers are noted, not carried out, for a site's admins choose what they do;
commands are carried out (`smart.py`).
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from integrations.sandbox.jira.development import Development
from integrations.sandbox.jira.smart import Smart

Json = dict[str, Any]
TWO_WEEKS = 14 * 86400.0
KEY = re.compile(r"\b[A-Za-z][A-Za-z0-9_]+-\d+\b")


def fire(
    data: Development,
    smart: Smart,
    request: Json,
    kind: str,
    old: Json | None,
    new: Json,
    now: float,
) -> None:
    """Note the trigger of an entity that was stored just now, and run what a commit asks for."""
    event = trigger(kind, old, new)
    if not event or request.get("preventTransitions") or now - made(kind, new) > TWO_WEEKS:
        return
    did = smart.run(new, now) if kind == "commits" else []
    row = {"event": event, "kind": kind, "id": new["id"], "smart": bool(did), "did": did}
    data.fired.append(row)


def trigger(kind: str, old: Json | None, new: Json) -> str:
    if kind != "pullRequests":
        return f"{kind}_created" if old is None else ""
    before = old["status"] if old else ""
    return "" if before == new["status"] else f"pull_request_{new['status'].lower()}"


def made(kind: str, entity: Json) -> float:
    text = {"commits": "authorTimestamp", "pullRequests": "lastUpdate"}.get(kind)
    commit = entity if text else entity["lastCommit"]
    return moment(commit[text or "authorTimestamp"])


def moment(text: str) -> float:
    """Return seconds since the epoch; a moment that cannot be read is long ago."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0
