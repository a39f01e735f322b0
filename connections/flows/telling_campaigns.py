"""What people are told of a campaign: at its start, halfway, a day before its end, when overdue.

While it is overdue they are told again each week, from the second week on owners and admins too.
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
from portal.audience import with_roles
from portal.models import Notice
from portal.phrases import plural
from portal.policy import Permission, Role

OVERDUE = "overdue"
WEEK = timedelta(days=7)
HEADS = (Role.OWNER.value, Role.ADMIN.value)


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
    still_open = _open(campaign)
    if cause in still_open:
        return cause
    for other in still_open:
        notices.resolve(other)
    is_late = mark.startswith(OVERDUE)
    heads = with_roles(HEADS) if is_late and mark != OVERDUE else set()
    notices.tell(
        kinds.CAMPAIGN_OVERDUE if is_late else kinds.CAMPAIGN,
        subject=campaign,
        audience=_menders_of(to_do) | _starter(campaign) | heads,
        dedupe=cause,
        url=page_of("campaign", campaign.id),
        title=f"{campaign}: {_left(campaign, left, is_late)}",
        body=_asked(campaign),
    )
    return cause


def over(campaign: Campaign) -> None:
    """Done or cancelled: what people were reminded of is over, and they hear that."""
    for cause in _open(campaign):
        notices.recovered(
            cause,
            kind=kinds.CAMPAIGN_OVER,
            title=f"{campaign} is {'cancelled' if campaign.cancelled_at else 'done'}",
        )


def time_of(campaign: Campaign, now: datetime) -> str:
    """Which of its reminders it is time for: "overdue" in the first week, then "overdue-2"."""
    if now >= campaign.due_at:
        week = (now - campaign.due_at) // WEEK + 1
        return OVERDUE if week == 1 else f"{OVERDUE}-{week}"
    if campaign.due_at - now <= timedelta(days=1):
        return "day"
    half = campaign.started_at + (campaign.due_at - campaign.started_at) / 2
    return "half" if now >= half else "start"


def _campaign_cause(campaign: Campaign, mark: str) -> str:
    return f"{kinds.CAMPAIGN}:{campaign.id}:{mark}"


def _open(campaign: Campaign) -> list[str]:
    """The causes that people were told of and that are not over."""
    told = (kinds.CAMPAIGN, kinds.CAMPAIGN_OVERDUE)
    found = Notice.objects.filter(kind__in=told, subject_id=campaign.id, resolved_at=None)
    return list(found.values_list("dedupe", flat=True))


def _left(campaign: Campaign, left: int, is_late: bool) -> str:
    if is_late:
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
