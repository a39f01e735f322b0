"""Telling people once: who is told, what passes by itself, what recovers, and nobody told twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from django.core import mail

from portal import clock, failed_jobs, notice_upkeep, notices, people, roles
from portal.models import Job, NoticeSettings, Team, TeamMembership
from tests.telling import KIND, URGENT, WELL, Bells, bells

__all__ = ["bells"]


class TestWhoIsTold:
    def test_the_people_who_can_act_and_nobody_else(self, bells: Bells) -> None:
        bells.trouble()

        assert bells.names() == {"owen", "ada", "alice"}

    def test_a_team_admin_is_told_of_their_teams_connection(self, bells: Bells) -> None:
        with bells.cast.inside():
            team = Team.objects.create(name="Web")
            TeamMembership.objects.create(team=team, user=bells.cast["bob"], role="admin")

        bells.trouble(team_id=team.id)

        assert bells.names() == {"owen", "ada", "alice", "bob"}

    def test_who_granted_it_is_told_while_they_may_link(self, bells: Bells) -> None:
        for name in ("bob", "audrey"):
            bells.trouble(f"by-{name}", granted_by=bells.cast[name].id)

        assert "bob" in bells.names("by-bob")
        assert "audrey" not in bells.names("by-audrey")

    def test_who_is_not_in_the_team_is_not_told_even_when_they_granted_it(
        self, bells: Bells
    ) -> None:
        with bells.cast.inside():
            team = Team.objects.create(name="Web")

        bells.trouble(team_id=team.id, granted_by=bells.cast["bob"].id)

        assert "bob" not in bells.names()

    def test_somebody_who_left_since_gets_no_mail(self, bells: Bells) -> None:
        bells.trouble()
        with bells.cast.inside():
            people.remove_member(
                actor=bells.cast.actor("owen"), membership_id=bells.cast.membership("alice").id
            )

        bells.wait()

        assert bells.mailed() == {"owen", "ada"}


class TestOnce:
    def test_the_same_trouble_again_tells_nobody_again(self, bells: Bells) -> None:
        first = bells.trouble()
        second = bells.trouble()
        bells.wait()
        bells.trouble()
        bells.wait()

        assert first.id == second.id
        assert len(mail.outbox) == 3

    def test_a_job_that_runs_twice_sends_once(self, bells: Bells) -> None:
        bells.trouble()
        bells.wait()
        with bells.works():
            Job.objects.filter(kind__in=("gather_notices", "send_notice")).update(
                done_at=None, run_at=clock.now()
            )
        bells.drain()

        assert len(mail.outbox) == 3

    def test_mail_waits_for_at_least_half_a_minute(self, bells: Bells) -> None:
        bells.trouble()
        bells.wait(seconds=25)
        assert mail.outbox == []

        bells.wait(seconds=36)
        assert len(mail.outbox) == 3

    def test_the_inbox_does_not_wait(self, bells: Bells) -> None:
        bells.trouble()

        assert bells.unread("alice") == 1

    def test_what_was_read_within_the_wait_is_not_mailed(self, bells: Bells) -> None:
        bells.trouble()
        bells.read("alice")

        bells.wait()

        assert bells.mailed() == {"owen", "ada"}


class TestRecovery:
    def test_what_passes_before_it_was_mailed_reaches_nobody(self, bells: Bells) -> None:
        bells.trouble()
        bells.recovered()
        bells.wait()

        assert mail.outbox == []
        assert bells.unread("alice") == 0
        assert bells.notices(WELL) == []

    def test_who_was_told_is_told_that_it_is_well_once(self, bells: Bells) -> None:
        bells.trouble()
        bells.wait()
        bells.recovered()
        bells.recovered()
        bells.wait()

        assert len(mail.outbox) == 6
        assert {letter.subject for letter in mail.outbox[3:]} == {"Code works again · Acme"}

    def test_who_only_read_it_learns_of_the_end_in_the_inbox_only(self, bells: Bells) -> None:
        bells.trouble()
        bells.read("alice")
        bells.recovered()
        bells.wait()

        assert mail.outbox == []
        assert bells.unread("alice") == 1
        assert bells.unread("ada") == 0

    def test_trouble_that_comes_back_before_its_end_was_told_is_the_same(
        self, bells: Bells
    ) -> None:
        first = bells.trouble()
        bells.wait()
        bells.recovered()
        again = bells.trouble()
        bells.wait()

        assert again.id == first.id
        assert len(mail.outbox) == 3
        assert bells.notices(WELL) == []

    def test_trouble_that_comes_back_is_unread_again_and_reaches_who_waited_for_it(
        self, bells: Bells
    ) -> None:
        with bells.cast.inside():
            NoticeSettings.objects.create(user=bells.cast["alice"], digest="daily")
        bells.trouble()
        bells.wait()
        bells.read("ada")
        bells.recovered()
        assert bells.unread("owen") == 1, "its end"
        bells.drain()
        bells.trouble()

        assert (bells.unread("owen"), bells.unread("alice"), bells.unread("ada")) == (1, 1, 0)
        bells.wait(minutes=24 * 60 + 2)
        assert bells.mailed() == {"owen", "ada", "alice"}

    def test_trouble_that_comes_back_later_is_told_anew(self, bells: Bells) -> None:
        first = bells.trouble()
        bells.wait()
        bells.recovered()
        bells.wait()
        again = bells.trouble()
        bells.wait()

        assert again.id != first.id
        assert len(mail.outbox) == 9

    def test_what_is_resolved_quietly_tells_nobody(self, bells: Bells) -> None:
        bells.trouble()
        bells.wait()
        with bells.cast.inside():
            notices.resolve("code")
        bells.wait()

        assert len(mail.outbox) == 3
        assert bells.unread("alice") == 0


class TestMany:
    def test_more_than_five_of_a_kind_come_as_one_mail(self, bells: Bells) -> None:
        for number in range(6):
            bells.trouble(f"code-{number}")
        bells.wait()

        assert len(mail.outbox) == 3
        assert mail.outbox[0].subject == "Something is broken (6) · Acme"
        assert all(f"code-{n} is broken" in mail.outbox[0].body for n in range(6))

    def test_five_of_a_kind_come_singly(self, bells: Bells) -> None:
        for number in range(5):
            bells.trouble(f"code-{number}")
        bells.wait()

        assert len(mail.outbox) == 15

    def test_a_hundred_at_once_and_more_within_ten_minutes_are_two_mails_each(
        self, bells: Bells
    ) -> None:
        with bells.cast.inside():
            for number in range(100):
                bells.tell(f"first-{number}")
        bells.wait()
        assert len(mail.outbox) == 3
        assert "And 75 more" in mail.outbox[0].body

        with bells.cast.inside():
            for number in range(10):
                bells.tell(f"second-{number}")
        bells.wait(minutes=5)
        assert len(mail.outbox) == 3

        bells.wait(minutes=6)
        assert len(mail.outbox) == 6
        assert mail.outbox[3].subject == "Something is broken (10) · Acme"


class TestHoldingBack:
    @pytest.fixture
    def held(self) -> Iterator[set[UUID]]:
        held: set[UUID] = set()
        notices.on_hold(KIND, lambda found: {one.id for one in found} & held)
        yield held
        notices.on_hold(KIND, lambda found: set())

    def test_what_is_held_is_mailed_when_it_is_let_go(self, bells: Bells, held: set[UUID]) -> None:
        held.add(bells.trouble().id)
        bells.trouble("other")
        bells.wait()
        assert {letter.subject for letter in mail.outbox} == {"other is broken · Acme"}

        held.clear()
        bells.wait(minutes=2)
        assert len(mail.outbox) == 6

    def test_nothing_is_held_for_longer_than_six_hours(self, bells: Bells, held: set[UUID]) -> None:
        held.add(bells.trouble().id)
        bells.wait(minutes=350)
        assert mail.outbox == []

        bells.wait(minutes=20)
        assert len(mail.outbox) == 3


class TestChoices:
    def choose(self, bells: Bells, **chosen: object) -> None:
        with bells.cast.inside():
            NoticeSettings.objects.create(user=bells.cast["alice"], **chosen)

    def test_a_kind_that_is_off_is_not_mailed_but_stands_in_the_inbox(self, bells: Bells) -> None:
        self.choose(bells, email={KIND: False})
        bells.trouble()
        bells.wait()

        assert bells.mailed() == {"owen", "ada"}
        assert bells.unread("alice") == 1

    def test_a_kind_of_recovery_that_is_off_stands_in_the_inbox_only(self, bells: Bells) -> None:
        self.choose(bells, email={WELL: False})
        bells.trouble()
        bells.wait()
        bells.recovered()
        bells.wait()

        well = [letter.to[0] for letter in mail.outbox if "works again" in letter.subject]
        assert sorted(well) == ["ada@acme.example", "owen@acme.example"]
        assert bells.unread("alice") == 1

    def test_a_quiet_kind_is_mailed_to_those_who_chose_it(self, bells: Bells) -> None:
        self.choose(bells, email={"test_quiet": True})
        bells.trouble(kind="test_quiet")
        bells.wait()

        assert bells.mailed() == {"alice"}

    def test_once_a_day_comes_at_eight_where_the_person_lives(self, bells: Bells) -> None:
        self.choose(bells, digest="daily", time_zone="Asia/Tokyo")
        for number in range(2):
            bells.trouble(f"code-{number}")
        with bells.works():
            job = Job.objects.filter(
                kind="gather_notices", ref__user_id=str(bells.cast["alice"].id)
            )
            [run_at] = job.values_list("run_at", flat=True)

        assert (run_at.hour, run_at.minute) == (23, 0)  # UTC
        assert timedelta() < run_at - clock.now() < timedelta(hours=24, minutes=1)
        bells.wait(minutes=24 * 60 + 2)
        mine = [letter for letter in mail.outbox if "alice@acme.example" in letter.to]
        assert [letter.subject for letter in mine] == ["2 notices · Acme"]

    def test_what_is_urgent_is_mailed_at_once_and_the_rest_stays_one_mail_a_day(
        self, bells: Bells
    ) -> None:
        self.choose(bells, digest="daily")
        bells.trouble("code-1")
        bells.wait()
        bells.trouble("key", kind=URGENT)
        bells.drain()

        mine = [letter.subject for letter in mail.outbox if "alice@acme.example" in letter.to]
        assert mine == ["key leaks · Acme"]


class TestJobsThatWereGivenUp:
    def test_operators_are_told_of_each_kind_once_until_a_day_is_quiet(self, bells: Bells) -> None:
        with bells.works():
            for kind in ("verify_connection", "verify_connection", "sync_connection"):
                Job.objects.create(kind=kind, done_at=clock.now(), failed_at=clock.now())
        with roles.using_role("worker"):
            failed_jobs.tell_operators()
            failed_jobs.tell_operators()
        bells.wait()

        assert sorted((m.to[0], m.subject) for m in mail.outbox) == [
            ("olga@portal.example", "Jobs were given up: sync_connection · Platform"),
            ("olga@portal.example", "Jobs were given up: verify_connection · Platform"),
        ]
        assert "2 jobs of this kind" in "".join(m.body for m in mail.outbox)
        clock.shift(failed_jobs.REMEMBERED)
        with roles.using_role("worker"):
            failed_jobs.tell_operators()
        assert {one.resolved_at is None for one in bells.platforms("job_failed")} == {False}


class TestUpkeep:
    def test_what_was_over_long_ago_goes_and_what_is_open_stays(self, bells: Bells) -> None:
        bells.trouble("over")
        bells.trouble("open")
        bells.wait()
        bells.recovered("over")
        bells.wait()
        clock.shift(notice_upkeep.KEPT_FOR)
        with roles.using_role("worker"):
            notice_upkeep.tidy()

        assert [one.dedupe for one in bells.notices()] == ["open"]
        assert bells.names("open") == {"owen", "ada", "alice"}
