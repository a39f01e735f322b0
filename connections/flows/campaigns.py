"""Campaigns: many connections get another credential or a new link by a day, and who is late shows.

An item is ticked in the transaction that replaced the credential, by `settled`. A campaign ends
with its last item; until then somebody may exclude connections for a reason, or cancel it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4
from zoneinfo import available_timezones

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from connections.flows import telling_campaigns
from connections.flows.problems import FlowProblem
from connections.models import Campaign, CampaignItem, Connection
from portal import audit, clock, people, roles, tenancy
from portal.fields import made_once
from portal.policy import SYSTEM, Actor, Permission, authorize

Goal = Campaign.Goal
LONGEST: Final = timedelta(days=366)
MOST_OPEN: Final = 50
BATCH: Final = 2000
REVOKED: Final = "The connection was revoked."


def start(
    *,
    actor: Actor,
    goal: str,
    title: str,
    connection_ids: Collection[UUID],
    due_at: datetime,
    because: str = "",
    zone: str = "UTC",
    key: UUID | None = None,
) -> Campaign:
    """A campaign over those of these connections that are not revoked; who may mend them is told.

    With a form's `key`, the same form sent again finds the first. Raises FlowProblem when no
    connection is left, or when a wish cannot be.
    """
    actor = authorize(actor, Permission.CAMPAIGN_EDIT)
    campaign_id = made_once(actor.id, key) if key else uuid4()
    if (before := Campaign.objects.filter(id=campaign_id).first()) is not None:
        return before  # type: ignore[no-any-return]
    campaign = Campaign(
        id=campaign_id,
        organization_id=tenancy.organization_id(),
        goal=_goal(goal),
        title=_title(title),
        because=" ".join(because.split())[:300],
        due_at=_due(due_at),
        zone=_zone(zone),
        started_by_id=actor.id if actor.kind == "person" else None,
        started_by_name=actor.name[:200],
        started_at=clock.now(),
    )
    if actor.kind != SYSTEM.kind:
        _require_room()
    chosen = _live(connection_ids)
    if not chosen:
        raise FlowProblem("empty", "", "No connection is left for this campaign.")
    if not _inserted(campaign):
        return Campaign.objects.get(id=campaign.id)  # type: ignore[no-any-return]
    CampaignItem.objects.bulk_create(
        (
            CampaignItem(
                organization_id=campaign.organization_id,
                campaign=campaign,
                connection_id=connection_id,
            )
            for connection_id in chosen
        ),
        batch_size=BATCH,
    )
    audit.record(
        audit.Action.CAMPAIGN_STARTED,
        actor=actor,
        subject=campaign,
        goal=campaign.goal,
        connections=len(chosen),
        due_at=campaign.due_at.isoformat(),
    )
    telling_campaigns.remind(campaign)
    return campaign


def _require_room() -> None:
    """One more may be open. Who starts another in the same moment waits for the end of this."""
    people.held()
    if Campaign.objects.filter(ended_at=None, cancelled_at=None).count() >= MOST_OPEN:
        raise FlowProblem("many", "", f"{MOST_OPEN} campaigns are open. Cancel or finish some.")


def _inserted(campaign: Campaign) -> bool:
    """Whether this call made it; the same form in the same moment is the other answer."""
    try:
        with transaction.atomic(using=roles.current()):
            campaign.save(force_insert=True)
    except IntegrityError:
        return False
    return True


def settled(connection: Connection, goal: str) -> list[UUID]:
    """The connection was linked again, or its credential replaced: its items, which are returned,
    are done.

    A new link brings a new credential, so it answers both goals. Call it in that transaction.
    """
    answered = [Goal.ROTATE] if goal == Goal.ROTATE else [Goal.ROTATE, Goal.RELINK]
    items = _to_do().filter(connection_id=connection.id, campaign__goal__in=answered)
    ticked = dict(items.values_list("id", "campaign_id"))
    CampaignItem.objects.filter(id__in=ticked).update(done_at=clock.now())
    _close(set(ticked.values()))
    return list(ticked)


def reopened(item_ids: Iterable[UUID | str]) -> None:
    """What ticked these items was taken back: they wait again, and so do their campaigns.

    A campaign that was cancelled stays so. Call it in that transaction.
    """
    items = CampaignItem.objects.filter(id__in=list(item_ids)).exclude(done_at=None)
    touched = sorted(set(items.values_list("campaign_id", flat=True)))
    items.update(done_at=None)
    ended = Campaign.objects.select_for_update(no_key=True).filter(id__in=touched)
    for campaign in ended.filter(cancelled_at=None).exclude(ended_at=None):
        campaign.ended_at = None
        campaign.save(update_fields=["ended_at"])
        audit.record(audit.Action.CAMPAIGN_REOPENED, actor=SYSTEM, subject=campaign)
        telling_campaigns.remind(campaign)


def gone(connection: Connection) -> None:
    """The connection was revoked: nobody has to do anything about it any more."""
    items = _to_do().filter(connection_id=connection.id)
    touched = set(items.values_list("campaign_id", flat=True))
    items.update(excluded_at=clock.now(), excluded_because=REVOKED)
    _close(touched)


def exclude(*, actor: Actor, item: CampaignItem, because: str) -> None:
    """Nothing is expected of this connection; why is on record."""
    actor = authorize(actor, Permission.CAMPAIGN_EDIT)
    because = " ".join(because.split())[:300]
    if not because:
        raise FlowProblem("because", "because", "Say why, for whoever asks later.")
    campaign = _held(item.campaign_id)
    item.refresh_from_db()
    if item.done_at is not None or item.excluded_at is not None:
        return
    item.excluded_at, item.excluded_because = clock.now(), because
    item.excluded_by_name = actor.name[:200]
    item.save(update_fields=["excluded_at", "excluded_because", "excluded_by_name"])
    audit.record(
        audit.Action.CAMPAIGN_ITEM_EXCLUDED,
        actor=actor,
        subject=campaign,
        connection=str(item.connection),
        because=because,
    )
    _close([campaign.id])


def include(*, actor: Actor, item: CampaignItem) -> None:
    """An excluded connection is expected again."""
    actor = authorize(actor, Permission.CAMPAIGN_EDIT)
    campaign = _held(item.campaign_id)
    item.refresh_from_db()
    if item.excluded_at is None:
        return
    if item.connection.state == Connection.State.REVOKED:
        raise FlowProblem("revoked", "", "A revoked connection stays excluded.")
    item.excluded_at, item.excluded_because, item.excluded_by_name = None, "", ""
    item.save(update_fields=["excluded_at", "excluded_because", "excluded_by_name"])
    audit.record(
        audit.Action.CAMPAIGN_ITEM_INCLUDED,
        actor=actor,
        subject=campaign,
        connection=str(item.connection),
    )


def cancel(*, actor: Actor, campaign: Campaign) -> None:
    """Nobody is reminded any more; what was done stays done."""
    actor = authorize(actor, Permission.CAMPAIGN_EDIT)
    campaign = _held(campaign.id)
    campaign.cancelled_at, campaign.cancelled_by_name = clock.now(), actor.name[:200]
    campaign.save(update_fields=["cancelled_at", "cancelled_by_name"])
    audit.record(audit.Action.CAMPAIGN_CANCELLED, actor=actor, subject=campaign)
    telling_campaigns.over(campaign)


def left(campaign: Campaign) -> QuerySet[CampaignItem]:
    """Its items that wait for somebody."""
    found: QuerySet[CampaignItem] = _to_do().filter(campaign_id=campaign.id)
    return found


def _to_do() -> QuerySet[CampaignItem]:
    found: QuerySet[CampaignItem] = CampaignItem.objects.filter(
        done_at=None,
        excluded_at=None,
        campaign__ended_at=None,
        campaign__cancelled_at=None,
    )
    return found


def _close(campaign_ids: Iterable[UUID]) -> None:
    """Those of which nothing is left have ended. The lock comes first: of two that tick the last
    two items at once, the second sees what the first did."""
    for campaign in Campaign.objects.select_for_update(no_key=True).filter(
        id__in=sorted(campaign_ids), ended_at=None, cancelled_at=None
    ):
        if left(campaign).exists():
            continue
        campaign.ended_at = clock.now()
        campaign.save(update_fields=["ended_at"])
        audit.record(audit.Action.CAMPAIGN_ENDED, actor=SYSTEM, subject=campaign)
        telling_campaigns.over(campaign)


def _held(campaign_id: UUID) -> Campaign:
    """The campaign, locked and open; raises FlowProblem when it is over."""
    found: Campaign = Campaign.objects.select_for_update(no_key=True).get(id=campaign_id)
    if not found.is_open:
        raise FlowProblem("over", "", "This campaign is over.")
    return found


def _live(connection_ids: Collection[UUID]) -> list[UUID]:
    found = Connection.objects.filter(id__in=set(connection_ids)).order_by("name")
    return list(found.exclude(state=Connection.State.REVOKED).values_list("id", flat=True))


# ── What may be wished for ────────────────────────────────────────────────────────────────────


def _goal(goal: str) -> str:
    if goal not in Goal.values:
        raise FlowProblem("goal", "goal", "Choose what is to be done.")
    return goal


def _title(title: str) -> str:
    title = " ".join(title.split())[:100]
    if not title:
        raise FlowProblem("title", "title", "Give it a name that people recognise.")
    return title


def _due(due_at: datetime) -> datetime:
    if not clock.now() < due_at <= clock.now() + LONGEST:
        raise FlowProblem("due", "due_at", "Choose a time to come, at most a year away.")
    return due_at


def _zone(zone: str) -> str:
    if zone not in available_timezones():
        raise FlowProblem("zone", "zone", "Choose a time zone from the list.")
    return zone
