"""Every way to link, and every way in which a link may end."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any
from urllib.request import Request, urlopen

import pytest
from django.utils import timezone

from connections.flows import consumers, link
from connections.flows.problems import FlowProblem
from connections.models import Connection, Credential, PendingLink, Workspace
from portal.models import AuditEvent, Intake, Membership
from portal.policy import Role
from tests.connections.ways import (
    a_team,
    come_back,
    depart,
    hurry,
    jobs,
    link_by_consent,
    patiently,
    prepare_token,
    sealed_for,
)
from tests.vendor import Vendor
from tests.works import Works

Stage = PendingLink.Stage
ACME = {"workspace": "acme"}


def refusals(works: Works) -> list[Any]:
    with works.inside():
        found = AuditEvent.objects.filter(action="link.refused").order_by("sequence")
        return [event.details["error"] for event in found]


class TestTheWays:
    def test_consent_leaves_a_renewable_credential(self, works: Works, vendor: Vendor) -> None:
        pending = link_by_consent(works, vendor)

        assert (pending.stage, pending.error) == (Stage.DONE, "")
        with works.inside():
            credential = Credential.objects.get()
            assert credential.refreshable and credential.expires_at > timezone.now()
            assert {"account", "pullrequest"} <= set(credential.scopes)
        assert sealed_for(works, credential.id) == ["access", "refresh"]
        assert sealed_for(works, pending.id) == []

    def test_client_credentials_act_as_the_consumer(self, works: Works, vendor: Vendor) -> None:
        consumer = works.register(vendor.consumer("acme-portal"))
        pending, _ = depart(works, consumer.id, method="client-credentials")
        works.drain()

        pending = works.reloaded(pending)
        assert (pending.stage, pending.error) == (Stage.DONE, "")
        connection = works.connection(pending)
        assert connection.state == Connection.State.ACTIVE
        with works.inside():
            credential = Credential.objects.get()
        assert sealed_for(works, credential.id) == ["access"]

    @pytest.mark.parametrize(
        ("method", "token", "fields", "kind"),
        [
            ("workspace-token", "acme-workspace", ACME, "workspace"),
            ("project-token", "acme-payments", ACME | {"project": "PAY"}, "project"),
            ("repository-token", "acme-repository", ACME | {"repository": ""}, "repository"),
        ],
    )
    def test_an_access_token_acts_as_what_it_opens(
        self,
        method: str,
        token: str,
        fields: dict[str, str],
        kind: str,
        works: Works,
        vendor: Vendor,
    ) -> None:
        if "repository" in fields:
            fields = fields | {"repository": repository_of(vendor, token)}
        pending = works.link_by_token(vendor.token(token), method=method, fields=fields)

        assert (pending.stage, pending.error) == (Stage.DONE, "")
        connection = works.connection(pending)
        assert connection.account_kind == kind
        assert works.verification(connection).outcome == "passed"
        with works.inside():
            assert [w.slug for w in Workspace.objects.all()] == ["acme"]
            assert not Credential.objects.get().refreshable

    def test_a_token_keeps_its_last_four_and_nothing_else(
        self, works: Works, vendor: Vendor
    ) -> None:
        token = vendor.token("dana-full")
        works.link_by_token(token)

        with works.inside():
            credential = Credential.objects.get()
            assert credential.last_four == token[-4:]
            assert not Intake.objects.values("id").exists()
        assert sealed_for(works, credential.id) == ["secret"]


def repository_of(vendor: Vendor, name: str) -> str:
    """The repository that this demo token of the sandbox opens."""
    asked = Request(f"{vendor.url}/2.0/repositories/acme?pagelen=1")
    asked.add_header("Authorization", f"Bearer {vendor.token(name)}")
    with urlopen(asked, timeout=10) as answer:
        return str(json.load(answer)["values"][0]["slug"])


class TestWhatIsPasted:
    def test_a_dead_app_password_is_named_as_one(self, works: Works, vendor: Vendor) -> None:
        with pytest.raises(FlowProblem) as problem:
            prepare_token(works, vendor.token("dana-app-password"))

        assert problem.value.code == "dead_token"
        assert "28 July 2026" in problem.value.message

    def test_a_token_in_the_wrong_form_says_what_it_is(self, works: Works, vendor: Vendor) -> None:
        with pytest.raises(FlowProblem) as problem:
            prepare_token(works, vendor.token("acme-workspace"))

        assert problem.value.code == "wrong_kind"
        assert "access token" in problem.value.message

    def test_a_token_of_another_resource_is_refused_by_the_vendor(
        self, works: Works, vendor: Vendor
    ) -> None:
        """The prefixes of access tokens are alike: only the vendor tells them apart."""
        pending = works.link_by_token(
            vendor.token("acme-workspace"),
            method="project-token",
            fields=ACME | {"project": "PAY"},
        )

        assert (pending.stage, pending.error) == (Stage.FAILED, "reauthorization_required")
        assert "workspace access token" in pending.error_detail
        assert sealed_for(works, pending.id) == []

    def test_what_a_way_can_never_do_is_said_before(self, works: Works, vendor: Vendor) -> None:
        with pytest.raises(FlowProblem) as problem:
            prepare_token(
                works,
                vendor.token("acme-payments"),
                method="project-token",
                fields=ACME | {"project": "PAY"},
                capabilities=["repositories-read", "members-read"],
            )

        assert problem.value.field == "method"
        assert "See workspace members" in problem.value.message

    def test_an_expired_token_ends_the_link(self, works: Works, vendor: Vendor) -> None:
        pending = works.link_by_token(vendor.token("dana-expired"))

        assert (pending.stage, pending.error) == (Stage.FAILED, "reauthorization_required")
        assert refusals(works) == ["reauthorization_required"]

    def test_a_second_try_of_the_same_link_uses_the_second_token(
        self, works: Works, vendor: Vendor
    ) -> None:
        pending = works.link_by_token(vendor.token("dana-expired"))
        prepare_token(works, vendor.token("dana-full"), pending=pending)
        works.drain()

        assert works.reloaded(pending).stage == Stage.DONE


class TestTheState:
    def test_a_state_works_once(self, works: Works, vendor: Vendor) -> None:
        _, url = depart(works, works.register(vendor.consumer("acme-portal")).id)
        answer = works.consent(url)

        assert come_back(works, answer) is not None
        works.drain()
        again = come_back(works, answer)
        works.drain()

        assert again is not None and again[1].stage == Stage.DONE
        with works.inside():
            assert Connection.objects.count() == 1
        assert len([r for r in vendor.requests() if r["path"].endswith("/access_token")]) == 1

    def test_an_expired_state_is_told_as_such(self, works: Works, vendor: Vendor) -> None:
        pending, url = depart(works, works.register(vendor.consumer("acme-portal")).id)
        with works.inside():
            PendingLink.objects.update(expires_at=timezone.now())

        come_back(works, works.consent(url))
        works.drain()

        assert works.reloaded(pending).error == "expired"
        assert not [r for r in vendor.requests() if r["path"].endswith("/access_token")]

    def test_a_state_belongs_to_its_session_person_and_connector(
        self, works: Works, vendor: Vendor
    ) -> None:
        bob = works.person("bob@acme.example", "Bob", Role.MANAGER)
        pending, url = depart(works, works.register(vendor.consumer("acme-portal")).id)
        answer = works.consent(url)

        assert come_back(works, answer, session_key="another session") is None
        assert come_back(works, answer, user_id=bob.id) is None
        assert come_back(works, answer, connector="jira") is None
        assert come_back(works, answer | {"state": ["x" * 43]}) is None
        assert works.reloaded(pending).stage == Stage.AT_VENDOR

    def test_who_left_the_organization_cannot_come_back(self, works: Works, vendor: Vendor) -> None:
        _, url = depart(works, works.register(vendor.consumer("acme-portal")).id)
        with works.inside():
            Membership.objects.filter(user_id=works.alice.id).delete()

        assert come_back(works, works.consent(url)) is None
        assert jobs(works) == []

    def test_denial_links_nothing(self, works: Works, vendor: Vendor) -> None:
        pending, url = depart(works, works.register(vendor.consumer("acme-portal")).id)
        come_back(works, works.consent(url, decision="deny"))
        works.drain()

        pending = works.reloaded(pending)
        assert (pending.stage, pending.error) == (Stage.FAILED, "denied")
        with works.inside():
            assert not Connection.objects.exists()

    def test_two_tabs_both_arrive(self, works: Works, vendor: Vendor) -> None:
        consumer = works.register(vendor.consumer("acme-portal"))
        team = a_team(works)
        first, one = depart(works, consumer.id, name="One")
        second, other = depart(works, consumer.id, name="Two", team_id=team)
        come_back(works, works.consent(other, user="tomas"))
        come_back(works, works.consent(one, user="dana"))
        works.drain()

        assert works.reloaded(first).stage == works.reloaded(second).stage == Stage.DONE
        with works.inside():
            names = dict(Connection.objects.values_list("name", "account_name"))
        assert names == {"One": "Dana Levi", "Two": names["Two"]} and names["Two"] != "Dana Levi"


class TestTrouble:
    def test_a_wrong_client_secret_blames_the_consumer(self, works: Works, vendor: Vendor) -> None:
        known = vendor.consumer("acme-portal") | {"secret": "not the secret"}
        pending = link_by_consent(works, vendor, consumer_id=works.register(known).id)

        assert (pending.stage, pending.error) == (Stage.FAILED, "misconfigured")

    def test_a_consumer_whose_secret_is_gone_is_named(self, works: Works, vendor: Vendor) -> None:
        consumer = works.register(vendor.consumer("acme-portal"))
        pending, url = depart(works, consumer.id)
        with works.inside():
            consumers.remove(actor=works.admin, consumer=consumer)
        works.drain()
        come_back(works, works.consent(url))
        works.drain()

        assert works.reloaded(pending).error == "misconfigured"

    def test_nobody_leaves_for_the_vendor_with_a_removed_consumer(
        self, works: Works, vendor: Vendor
    ) -> None:
        consumer = works.register(vendor.consumer("acme-portal"))
        with works.inside():
            consumers.remove(actor=works.admin, consumer=consumer)

        with pytest.raises(FlowProblem) as problem:
            depart(works, consumer.id)
        assert problem.value.code == "no_consumer"

    def test_an_outage_is_waited_out(self, works: Works, vendor: Vendor) -> None:
        pending, url = depart(works, works.register(vendor.consumer("acme-portal")).id)
        vendor.order(
            "/faults", match="POST /site/oauth2/access_token", kind="status", status=503, times=2
        )
        come_back(works, works.consent(url))
        works.drain()
        assert works.reloaded(pending).stage == Stage.ANSWERED

        patiently(works)
        assert works.reloaded(pending).stage == Stage.DONE

    def test_an_outage_that_stays_ends_the_link(self, works: Works, vendor: Vendor) -> None:
        vendor.order("/faults", match="GET /2.0/user", kind="status", status=503, times=None)
        pending = works.link_by_token(vendor.token("dana-full"))
        tried = patiently(works)

        pending = works.reloaded(pending)
        assert (pending.stage, pending.error) == (Stage.FAILED, "unavailable")
        assert tried >= 7
        assert sealed_for(works, pending.id) == []
        assert refusals(works) == ["unavailable"]

    def test_a_token_refused_after_an_outage_is_refused(self, works: Works, vendor: Vendor) -> None:
        """Not "the answer was lost": only a code is spent by asking."""
        vendor.order("/faults", match="GET /2.0/user", kind="status", status=503, times=1)
        pending = works.link_by_token(vendor.token("dana-expired"))
        patiently(works)

        assert works.reloaded(pending).error == "reauthorization_required"

    def test_a_code_that_waited_too_long_for_a_worker_has_expired(
        self, works: Works, vendor: Vendor
    ) -> None:
        pending, url = depart(works, works.register(vendor.consumer("acme-portal")).id)
        answer = works.consent(url)
        with works.inside():
            PendingLink.objects.update(expires_at=timezone.now() + timedelta(seconds=1))
        come_back(works, answer)
        time.sleep(1.1)
        works.drain()

        assert works.reloaded(pending).error == "expired"
        assert jobs(works) == []

    def test_a_role_lost_before_the_worker_looks_ends_the_link(
        self, works: Works, vendor: Vendor
    ) -> None:
        pending = prepare_token(works, vendor.token("dana-full"))
        with works.inside():
            Membership.objects.filter(user_id=works.alice.id).update(role=Role.AUDITOR)
        works.drain()

        pending = works.reloaded(pending)
        assert (pending.stage, pending.error) == (Stage.FAILED, "not_allowed")
        assert sealed_for(works, pending.id) == []
        assert refusals(works) == ["not_allowed"]
        assert not vendor.requests()

    def test_an_abandoned_link_is_forgotten_and_may_begin_anew(
        self, works: Works, vendor: Vendor
    ) -> None:
        pending = prepare_token(works, vendor.token("dana-expired"))
        with works.inside():
            link.abandon(actor=works.alice, pending=pending)
        prepare_token(works, vendor.token("dana-full"), pending=pending)
        works.drain()

        assert works.reloaded(pending).stage == Stage.DONE

    def test_a_link_of_yesterday_has_nothing_sealed(self, works: Works, vendor: Vendor) -> None:
        vendor.order("/faults", match="GET /2.0/user", kind="status", status=503, times=None)
        pending = works.link_by_token(vendor.token("dana-full"))
        with works.inside():
            PendingLink.objects.update(created_at=timezone.now() - timedelta(days=2))
            link.work.later("forget_link", pending_link_id=pending.id)
        works.drain()

        assert works.reloaded(pending).error == "expired"
        assert sealed_for(works, pending.id) == []
        hurry(works)
        works.drain()
        assert jobs(works) == []
