"""A second person decides: one asks, another one says yes or no, and the record has both.

Each kind of question says who may ask, who may decide, and what happens with the answer. On the
platform that is operators; in an organization whoever holds the kind's permission. The asker never
decides: the flow refuses it, and so does the database.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils import timezone

from portal import audit, notices, roles, tenancy
from portal.audit import Action
from portal.models import Approval, ApprovalState, User
from portal.models.approval import APPROVAL_LIFETIME
from portal.notice_kinds import (
    ANSWERED,
    ANSWERED_OPERATORS,
    WAITS,
    WAITS_OPERATORS,
)
from portal.policy import Actor, Permission, authorize
from portal.refused import Impossible

SHORTEST_WHY = 10
NO_WHY = "Say in a sentence why (10 letters or more)."
NOT_YOURS = "You asked for this yourself. Somebody else decides."
NO_OPERATOR = "This is for operators of the platform."
ALONE = "Nobody else could decide this. Give a second person that role first."
OVER = "This was decided, withdrawn or has expired meanwhile. Look at it again."

State = ApprovalState


@dataclass(frozen=True, slots=True)
class ApprovalKind:
    """One kind of question. `title` is what a list calls it; `permission` None means operators.

    `name_of` gives the words for the subject with this id, `url_of` the page where it is decided
    (a path of ours), `on_decided` what happens with the answer, in the same transaction.
    """

    key: str
    title: str
    name_of: Callable[[UUID], str]
    url_of: Callable[[UUID], str]
    permission: Permission | None = None
    on_decided: Callable[[Approval, Actor], None] | None = None
    lifetime: timedelta = APPROVAL_LIFETIME


_kinds: dict[str, ApprovalKind] = {}


def register(kind: ApprovalKind) -> ApprovalKind:
    """This kind of question exists; the last one registered under a key counts."""
    _kinds[kind.key] = kind
    return kind


def kind_of(key: str) -> ApprovalKind:
    """The kind with this key; KeyError when the code has none."""
    return _kinds[key]


def require_askable(*, actor: Actor, kind: str, why: str) -> None:
    """For flows that write before they ask: raises what `ask` would raise."""
    of = kind_of(kind)
    actor = _allowed(actor, of)
    _reason(why)
    _others(of, actor)


def ask(*, actor: Actor, kind: str, subject_id: UUID, why: str) -> Approval:
    """The question is put, and everybody else who could answer it is told.

    The same question that is open already is given back. Raises Impossible without a reason, or
    when there is nobody else.
    """
    of = kind_of(kind)
    with tenancy.transaction():
        actor = _allowed(actor, of)
        why = _reason(why)
        _expire(of, subject_id)
        before = _open(of, subject_id)
        if before is not None:
            return before
        others = _others(of, actor)
        approval = _asked(actor, of, subject_id, why)
        audit.record(Action.APPROVAL_ASKED, actor=actor, subject=approval, kind=kind, why=why)
        _tell_others(of, approval, others)
    return approval


def decide(*, actor: Actor, approval: Approval, yes: bool, why: str = "") -> Approval:
    """Another person has answered, and what follows from it has happened.

    Raises PermissionDenied for the asker, Impossible when it is not open any more, or for a no
    without a reason.
    """
    of = kind_of(approval.kind)
    with tenancy.transaction():
        actor = _allowed(actor, of)
        held = Approval.objects.select_for_update().filter(id=approval.id).first()
        if held is None or not held.is_open:
            raise Impossible(OVER)
        if actor.id is None or held.asked_by_id in (None, actor.id):
            raise PermissionDenied(NOT_YOURS)
        held.decision_why = " ".join(why.split())[:500] if yes else _reason(why)
        held.state = State.APPROVED if yes else State.REFUSED
        _close(held, actor)
        action = Action.APPROVAL_GIVEN if yes else Action.APPROVAL_REFUSED
        audit.record(action, actor=actor, subject=held, kind=held.kind, why=held.decision_why)
        if of.on_decided:
            of.on_decided(held, actor)
        _tell_asker(of, held)
    return held  # type: ignore[no-any-return]


def withdraw(*, actor: Actor, approval: Approval) -> Approval:
    """The asker, or whoever could decide, takes the question back."""
    of = kind_of(approval.kind)
    with tenancy.transaction():
        actor = _allowed(actor, of)
        held = Approval.objects.select_for_update().filter(id=approval.id).first()
        if held is None or held.state != State.ASKED:
            raise Impossible(OVER)
        held.state = State.WITHDRAWN
        _close(held, actor)
        audit.record(Action.APPROVAL_WITHDRAWN, actor=actor, subject=held, kind=held.kind)
    return held  # type: ignore[no-any-return]


def spend(*, actor: Actor, kind: str, subject_id: UUID) -> Approval:
    """The approval for one deed, used by it now; raises Impossible when there is none to use.

    Call it in the transaction of the deed.
    """
    found = (
        Approval.objects.select_for_update()
        .filter(kind=kind, subject_id=subject_id, state=State.APPROVED, used_at=None)
        .filter(expires_at__gt=timezone.now())
        .first()
    )
    if found is None:
        raise Impossible("A second person has not approved this, or the approval was used.")
    found.used_at = timezone.now()
    found.save(update_fields=["used_at"])
    audit.record(Action.APPROVAL_USED, actor=actor, subject=found, kind=kind)
    return found  # type: ignore[no-any-return]


def latest(kind: str, subject_id: UUID) -> Approval | None:
    """The last question about this subject, whatever became of it."""
    found = Approval.objects.filter(kind=kind, subject_id=subject_id).order_by("-asked_at")
    return found.first()


def waiting(kind: str) -> list[Approval]:
    """What is open of this kind, the oldest first."""
    found = Approval.objects.filter(kind=kind, state=State.ASKED, expires_at__gt=timezone.now())
    return list(found.order_by("asked_at"))


def may_decide(actor: Actor, approval: Approval) -> bool:
    """For pages: whether this person would be the second one."""
    return approval.is_open and approval.asked_by_id not in (None, actor.id)


def _others(of: ApprovalKind, asker: Actor) -> set[UUID]:
    """Everybody who may answer such a question but the asker; raises Impossible when nobody may."""
    may = notices.who_may(of.permission) if of.permission else notices.operators()
    found = {user_id for user_id in may if user_id != asker.id}
    if not found:
        raise Impossible(ALONE)
    return found


def _allowed(actor: Actor, of: ApprovalKind) -> Actor:
    if of.permission is not None:
        return authorize(actor, of.permission)
    return operator(actor)


def operator(actor: Actor) -> Actor:
    """The actor as an operator of the platform, asked again now; raises PermissionDenied."""
    is_platform = tenancy.organization_id() == tenancy.PLATFORM
    if actor.kind != "operator" or actor.id is None or not is_platform:
        raise PermissionDenied(NO_OPERATOR)
    if not User.objects.filter(id=actor.id, is_operator=True, is_active=True).exists():
        raise PermissionDenied(NO_OPERATOR)
    return actor


def _reason(why: str) -> str:
    why = " ".join(why.split())[:500]
    if len(why) < SHORTEST_WHY:
        raise Impossible(NO_WHY)
    return why


def _open(of: ApprovalKind, subject_id: UUID) -> Approval | None:
    found: Approval | None = Approval.objects.filter(
        kind=of.key, subject_id=subject_id, state=State.ASKED
    ).first()
    return found


def _expire(of: ApprovalKind, subject_id: UUID) -> None:
    """What nobody answered in time makes room for the question to be put again."""
    stale = Approval.objects.filter(kind=of.key, subject_id=subject_id, state=State.ASKED)
    stale.filter(expires_at__lte=timezone.now()).update(
        state=State.WITHDRAWN, decided_at=timezone.now()
    )


def _asked(actor: Actor, of: ApprovalKind, subject_id: UUID, why: str) -> Approval:
    values: dict[str, Any] = {
        "kind": of.key,
        "subject_id": subject_id,
        "subject_name": of.name_of(subject_id)[:200],
        "why": why,
        "asked_by_id": actor.id,
        "asked_by_name": actor.name[:200],
        "expires_at": timezone.now() + of.lifetime,
    }
    try:
        with transaction.atomic(using=roles.current()):
            made: Approval = Approval.objects.create(**values)
    except IntegrityError:
        found = _open(of, subject_id)
        if found is None:
            raise
        return found
    return made


def _close(approval: Approval, actor: Actor) -> None:
    approval.decided_by_id, approval.decided_by_name = actor.id, actor.name[:200]
    approval.decided_at = timezone.now()
    approval.save(
        update_fields=["state", "decided_by", "decided_by_name", "decided_at", "decision_why"]
    )
    notices.resolve(_dedupe(approval))


def _tell_others(of: ApprovalKind, approval: Approval, others: set[UUID]) -> None:
    notices.tell(
        WAITS if of.permission else WAITS_OPERATORS,
        subject=approval,
        audience=others,
        dedupe=_dedupe(approval),
        url=of.url_of(approval.subject_id),
        title=f"{of.title}: {approval.subject_name}",
        body=f"{approval.asked_by_name} asks: {approval.why}",
    )


def _tell_asker(of: ApprovalKind, approval: Approval) -> None:
    if approval.asked_by_id is None:
        return
    said = "approved" if approval.state == State.APPROVED else "refused"
    because = f" {approval.decision_why}" if approval.decision_why else ""
    notices.tell(
        ANSWERED if of.permission else ANSWERED_OPERATORS,
        subject=approval,
        audience=[approval.asked_by_id],
        dedupe=f"{_dedupe(approval)}:answer",
        url=of.url_of(approval.subject_id),
        title=f"{of.title}: {approval.subject_name} is {said}",
        body=f"{approval.decided_by_name} {said} it.{because}",
    )


def _dedupe(approval: Approval) -> str:
    return f"approval:{approval.id}"
