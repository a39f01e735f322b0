"""One verification at work: what it asks with, and the lines it keeps as they come."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from connections.access import Way
from connections.contracts import Answer, RateBudget
from connections.errors import AccessDenied, ScopeMissing, VendorError
from connections.models import Check, Connection, Verification
from portal import tenancy, work


@dataclass(slots=True)
class Look:
    """One verification at work: what it asks with, and what it has learned so far."""

    claim: work.Claim
    verification: Verification
    connection: Connection
    way: Way
    rate: RateBudget = field(default_factory=RateBudget)
    seen: dict[tuple[str, str], Check] = field(default_factory=dict)
    position: int = 0
    last: Answer | None = None

    def note(self, answer: Answer) -> None:
        """Remember what each answer tells, and that we are still here."""
        self.claim.stay()
        self.last = answer
        rate = self.way.connector.rate(answer)
        if rate != RateBudget():
            self.rate = rate

    def keep(self, key: str, *, workspace: str = "", **facts: Any) -> Check:
        """One more line, committed at once so that the page can show it."""
        self.position += 1
        with tenancy.transaction():
            self.claim.hold()
            check: Check = Check.objects.create(
                verification_id=self.verification.id,
                position=self.position,
                key=key,
                workspace=workspace,
                **facts,
            )
        self.seen[key, workspace] = check
        return check

    def asked(self) -> dict[str, Any]:
        """What a line keeps of the answer that came last: request, status, latency."""
        return {} if self.last is None else answered(self.last)

    def still_here(self) -> None:
        """The lease is extended; raises LeaseLost when it has ended."""
        with tenancy.transaction():
            self.claim.hold()

    def is_wanted(self) -> bool:
        """Nobody paused, revoked or linked it anew meanwhile. Call it inside a transaction."""
        running = Verification.objects.filter(
            id=self.verification.id, outcome=Verification.Outcome.RUNNING
        )
        live = Connection.objects.filter(id=self.connection.id).first()
        if live is not None and live.is_live and running.exists():
            return True
        running.delete()
        return False

    def may_wait(self, error: VendorError) -> bool:
        """Whether waiting may cure it and this job has attempts left to wait with."""
        return error.retry and self.claim.job.attempts < self.claim.job.max_attempts

    def had(self, key: str, workspace: str = "") -> bool:
        return (key, workspace) in self.seen


def answered(answer: Answer) -> dict[str, Any]:
    """What a check keeps of an answer."""
    return {
        "request": answer.request[:300],
        "status": answer.status,
        "latency_ms": round(answer.latency_seconds * 1000),
    }


def failure(error: VendorError) -> dict[str, Any]:
    """What a check keeps of a vendor's error."""
    outcome = Check.Outcome.UNREACHED
    if isinstance(error, ScopeMissing):
        outcome = Check.Outcome.MISSING
    elif not error.retry or isinstance(error, AccessDenied):
        outcome = Check.Outcome.REFUSED
    return {
        "outcome": outcome,
        "error": error.code,
        "request": error.request[:300],
        "status": error.status,
        "latency_ms": None
        if error.latency_seconds is None
        else round(error.latency_seconds * 1000),
        "detail": error.detail[:300],
    }
