"""Telling people: a notice once, to those who can act, with the button that mends it.

`tell` and `recovered` belong to the transaction of what happened. A notice is in the inbox at once;
mail and chat wait half a minute to a minute, so that trouble which passes is sent to nobody. What
is urgent waits for nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Protocol
from uuid import UUID, uuid4

from portal import clock, gathering, tenancy
from portal.audience import operators, who_may
from portal.gathering import on_hold
from portal.models import ChatHook, Notice, NoticeSettings, Receipt, Severity
from portal.notice_kinds import Kind, kind_of, register

__all__ = [
    "Kind",
    "Severity",
    "on_hold",
    "operators",
    "recovered",
    "register",
    "resolve",
    "tell",
    "who_may",
]

WAIT = timedelta(seconds=30)
ANSWER = "recovered:"


class Subject(Protocol):
    """What it is about; its name is its text."""

    @property
    def id(self) -> UUID: ...


def tell(
    kind: str,
    *,
    subject: Subject,
    audience: Collection[UUID],
    dedupe: str,
    url: str,
    title: str = "",
    body: str = "",
    button: str = "",
    severity: Severity | None = None,
    team_id: UUID | None = None,
) -> Notice:
    """The people of `audience` are told; while the notice is open, again changes nothing.

    `url` is a path of ours. Words left out are the kind's own. `team_id` keeps a notice of a team's
    connection from everybody else. Trouble that comes back before its end was told to anybody is
    the same trouble: its notice is open again. Call it inside `tenancy.transaction()`.
    """
    back = _taken_back(dedupe)
    if back is not None:
        return back
    of = kind_of(kind)
    wanted = _notice(kind, dedupe, url=url, severity=severity or of.severity, team_id=team_id)
    wanted.title = _cut(title or of.title.format(subject=subject), 200)
    wanted.body = _cut(body or of.sentence.format(subject=subject), 1000)
    wanted.button = _cut(button or of.button, 40)
    wanted.subject_kind = type(subject).__name__.lower()[:40]
    wanted.subject_id, wanted.subject_name = subject.id, _cut(str(subject), 200)
    return _opened(wanted, _receivers(of, audience))


def recovered(
    dedupe: str, *, kind: str, title: str = "", body: str = "", url: str = "", button: str = ""
) -> Notice | None:
    """The open notice of this cause is resolved, and who had been told of it is told that too: by
    mail who had mail of it, unless they do not want mail of this kind.

    None when nothing was open, or when nobody had been told yet.
    """
    before = _held(dedupe)
    if before is None:
        return None
    told = gathering.told(before)
    _end(before)
    if not told:
        return None
    of = kind_of(kind)
    answer = _notice(kind, ANSWER + dedupe, url=url or before.url, severity=of.severity)
    answer.team_id, answer.answers_id = before.team_id, before.id
    answer.title = _cut(title or of.title.format(subject=before.subject_name), 200)
    answer.body = _cut(body or of.sentence.format(subject=before.subject_name), 1000)
    answer.button = _cut(button or of.button, 40)
    answer.subject_kind, answer.subject_id = before.subject_kind, before.subject_id
    answer.subject_name = before.subject_name
    sent = {one.user_id: one.dispatch_id is not None for one in told}
    wishes = _receivers(of, [user_id for user_id in sent if user_id is not None])
    return _opened(answer, {who: wish and sent[who] for who, wish in wishes.items() if who in sent})


def resolve(dedupe: str) -> None:
    """The open notice of this cause, if there is one, is over; nobody is told."""
    before = _held(dedupe)
    if before is not None:
        _end(before)


def _notice(
    kind: str, dedupe: str, *, url: str, severity: Severity | str, team_id: UUID | None = None
) -> Notice:
    now = clock.now()
    wait = timedelta() if kind_of(kind).urgent else WAIT
    return Notice(
        id=uuid4(),
        organization_id=tenancy.organization_id(),
        kind=kind,
        dedupe=dedupe,
        severity=severity,
        url=url,
        team_id=team_id,
        opened_at=now,
        ready_at=now + wait,
    )


def _receivers(kind: Kind, audience: Collection[UUID]) -> dict[UUID | None, bool]:
    """Who receives it, and whether it is sent out to them; None is the chat channel, also
    while it is off: it catches up."""
    chosen = dict(
        NoticeSettings.objects.filter(user_id__in=audience).values_list("user_id", "email")
    )
    found: dict[UUID | None, bool] = {
        user_id: bool(chosen.get(user_id, {}).get(kind.key, kind.email)) for user_id in audience
    }
    if kind.chat and ChatHook.objects.filter(removed_at=None).exists():
        found[None] = True
    return found


def _opened(wanted: Notice, receivers: dict[UUID | None, bool]) -> Notice:
    """The open notice of this cause; its receipts exist, and what is sent out is under way."""
    Notice.objects.bulk_create([wanted], ignore_conflicts=True)
    stored = Notice.objects.filter(dedupe=wanted.dedupe, resolved_at=None).first()
    if stored is None or stored.id != wanted.id:
        return stored or wanted
    Receipt.objects.bulk_create(
        Receipt(
            organization_id=wanted.organization_id,
            notice_id=wanted.id,
            user_id=user_id,
            wanted=is_wanted,
            created_at=wanted.opened_at,
        )
        for user_id, is_wanted in receivers.items()
    )
    gathering.expect([user_id for user_id, is_wanted in receivers.items() if is_wanted], wanted)
    return wanted


def _held(dedupe: str) -> Notice | None:
    """The open notice of this cause, locked against whoever is about to send it."""
    found: Notice | None = (
        Notice.objects.select_for_update().filter(dedupe=dedupe, resolved_at=None).first()
    )
    return found


def _end(notice: Notice) -> None:
    """It is over, and no longer counts as unread for anybody."""
    notice.resolved_at = clock.now()
    notice.save(update_fields=["resolved_at"])
    Receipt.objects.filter(notice_id=notice.id, read_at=None).update(read_at=notice.resolved_at)


def _taken_back(dedupe: str) -> Notice | None:
    """The notice before, open again, when its end was told to nobody yet; else None."""
    answer = _held(ANSWER + dedupe)
    if answer is None:
        return None
    if gathering.told(answer):
        _end(answer)
        return None
    before: Notice = Notice.objects.get(id=answer.answers_id)
    answer.delete()
    Receipt.objects.filter(notice_id=before.id, read_at=before.resolved_at).update(read_at=None)
    before.resolved_at = None
    before.save(update_fields=["resolved_at"])
    untold = Receipt.objects.filter(notice_id=before.id, wanted=True, told_at=None)
    untold.exclude(dispatch__ended_at=None).update(dispatch=None)
    gathering.expect(list(untold.values_list("user_id", flat=True)), before)
    return before


def _cut(text: str, most: int) -> str:
    """One line of at most that length: it becomes a mail's subject."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"
