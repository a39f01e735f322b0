"""Spacelift keeps the contract with each kind of key, and has its own manners."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connections.contracts import Answer, Api, Exchanges, Proves, TellsRights, TokenAnswer
from connections.errors import (
    AccessDenied,
    EndpointRemoved,
    RateLimited,
    ReauthorizationRequired,
    Refused,
    RemoteGone,
    Unavailable,
    UnexpectedResponse,
    VendorError,
)
from connections.http import Door
from connections.origins import BaseUrl
from connections.vendor_api import Authorization, VendorApi
from integrations.sandbox.running import Sandbox
from integrations.sandbox.spacelift.vendor import Spacelift as Vendor
from integrations.spacelift import CONNECTOR
from tests.contract import QUICK, ConnectorContract, Standing, pages_of

ACME = "https://acme.app.spacelift.io"
FJORD = "https://fjord.app.spacelift.io"
METHOD = CONNECTOR.manifest.method("api-key")
GRAPHQL = "POST /graphql"


def vendor_of(sandbox: Sandbox) -> Vendor:
    return next(each for each in sandbox.others if isinstance(each, Vendor))


def key_of(sandbox: Sandbox, about: str) -> Any:
    return next(key for key in vendor_of(sandbox).keys.keys.values() if key.about == about)


def fields_of(sandbox: Sandbox, about: str) -> dict[str, str]:
    key = key_of(sandbox, about)
    return {"base_url": f"https://{key.account}.app.spacelift.io", "key_id": key.id}


class TestSpacelift(ConnectorContract):
    connector = CONNECTOR
    origins = (ACME, FJORD)
    asks = "POST"
    no_lies = frozenset({"foreign_workspace"})  # a space belongs to the account that was asked

    @pytest.fixture(autouse=True)
    def _as_at_the_start(self, sandbox: Sandbox) -> Iterator[None]:
        yield
        vendor_of(sandbox).reset()

    @classmethod
    def base(cls, door: Door) -> BaseUrl:
        return door.base_url(ACME)

    @pytest.fixture(scope="class")
    @classmethod
    def standings(cls, sandbox: Sandbox, door: Door) -> Mapping[str, Standing]:
        return {
            about: cls.standing(sandbox, door, about)
            for about in ("portal-admin", "payments-writer", "reader")
        }

    @classmethod
    def standing(cls, sandbox: Sandbox, door: Door, about: str) -> Standing:
        fields = fields_of(sandbox, about)
        answer = cls.exchange(sandbox, door, about)
        return Standing(METHOD, fields, f"Bearer {answer.access_token}")

    @classmethod
    def exchange(
        cls, sandbox: Sandbox, door: Door, about: str, secret: str | None = None
    ) -> TokenAnswer:
        """What the exchange of this key's secret gives, over the wire and without authorization."""
        key, fields = key_of(sandbox, about), fields_of(sandbox, about)
        api = api_at(door, fields["base_url"])
        return CONNECTOR.exchange(api, fields, METHOD, key.secret if secret is None else secret)

    # ── exchange ──────────────────────────────────────────────────────────────────────────────

    def test_it_is_what_the_contract_asks_of_such_a_connector(self):
        assert isinstance(CONNECTOR, Exchanges)
        assert isinstance(CONNECTOR, Proves)
        assert isinstance(CONNECTOR, TellsRights)

    def test_a_key_becomes_a_token_that_lives_until_it_says(self, sandbox, door):
        vendor_of(sandbox).switches.set("jwt_seconds", 3600)

        answer = self.exchange(sandbox, door, "reader")

        assert answer.refresh_token is None
        assert 3590 <= answer.expires_in_seconds <= 3600
        assert answer.access_token not in repr(answer)

    @pytest.mark.parametrize(("seconds", "kept"), [(10 * 86_400, 86_400), (-60, 0)])
    def test_a_life_is_a_day_at_most_and_never_less_than_nothing(
        self, sandbox, door, seconds, kept
    ):
        vendor_of(sandbox).switches.set("jwt_seconds", seconds)

        assert self.exchange(sandbox, door, "reader").expires_in_seconds == kept

    def test_a_token_that_does_not_say_until_when_lives_a_little(self, sandbox, door):
        vendor_of(sandbox).switches.set("says_valid_until", False)

        assert self.exchange(sandbox, door, "reader").expires_in_seconds == 300

    @pytest.mark.parametrize("manner", ["null", "unauthorized", "echo"])
    def test_a_wrong_secret_is_refused_and_never_repeated(self, sandbox, door, manner):
        vendor_of(sandbox).switches.set("wrong_key", manner)

        with pytest.raises(ReauthorizationRequired) as caught:
            self.exchange(sandbox, door, "reader", "a-secret-nobody-may-see-0123456789")

        assert "nobody-may-see" not in str(caught.value) + repr(caught.value) + caught.value.detail
        assert "API key ID" in caught.value.detail

    @pytest.mark.parametrize("about", ["expired", "oidc"])
    def test_a_key_that_cannot_be_exchanged_is_refused(self, sandbox, door, about):
        with pytest.raises(ReauthorizationRequired):
            self.exchange(sandbox, door, about)

    def test_a_key_of_one_account_is_none_at_another(self, sandbox, door):
        key = key_of(sandbox, "fjord-admin")

        with pytest.raises(ReauthorizationRequired):
            CONNECTOR.exchange(api_at(door, ACME), {"key_id": key.id}, METHOD, key.secret)

    @pytest.mark.parametrize(
        ("wish", "kind"),
        [
            ({"kind": "status", "status": 429, "headers": {"Retry-After": "7"}}, RateLimited),
            ({"kind": "status", "status": 503}, Unavailable),
            ({"kind": "status", "status": 401}, ReauthorizationRequired),
            ({"kind": "html"}, UnexpectedResponse),
            ({"kind": "huge"}, UnexpectedResponse),
            ({"kind": "body", "lie": "deep"}, UnexpectedResponse),
            ({"kind": "body", "body": {"data": {"apiKeyUser": []}}}, UnexpectedResponse),
            ({"kind": "body", "body": {"data": {"apiKeyUser": {"jwt": 7}}}}, UnexpectedResponse),
            (
                {"kind": "body", "body": {"data": {"apiKeyUser": {"jwt": "a\nb"}}}},
                UnexpectedResponse,
            ),
            ({"kind": "body", "body": {"data": None}}, UnexpectedResponse),
            ({"kind": "body", "body": {"errors": "all"}}, UnexpectedResponse),
        ],
    )
    def test_trouble_with_the_exchange_is_named(self, sandbox, door, wish, kind):
        sandbox.faults.order({"match": GRAPHQL, "times": None, **wish})

        with pytest.raises(VendorError) as caught:
            self.exchange(sandbox, door, "reader")

        assert type(caught.value) is kind
        if kind is RateLimited:
            assert caught.value.retry_after_seconds == 7

    # ── who the key is, and what it may do ────────────────────────────────────────────────────

    def test_the_key_is_the_account_and_another_address_another_one(self, sandbox, door, api):
        here = self.identify(api, self.standing(sandbox, door, "portal-admin"))
        fields = fields_of(sandbox, "fjord-admin")
        token = self.exchange(sandbox, door, "fjord-admin").access_token
        there = CONNECTOR.identify(api_at(door, FJORD, f"Bearer {token}"), fields, METHOD)

        assert (here.account.name, here.account.kind) == ("Portal", "app")
        assert (
            here.account.remote_id.partition("@")[0] == f"api::{key_of(sandbox, 'portal-admin').id}"
        )
        assert here.account.remote_id.partition("@")[2] != there.account.remote_id.partition("@")[2]

    def test_that_the_key_counts_as_a_user_is_said(self, sandbox, door, api):
        remark = self.identify(api, self.standing(sandbox, door, "reader")).remarks[0]

        assert "as a user" in remark.means
        assert "as a user" in METHOD.summary

    def test_the_end_of_a_key_is_read_where_it_may_be(self, sandbox, door, api):
        vendor = vendor_of(sandbox)
        end = datetime.now(UTC) + timedelta(days=40)
        key_of(sandbox, "portal-admin").expires_at = int(end.timestamp())

        seen = self.identify(api, self.standing(sandbox, door, "portal-admin"))
        unseen = self.identify(api, self.standing(sandbox, door, "payments-writer"))

        assert seen.expires_at == end.replace(microsecond=0)
        assert unseen.expires_at is None  # only who administers a space sees keys
        vendor.reset()

    def test_what_may_be_done_is_told_for_each_space(self, sandbox, door, api):
        writer = self.standing(sandbox, door, "payments-writer")

        told = CONNECTOR.rights(api(writer), writer.fields, METHOD, ())

        assert {each.slug: sorted(each.scopes) for each in told} == {
            "payments-01J8K2": ["WRITE"],
            "payments-production-01J8K3": ["WRITE"],
            "platform-01J8K4": ["READ"],
        }

    def test_an_administrator_is_one_in_every_space(self, sandbox, door, api):
        admin = self.standing(sandbox, door, "portal-admin")

        told = CONNECTOR.rights(api(admin), admin.fields, METHOD, ())
        spaces = self.workspaces(api, admin)

        assert len(told) == len(spaces) == 66
        assert all(each.scopes == {"ADMIN"} for each in told)
        assert all(space.administrator for space in spaces)

    def test_a_key_without_a_role_reaches_nothing(self, sandbox, door, api):
        nothing = self.standing(sandbox, door, "nothing")

        assert self.identify(api, nothing).account.name == "Nothing"
        assert self.workspaces(api, nothing) == []
        assert CONNECTOR.rights(api(nothing), nothing.fields, METHOD, ()) == ()

    def test_an_older_installation_lists_all_spaces_at_once(self, sandbox, door, api, widest):
        vendor_of(sandbox).switches.set("searches_spaces", False)

        pages = pages_of(lambda at: CONNECTOR.workspaces(api(widest), widest.fields, METHOD, at))

        assert [len(page.records) for page in pages] == [66]

    # ── refusals ──────────────────────────────────────────────────────────────────────────────

    @pytest.mark.parametrize("manner", ["stranger", "http_401"])
    def test_an_expired_token_is_refused_however_it_is_said(self, sandbox, door, api, manner):
        vendor_of(sandbox).switches.set("dead_jwt", manner)
        vendor_of(sandbox).switches.set("jwt_seconds", -60)
        dead = self.standing(sandbox, door, "portal-admin")

        with pytest.raises(ReauthorizationRequired):
            self.identify(api, dead)
        with pytest.raises(ReauthorizationRequired):
            self.workspaces(api, dead)

    def test_a_deleted_key_is_refused(self, sandbox, door, api):
        reader = self.standing(sandbox, door, "reader")
        key_of(sandbox, "reader").deleted = True

        with pytest.raises(ReauthorizationRequired) as caught:
            self.identify(api, reader)

        assert "stranger" in caught.value.detail

    def test_what_a_role_is_too_small_for_is_denied_and_the_key_lives(self, sandbox, door, api):
        nothing = self.standing(sandbox, door, "nothing")

        with pytest.raises(AccessDenied):
            CONNECTOR.prove(api(nothing), nothing.fields, METHOD, "integrations-read")

    def test_p44_a_cursor_that_looks_like_an_address_is_never_dialled(
        self, sandbox, door, api, widest
    ):
        sandbox.journal.forget()

        with pytest.raises(VendorError):
            CONNECTOR.workspaces(
                api(widest), widest.fields, METHOD, "http://127.0.0.2:9/graphql?stolen"
            )

        assert {row["host"] for row in sandbox.journal.matching({})} == {"acme.app.spacelift.io"}

    test_p44_no_token_leaves_its_origin = (
        test_p44_a_cursor_that_looks_like_an_address_is_never_dialled
    )

    def test_a_page_that_leads_to_itself_is_refused(self, spoil, fetch):
        again = {"edges": [], "pageInfo": {"hasNextPage": True, "endCursor": "same"}}
        spoil(kind="body", body={"data": {"searchSpaces": again}})

        assert fetch(None).checkpoint == "same"
        with pytest.raises(UnexpectedResponse):
            fetch("same")

    def test_a_budget_of_requests_that_is_spent_says_when_to_come_back(self, sandbox, fetch):
        switches = vendor_of(sandbox).switches
        switches.set("bucket_size", 1)
        switches.set("refill_per_second", 1)

        with pytest.raises(RateLimited) as caught:
            for _ in range(3):
                fetch(None)

        assert caught.value.retry_after_seconds == 1


def api_at(door: Door, address: str, authorization: str = "") -> Api:
    return VendorApi(
        door=door,
        base=door.base_url(address),
        authorization=Authorization(authorization),
        judge=CONNECTOR.judge,
        limits=QUICK,
    )


def answered(body: object, status: int = 200) -> Answer:
    return Answer(status, {}, body, "POST /graphql", 0.1, text="")


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("unauthorized", ReauthorizationRequired),
        ("Unauthenticated: invalid JWT", ReauthorizationRequired),
        ("you do not have permission to do this", AccessDenied),
        ("access denied", AccessDenied),
        ("could not find stack", RemoteGone),
        ("stack does not exist", RemoteGone),
        ("Cannot query field 'searchSpaces' on type 'Query'.", EndpointRemoved),
        ("Unknown argument 'first' on field 'Query.spaces'.", EndpointRemoved),
        ("internal server error", Unavailable),
        ("internal error", Unavailable),
        ("context deadline exceeded", Unavailable),
        ("rate limit exceeded", RateLimited),
        ("name has already been taken", Refused),
    ],
)
def test_an_error_with_status_200_becomes_the_right_one(
    message: str, kind: type[VendorError]
) -> None:
    found = CONNECTOR.judge(answered({"errors": [{"message": message}], "data": None}))

    assert type(found) is kind


@pytest.mark.parametrize(
    "errors", [{}, "unauthorized", [None], [7], [{}], [{"message": None}], [{"message": []}]]
)
def test_errors_that_cannot_be_read_are_no_success(errors: object) -> None:
    found = CONNECTOR.judge(answered({"errors": errors, "data": {}}))

    assert isinstance(found, UnexpectedResponse)


@pytest.mark.parametrize("errors", [None, []])
def test_no_errors_are_none(errors: object) -> None:
    assert CONNECTOR.judge(answered({"errors": errors, "data": {}})) is None
