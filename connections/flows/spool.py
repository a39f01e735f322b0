"""Answers that the database could not take lie here, sealed, until a sweep settles them.

One file for each, complete or not there at all. Workers hold the key; a file's readable part says
only to which grant and version it belongs.
"""

from __future__ import annotations

import base64
import fcntl
import json
import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from django.conf import settings

from connections.flows import settlement
from connections.flows.refreshing import Caller, Claimed, Outcome, Row
from connections.lineage import AnswerClass
from connections.models import RefreshAttempt
from connections.oauth_answers import TokenAnswer
from portal import tenancy, vault
from portal.models import Tombstone
from portal.secret import Secret
from portal.steps import step

log = logging.getLogger(__name__)

_SUFFIX: Final = ".answer"
UNREADABLE: Final = (ValueError, KeyError, TypeError)  # no file of ours; a missing key is no reason


def folder() -> Path:
    found: Path = settings.SPOOL_DIR
    return found


# ── Put ───────────────────────────────────────────────────────────────────────────────────────


def put(outcomes: Sequence[Outcome]) -> None:
    """What was received in these outcomes is on disk; what cannot be written is logged as lost."""
    for one in outcomes:
        if one.answer is not AnswerClass.KEPT:
            continue
        facts = {"credential_id": str(one.claimed.row.credential_id)}
        try:
            _write(one.claimed.attempt_id, _record(one))
        except Exception:  # the others are still to be written
            log.exception("refresh.answer_lost", extra=facts)
        else:
            log.error("refresh.spooled", extra=facts)
    step("refresh.spooled")


def _write(attempt_id: UUID, record: dict[str, Any]) -> None:
    """The file appears whole, and stays through a power cut."""
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    half = folder() / f"{attempt_id}.half"
    with open(half, "w", opener=_private) as file:
        json.dump(record, file)
        file.flush()
        os.fsync(file.fileno())
    half.rename(half.with_suffix(_SUFFIX))
    directory = os.open(folder(), os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _record(one: Outcome) -> dict[str, Any]:
    assert one.tokens is not None
    claimed, tokens = one.claimed, one.tokens
    spent = claimed.refresh_token.reveal() if claimed.refresh_token else None
    secrets = {"access": tokens.access_token, "refresh": tokens.refresh_token, "spent": spent}
    sealed = vault.intake_seal(Secret(json.dumps(secrets)), _place(claimed.attempt_id))
    return {
        "organization": str(tenancy.organization_id()),
        "attempt": str(claimed.attempt_id),
        "owner": str(claimed.owner),
        "row": _plain(claimed.row),
        "received_at": one.received_at.isoformat(),
        "expires_in": tokens.expires_in_seconds,
        "scopes": None if tokens.scopes is None else sorted(tokens.scopes),
        "latency_ms": one.latency_ms,
        "sealed": base64.b64encode(sealed).decode("ascii"),
    }


def _plain(row: Row) -> dict[str, Any]:
    return row._asdict() | {
        name: str(value) for name, value in row._asdict().items() if isinstance(value, UUID)
    }


def _place(attempt_id: UUID) -> vault.Place:
    here = tenancy.organization_id()
    return vault.Place(here, "connections_refreshattempt", attempt_id, "spool")


# ── Replay ────────────────────────────────────────────────────────────────────────────────────


def replay() -> int:
    """Settle what lies here by the rules that hold for every answer; how many were.

    It may be of any organization, so: outside transactions.
    """
    return sum(_tried(path) for path in sorted(folder().glob(f"*{_SUFFIX}")))


def _tried(path: Path) -> bool:
    """Whether this one was settled. What keeps one from it does not keep the others."""
    try:
        return _replayed(path)
    except Exception:  # of any kind: the file stays, and the next sweep tries it again
        log.exception("spool.waits", extra={"file": path.name})
        return False


def _replayed(path: Path) -> bool:
    with _alone(path) as text:
        if text is None:
            return False
        try:
            record = json.loads(text)
            organization_id, attempt_id = UUID(record["organization"]), UUID(record["attempt"])
            if Tombstone.objects.filter(erased_id=organization_id).exists():
                log.warning("spool.erased", extra={"file": path.name})
                path.unlink()
                return False
            with tenancy.elsewhere(organization_id):
                outcome = None if _is_settled(attempt_id) else _outcome(record)
        except UNREADABLE:
            log.exception("spool.unreadable", extra={"file": path.name})
            path.rename(path.with_suffix(".unreadable"))
            return False
        if outcome is not None:
            with tenancy.elsewhere(organization_id):
                settlement.settle([outcome])
        step("refresh.replayed")
        path.unlink()
        return True


def under_keys() -> Counter[int]:
    """How many answers lie here under each version of the intake's key."""
    found: Counter[int] = Counter()
    for path in folder().glob(f"*{_SUFFIX}"):
        try:
            sealed = base64.b64decode(json.loads(path.read_text())["sealed"])
        except (OSError, *UNREADABLE):  # settled meanwhile, or no file of ours
            continue
        found[int.from_bytes(sealed[3:7], "big")] += 1
    return found


@contextmanager
def _alone(path: Path) -> Iterator[str | None]:
    """The file's text while nobody else on this machine reads it; None when somebody does."""
    try:
        file = path.open()
    except FileNotFoundError:
        yield None
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield file.read() if path.exists() else None


def _is_settled(attempt_id: UUID) -> bool:
    """Whether the transaction went through after all, its commit's answer being lost."""
    with tenancy.transaction():
        return RefreshAttempt.objects.filter(id=attempt_id).exists()


def _outcome(record: dict[str, Any]) -> Outcome:
    attempt_id = UUID(record["attempt"])
    sealed = base64.b64decode(record["sealed"])
    secrets = json.loads(vault.intake_open(sealed, _place(attempt_id)).reveal())
    row = dict(record["row"], is_troubled=True, has_spares=True)
    for name in ("credential_id", "connection_id", "consumer_id"):
        row[name] = UUID(row[name]) if row[name] else None
    claimed = Claimed(
        attempt_id=attempt_id,
        row=Row(**row),
        owner=UUID(record["owner"]),
        caller=Caller.SPOOL,
        lease_until=0.0,
        refresh_token=Secret(secrets["spent"]) if secrets["spent"] else None,
    )
    scopes = record["scopes"]
    tokens = TokenAnswer(
        access_token=secrets["access"],
        refresh_token=secrets["refresh"],
        expires_in_seconds=record["expires_in"],
        scopes=None if scopes is None else frozenset(scopes),
    )
    received_at = datetime.fromisoformat(record["received_at"])
    return Outcome(claimed, AnswerClass.KEPT, received_at, tokens, latency_ms=record["latency_ms"])
