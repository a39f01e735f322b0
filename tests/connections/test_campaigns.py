"""Campaigns: everybody who has something left is reminded, and what was done is ticked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connections as databases

from connections.flows import campaigns, lifecycle, told_kinds
from connections.flows.problems import FlowProblem
from connections.models import Campaign, CampaignItem, Connection
from portal import audit, clock
from portal.models import AuditEvent, Team, TeamMembership
from portal.policy import SYSTEM, Role
from tests.connections.due import heard, make, told, warn
from tests.connections.pages import signed_in, text
from tests.works import Works

KINDS = (told_kinds.CAMPAIGN, told_kinds.CAMPAIGN_OVERDUE)


@pytest.fixture(autouse=True)
def _real_time() -> Iterator[None]:
    yield
    clock.reset()


def start(works: Works, *connections: Connection, **wishes: Any) -> Campaign:
    wishes = {
        "actor": works.alice,
        "goal": "rotate",
        "title": "Tokens by Friday",
        "due_at": clock.now() + timedelta(days=8),
        "zone": "Europe/Berlin",
    } | wishes
    with works.inside():
        return campaigns.start(connection_ids=[one.id for one in connections], **wishes)


def item(works: Works, campaign: Campaign, connection: Connection) -> CampaignItem:
    with works.inside():
        found: CampaignItem = CampaignItem.objects.get(campaign=campaign, connection=connection)
        return found


def again(works: Works, campaign: Campaign) -> Campaign:
    with works.inside():
        found: Campaign = Campaign.objects.get(id=campaign.id)
        return found


def settle(works: Works, connection: Connection, goal: str) -> None:
    with works.inside():
        campaigns.settled(connection, goal)


def test_it_ends_with_its_last_item_and_is_on_record(works: Works) -> None:
    first, second = make(works, "One", team_id=None), make(works, "Two", team_id=a_team(works))
    campaign = start(works, first, second)
    settle(works, first, "rotate")
    assert again(works, campaign).is_open
    settle(works, second, "relink")

    ended = again(works, campaign)
    assert ended.ended_at is not None
    with works.inside():
        actions = list(AuditEvent.objects.order_by("sequence").values_list("action", flat=True))
    assert actions[-2:] == [audit.Action.CAMPAIGN_STARTED, audit.Action.CAMPAIGN_ENDED]


def a_team(works: Works, name: str = "Web") -> Any:
    with works.inside():
        return Team.objects.create(name=name).id


def test_another_secret_is_no_new_link(works: Works) -> None:
    connection = make(works)
    campaign = start(works, connection, goal="relink")
    settle(works, connection, "rotate")
    assert item(works, campaign, connection).done_at is None
    settle(works, connection, "relink")
    assert item(works, campaign, connection).done_at is not None


def test_reminders_come_at_the_start_halfway_a_day_before_and_when_overdue(works: Works) -> None:
    start(works, make(works))
    for _ in range(24):
        warn()
        warn()
        clock.shift(timedelta(hours=12))

    found = told(works, *KINDS)
    assert [one.kind for one in found] == [told_kinds.CAMPAIGN] * 3 + [told_kinds.CAMPAIGN_OVERDUE]
    assert [one.resolved_at is None for one in found] == [False, False, False, True]
    assert found[0].title.endswith("(Europe/Berlin)")
    assert found[-1].title == "Tokens by Friday: 1 connection overdue"


def test_an_overdue_one_is_told_again_each_week_then_also_to_owners_and_admins(
    works: Works,
) -> None:
    works.person("olive@acme.example", "Olive", Role.OWNER)
    campaign = start(works, make(works))
    for days in (8, 1, 7, 7):
        clock.shift(timedelta(days=days))
        warn()

    found = told(works, told_kinds.CAMPAIGN_OVERDUE)
    assert [one.resolved_at is None for one in found] == [False, False, True]
    assert all({"Ada", "Olive"} <= heard(works, one) for one in found[1:])
    with works.inside():
        campaigns.cancel(actor=works.alice, campaign=campaign)
    assert all(one.resolved_at for one in told(works, *KINDS))


def test_who_may_mend_something_of_it_is_told_and_nobody_else(works: Works) -> None:
    bob = works.person("bob@acme.example", "Bob", Role.MEMBER)
    works.person("carl@acme.example", "Carl", Role.MEMBER)
    team = a_team(works)
    with works.inside():
        TeamMembership.objects.create(team_id=team, user_id=bob.id, role="admin")
    start(works, make(works, team_id=team))

    [notice] = told(works, told_kinds.CAMPAIGN)
    assert heard(works, notice) == {"Alice", "Ada", "Bob"}


def test_what_is_revoked_or_excluded_is_not_waited_for(works: Works) -> None:
    kept, spared = make(works, "Kept"), make(works, "Spared", team_id=a_team(works))
    campaign = start(works, kept, spared)
    with works.inside():
        campaigns.exclude(
            actor=works.alice, item=item(works, campaign, spared), because="Retired on Monday"
        )
        lifecycle.revoke(actor=works.alice, connection=kept, typed_name="Kept")

    assert again(works, campaign).ended_at is not None
    assert item(works, campaign, spared).excluded_because == "Retired on Monday"
    assert item(works, campaign, kept).excluded_because == campaigns.REVOKED


def test_an_excluded_connection_comes_back(works: Works) -> None:
    first, second = make(works, "One"), make(works, "Two", team_id=a_team(works))
    campaign = start(works, first, second)
    with works.inside():
        held = item(works, campaign, first)
        campaigns.exclude(actor=works.alice, item=held, because="Not now")
        campaigns.include(actor=works.alice, item=held)
    settle(works, second, "rotate")

    assert again(works, campaign).is_open


def test_a_cancelled_campaign_asks_nothing_more(works: Works) -> None:
    connection = make(works)
    campaign = start(works, connection)
    with works.inside():
        campaigns.cancel(actor=works.alice, campaign=campaign)
    settle(works, connection, "rotate")
    warn()

    assert item(works, campaign, connection).done_at is None
    assert all(one.resolved_at for one in told(works, *KINDS))
    with works.inside(), pytest.raises(FlowProblem):
        campaigns.cancel(actor=works.alice, campaign=campaign)


@pytest.mark.parametrize(
    ("field", "wish"),
    [
        ("title", {"title": "  "}),
        ("due_at", {"due_at": clock.now() - timedelta(hours=1)}),
        ("due_at", {"due_at": clock.now() + timedelta(days=400)}),
        ("zone", {"zone": "Europe/Nowhere"}),
        ("goal", {"goal": "forget"}),
    ],
)
def test_a_wish_that_cannot_be_names_its_field(
    works: Works, field: str, wish: dict[str, Any]
) -> None:
    with pytest.raises(FlowProblem) as problem:
        start(works, make(works), **wish)
    assert problem.value.field == field


def test_F03_the_same_form_sent_twice_starts_one(works: Works) -> None:
    connection, key = make(works), uuid4()
    first, second = start(works, connection, key=key), start(works, connection, key=key)
    assert first.id == second.id
    with works.inside():
        assert CampaignItem.objects.count() == 1


def test_two_at_once_do_not_pass_the_limit_of_open_campaigns(
    works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaigns, "MOST_OPEN", 2)
    connection, keys = make(works), [uuid4(), uuid4()]
    start(works, connection)
    outcome: list[str] = []

    def second() -> None:
        try:
            start(works, connection, key=keys[1])
        except FlowProblem as problem:
            outcome.append(problem.code)
        finally:
            databases.close_all()

    thread = Thread(target=second)
    with works.inside():
        wish = {"actor": works.alice, "goal": "rotate", "title": "All", "key": keys[0]}
        due = {"connection_ids": [connection.id], "due_at": clock.now() + timedelta(days=8)}
        first = campaigns.start(**wish, **due)
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()  # it waits to see what comes of the first
    thread.join(5)

    assert outcome == ["many"]
    assert start(works, connection, key=keys[0]).id == first.id  # the same form is no third


def test_it_is_started_from_the_preview_that_was_seen(works: Works) -> None:
    make(works, "One")
    alice, address = (
        signed_in(works.alice),
        "/o/acme/calendar/campaigns/new?older=&kind=workspace_token",
    )
    page = text(alice.get(address))
    assert "1 connection would be in it" in page
    form = {
        "title": "Tokens",
        "goal": "rotate",
        "due_on": f"{clock.now() + timedelta(days=9):%Y-%m-%d}",
        "due_time": "18:00",
        "zone": "Europe/Berlin",
        "because": "A key leaked",
        "expected": "1",
        "once": str(uuid4()),
    }
    make(works, "Two", team_id=a_team(works))
    changed = alice.post(address, form)
    assert changed.status_code == 400 and b"By now it is 2 connections" in changed.content

    answer = alice.post(address, form | {"expected": "2"})
    page = text(alice.get(answer["Location"]))
    assert "0 of 2 connections" in page and "18:00 (Europe/Berlin)" in page
    with works.inside():
        one = CampaignItem.objects.select_related("campaign").order_by("id")[0]
    base = f"/o/acme/calendar/campaigns/{one.campaign_id}/"
    alice.post(f"{base}items/{one.id}/exclude", {"because": "Not now"})
    assert "Not now" in text(alice.get(base + "?items=excluded"))
    alice.post(f"{base}items/{one.id}/include")
    alice.post(f"{base}cancel")
    assert "Cancelled" in text(alice.get(base))
    assert "Tokens" in text(alice.get("/o/acme/calendar/campaigns/?state=over"))
    assert "Tokens" not in text(alice.get("/o/acme/calendar/campaigns/"))


def test_managers_and_the_portal_itself_start_campaigns(works: Works) -> None:
    bob = works.person("bob@acme.example", "Bob", Role.MEMBER)
    connection = make(works)
    with pytest.raises(PermissionDenied):
        start(works, connection, actor=bob)
    assert start(works, connection, actor=SYSTEM).started_by_name == "Portal"


def test_T02_another_organizations_connection_joins_no_campaign(works: Works) -> None:
    globex = works.organization("globex")
    mallory = works.person("mallory@globex.example", "Mallory", Role.OWNER, globex)
    foreign = make(works)
    with works.inside(globex), pytest.raises(FlowProblem) as problem:
        campaigns.start(
            actor=mallory,
            goal="rotate",
            title="Theirs",
            connection_ids=[foreign.id],
            due_at=clock.now() + timedelta(days=1),
        )
    assert problem.value.code == "empty"
