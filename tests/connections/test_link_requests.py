"""Requests: asked with a reason, answered with a click by somebody else, good for one thing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from threading import Event, Thread
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from connections.flows import link, link_requests, once
from connections.flows.problems import FlowProblem
from connections.models import Connection, LinkRequest
from portal import roles
from portal.models import AuditEvent, Job, Membership, Notice, Receipt, Team
from portal.policy import Actor, Role
from portal.secret import Secret
from tests.connections.pages import linked, signed_in, text
from tests.vendor import Vendor
from tests.works import Works

WHY = "The release notes are made from it."
SESSION = "session-of-nina"


@pytest.fixture
def nina(works: Works) -> Actor:
    """She reads everything and links nothing."""
    return works.person("nina@acme.example", "Nina", Role.AUDITOR)


def asks_for_link(works: Works, who: Actor, why: str = WHY) -> LinkRequest:
    with works.inside():
        return link_requests.ask_for_link(actor=who, connector="bitbucket-cloud", why=why)


def asks_for_more(
    works: Works, who: Actor, connection: Connection, *keys: str, why: str = WHY
) -> LinkRequest:
    with works.inside():
        return link_requests.ask_for_more(
            actor=who, connection=connection, capabilities=keys, why=why
        )


def approved(works: Works, who: Actor, asked: LinkRequest) -> LinkRequest:
    with works.inside():
        return link_requests.approve(actor=who, request=asked)


def told(works: Works, kind: str) -> tuple[Notice, set[Any]]:
    with works.inside():
        notice = Notice.objects.get(kind=kind)
        return notice, set(Receipt.objects.filter(notice=notice).values_list("user_id", flat=True))


def begins(works: Works, who: Actor) -> Any:
    with works.inside():
        return link.begin(
            actor=who,
            connector="bitbucket-cloud",
            user_id=who.id,  # type: ignore[arg-type]
            session_key=SESSION,
        )


class TestALink:
    def test_it_is_good_for_one_link_and_no_second(
        self, works: Works, vendor: Vendor, nina: Actor
    ) -> None:
        with pytest.raises(PermissionDenied):
            begins(works, nina)
        asked = asks_for_link(works, nina)
        notice, people = told(works, "link_request_waits")
        assert people == {works.admin.id} and notice.body == WHY
        with pytest.raises(PermissionDenied):
            begins(works, nina)

        approved(works, works.admin, asked)
        answer, people = told(works, "link_request_answered")
        assert people == {nina.id} and "approved" in answer.title

        pending = begins(works, nina)
        with works.inside():
            link.prepare(
                actor=nina, pending=pending, method="api-token", name="Nina code", team_id=None,
                consumer_id=None, fields={"email": "dana@acme.example"},
                secret=Secret(vendor.token("dana-full")),
            )  # fmt: skip
        works.drain()
        assert works.reloaded(pending).stage == "done"
        with works.inside():
            assert LinkRequest.objects.get(id=asked.id).used_at
        with pytest.raises(PermissionDenied):
            begins(works, nina)

    def test_it_is_good_for_what_was_asked_and_for_that_team(
        self, works: Works, vendor: Vendor, nina: Actor
    ) -> None:
        approved(works, works.admin, asks_for_link(works, nina))
        pending = begins(works, nina)
        with works.inside():
            blue = Team.objects.create(name="Blue")
            more = [*pending.capabilities, "pullrequests-read"]
            with pytest.raises(FlowProblem, match="more than was approved"):
                link.choose(actor=nina, pending=pending, capabilities=more, reason="")
            with pytest.raises(FlowProblem, match="another team"):
                link.prepare(
                    actor=nina, pending=pending, method="api-token", name="N", team_id=blue.id,
                    consumer_id=None, fields={"email": "dana@acme.example"},
                    secret=Secret(vendor.token("dana-full")),
                )  # fmt: skip

    def test_of_two_links_settled_at_once_one_is_allowed(self, works: Works, nina: Actor) -> None:
        approved(works, works.admin, asks_for_link(works, nina))
        first, second = begins(works, nina), begins(works, nina)
        held, outcome = Event(), []

        def settle_second() -> None:
            held.wait(5)
            with works.inside():
                try:
                    once.hold(nina, second)
                except PermissionDenied:
                    outcome.append("refused")

        thread = Thread(target=settle_second)
        thread.start()
        with works.inside():
            once.hold(nina, first)
            held.set()
            thread.join(0.3)
            assert thread.is_alive()
            once.spend(first)
        thread.join(5)
        assert outcome == ["refused"]

    @pytest.mark.parametrize("end", ["left", "late", "declined"])
    def test_it_ends(self, works: Works, nina: Actor, end: str) -> None:
        asked = asks_for_link(works, nina)
        if end == "declined":
            with works.inside():
                link_requests.decline(
                    actor=works.admin, request=asked, why="Ask your team's manager first."
                )
            assert "manager first" in told(works, "link_request_answered")[0].body
        else:
            approved(works, works.admin, asked)
        with works.inside():
            if end == "left":
                Membership.objects.filter(user_id=nina.id).delete()
            if end == "late":
                LinkRequest.objects.update(expires_at=timezone.now())
        with pytest.raises(PermissionDenied):
            begins(works, nina)

    def test_who_may_link_is_told_so(self, works: Works) -> None:
        with pytest.raises(FlowProblem, match="yourself"):
            asks_for_link(works, works.alice)

    def test_a_reason_is_wanted(self, works: Works, nina: Actor) -> None:
        with pytest.raises(FlowProblem) as problem:
            asks_for_link(works, nina, why="please")
        assert problem.value.field == "why"


class TestMore:
    def test_approving_extends_what_the_connection_is_for(
        self, works: Works, vendor: Vendor, nina: Actor
    ) -> None:
        connection = linked(works, vendor)
        asked = asks_for_more(works, nina, connection, "pullrequests-read")

        approved(works, works.admin, asked)

        with works.inside():
            after = Connection.objects.get(id=connection.id)
            details = AuditEvent.objects.get(action="connection.edited").details
        assert set(after.capabilities) == {*connection.capabilities, "pullrequests-read"}
        assert details == {"more": ["pullrequests-read"]}
        page = text(signed_in(works.admin).get(f"/o/acme/requests/{asked.id}/"))
        assert "Send a connect link for it" in page and "Link it again" in page

    def test_the_same_wish_is_one_request_and_all_are_told(
        self, works: Works, vendor: Vendor, nina: Actor
    ) -> None:
        connection = linked(works, vendor)
        other = works.person("max@acme.example", "Max", Role.MEMBER)
        first = asks_for_more(works, nina, connection, "pullrequests-read")
        again = asks_for_more(works, other, connection, "pullrequests-read")
        asks_for_more(works, other, connection, "pullrequests-read")
        assert first.id == again.id

        with works.inside():
            link_requests.withdraw(actor=nina, request=first)
            left = LinkRequest.objects.get(id=first.id)
        assert (left.state, left.asked_by_id, left.also_asked_by) == ("open", other.id, [])
        assert left.asked_by_name == "Max"
        with works.inside():
            Membership.objects.filter(user_id=nina.id).update(role=Role.OWNER)
        with pytest.raises(PermissionDenied, match="yourself"):
            approved(works, nina, first)
        approved(works, works.admin, first)
        assert told(works, "link_request_answered")[1] == {other.id}

    def test_what_it_may_already_cannot_be_asked_for(
        self, works: Works, vendor: Vendor, nina: Actor
    ) -> None:
        connection = linked(works, vendor)
        for keys in ((), ("nonsense",), tuple(connection.capabilities)):
            with pytest.raises(FlowProblem):
                asks_for_more(works, nina, connection, *keys)


class TestAnswers:
    def test_T14_nobody_answers_their_own(self, works: Works, nina: Actor) -> None:
        asked = asks_for_link(works, nina)
        with works.inside():
            Membership.objects.filter(user_id=nina.id).update(role=Role.OWNER)
        deeds: list[Callable[[], object]] = [
            lambda: link_requests.approve(actor=nina, request=asked),
            lambda: link_requests.decline(actor=nina, request=asked, why=WHY),
        ]
        for deed in deeds:
            with works.inside(), pytest.raises(PermissionDenied, match="yourself"):
                deed()

    def test_who_is_no_admin_does_not_answer(self, works: Works, nina: Actor) -> None:
        asked = asks_for_link(works, nina)
        with pytest.raises(PermissionDenied):
            approved(works, works.alice, asked)

    def test_an_answer_is_given_once(self, works: Works, nina: Actor) -> None:
        asked = asks_for_link(works, nina)
        approved(works, works.admin, asked)
        with pytest.raises(FlowProblem, match="meanwhile"):
            approved(works, works.admin, asked)

    def test_what_nobody_answers_ends_after_thirty_days(self, works: Works, nina: Actor) -> None:
        asked = asks_for_link(works, nina)
        with works.inside():
            from_now = timezone.now() + timedelta(days=29)
            assert LinkRequest.objects.get().expires_at > from_now
            LinkRequest.objects.update(expires_at=timezone.now())
        with roles.using_role("worker"), works.inside():
            Job.objects.filter(kind=link_requests.EXPIRE).update(run_at=timezone.now())
        works.drain()
        with works.inside():
            assert LinkRequest.objects.get(id=asked.id).state == "expired"
        assert "not answered" in told(works, "link_request_answered")[0].body
        asks_for_link(works, nina)


class TestPages:
    def test_from_the_closed_door_to_the_answer(self, works: Works, nina: Actor) -> None:
        hers, admins = signed_in(nina), signed_in(works.admin)
        refused = hers.post("/o/acme/catalogue/bitbucket-cloud/link")
        door = "/o/acme/requests/new?connector=bitbucket-cloud"
        assert refused.status_code == 403 and door in refused.content.decode()
        assert door in text(hers.get("/o/acme/catalogue/bitbucket-cloud/"))

        assert "Why you need it" in text(hers.get(door))
        assert hers.post(door, {"why": "no"}).status_code == 400
        wish = {"why": WHY, "capabilities": ["repositories-read", "pullrequests-read"]}
        place = hers.post(door, wish | {"team": ""})["Location"]
        assert "have been told" in text(hers.get(place))
        assert hers.post(f"{place}approve").status_code == 403
        other = works.person("max@acme.example", "Max", Role.MEMBER)
        assert signed_in(other).get(place).status_code == 404
        assert signed_in(other).post(f"{place}withdraw").status_code == 404

        page = text(admins.get(place))
        assert "Read pull requests" in page and "The whole organization" in page
        assert WHY in page and "A link to" in text(admins.get("/o/acme/requests/"))
        assert admins.post(f"{place}approve").status_code == 303
        assert "You can go on" in text(hers.get(place))
        assert "Link it" in text(hers.get("/o/acme/catalogue/bitbucket-cloud/"))
        assert hers.post("/o/acme/catalogue/bitbucket-cloud/link").status_code == 303
