"""Commands in commits' messages: each is a row, and is carried out once, whichever way it comes.

What a back-fill brings runs nothing, and neither does what was committed long before its repository
took part: commands are for what happens now.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings

from connections.contracts import (
    Carried,
    Command,
    CommitRecord,
    Deed,
    Order,
    Reach,
    RelayEvent,
    RelayKind,
    RunsCommands,
)
from connections.errors import RateLimited, ReauthorizationRequired, VendorError
from connections.flows import relay_kinds, relay_people, relay_rows, telling_relay
from connections.flows.relay_outbox import Taken
from connections.models import Commit, Link, LinkRepository, RelayCause, SmartDeed, SmartState
from connections.relay_events import carried_key
from portal import clock, tenancy, work
from portal.models import Membership
from portal.steps import step

RECENT: Final = timedelta(days=1)  # before the repository took part
TRIES: Final = 8
GONE: Final = "The commit is not there any more."
GetReach = Callable[[Link], Reach]


# ── Put down ──────────────────────────────────────────────────────────────────────────────────


def draw(
    link: Link, connector: RunsCommands, taken: Sequence[Taken], events: Sequence[RelayEvent]
) -> None:
    """The commands of these commits wait to be run; in the transaction that took the items."""
    if not any(one.kind == RelayKind.COMMIT for one in taken) or not relay_kinds.obeys(link):
        return
    since = dict(
        LinkRepository.objects.filter(link_id=link.id).values_list("repository_id", "enabled_at")
    )
    rows = [
        _row(link, one, event.record, command)
        for one, event in zip(taken, events, strict=True)
        if isinstance(event.record, CommitRecord) and _is_now(one, event.record, since)
        for command in connector.commands(event.record.message)
    ]
    SmartDeed.objects.bulk_create(rows, ignore_conflicts=True)


def _is_now(one: Taken, commit: CommitRecord, since: dict[UUID, datetime | None]) -> bool:
    if one.cause not in (RelayCause.WEBHOOK, RelayCause.SYNC) or commit.committed_at is None:
        return False
    began = since.get(one.repository_id)
    return began is not None and commit.committed_at >= began - RECENT


def _row(link: Link, one: Taken, commit: CommitRecord, command: Command) -> SmartDeed:
    return SmartDeed(
        organization_id=link.organization_id,
        link_id=link.id,
        connection_id=link.target_id,
        repository_id=one.repository_id,
        commit=commit.remote_id[:64],
        subject=command.subject[:255],
        index=command.index,
        command=command.word[:60],
        author=(commit.author.name or commit.author.email)[:300],
        created_at=clock.now(),
        due_at=clock.now(),
    )


# ── Carry out ─────────────────────────────────────────────────────────────────────────────────


def go_on(claim: work.Claim, reach_of: GetReach, connector: RunsCommands, link: Link) -> bool:
    """The next command was carried out, or says why not; whether there was any.

    Raises what the vendor's answer means for the whole target.
    """
    deed = _taken(claim, link)
    if deed is None:
        return False
    step("command.taken")
    order = _order(link, connector, deed)
    if order is None:
        _settle(claim, link, deed, Deed(False, GONE), None)
        return True
    try:
        done = connector.run(reach_of(link), order)
    except (RateLimited, ReauthorizationRequired):
        _again(claim, deed, clock.now())
        raise
    except VendorError as error:
        if error.retry and deed.attempts < TRIES:
            wait = timedelta(seconds=work.backoff_seconds(deed.attempts))
            _again(claim, deed, clock.now() + wait)
            return True
        done = Deed(False, error.detail or error.code)
    step("command.run")
    _settle(claim, link, deed, done, order.author)
    return True


def _taken(claim: work.Claim, link: Link) -> SmartDeed | None:
    """The next one that is due, this worker's until its lease ends."""
    now = clock.now()
    with tenancy.transaction():
        claim.hold()
        rows = SmartDeed.objects.select_for_update(skip_locked=True, no_key=True)
        due = rows.filter(link_id=link.id, due_at__lte=now, state=SmartState.WAITING)
        deed: SmartDeed | None = due.order_by("created_at", "commit", "index").first()
        if deed is not None:
            deed.attempts += 1
            deed.started_at = deed.started_at or now
            deed.due_at = now + timedelta(seconds=2 * settings.LEASE_SECONDS)
            deed.save(update_fields=["attempts", "started_at", "due_at"])
        return deed


def _order(link: Link, connector: RunsCommands, deed: SmartDeed) -> Order | None:
    with tenancy.transaction():
        rows = Commit.objects.filter(repository_id=deed.repository_id, remote_id=deed.commit)
        row = rows.first()
        if row is None:
            return None
        commit = relay_rows.commit(row)
        people = relay_people.carried(link, [commit.author])
    key = carried_key(commit.author)
    author = people.get(key) or Carried(commit.author, email=commit.author.email)
    for command in connector.commands(commit.message):
        if (command.subject[:255], command.index) == (deed.subject, deed.index):
            return Order(command, commit, author, again=deed.attempts > 1)
    return None


def _again(claim: work.Claim, deed: SmartDeed, due_at: datetime) -> None:
    with tenancy.transaction():
        claim.hold()
        SmartDeed.objects.filter(id=deed.id, state=SmartState.WAITING).update(due_at=due_at)


def _settle(
    claim: work.Claim, link: Link, deed: SmartDeed, done: Deed, author: Carried | None
) -> None:
    """It was run, or its author reads why not."""
    with tenancy.transaction():
        claim.hold()
        deed.state = SmartState.DONE if done.done else SmartState.FAILED
        deed.detail, deed.ended_at, deed.due_at = done.detail[:200], clock.now(), None
        deed.save(update_fields=["state", "detail", "ended_at", "due_at"])
        if not done.done and author is not None:
            telling_relay.command_failed(link, deed, _member(author))
        claim.progressed()


def _member(author: Carried) -> UUID | None:
    """Who of this organization wrote it: anybody may write anybody's address into a commit."""
    if not author.email:
        return None
    rows = Membership.objects.filter(user__email__iexact=author.email, user__is_active=True)
    found: UUID | None = rows.values_list("user_id", flat=True).first()
    return found
