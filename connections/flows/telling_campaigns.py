"""What people are told of a campaign: at its start, halfway, a day before its end, when overdue.

One notice is open at a time; that of the time before is over when the next begins.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import QuerySet

from connections.flows import told_kinds as kinds
from connections.flows.telling import page_of
from connections.models import Campaign, CampaignItem
from portal import clock, notices
from portal.phrases import plural
from portal.policy import Permission

TIMES = ("start", "half", "day", "overdue")


def moment(at: datetime, zone: str) -> str:
    """The time in words with its zone: Fri 27 November 2026, 18:00 (Europe/Berlin)."""
    local = at.astimezone(ZoneInfo(zone))
    return f"{local:%a} {local.day} {local:%B %Y, %H:%M} ({zone})"


def remind(campaign: Campaign) -> str:
    """Who has something left to do in an open campaign is told, once for each time of it.

    The cause that holds now; empty when nothing is left. The notice of the time before is over.
    """
    to_do = CampaignItem.objects.filter(campaign_id=campaign.id, done_at=None, excluded_at=None)
    left = to_do.count()
    if not campaign.is_open or not left:
        return ""
    mark = time_of(campaign, clock.now())
    cause = _campaign_cause(campaign, mark)
    for other in set(TIMES) - {mark}:
        notices.resolve(_campaign_cause(campaign, other))
    notices.tell(
        kinds.CAMPAIGN_OVERDUE if mark == "overdue" else kinds.CAMPAIGN,
        subject=campaign,
        audience=_menders_of(to_do) | _starter(campaign),
        dedupe=cause,
        url=page_of("campaign", campaign.id),
        title=f"{campaign}: {_left(campaign, left, mark)}",
        body=_asked(campaign),
    )
    return cause


def over(campaign: Campaign) -> None:
    """Done or cancelled: what people were reminded of is over, and they hear that."""
    for mark in TIMES:
        notices.recovered(
            _campaign_cause(campaign, mark),
            kind=kinds.CAMPAIGN_OVER,
            title=f"{campaign} is {'cancelled' if campaign.cancelled_at else 'done'}",
        )


def time_of(campaign: Campaign, now: datetime) -> str:
    """Which of its reminders it is time for."""
    if now >= campaign.due_at:
        return "overdue"
    if campaign.due_at - now <= timedelta(days=1):
        return "day"
    half = campaign.started_at + (campaign.due_at - campaign.started_at) / 2
    return "half" if now >= half else "start"


def _campaign_cause(campaign: Campaign, mark: str) -> str:
    return f"{kinds.CAMPAIGN}:{campaign.id}:{mark}"


def _left(campaign: Campaign, left: int, mark: str) -> str:
    if mark == "overdue":
        return f"{plural(left, 'connection')} overdue"
    return f"{plural(left, 'connection')} to do by {moment(campaign.due_at, campaign.zone)}"


def _asked(campaign: Campaign) -> str:
    wanted = {
        Campaign.Goal.ROTATE: "Replace the credential of each; name, address and history stay.",
        Campaign.Goal.RELINK: "Link each again; name, address and history stay.",
    }
    return f"{wanted[Campaign.Goal(campaign.goal)]} {campaign.because}".strip()


def _menders_of(items: QuerySet[CampaignItem]) -> set[UUID]:
    """Who may mend one of these connections; two questions for each team."""
    granters: dict[UUID | None, set[UUID | None]] = {}
    pairs = items.values_list("connection__team_id", "connection__granted_by_id").distinct()
    for team_id, granted_by in pairs.order_by():
        granters.setdefault(team_id, set()).add(granted_by)
    found: set[UUID] = set()
    for team, people in granters.items():
        found |= notices.who_may(Permission.CONNECTION_MEND, team_id=team)
        linkers = notices.who_may(Permission.CONNECTION_LINK, team_id=team)
        found |= {person for person in linkers if person in people}
    return found


def _starter(campaign: Campaign) -> set[UUID]:
    """Whoever started it, for as long as they may see it."""
    viewers = notices.who_may(Permission.CONNECTION_VIEW)
    return {person for person in viewers if person == campaign.started_by_id}
