"""From notices to messages: what waits for one person becomes single messages or one digest.

A job for each person and half minute looks at what has waited long enough. More than five of one
kind within ten minutes go out as one digest, the next one after the pause of the kind.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Count, F, Q, QuerySet

from portal import clock, roles, tenancy, work
from portal.models import Bounce, Channel, ChatHook, Dispatch, Notice, NoticeSettings, Receipt
from portal.notice_kinds import kind_of

SINGLES = 5
WINDOW = timedelta(minutes=10)
HELD_AT_MOST = timedelta(hours=6)
HOLD_SECONDS = 60
BUSY_SECONDS = 5
SLOT_SECONDS = 30
DIGEST_HOUR = 8
MIXED = ""  # the kind of a digest that holds several

Check = Callable[[list[Notice]], Collection[UUID]]

_holds: dict[str, Check] = {}


def on_hold(kind: str, check: Check) -> None:
    """Register who may hold notices of this kind back: `check` returns the ids of those to hold.

    It runs in a worker outside transactions, each minute, for six hours at most.
    """
    _holds[kind] = check


def expect(users: Iterable[UUID | None], notice: Notice) -> None:
    """A worker looks at these people's notices once this one has waited."""
    if kind_of(notice.kind).urgent:
        _expect_at_once(users, notice)
        return
    chosen = {row.user_id: row for row in NoticeSettings.objects.filter(user_id__in=users)}
    for user_id in users:
        run_at = _due(chosen.get(user_id), max(notice.ready_at, clock.now()))
        work.later(
            "gather_notices",
            run_at=run_at,
            dedupe=f"gather:{user_id or Channel.CHAT}:{run_at.timestamp():.0f}",
            user_id=user_id or "",
        )


def _expect_at_once(users: Iterable[UUID | None], notice: Notice) -> None:
    """Nothing else of theirs is sent by that: a daily mail stays one."""
    for user_id in users:
        work.later(
            "gather_notices",
            priority=work.WAITING,
            dedupe=f"gather:{user_id or Channel.CHAT}:{notice.id}",
            user_id=user_id or "",
            urgent=notice.kind,
        )


def told(notice: Notice) -> list[Receipt]:
    """The copies of the notice that were sent, read, or lay in the inbox for long enough."""
    in_the_inbox = Q(wanted=False) if notice.ready_at <= clock.now() else Q(pk__in=[])
    known = Q(told_at__isnull=False) | in_the_inbox
    return list(Receipt.objects.filter(known, notice_id=notice.id))


@work.job("gather_notices")
def gather(claim: work.Claim, *, user_id: str, urgent: str = "") -> None:
    """What has waited long enough for this person, or for the channel, is a message under way.

    With `urgent`, only what is of that kind.
    """
    user = UUID(user_id) if user_id else None
    held = _held_back(user)
    with tenancy.transaction():
        claim.hold()
        wait = _gather(user, held, urgent) if _open_to(user) else 0.0
    if held or wait:
        raise work.RetryLater("notices_wait", seconds=wait or HOLD_SECONDS, free=True)


def again(user: UUID | None) -> None:
    """What waits for this person, or for the channel, is looked at now."""
    work.later("gather_notices", dedupe=f"gather:{user or Channel.CHAT}:now", user_id=user or "")


def waiting(user: UUID | None) -> QuerySet[Receipt]:
    """Copies that are to be sent and were not; what was resolved meanwhile is not among them."""
    found: QuerySet[Receipt] = Receipt.objects.filter(
        user_id=user,
        wanted=True,
        dispatch=None,
        told_at=None,
        notice__resolved_at=None,
        notice__ready_at__lte=clock.now(),
    )
    return found


def _due(chosen: NoticeSettings | None, ready_at: datetime) -> datetime:
    """The next half minute, or the next morning where the person lives."""
    if chosen is None or chosen.digest == NoticeSettings.Digest.AT_ONCE:
        seconds = -(-ready_at.timestamp() // SLOT_SECONDS) * SLOT_SECONDS
        return datetime.fromtimestamp(seconds, UTC)
    zone = ZoneInfo(chosen.time_zone)
    here = ready_at.astimezone(zone)
    morning = datetime.combine(here.date(), time(DIGEST_HOUR), zone)
    if morning < here:
        morning = datetime.combine(here.date() + timedelta(days=1), time(DIGEST_HOUR), zone)
    return morning.astimezone(UTC)


def _held_back(user: UUID | None) -> set[UUID]:
    """The notices that somebody asked to hold back; none for longer than six hours."""
    with tenancy.transaction():
        found = Notice.objects.filter(
            id__in=waiting(user).values("notice_id"),
            kind__in=_holds,
            opened_at__gt=clock.now() - HELD_AT_MOST,
        )
        by_kind = defaultdict(list)
        for notice in found:
            by_kind[notice.kind].append(notice)
    return {one for kind, notices in by_kind.items() for one in _holds[kind](notices)}


def _open_to(user: UUID | None) -> bool:
    """Whether something may be sent there; holds the row that lets one gather at a time."""
    if user is None:
        hooks = ChatHook.objects.select_for_update(no_key=True)
        return hooks.filter(removed_at=None, disabled_at=None).first() is not None
    bounced = Bounce.objects.filter(user_id=user, cleared_at=None)
    if bounced.filter(address__iexact=F("user__email")).exists() or not waiting(user).exists():
        return False
    own = NoticeSettings(organization_id=tenancy.organization_id(), user_id=user)
    NoticeSettings.objects.bulk_create([own], ignore_conflicts=True)
    return NoticeSettings.objects.select_for_update(no_key=True).filter(user_id=user).exists()


def _gather(user: UUID | None, held: set[UUID], urgent: str) -> float:
    """Messages for what waits; how many seconds until the rest may go, 0 when nothing is left."""
    wanted = waiting(user).filter(notice__kind=urgent) if urgent else waiting(user)
    found = list(wanted.exclude(notice_id__in=held).select_related("notice"))
    locked = _locked({one.notice_id for one in found})
    by_kind: dict[str, list[Receipt]] = defaultdict(list)
    for receipt in found:
        if receipt.notice_id in locked:
            by_kind[receipt.notice.kind].append(receipt)
    is_busy = len(locked) < len({one.notice_id for one in found})
    waits: list[float] = [BUSY_SECONDS] if is_busy else []
    if user is not None and not urgent and _is_daily(user):
        _dispatch(user, MIXED, [one for receipts in by_kind.values() for one in receipts])
        return min(waits, default=0)
    for kind, receipts in by_kind.items():
        recent = _recent(user, kind)
        if len(receipts) + len(recent) <= SINGLES:
            for receipt in receipts:
                _dispatch(user, kind, [receipt])
        elif (pause := _pause(kind, recent)) > 0:
            waits.append(max(1, pause))
        else:
            _dispatch(user, kind, receipts)
    return min(waits, default=0)


def _locked(notices: set[UUID]) -> set[UUID]:
    """Those that stay as they are until this transaction ends; whoever resolves one goes first."""
    with roles.connection().cursor() as cursor:
        cursor.execute(
            "SELECT id FROM portal_notice WHERE id = ANY (%s) AND resolved_at IS NULL"
            " FOR SHARE SKIP LOCKED",
            [list(notices)],
        )
        return {row[0] for row in cursor.fetchall()}


def _is_daily(user: UUID) -> bool:
    daily = NoticeSettings.Digest.DAILY
    return NoticeSettings.objects.filter(user_id=user, digest=daily).exists()


def _recent(user: UUID | None, kind: str) -> list[Any]:
    """The messages of this kind of the last ten minutes, each with its `size`."""
    sent = Dispatch.objects.filter(
        user_id=user, kind=kind, created_at__gt=clock.now() - WINDOW
    ).annotate(size=Count("receipts"))
    return list(sent)


def _pause(kind: str, recent: list[Any]) -> float:
    """Seconds until the next mail of many; 0 or less when it may go now."""
    ends = [one.created_at + kind_of(kind).pause for one in recent if one.size > 1]
    return (max(ends) - clock.now()).total_seconds() if ends else 0.0


def _dispatch(user: UUID | None, kind: str, receipts: list[Receipt]) -> None:
    """One message with these notices; a worker sends it."""
    if not receipts:
        return
    channel = Channel.CHAT if user is None else Channel.EMAIL
    message = Dispatch.objects.create(
        channel=channel, user_id=user, kind=kind, created_at=clock.now()
    )
    Receipt.objects.filter(id__in=[one.id for one in receipts]).update(dispatch_id=message.id)
    job = "post_notice" if channel == Channel.CHAT else "send_notice"
    work.later(job, dedupe=f"dispatch:{message.id}", dispatch_id=message.id)
