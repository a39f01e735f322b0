"""A product that customers run: linked at the address a person types, and at no other."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlsplit

import pytest

from connections import access, base_urls, explain
from connections.flows import consumers, hosts, link, link_requests, pace
from connections.flows.problems import FlowProblem
from connections.http import Door
from connections.models import (
    Check,
    Connection,
    Consumer,
    Credential,
    LinkRequest,
    PendingLink,
    Repository,
)
from portal import context_vars
from portal.limits import Limit
from portal.models import AuditEvent
from portal.policy import Actor
from portal.secret import Secret
from tests.connections.test_ssrf_vectors import VECTORS
from tests.connections.ways import again, come_back
from tests.vendor import Vendor
from tests.works import SESSION, Works

SLUG = "bitbucket-data-center"
Stage = PendingLink.Stage
MANY = (Limit(10**6, 600), Limit(10**6, 600))


def place(vendor: Vendor, context: str = "/bitbucket") -> str:
    return vendor.url + context


def token(vendor: Vendor, name: str) -> str:
    known = vendor.state()["data_center"]["tokens"]
    return str(next(row["token"] for row in known if row["name"] == name))


def begin(works: Works, actor: Actor, relink: Connection | None = None) -> PendingLink:
    with works.inside():
        return link.begin(
            actor=actor, connector=SLUG, user_id=actor.id, session_key=SESSION, relink=relink
        )


def prepare(works: Works, address: str, text: str, **rest: Any) -> PendingLink:
    """What somebody typed and pasted is handed in; no worker has looked yet."""
    actor = rest.get("actor", works.admin)
    pending = begin(works, actor, rest.get("relink"))
    with works.inside():
        return link.prepare(
            actor=actor,
            pending=pending,
            method=rest.get("method", "user-token"),
            name=rest.get("name", "Own Bitbucket"),
            team_id=None,
            consumer_id=None,
            fields={"base_url": address, **rest.get("fields", {})},
            secret=Secret(text),
        )


def linked(works: Works, vendor: Vendor, **rest: Any) -> Connection:
    text = token(vendor, rest.pop("token", "dana-read"))
    pending = prepare(works, rest.pop("address", place(vendor)), text, **rest)
    works.drain()
    pending = works.reloaded(pending)
    assert (pending.stage, pending.error) == (Stage.DONE, ""), pending.error_detail
    return works.connection(pending)


def registered(works: Works, vendor: Vendor, address: str = "", secret: str = "") -> Consumer:
    known = vendor.state()["data_center"]["clients"][0]
    with works.inside():
        made = consumers.create(
            actor=works.admin,
            connector=SLUG,
            name="Own Bitbucket",
            client_id=known["client_id"],
            secret=Secret(secret or known["secret"]),
            base_url=address or place(vendor),
        )
    works.drain()
    return made


class TestLinking:
    @pytest.mark.parametrize("context", ["/bitbucket", "", "/tools/git.stash"])
    def test_a_token_opens_projects_below_any_context_path(
        self, works: Works, vendor: Vendor, context: str
    ) -> None:
        vendor.order("/data-center/switches", context_path=context)
        connection = linked(works, vendor, address=place(vendor, context) + "/")
        works.sync(connection, "PAY")

        assert connection.fields == {"base_url": place(vendor, context)}
        assert works.verification(connection).outcome == "passed"
        with works.inside():
            assert Repository.objects.filter(gone_at=None).count() == 130
            version = Check.objects.filter(key="version").first()
            assert version and version.detail == "9.4.3" and "3 December 2026" in version.proves

    def test_a_project_s_token_and_a_password_link_too(self, works: Works, vendor: Vendor) -> None:
        connection = linked(
            works, vendor, token="pay-project", method="project-token", fields={"project": "PAY"}
        )
        assert (connection.account_kind, connection.account_name) == ("project", "Payments")

        password = vendor.state()["data_center"]["passwords"]["dlevi"]
        pending = prepare(
            works,
            place(vendor),
            password,
            method="password",
            name="By password",
            fields={"username": "dlevi"},
            relink=connection,
        )
        works.drain()
        assert works.reloaded(pending).stage == Stage.CONFIRM_ACCOUNT  # another account: asked

    def test_oauth_goes_to_the_consumer_s_own_server(self, works: Works, vendor: Vendor) -> None:
        consumer = registered(works, vendor)
        pending = begin(works, works.alice)
        with works.inside():
            link.prepare(
                actor=works.alice,
                pending=pending,
                method="oauth",
                name="By consent",
                team_id=None,
                consumer_id=consumer.id,
                fields={"base_url": "https://elsewhere.example"},
                secret=None,
            )
            url = link.depart(actor=works.alice, pending=pending, session_key=SESSION)
        assert url.startswith(place(vendor) + "/rest/oauth2/latest/authorize?")
        assert "code_challenge_method=S256" in url and "scope=REPO_READ" in url

        come_back(works, works.consent(url, user="dlevi"), connector=SLUG)
        works.drain()

        connection = works.connection(works.reloaded(pending))
        assert connection.fields == {"base_url": place(vendor)}
        assert (connection.state, connection.account_name) == ("active", "Dana Levi")
        with works.inside():
            credential = Credential.objects.get()
            assert credential.refreshable and credential.scopes == ["REPO_READ"]

    def test_the_same_account_number_on_another_server_is_another_account(
        self, works: Works, vendor: Vendor
    ) -> None:
        first = linked(works, vendor)
        vendor.order("/data-center/switches", context_path="/moved")
        pending = prepare(works, place(vendor, "/moved"), token(vendor, "dana-read"), relink=first)
        works.drain()

        assert works.reloaded(pending).stage == Stage.CONFIRM_ACCOUNT


class TestStrangers:
    """A dead token is answered as anonymous: 200, and a list of what anybody may see."""

    def test_a_dead_token_is_not_linked(self, works: Works, vendor: Vendor) -> None:
        pending = prepare(works, place(vendor), token(vendor, "dana-expired"))
        works.drain()

        assert works.reloaded(pending).error == "reauthorization_required"
        assert "stranger" in works.reloaded(pending).error_detail

    def test_a_token_that_died_makes_nothing_gone(self, works: Works, vendor: Vendor) -> None:
        connection = linked(works, vendor)
        works.sync(connection, "PAY", "WEB")
        with works.inside():
            before = Repository.objects.filter(gone_at=None).count()
        vendor.order("/data-center/tokens/end", name="dana-read")

        works.sync(connection, "PAY", "WEB")

        assert again(works, connection).last_error == "reauthorization_required"
        assert works.verify(connection).outcome == "failed"
        with works.inside():
            assert Repository.objects.filter(gone_at=None).count() == before > 0


class TestAddresses:
    def test_I01_every_vector_is_refused_in_the_same_words(
        self, works: Works, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Refused while typing or refused by the worker who resolved it: one sentence."""
        monkeypatch.setitem(pace.LIMITS, "link", MANY)
        monkeypatch.setitem(pace.LIMITS, "host", MANY)
        monkeypatch.setattr(hosts, "FLOOR_SECONDS", 0.0)
        names, said = Names(), set()
        door = Door(resolver=names)
        with monkeypatch.context() as led:
            led.setattr(base_urls, "door", lambda: door)
            led.setattr(access, "door", lambda: door)
            for url, answers in refused_vectors():
                names.answers = answers
                said.add(words_of(works, url))

        expected = explain.explain_link(hosts.NOT_REACHED, product="Bitbucket Data Center")
        assert said == {(expected.title, expected.remedy)}
        with works.inside():
            assert not Connection.objects.exists()

    def test_nothing_there_reads_like_refused_and_takes_as_long(
        self, works: Works, vendor: Vendor
    ) -> None:
        vendor.order("/outage", kind="refused")
        try:
            began = time.monotonic()
            pending = prepare(works, place(vendor), "BBDC-anything")
            works.drain()
            assert time.monotonic() - began >= hosts.FLOOR_SECONDS
        finally:
            vendor.order("/outage", kind="")

        pending = works.reloaded(pending)
        assert (pending.stage, pending.error) == (Stage.FAILED, hosts.NOT_REACHED)
        assert pending.error_detail.startswith("Reference: ")

    def test_the_reason_is_in_the_log_only(
        self, works: Works, caplog: pytest.LogCaptureFixture
    ) -> None:
        held = context_vars.request_id.set("request-17")
        try:
            with pytest.raises(FlowProblem) as problem:
                prepare(works, "https://10.0.0.1", "BBDC-x")
        finally:
            context_vars.request_id.reset(held)

        assert "Reference: request-17." in problem.value.message
        assert problem.value.field == "base_url" and "literal" not in problem.value.message
        (record,) = [r for r in caplog.records if r.message == "link.address_refused"]
        assert record.reason == "ip-literal"  # type: ignore[attr-defined]

    def test_only_admins_name_a_server_that_is_new(self, works: Works, vendor: Vendor) -> None:
        with pytest.raises(FlowProblem, match="new here") as problem:
            prepare(works, place(vendor), token(vendor, "dana-read"), actor=works.alice)
        assert (problem.value.code, problem.value.field) == (hosts.NOT_YOURS, "base_url")
        registered(works, vendor)

        linked(works, vendor, actor=works.alice)

    def test_a_member_asks_for_a_new_server_and_links_it_when_approved(
        self, works: Works, vendor: Vendor
    ) -> None:
        with works.inside():
            asked = link_requests.ask_for_host(
                actor=works.alice,
                connector=SLUG,
                base_url=place(vendor),
                why="Our team moved to this server.",
            )
            link_requests.approve(actor=works.admin, request=asked)
        with pytest.raises(FlowProblem, match="new here"):
            prepare(works, "https://git.elsewhere.example", "BBDC-x", actor=works.alice)

        linked(works, vendor, actor=works.alice)

        with works.inside():
            assert LinkRequest.objects.get(id=asked.id).used_at

    def test_addresses_are_tried_at_a_pace(self, works: Works) -> None:
        codes = []
        for number in range(12):
            with pytest.raises(FlowProblem) as problem:
                prepare(works, f"https://10.0.0.{number}", "BBDC-x")
            codes.append(problem.value.code)

        assert codes == [hosts.NOT_REACHED] * 10 + ["slow_down"] * 2

    def test_a_consumer_is_never_sent_to_another_server(self, works: Works, vendor: Vendor) -> None:
        consumer = registered(works, vendor)
        endpoint = None
        with works.inside():
            found = Consumer.objects.get(id=consumer.id)
        manifest = access.registry.get(SLUG).manifest
        with works.inside():
            at = base_urls.place_of(manifest, found.base_url)
        endpoint = at.oauth(access.oauth_of(manifest)).token_url

        assert urlsplit(endpoint).netloc == urlsplit(vendor.url).netloc
        with pytest.raises(FlowProblem):
            registered(works, vendor, "http://169.254.169.254")

    def test_the_record_names_no_token(self, works: Works, vendor: Vendor) -> None:
        text = token(vendor, "dana-read")
        linked(works, vendor)

        with works.inside():
            kept = json.dumps(list(AuditEvent.objects.values_list("details", flat=True)))
        assert text not in kept


class Names:
    """A resolver that gives the answers of the vector at hand."""

    answers: tuple[str, ...] = ()

    def resolve(self, host: str) -> tuple[str, ...]:
        return self.answers


def refused_vectors() -> list[tuple[str, tuple[str, ...]]]:
    """All that are refused as they are typed, and a fourth of those that the worker refuses.

    Each of them is held against the door itself in `test_ssrf_vectors`.
    """
    if not VECTORS.exists():
        pytest.skip("the list of vectors is not here")
    rows = [line.split("\t") for line in VECTORS.read_text().splitlines() if line[:1] == "S"]
    found = [(json.loads(r[2]), tuple(json.loads(r[3])), r[5]) for r in rows if r[4] == "BLOCK"]
    dialled = [each for each in found if each[2].startswith("addr-")][::4]
    typed = [each for each in found if not each[2].startswith("addr-")]
    assert len(typed) > 80 and len(dialled) > 10
    return [(url, answers) for url, answers, _ in typed + dialled]


def words_of(works: Works, url: str) -> tuple[str, str]:
    """Title and remedy that somebody reads who typed this address."""
    try:
        pending = prepare(works, url, "BBDC-x", name="Never linked")
    except FlowProblem as problem:
        title, _, rest = problem.message.partition(". ")
        return title, rest.rpartition(" Reference: ")[0]
    works.drain()
    pending = works.reloaded(pending)
    assert pending.stage == Stage.FAILED
    told = explain.explain_link(pending.error, product="Bitbucket Data Center")
    return told.title, told.remedy
