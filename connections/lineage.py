"""The rules of token refresh as data: who may ask, and what each answer means. No Django here.

One table serves the engine that refreshes and the model checker that explores every interleaving
of it (tests/connections/lineage_model.py). Versions of a grant form a line: a new one replaces the
*parent* it was asked with and nothing else. What is asked without an answer is *in doubt*, and is
asked again with the same parent as soon as its lease has ended.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from uuid import UUID

DEADLINE_SECONDS: Final = 40.0  # for one call as a whole
READ_SECONDS: Final = 35.0
LEASE_SECONDS: Final = 120.0  # three deadlines: a live worker has finished before another starts

LOOKS: Final = 3
LOOKS_APART: Final = timedelta(seconds=45)  # what is refused sooner is the same look
SUSPECT_FOR: Final = timedelta(minutes=10)  # before a third look is believed
CALM_FOR: Final = timedelta(seconds=LEASE_SECONDS)  # between a good probe and a closed breaker
SECOND_LOOK_SECONDS: Final = (60.0, 90.0)
THIRD_LOOK_SECONDS: Final = (600.0, 900.0)  # after the suspicion arose

EARLY_SECONDS: Final = (300.0, 600.0)  # how long before its end a token is renewed
SHORT_LIFE: Final = timedelta(minutes=20)
EARLY_SHARE: Final = (0.25, 0.4)  # of a short life
IDLE_DAYS: Final = 90  # an unused refresh token dies then, unless the manifest says otherwise
IDLE_SHARE: Final = 5 / 6
BACKOFF_SECONDS: Final = (5.0, 900.0)

Draw = Callable[[float, float], float]  # a number between two others, e.g. random.uniform


class AnswerClass(StrEnum):
    """What came of one call to the token endpoint."""

    KEPT = "kept"  # a well-formed token
    TEMPORARY = "temporary"  # not sent, or turned away unread (429): the parent is not spent
    IN_DOUBT = "in_doubt"  # sent, and no whole answer, or a 5xx: the parent may be spent
    REFUSED = "refused"  # invalid_grant
    CONNECTOR_FAULT = "connector_fault"  # invalid_client and its kin: our consumer, not the grant
    SUBJECT_CHANGED = "subject_changed"  # a well-formed token of another account


class Decision(StrEnum):
    """What the portal does about it."""

    BECAME_CURRENT = "became_current"
    KEPT_AS_CANDIDATE = "kept_as_candidate"
    CANDIDATE_PROMOTED = "candidate_promoted"
    IGNORED_MOVED_ON = "ignored_moved_on"
    SUSPECT = "suspect"
    NEEDS_REAUTHORIZATION = "needs_reauthorization"
    RETRY_LATER = "retry_later"
    RETRY_SAME_PARENT = "retry_same_parent"
    BREAKER = "breaker"


@dataclass(frozen=True, slots=True)
class GrantView:
    """What the rules need to know of a grant, as its locked row stands.

    `doubted`: the claim that is being settled found an intent already there, so an earlier call
    with the same parent may have spent it. `candidates` counts kept siblings that were not tried.
    `opened_at` is when the breaker opened last: what was suspected before that counts no more.
    """

    version: int
    intent_version: int | None = None
    lease_owner: UUID | None = None
    lease_until: datetime | None = None
    due_at: datetime | None = None
    doubted: bool = False
    candidates: int = 0
    looks: int = 0
    suspect_since: datetime | None = None
    looked_at: datetime | None = None
    breaker_open: bool = False
    opened_at: datetime | None = None
    quarantined: bool = False
    live: bool = True


# ── Who may ask ───────────────────────────────────────────────────────────────────────────────


def may_claim(view: GrantView, now: datetime, *, wanted: bool = False) -> bool:
    """Nobody holds it, and it is in doubt, due, or `wanted` by a caller."""
    if view.quarantined or not view.live:
        return False
    if view.lease_until is not None and view.lease_until > now:
        return False
    is_due = view.due_at is not None and view.due_at <= now
    return wanted or is_due or view.intent_version is not None


def claimed(view: GrantView, owner: UUID, now: datetime) -> GrantView:
    """The row after the claim: the intent is durable before anything is sent."""
    return replace(
        view,
        lease_owner=owner,
        lease_until=now + timedelta(seconds=LEASE_SECONDS),
        doubted=view.intent_version is not None,
        intent_version=view.version,
    )


def may_send(
    lease_until_monotonic: float, now_monotonic: float, deadline: float = DEADLINE_SECONDS
) -> bool:
    """A whole deadline of the lease is left. Asked immediately before sending."""
    return lease_until_monotonic - now_monotonic >= deadline


# ── What an answer means ──────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Settling:
    """One answer about to be settled: the row as it stands, and who asked with which parent."""

    view: GrantView
    parent: int
    owner: UUID
    now: datetime


def is_believed(view: GrantView, now: datetime) -> bool:
    """Whether one more refusal now is the third look at a suspicion that is old enough."""
    if view.suspect_since is None or is_void(view):
        return False
    is_look = view.looked_at is None or now - view.looked_at >= LOOKS_APART
    is_old = now - view.suspect_since >= SUSPECT_FOR
    return is_look and is_old and view.looks + 1 >= LOOKS


def is_void(view: GrantView) -> bool:
    """Whether the suspicion arose before an incident was noticed, and so may be part of it."""
    if view.suspect_since is None or view.opened_at is None:
        return False
    return view.suspect_since <= view.opened_at


SITUATIONS: Final[Mapping[str, Callable[[Settling], bool]]] = MappingProxyType(
    {
        "always": lambda case: True,
        "moved_on": lambda case: case.view.version != case.parent,
        # The lease ended and another worker asks with the same parent: its answer decides.
        "taken_over": lambda case: case.view.lease_owner not in (None, case.owner),
        # Settled so long after it was read that it says nothing of now.
        "stale": lambda case: case.view.lease_until is None or case.view.lease_until <= case.now,
        "sibling_waits": lambda case: case.view.candidates > 0,
        "breaker_open": lambda case: case.view.breaker_open,
        "doubted": lambda case: case.view.doubted,
        "believed": lambda case: is_believed(case.view, case.now),
    }
)


@dataclass(frozen=True, slots=True)
class Rule:
    """In this situation this answer means this; `name` is how the model switches it off."""

    name: str
    answer: AnswerClass
    situation: str
    decision: Decision


_A, _D = AnswerClass, Decision
_OTHERS = tuple(answer for answer in AnswerClass if answer is not AnswerClass.KEPT)

# The first rule that fits decides.
RULES: Final[tuple[Rule, ...]] = (
    Rule("compare_and_swap", _A.KEPT, "moved_on", _D.KEPT_AS_CANDIDATE),
    Rule("late_answer", _A.KEPT, "taken_over", _D.KEPT_AS_CANDIDATE),
    Rule("keep", _A.KEPT, "always", _D.BECAME_CURRENT),
    *(Rule("reread", answer, "moved_on", _D.IGNORED_MOVED_ON) for answer in _OTHERS),
    *(Rule("late_answer", answer, "taken_over", _D.IGNORED_MOVED_ON) for answer in _OTHERS),
    Rule("subject", _A.SUBJECT_CHANGED, "always", _D.NEEDS_REAUTHORIZATION),
    Rule("stale_refusal", _A.REFUSED, "stale", _D.RETRY_SAME_PARENT),
    Rule("try_siblings", _A.REFUSED, "sibling_waits", _D.CANDIDATE_PROMOTED),
    Rule("incident", _A.REFUSED, "breaker_open", _D.BREAKER),
    Rule("third_look", _A.REFUSED, "believed", _D.NEEDS_REAUTHORIZATION),
    Rule("suspect", _A.REFUSED, "always", _D.SUSPECT),
    Rule("fault", _A.CONNECTOR_FAULT, "always", _D.BREAKER),
    Rule("doubt", _A.IN_DOUBT, "always", _D.RETRY_SAME_PARENT),
    Rule("doubt", _A.TEMPORARY, "doubted", _D.RETRY_SAME_PARENT),
    Rule("back_off", _A.TEMPORARY, "always", _D.RETRY_LATER),
)


def decide(
    view: GrantView,
    *,
    parent: int,
    answer: AnswerClass,
    owner: UUID,
    now: datetime,
    rules: tuple[Rule, ...] = RULES,
) -> Decision:
    """What this answer means for the grant as it stands now. `owner` is the lease that asked."""
    case = Settling(view=view, parent=parent, owner=owner, now=now)
    for rule in rules:
        if rule.answer is answer and SITUATIONS[rule.situation](case):
            return rule.decision
    raise LookupError(f"No rule for {answer}.")


_ADVANCES: Final = frozenset({Decision.BECAME_CURRENT, Decision.CANDIDATE_PROMOTED})


def keeps_doubt(view: GrantView, decision: Decision) -> bool:
    """Whether intent and lease stay: then the same parent is asked again when the lease ends."""
    if decision is Decision.RETRY_SAME_PARENT:
        return True
    return decision is Decision.BREAKER and view.doubted


def settled(view: GrantView, decision: Decision, *, owner: UUID, now: datetime) -> GrantView:
    """The row after the decision. Another worker's lease and intent are never touched."""
    after = view
    if decision in _ADVANCES:
        after = replace(after, version=view.version + 1, looks=0, suspect_since=None)
        after = replace(after, looked_at=None)
    if decision is Decision.KEPT_AS_CANDIDATE:
        after = replace(after, candidates=view.candidates + 1)
    if decision is Decision.CANDIDATE_PROMOTED:
        after = replace(after, candidates=view.candidates - 1)
    if decision in {Decision.SUSPECT, Decision.NEEDS_REAUTHORIZATION}:
        after = looked(after, now)
    if view.lease_owner not in (None, owner) or keeps_doubt(view, decision):
        return after
    return replace(after, intent_version=None, lease_owner=None, lease_until=None, doubted=False)


def looked(view: GrantView, now: datetime) -> GrantView:
    """A refusal was seen: a new look when the last one is long enough ago."""
    if is_void(view):
        return replace(view, looks=1, looked_at=now, suspect_since=now)
    if view.looked_at is not None and now - view.looked_at < LOOKS_APART:
        return view
    return replace(
        view, looks=view.looks + 1, looked_at=now, suspect_since=view.suspect_since or now
    )


def is_outlived(sibling_parent: int, parent: int) -> bool:
    """Whether a kept sibling is of no use: a child of its own parent was itself refreshed.

    Asked of each when the answer to `parent` becomes current.
    """
    return sibling_parent < parent


# ── When to ask next ──────────────────────────────────────────────────────────────────────────


def renew_at(received_at: datetime, expires_at: datetime, draw: Draw = random.uniform) -> datetime:
    """Five to ten minutes before its end, spread; within the last part of a short life.

    Not earlier: a refresh also ends the access tokens that were handed out (trust.md §5.1).
    """
    life = expires_at - received_at
    if life < SHORT_LIFE:
        return expires_at - life * draw(*EARLY_SHARE)
    return expires_at - timedelta(seconds=draw(*EARLY_SECONDS))


def keep_alive_at(refreshed_at: datetime, idle_days: int | None) -> datetime:
    """When an unused refresh token is used once, well before it dies of idleness."""
    return refreshed_at + timedelta(days=(idle_days or IDLE_DAYS) * IDLE_SHARE)


def look_again_at(view: GrantView, now: datetime, draw: Draw = random.uniform) -> datetime:
    """When a suspect is looked at again: soon, and then when the suspicion is old enough."""
    if view.suspect_since is None or view.looks <= 1:
        return now + timedelta(seconds=draw(*SECOND_LOOK_SECONDS))
    third = view.suspect_since + timedelta(seconds=draw(*THIRD_LOOK_SECONDS))
    return max(third, now + timedelta(seconds=SECOND_LOOK_SECONDS[0]))


def retry_at(
    now: datetime,
    attempts: int,
    *,
    retry_after_seconds: float | None = None,
    draw: Draw = random.uniform,
) -> datetime:
    """Full jitter up to 5 s, 10 s, 20 s, … 15 minutes, and not before the vendor's own seconds."""
    shortest, longest = BACKOFF_SECONDS
    ceiling = min(longest, shortest * 2 ** min(max(attempts - 1, 0), 10))
    return now + timedelta(seconds=max(draw(0, ceiling), retry_after_seconds or 0.0))
