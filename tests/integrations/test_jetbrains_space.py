"""JetBrains Space keeps the contract, for every way to link it, and has its own manners."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest

from connections.contracts import (
    EndsGrants,
    IssuesTokens,
    MethodKind,
    PlaceRights,
    TellsRights,
)
from connections.errors import (
    AccessDenied,
    RateLimited,
    ReauthorizationRequired,
    Refused,
    RemoteGone,
    Unavailable,
    UnexpectedResponse,
)
from connections.http import Door
from connections.origins import BaseUrl
from integrations.jetbrains_space import CONNECTOR
from integrations.sandbox.jetbrains_space.vendor import CLOUD, OWN, JetBrainsSpace
from integrations.sandbox.running import Sandbox
from tests.contract import ConnectorContract, Standing
from tests.integrations.sandboxed import Client
from tests.integrations.spaced import FORM

MANIFEST = CONNECTOR.manifest
CAR = "project:key:CAR"
READ = frozenset({"global:Profile.View", "global:Project.View"})


def vendor(sandbox: Sandbox) -> JetBrainsSpace:
    return next(v for v in sandbox.others if isinstance(v, JetBrainsSpace))


def token(sandbox: Sandbox, name: str, origin: str = CLOUD) -> Any:
    registry = vendor(sandbox).organizations[origin].registry
    return next(t for t in registry.tokens.values() if t.name == name)


def by_token(sandbox: Sandbox, method: str, name: str, origin: str = CLOUD) -> Standing:
    fields = {"base_url": vendor(sandbox).at(origin)}
    return Standing(MANIFEST.method(method), fields, f"Bearer {token(sandbox, name, origin).token}")


def by_exchange(
    sandbox: Sandbox, client: str = "acme-space-robot", origin: str = CLOUD
) -> Standing:
    """What a worker does before anything is asked with a service account."""
    method, base = MANIFEST.method("service-account"), vendor(sandbox).at(origin)
    assert method.exchange is not None
    secret = vendor(sandbox).organizations[origin].registry.apps[client].secret
    pair = base64.b64encode(f"{client}:{secret}".encode()).decode()
    form = {"grant_type": "client_credentials", **method.exchange.params}
    reply = Client(sandbox).send(
        "POST",
        f"{base}/{method.exchange.token_url}",
        headers={"Authorization": f"Basic {pair}", **FORM},
        body=urlencode(form).encode(),
    )
    fields = {"base_url": base, "client_id": client}
    return Standing(method, fields, f"Bearer {reply.json['access_token']}")


class TestJetBrainsSpace(ConnectorContract):
    connector = CONNECTOR
    origins = ()
    other_errors = {410: RemoteGone}  # there are no announcements
    no_lies = frozenset({"foreign_workspace"})  # projects belong to nothing

    @pytest.fixture(autouse=True)
    def _as_at_the_start(self, sandbox: Sandbox) -> None:
        vendor(sandbox).switches.__init__()

    @classmethod
    def base(cls, door: Door) -> BaseUrl:
        origin = next(o for url, o in door._sandbox.items() if "127.0.0.31" in url)
        return BaseUrl(origin, "/api/http")

    @pytest.fixture(scope="class")
    @classmethod
    def standings(cls, sandbox: Sandbox) -> Mapping[str, Standing]:
        return {
            "person": by_token(sandbox, "personal-token", "dana-full"),
            "small": by_token(sandbox, "personal-token", "dana-small"),
            "member": by_token(sandbox, "personal-token", "tomas-full"),
            "application": by_token(sandbox, "application-token", "robot-token"),
            "service account": by_exchange(sandbox),
        }

    # ── where the contract asks for what this vendor has not ──────────────────────────────────

    def test_p44_no_token_leaves_its_origin(self, sandbox, spoil, fetch):
        """A checkpoint is a parameter: what it says can lead nowhere else."""
        spoil(kind="next_foreign")
        page = fetch(None)
        sandbox.faults.withdraw()

        with pytest.raises(Refused, match="not a number"):
            fetch(page.checkpoint)
        with pytest.raises(UnexpectedResponse):
            fetch("\n")

    # ── its own manners ───────────────────────────────────────────────────────────────────────

    def test_ids_of_two_organizations_are_never_the_same(self, api, standings):
        here = standings["person"]
        elsewhere = Standing(here.method, {"base_url": "https://other.example"}, here.authorization)

        one, other = (self.identify(api, each).account for each in (here, elsewhere))

        assert one.remote_id != other.remote_id and one.name == other.name == "Dana Levi"

    def test_each_way_acts_as_what_it_says(self, api, standings):
        kinds = {key: self.identify(api, each).account.kind for key, each in standings.items()}

        assert kinds == {
            "person": "user", "small": "user", "member": "user",
            "application": "app", "service account": "app",
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("method", "name", "told"),
        [
            ("personal-token", "robot-token", "application's token"),
            ("application-token", "dana-full", "person's token"),
        ],
    )
    def test_a_token_of_the_other_kind_is_told_from_it(self, sandbox, api, method, name, told):
        with pytest.raises(ReauthorizationRequired, match=told):
            self.identify(api, by_token(sandbox, method, name))

    def test_an_expired_token_is_a_refused_credential(self, sandbox, api):
        with pytest.raises(ReauthorizationRequired, match="expired"):
            self.identify(api, by_token(sandbox, "personal-token", "dana-expired"))

    def test_a_missing_right_is_no_dead_credential(self, sandbox, api):
        with pytest.raises(AccessDenied, match="View member profiles"):
            self.identify(api, by_token(sandbox, "personal-token", "dana-narrow"))

    def test_a_gateway_s_refusal_passes(self, spoil, fetch):
        spoil(kind="html", status=403)

        with pytest.raises(Unavailable):
            fetch(None)

    def test_slow_down_is_obeyed_whatever_the_status(self, sandbox, spoil, fetch):
        spoil(kind="status", status=400, body={"error": "rate-limited"}, headers={"Retry-After": 7})

        with pytest.raises(RateLimited) as caught:
            fetch(None)
        assert caught.value.retry_after_seconds == 7

    @pytest.mark.parametrize("named", [True, False])
    def test_the_end_of_a_list_is_found_either_way(self, sandbox, api, standings, named):
        vendor(sandbox).switches.set("next_at_end", named)

        assert len(self.workspaces(api, standings["person"])) == 130

    def test_a_page_that_leads_back_is_refused(self, spoil, fetch):
        item = {"id": "a1", "key": {"key": "CAR"}, "name": "Cars"}
        spoil(kind="body", body={"next": "0", "totalCount": 9, "data": [item]})

        with pytest.raises(UnexpectedResponse):
            fetch(None)

    def test_members_see_their_projects_and_their_pages(self, api, standings):
        found = {each.slug: each for each in self.workspaces(api, standings["member"])}

        assert found.keys() == {"CAR", "PAY"} and found["CAR"].url == ""  # a sandbox has no https

    # ── rights by context ─────────────────────────────────────────────────────────────────────

    def rights(self, api, standing) -> dict[str, PlaceRights] | None:
        assert isinstance(CONNECTOR, TellsRights)
        workspaces = self.workspaces(api, standing)
        told = CONNECTOR.rights(api(standing), standing.fields, standing.method, workspaces)
        return None if told is None else {place.place: place for place in told}

    @pytest.mark.parametrize("key", ["application", "service account"])
    def test_an_application_s_rights_are_told_context_by_context(self, api, standings, key):
        told = self.rights(api, standings[key])

        assert told.keys() == {"global", CAR, "project:key:PAY"}
        assert "Automation.Execution.Start" in told[CAR].scopes
        assert "Automation.Execution.Start" not in told["global"].scopes  # asked for, not granted
        assert (told[CAR].slug, told["global"].slug) == ("CAR", "")
        assert not any(place.at_most for place in told.values())

    def test_a_person_s_rights_are_those_of_the_account_at_most(self, api, standings):
        told = self.rights(api, standings["member"])

        assert told.keys() == {"global", CAR, "project:key:PAY"}
        assert "global:Automation.Execution.Start" in told[CAR].scopes
        assert "global:VcsRepository.CommitStatus.Push" not in told[CAR].scopes
        assert told["global"].scopes == {"global:Profile.View", "global:Profile.Memberships.View"}
        assert all(place.at_most for place in told.values())

    @pytest.mark.parametrize(
        ("switch", "key"),
        [("applications_tell_rights", "application"), ("checks_permissions", "person")],
    )
    def test_where_nobody_tells_rights_nothing_is_said(self, sandbox, api, standings, switch, key):
        vendor(sandbox).switches.set(switch, False)

        assert self.rights(api, standings[key]) is None

    @pytest.mark.parametrize("lie", ["array", "string", "null", "deep", "duplicate_keys"])
    def test_rights_that_cannot_be_read_are_refused(self, sandbox, api, standings, lie):
        match = "* /api/http/*authorized-rights*"
        sandbox.faults.order({"match": match, "kind": "body", "lie": lie, "times": None})
        if lie == "array":  # a context without any right
            assert not any(p.scopes for p in self.rights(api, standings["application"]).values())
            return

        with pytest.raises((UnexpectedResponse, Unavailable)):
            self.rights(api, standings["application"])

    # ── tokens through the API ────────────────────────────────────────────────────────────────

    @pytest.mark.parametrize("key", ["person", "application"])
    def test_a_token_is_made_used_found_and_withdrawn(self, api, standings, key):
        old = standings[key]
        assert isinstance(CONNECTOR, IssuesTokens) and old.method.rotation
        where = old.fields, old.method
        wanted = READ if key == "person" else frozenset()

        made = CONNECTOR.replace_token(api(old), *where, name="portal-1", days=30, scopes=wanted)
        new = Standing(old.method, old.fields, f"Bearer {made.token}")

        assert made.token not in repr(made) and made.scopes == wanted
        assert (made.expires_at - datetime.now(UTC)).days in (29, 30)
        assert CONNECTOR.token_ids(api(old), *where, name="portal-1") == (made.token_id,)
        assert self.identify(api, new).account == self.identify(api, old).account
        for _ in range(2):  # twice is as good as once
            CONNECTOR.withdraw_token(api(old), *where, token_id=made.token_id)
        with pytest.raises(ReauthorizationRequired):
            self.identify(api, new)

    def test_who_may_not_make_tokens_is_told(self, sandbox, api):
        small = by_token(sandbox, "personal-token", "dana-small")

        with pytest.raises(AccessDenied, match="permanent tokens"):
            CONNECTOR.replace_token(api(small), {}, small.method, name="x", days=1)

    def test_a_grant_ends_itself_and_a_token_does_not_pass_for_one(self, api, standings):
        assert isinstance(CONNECTOR, EndsGrants)
        standing, oauth = standings["person"], MANIFEST.method("oauth")

        with pytest.raises(Refused, match="not made with a token of a consent"):
            CONNECTOR.end_grant(api(standing), standing.fields, oauth)


def test_the_catalogue_says_that_it_ended_and_whom_it_serves() -> None:
    (retired,) = MANIFEST.retired
    assert retired.on.isoformat() == "2025-06-01"
    assert "On-Premises" in retired.why and "simulators" in retired.why
    assert "discontinued on 1 June 2025" in MANIFEST.summary


def test_a_service_account_is_exchanged_and_says_nothing_by_two_stars() -> None:
    method = MANIFEST.method("service-account")
    assert method.kind is MethodKind.EXCHANGED and method.exchange
    assert method.exchange.params == {"scope": "**"} and method.exchange.unsaid == ("**",)
    assert MANIFEST.oauth and MANIFEST.oauth.pkce
    assert MANIFEST.oauth.authorize_params["access_type"] == "offline"
    assert MANIFEST.self_hosted and MANIFEST.self_hosted.knows("acme.jetbrains.space")
    assert not MANIFEST.self_hosted.knows("jetbrains.space.evil.example")


def test_another_organization_stands_beside_the_first() -> None:
    with Sandbox() as sandbox:
        here, there = (by_exchange(sandbox), by_exchange(sandbox, "fjord-space-robot", OWN))
        assert here.fields["base_url"] != there.fields["base_url"]
