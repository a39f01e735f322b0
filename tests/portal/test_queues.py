"""Operators see what waits and what failed, and may have it tried again: once, and on record."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connections
from django.urls import reverse
from django.utils import timezone

from portal import queues, roles, work
from portal.audit import Action
from portal.models import Heartbeat, Job, Organization, Priority, Schedule
from tests.cases import Cast

KIND = "a_queue_of_the_tests"


@pytest.fixture(autouse=True)
def kind() -> list[dict[str, str]]:
    done: list[dict[str, str]] = []
    work.job(KIND)(lambda claim, **ref: done.append(ref))
    return done


def ask(cast: Cast, organization: Organization | None = None, **rest: object) -> Job:
    with cast.inside(organization):
        work.later(KIND, **rest)  # type: ignore[arg-type]
        made: Job = Job.objects.order_by("-created_at")[0]
    return made


def fail(cast: Cast, organization: Organization | None = None, **rest: object) -> Job:
    """A job that was given up a moment ago."""
    job = ask(cast, organization, **rest)
    with roles.using_role("worker"), cast.inside(organization):
        now = timezone.now()
        Job.objects.filter(id=job.id).update(
            done_at=now, failed_at=now, attempts=8, last_error="unavailable"
        )
    return job


def page(cast: Cast) -> str:
    text: str = cast.client("olga").get(reverse("platform_queues")).content.decode()
    return text


class TestThePage:
    def test_nothing_at_all_is_said_in_words(self, cast: Cast) -> None:
        text = page(cast)

        for words in ("Nothing waits", "Nothing was given up", "No schedule yet"):
            assert words in text
        assert all(str(each.label) in text for each in Priority)

    def test_what_waits_is_counted_by_class_and_organization(self, cast: Cast) -> None:
        for _ in range(3):
            ask(cast, run_at=timezone.now() - timedelta(minutes=9))
        ask(cast, cast.globex, priority=work.FULL)
        ask(cast, cast.globex, run_at=timezone.now() + timedelta(hours=1))

        found = {
            (one.slug, one.kind): (one.due, one.running, one.later)
            for one in queues.queues(cast["olga"].id)
        }

        assert found == {
            ("acme", Priority.NORMAL): (3, 0, 0),
            ("globex", Priority.FULL): (1, 0, 0),
            ("globex", Priority.NORMAL): (0, 0, 1),
        }
        assert "9 minutes ago" in page(cast)

    def test_what_a_worker_holds_is_listed_until_it_is_done(self, cast: Cast) -> None:
        job = ask(cast, cast.globex)
        with roles.using_role("worker"):
            Heartbeat.objects.create(kind="worker", host="here", pid=1, hands=4)
            work.claim()

        (held,) = queues.leases(cast["olga"].id)

        assert (held.id, held.slug, held.attempts, held.is_over) == (job.id, "globex", 1, False)
        assert "Held by workers" in page(cast)

    def test_schedules_are_listed_with_their_next_run(self, cast: Cast) -> None:
        with roles.using_role("worker"):
            Schedule.objects.create(
                name="tests.hourly",
                period_seconds=3600,
                next_run_at=timezone.now() + timedelta(minutes=31),
                last_error="KeyError",
            )

        text = page(cast)

        assert "tests.hourly" in text and "in 30 minutes" in text and "KeyError" in text

    def test_without_a_worker_it_is_broken(self, cast: Cast) -> None:
        ask(cast)
        assert "No worker is alive" in page(cast)

    def test_the_functions_ask_again_who_is_asking(self, cast: Cast) -> None:
        fail(cast)
        ask(cast)
        with roles.using_role("worker"):
            work.claim()
        for name in ("owen", "sam", "mallory"):
            asker = cast[name].id
            assert queues.queues(asker) == queues.leases(asker) == queues.failed(asker) == []


class TestTryingAgain:
    def test_it_is_done_once_more_and_is_on_the_organizations_record(
        self, cast: Cast, kind: list[dict[str, str]]
    ) -> None:
        job = fail(cast, cast.globex, thing="x", priority=work.FULL, dedupe="thing:x")
        client = cast.client("olga")

        for _ in range(2):
            answer = client.post(reverse("platform_job_again", args=[job.id]), follow=True)
            assert answer.status_code == 200
        with roles.using_role("worker"):
            work.drain()

        assert kind == [{"thing": "x"}]
        entry = cast.last(cast.globex)
        assert (entry.action, entry.actor_kind) == (Action.JOB_TRIED_AGAIN, "operator")
        assert (entry.subject_name, entry.details) == (KIND, {"reason": "unavailable"})
        assert "tried again" in page(cast)
        with cast.inside(cast.globex):
            again = Job.objects.get(failed_at=None)
        assert (again.priority, again.dedupe, again.done_at is None) == (90, "thing:x", False)

    def test_what_did_not_fail_or_is_not_there_is_not_found(self, cast: Cast) -> None:
        waiting = ask(cast)
        old = fail(cast)
        with roles.using_role("worker"), cast.inside():
            Job.objects.filter(id=old.id).update(failed_at=timezone.now() - timedelta(days=8))

        for job in (waiting, old):
            address = reverse("platform_job_again", args=[job.id])
            assert cast.client("olga").post(address).status_code == 404

    def test_who_is_no_operator_cannot(self, cast: Cast) -> None:
        address = reverse("platform_job_again", args=[fail(cast).id])

        for name in ("owen", "sam", "mallory"):
            assert cast.client(name).post(address).status_code == 404
        with cast.inside():
            assert not Job.objects.exclude(retried_at=None).exists()

    def test_the_web_process_changes_nothing_else_of_a_job(self, cast: Cast) -> None:
        fail(cast)
        for column in ("done_at", "failed_at", "run_at", "ref", "lease_until", "attempts"):
            with connections["default"].cursor() as cursor:
                cursor.execute(
                    "SELECT has_column_privilege('portal_app', 'portal_job', %s, 'UPDATE')",
                    [column],
                )
                assert cursor.fetchone() == (False,)
