"""Bitbucket Data Center keeps the contract, for every way to link it, and has its own manners."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import pytest

from connections.contracts import Answer, Ask, Container, IssuesTokens, Level
from connections.errors import (
    AccessDenied,
    RateLimited,
    ReauthorizationRequired,
    RemoteGone,
    UnexpectedResponse,
)
from connections.http import Door
from connections.origins import BaseUrl
from integrations.bitbucket_data_center import CONNECTOR, reading, versions
from integrations.sandbox.running import Sandbox
from tests.contract import Standing, page_of, pages_of
from tests.contract_repositories import RepositoriesContract

MANIFEST = CONNECTOR.manifest
CONTEXT = "/bitbucket"
PAY = {"project": "PAY"}
BILLING = {"project": "PAY", "repository": "billing-api"}


def token(sandbox: Sandbox, name: str) -> Any:
    return next(t for t in sandbox.data_center.registry.tokens.values() if t.name == name)


def bearer(sandbox: Sandbox, method: str, name: str, **fields: str) -> Standing:
    fields = {"base_url": f"{sandbox.url}{CONTEXT}", **fields}
    text = token(sandbox, name).token
    return Standing(MANIFEST.method(method), fields, f"Bearer {text}")


class TestBitbucketDataCenter(RepositoriesContract):
    connector = CONNECTOR
    origins = ()
    other_errors = {410: RemoteGone}  # there are no announcements

    @pytest.fixture(autouse=True)
    def _as_at_the_start(self, sandbox: Sandbox) -> Iterator[None]:
        yield
        kept = {"context_path": CONTEXT, "refused_token": "anonymous", "iso_dates": False}
        for name, value in {**kept, "bucket_size": 0, "version": "9.4.3"}.items():
            sandbox.data_center.switches.set(name, value)

    @classmethod
    def base(cls, door: Door) -> BaseUrl:
        origin = next(iter(door._sandbox.values()))
        return BaseUrl(origin, f"{CONTEXT}/rest")

    @pytest.fixture(scope="class")
    @classmethod
    def standings(cls, sandbox: Sandbox) -> Mapping[str, Standing]:
        password = sandbox.data_center.registry.passwords["dlevi"]
        pair = base64.b64encode(f"dlevi:{password}".encode()).decode()
        where = {"base_url": f"{sandbox.url}{CONTEXT}", "username": "dlevi"}
        return {
            "admin": bearer(sandbox, "user-token", "dana-admin"),
            "user": bearer(sandbox, "user-token", "dana-read"),
            "project": bearer(sandbox, "project-token", "pay-project", **PAY),
            "repository": bearer(sandbox, "repository-token", "billing-repository", **BILLING),
            "password": Standing(MANIFEST.method("password"), where, f"Basic {pair}"),
        }

    # ── where the contract asks for what this vendor has not ──────────────────────────────────

    def test_identity_is_read_and_stays_the_same(self, api, standings):
        """The server never says what a token may do."""
        kinds = {}
        for key, standing in standings.items():
            first, second = (self.identify(api, standing) for _ in range(2))
            assert first.account == second.account and first.scopes is None
            assert first.credential_kind == standing.method.credential_kind
            kinds[key] = first.account.kind
        assert kinds["project"] == "project" and kinds["repository"] == "repository"

    def test_p44_no_token_leaves_its_origin(self, fetch):
        """A checkpoint is a number: there is no link that could lead away."""
        for place in ("http://127.0.0.2:9/x", "-1", "1&limit=9", "٣"):
            with pytest.raises(UnexpectedResponse):
                fetch(place)

    @pytest.mark.parametrize(("status", "kind"), [(401, AccessDenied), (403, AccessDenied)])
    def test_a_missing_permission_is_no_dead_credential(self, spoil, fetch, status, kind):
        spoil(kind="status", status=status, headers={"X-AUSERNAME": "dlevi"})

        with pytest.raises(kind):
            fetch(None)

    def streams(self, api, standing, workspace):
        """Members are shown to the administrators of their project only."""
        for stream in self.readable(api, standing, Level.WORKSPACE):
            at = Container(workspace)
            read = partial(page_of, stream, api(standing), at, standing.fields)
            try:
                yield stream, pages_of(read)
            except AccessDenied:
                assert stream.key in ("members", "groups")

    # ── strangers ─────────────────────────────────────────────────────────────────────────────

    @pytest.mark.parametrize("manner", ["anonymous", "named_anonymous", "unauthorized"])
    def test_a_dead_token_is_a_refused_credential_and_no_empty_list(
        self, sandbox, api, manner, workspace
    ):
        sandbox.data_center.switches.set("refused_token", manner)
        dead = bearer(sandbox, "user-token", "dana-expired")

        with pytest.raises(ReauthorizationRequired):
            self.identify(api, dead)
        with pytest.raises(ReauthorizationRequired):
            self.workspaces(api, dead)
        with pytest.raises(ReauthorizationRequired):
            for stream, _ in self.streams(api, dead, workspace):
                assert stream is None, "nothing may be read"

    def test_a_token_that_dies_between_two_pages_ends_the_reading(self, sandbox, fetch):
        first = fetch(None)
        one = token(sandbox, "dana-admin")
        one.revoked = True
        try:
            with pytest.raises(ReauthorizationRequired):
                fetch(first.checkpoint)
        finally:
            one.revoked = False

    def test_a_captcha_is_said(self, spoil, fetch):
        spoil(
            kind="status",
            status=403,
            headers={"X-Authentication-Denied-Reason": "CAPTCHA_CHALLENGE; login-url=https://x"},
        )

        with pytest.raises(ReauthorizationRequired, match="CAPTCHA"):
            fetch(None)

    # ── its own manners ───────────────────────────────────────────────────────────────────────

    def test_ids_of_two_servers_are_never_the_same(self, sandbox, api, standings):
        user = standings["user"]
        elsewhere = Standing(user.method, {"base_url": "https://other.example"}, user.authorization)

        one, other = (self.identify(api, each).account for each in (user, elsewhere))

        assert one.remote_id != other.remote_id and one.name == other.name == "Dana Levi"

    def test_a_slug_that_differs_from_the_name_is_found(self, sandbox, api):
        identity = self.identify(api, bearer(sandbox, "user-token", "rashid-read"))

        assert identity.account.name == "رشيد المنصور"

    def test_pages_go_on_where_the_server_says(self, sandbox, api):
        """Tomás does not see every repository: start plus limit would read some twice."""
        made = sandbox.data_center.registry.issue(
            name="tomas", permissions=["REPO_READ"], created_at=0.0, expires_at=None, user="tomas"
        )
        standing = Standing(MANIFEST.method("user-token"), {}, f"Bearer {made.token}")
        pay = next(w for w in self.workspaces(api, standing) if w.slug == "PAY")
        stream = next(s for s in CONNECTOR.streams if s.required)
        pages = pages_of(lambda at: stream.page(api(standing), Container(pay), {}, Ask(at)))

        assert pages[0].checkpoint == "108" and len(pages[0].records) == 100
        every = [record.remote_id for page in pages for record in page.records]
        assert len(every) == len(set(every)) < 230

    def test_a_page_that_leads_back_is_refused(self, spoil, fetch):
        spoil(kind="body", body={"values": [], "isLastPage": False, "nextPageStart": 0})

        with pytest.raises((UnexpectedResponse, ReauthorizationRequired)):
            fetch(None)

    def test_a_full_bucket_says_when_to_come_back(self, sandbox, fetch):
        sandbox.data_center.switches.set("bucket_size", 1)

        with pytest.raises(RateLimited) as caught:
            for _ in range(3):
                fetch(None)

        assert caught.value.retry_after_seconds == 1

    def test_the_version_is_told_with_its_end(self, sandbox, api, widest):
        sandbox.data_center.switches.set("version", "8.19.1")
        (remark,) = self.identify(api, widest).remarks

        assert remark.detail == "8.19.1" and "ended on 12 March 2026" in remark.means

    def test_an_older_line_is_given_no_day_of_its_own(self):
        said = versions.remark("7.21.0", date(2026, 11, 21)).means
        assert "ended no later than 12 March 2026" in said

    @pytest.mark.parametrize("key", ["project", "repository"])
    def test_a_persons_token_is_no_projects(self, api, standings, key):
        place, person = standings[key], standings["admin"]

        with pytest.raises(ReauthorizationRequired, match="person's token"):
            self.identify(api, Standing(place.method, place.fields, person.authorization))

    # ── tokens through REST ───────────────────────────────────────────────────────────────────

    @pytest.mark.parametrize("key", ["admin", "project", "repository"])
    @pytest.mark.parametrize("iso", [False, True])
    def test_a_token_is_made_used_found_and_withdrawn(self, sandbox, api, standings, key, iso):
        sandbox.data_center.switches.set("iso_dates", iso)
        old = standings[key]
        assert isinstance(CONNECTOR, IssuesTokens) and old.method.rotation

        made = CONNECTOR.replace_token(
            api(old), old.fields, old.method, name="portal-1", days=30, scopes=frozenset()
        )
        new = Standing(old.method, old.fields, f"Bearer {made.token}")

        assert made.token not in repr(made)
        assert (made.expires_at - datetime.now(UTC)).days in (29, 30)
        assert made.token_id == old.method.rotation.token_id(made.token)
        assert CONNECTOR.token_ids(api(old), old.fields, old.method, name="portal-1") == (
            made.token_id,
        )
        assert self.identify(api, new).account == self.identify(api, old).account
        for _ in range(2):  # twice is as good as once
            CONNECTOR.withdraw_token(api(old), old.fields, old.method, token_id=made.token_id)
        with pytest.raises(ReauthorizationRequired):
            self.identify(api, new)

    def test_a_token_withdraws_itself(self, sandbox, api, standings):
        old = standings["admin"]
        made = CONNECTOR.replace_token(api(old), old.fields, old.method, name="own", days=1)
        new = Standing(old.method, old.fields, f"Bearer {made.token}")

        CONNECTOR.withdraw_token(api(new), new.fields, new.method, token_id=made.token_id)

        with pytest.raises(ReauthorizationRequired):
            self.identify(api, new)

    def test_where_tokens_may_not_make_tokens_it_is_said(self, sandbox, api, widest):
        sandbox.data_center.switches.set("tokens_make_tokens", False)
        try:
            with pytest.raises(AccessDenied):
                CONNECTOR.replace_token(api(widest), {}, widest.method, name="x", days=1)
        finally:
            sandbox.data_center.switches.set("tokens_make_tokens", True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (1530766870981, datetime(2018, 7, 5, 5, 1, 10, 981000, UTC)),
        ("1530766870981", datetime(2018, 7, 5, 5, 1, 10, 981000, UTC)),
        ("2018-07-05T05:01:10+0000", datetime(2018, 7, 5, 5, 1, 10, tzinfo=UTC)),
        ("2026-05-24T14:11:04.000Z", datetime(2026, 5, 24, 14, 11, 4, tzinfo=UTC)),
        (True, None),
        ("yesterday", None),
        (10**30, None),
        (-1, None),
        (253402300799000, None),
    ],
)
def test_both_kinds_of_dates_are_read(text: object, expected: datetime | None) -> None:
    assert reading.moment(text) == expected


@pytest.mark.parametrize(
    ("version", "ends"),
    [
        ("7.21.4", date(2026, 3, 12)),
        ("8.19.12", date(2026, 3, 12)),
        ("9.0.1", date(2026, 7, 23)),
        ("9.3.2", date(2026, 12, 3)),
        ("9.4.10", date(2026, 12, 3)),
        ("10.3.0", None),
        ("", None),
    ],
)
def test_each_version_has_its_end_of_life(version: str, ends: date | None) -> None:
    assert versions.end_of_life(version) == ends


def answer(**headers: str) -> Answer:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(200, given, {}, "GET /rest/api/latest/projects", 0.1)


def test_a_name_in_the_header_is_decoded_and_a_stranger_has_none() -> None:
    assert not CONNECTOR.judge(answer(x_ausername="j%C3%BCrgen"))
    for nobody in ({}, {"x_ausername": ""}, {"x_ausername": "Anonymous"}):
        assert isinstance(CONNECTOR.judge(answer(**nobody)), ReauthorizationRequired)


def test_a_budget_is_what_a_bucket_lets_through_in_an_hour_and_not_what_is_in_it() -> None:
    told = answer(
        x_ratelimit_limit="60",
        x_ratelimit_remaining="59",
        x_ratelimit_interval_seconds="1",
        x_ratelimit_fillrate="5",
    )

    rate = CONNECTOR.rate(told)

    assert (rate.limit, rate.remaining) == (18_000, None)
    assert CONNECTOR.rate(answer(x_ratelimit_limit="60", x_ratelimit_remaining="9")).limit is None
