"""Atlassian's refresh tokens rotate with ten minutes of leeway; later than that the family dies.

So no two workers may spend one twice, and a lost answer is asked for again well within it.
"""

from __future__ import annotations

import threading
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections as databases

from connections import lineage, registry
from connections.errors import Misconfigured, ReauthorizationRequired, Unavailable
from connections.flows import policies, policy_settings, refresh
from connections.flows.policies import Rule
from connections.models import Connection, Credential, RefreshAttempt
from connections.oauth_wire import authorize_url
from connections.queries import policies as shown
from portal import clock, roles, tenancy
from tests.connections.atlassian_life import Life
from tests.connections.ways import a_team, again
from tests.vendor import Vendor
from tests.works import Works

TOKEN = "POST /oauth/token"
LEASE_IS_OVER = timedelta(seconds=121)


@pytest.fixture
def life(works: Works, vendor: Vendor) -> Life:
    return Life(works, vendor, "jira")


@pytest.fixture
def connection(life: Life) -> Connection:
    return life.connection(life.link("oauth"))


def fresh(works: Works, connection: Connection) -> str:
    with roles.using_role("worker"), tenancy.acting_for(works.acme):
        return refresh.fresh(connection).reveal()


def exchanges(vendor: Vendor) -> int:
    return len([r for r in vendor.requests() if r["path"] == "/oauth/token"])


def lease_is_over(works: Works) -> None:
    with roles.using_role("worker"), works.inside():
        Credential.objects.update(lease_until=clock.now() - timedelta(seconds=1))


def spent(works: Works) -> Counter[str]:
    """How often each refresh token was sent, by its fingerprint in the ledger."""
    with works.inside():
        return Counter(RefreshAttempt.objects.values_list("spent", flat=True))


def test_the_consent_asks_for_what_keeps_it_alive() -> None:
    oauth = registry.get("jira").manifest.oauth
    assert oauth is not None
    scopes, verifier = frozenset({"read:jira-work"}), "v" * 64

    url = authorize_url(
        oauth, client_id="a", redirect_uri="b", state="c", scopes=scopes, verifier=verifier
    )

    assert "audience=api.atlassian.com" in url and "prompt=consent" in url
    assert "scope=offline_access+read%3Ajira-work+read%3Ame" in url
    assert verifier not in url


def test_eight_who_ask_at_once_spend_it_once(
    works: Works, vendor: Vendor, life: Life, connection: Connection
) -> None:
    life.grow_stale(connection)
    before, found, ready = exchanges(vendor), [], threading.Barrier(8)

    def ask() -> None:
        try:
            ready.wait(10)
            found.append(fresh(works, connection))
        finally:
            databases.close_all()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(found) == 8 and len(set(found)) == 1
    assert exchanges(vendor) - before == 1


def test_a_lost_answer_is_asked_for_again_within_the_leeway(
    works: Works, vendor: Vendor, life: Life, connection: Connection
) -> None:
    life.grow_stale(connection)
    vendor.order("/faults", match=TOKEN, kind="cut")
    with pytest.raises(Unavailable):
        fresh(works, connection)
    vendor.order("/clock", advance=LEASE_IS_OVER.total_seconds())
    lease_is_over(works)

    life.sweep()

    assert life.in_use(connection).version == 2
    assert max(spent(works).values()) == 2 and lineage.DEADLINE_SECONDS < 600
    life.grow_stale(connection)
    life.sweep()
    assert life.in_use(connection).version == 3
    assert works.verify(connection).outcome == "passed"


@pytest.mark.parametrize("status", [400, 401, 403])
def test_p22_a_dead_grant_asks_for_a_person_whatever_its_status(
    works: Works, vendor: Vendor, life: Life, connection: Connection, status: int
) -> None:
    vendor.order("/atlassian/switches", dead_refresh_status=status)
    vendor.order("/atlassian/grants/revoke", user="dana", app="jira-portal")
    life.grow_stale(connection)

    with pytest.raises(ReauthorizationRequired):
        fresh(works, connection)

    assert again(works, connection).suspect_since is not None


def test_p20_a_wrong_secret_of_the_app_condemns_nobody(
    works: Works, vendor: Vendor, life: Life, connection: Connection
) -> None:
    vendor.order("/faults", match=TOKEN, **_unauthorized())
    life.grow_stale(connection)

    with pytest.raises(Misconfigured):
        fresh(works, connection)

    assert again(works, connection).state == Connection.State.ACTIVE


def _unauthorized() -> dict[str, Any]:
    body = {"error": "access_denied", "error_description": "Unauthorized"}
    return {"kind": "status", "status": 401, "body": body}


class TestExchanged:
    """The secret of a client is shown and not spent."""

    @pytest.fixture
    def bot(self, life: Life) -> Connection:
        return life.connection(life.link("service-account-oauth"))

    def test_two_who_ask_get_the_same_or_no_worse(
        self, works: Works, vendor: Vendor, life: Life, bot: Connection
    ) -> None:
        life.grow_stale(bot)
        vendor.order("/faults", match=TOKEN, kind="cut")
        with pytest.raises(Unavailable):
            fresh(works, bot)
        lease_is_over(works)
        life.sweep()

        assert life.in_use(bot).version == 2 and set(spent(works)) == {""}
        assert works.verify(bot).outcome == "passed"

    def test_a_withdrawn_client_is_suspect_and_mended_by_pasting(
        self, works: Works, vendor: Vendor, life: Life, bot: Connection
    ) -> None:
        vendor.order("/atlassian/credentials/revoke", name="bot-oauth")
        life.grow_stale(bot)
        with pytest.raises(ReauthorizationRequired):
            fresh(works, bot)
        assert again(works, bot).suspect_since is not None

        vendor.order("/atlassian/credentials/revoke", name="bot-oauth", restore=True)
        life.link("service-account-oauth", relink=bot)

        after = again(works, bot)
        assert (after.state, after.suspect_since) == (Connection.State.ACTIVE, None)

    def test_its_secret_grows_old_though_its_tokens_do_not(
        self, works: Works, life: Life, bot: Connection
    ) -> None:
        grant = life.connection(life.link("oauth", called="By consent", team_id=a_team(works)))
        with works.inside():
            policy_settings.set_general(actor=works.admin, rule=Rule(max_age_days=90))

        with works.inside():
            due = policies.due_by(bot)
            assert policies.due_by(grant) is None
            renew = [shown.standing(each).renews_itself for each in (bot, grant)]

        assert due is not None and timedelta(89) < due - clock.now() <= timedelta(90)
        assert renew == [False, True]

    def test_a_wrong_secret_links_nothing(self, life: Life) -> None:
        wrong = {"client_id": "nobody-knows-this-client"}

        pending = life.link("service-account-oauth", fields=wrong)

        assert (pending.stage, pending.error) == ("failed", "reauthorization_required")


class TestWhereItBelongs:
    @pytest.mark.parametrize(
        ("method", "token", "says"),
        [
            ("classic-token", "dana-jira", "choose “API token with scopes”"),
            ("scoped-token", "dana-classic", "choose “API token without scopes”"),
        ],
    )
    def test_a_token_of_the_other_kind_is_told_so(
        self, life: Life, method: str, token: str, says: str
    ) -> None:
        pending = life.link(method, token)

        assert (pending.stage, pending.error) == ("failed", "reauthorization_required")
        assert says in pending.error_detail

    def test_a_site_that_is_none_is_named(self, life: Life) -> None:
        pending = life.link("scoped-token", fields={"site": "nowhere"})

        assert (pending.stage, pending.error) == ("failed", "remote_gone")
        assert pending.error_detail == "Nothing is at nowhere.atlassian.net."

    @pytest.mark.parametrize(
        "told", [{"cloudId": "../../oauth"}, {"cloudId": 7}, {}, [], "acme"], ids=str
    )
    def test_p49_a_site_that_lies_about_its_id_gets_no_token(
        self, vendor: Vendor, life: Life, told: object
    ) -> None:
        seen = len(vendor.requests())
        vendor.order(
            "/faults", match="GET /_edge/tenant_info", kind="status", status=200, body=told,
            times=None,
        )  # fmt: skip

        pending = life.link("scoped-token")

        assert pending.stage != "done"
        asked = {r["path"] for r in vendor.requests()[seen:]}
        assert asked == {"/_edge/tenant_info"}
