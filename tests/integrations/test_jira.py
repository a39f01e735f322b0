"""Jira keeps the contract, for every way to link it; and its own manners are met."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from connections.errors import AccessDenied, ReauthorizationRequired, ScopeMissing
from connections.http import Door
from integrations.jira import CONNECTOR, client
from integrations.sandbox.running import Sandbox
from tests.contract import ConnectorContract, Standing
from tests.integrations.atlassian_standings import (
    ORIGINS,
    atlassian,
    by_each_token,
    consented,
    exchanged,
    let_run,
    pasted,
)

CALLBACK = "http://localhost:8000/oauth/jira/callback"


class TestJira(ConnectorContract):
    connector = CONNECTOR
    origins = ORIGINS
    callback = CALLBACK
    no_lies = frozenset({"next_number", "foreign_workspace"})  # we count pages, and keys are ours

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _small_pages(cls, sandbox: Sandbox) -> Iterator[None]:
        let_run(sandbox)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(client, "PAGE_SIZE", 2)
            yield

    @pytest.fixture(scope="class")
    @classmethod
    def standings(cls, sandbox: Sandbox, door: Door) -> Mapping[str, Standing]:
        return {
            "oauth": consented(sandbox, CONNECTOR, "jira-portal"),
            **by_each_token(sandbox, door, CONNECTOR),
            "site-credentials": exchanged(
                sandbox, door, CONNECTOR, "site-credentials", "site_credentials", "acme-site"
            ),
        }

    def test_a_consent_opens_several_sites_each_once(self, api, standings):
        sites = self.workspaces(api, standings["oauth"])

        assert sorted(site.slug for site in sites) == ["acme", "fjord"]

    @pytest.mark.parametrize(
        "key", ["scoped-token", "service-account-token", "classic-token", "site-credentials"]
    )
    def test_all_else_opens_one(self, api, standings, key):
        standing = standings[key]

        assert [s.remote_id for s in self.workspaces(api, standing)] == [
            standing.fields["cloud_id"]
        ]

    def test_all_of_one_person_are_one_account(self, api, standings):
        ids = {
            self.identify(api, standings[key]).account.remote_id
            for key in ("oauth", "scoped-token", "classic-token")
        }
        bots = {
            self.identify(api, standings[key]).account.kind
            for key in ("service-account-token", "service-account-oauth")
        }

        assert len(ids) == 1 and bots == {"app"}

    def test_a_sites_credentials_say_what_they_were_ticked_for(self, api, sandbox, door, standings):
        ticked = exchanged(
            sandbox, door, CONNECTOR, "site-credentials", "site_credentials", "acme-builds"
        )

        whole = self.identify(api, standings["site-credentials"])
        some = self.identify(api, ticked)

        assert whole.scopes == {"development information", "builds", "deployments"}
        assert some.scopes == {"builds"} and some.account == whole.account
        with pytest.raises((AccessDenied, ScopeMissing)):
            CONNECTOR.prove(api(ticked), ticked.fields, ticked.method, "relay-development")

    def test_every_capability_is_proved_by_every_way_that_has_it(self, api, standings):
        for key, standing in standings.items():
            for capability in CONNECTOR.manifest.capabilities:
                if not CONNECTOR.manifest.obstacle(capability, standing.method):
                    where = api(standing), standing.fields, standing.method
                    proof = CONNECTOR.prove(*where, capability.key)
                    assert proof.status in (200, 404), (key, capability.key)

    def test_a_narrow_token_is_told_which_proof_it_lacks(self, api, sandbox):
        narrow = pasted(sandbox, CONNECTOR, "scoped-token", "dana-narrow")

        with pytest.raises((ScopeMissing, AccessDenied)):
            for key in ("projects-read", "people-read", "relay-links"):
                CONNECTOR.prove(api(narrow), narrow.fields, narrow.method, key)

    @pytest.mark.parametrize(
        ("key", "token", "says"),
        [
            ("classic-token", "dana-jira", "choose “API token with scopes”"),
            ("scoped-token", "dana-classic", "choose “API token without scopes”"),
        ],
    )
    def test_a_token_at_the_wrong_address_is_told_where_it_belongs(
        self, api, sandbox, key, token, says
    ):
        wrong = pasted(sandbox, CONNECTOR, key, token)

        with pytest.raises(ReauthorizationRequired, match=says):
            self.identify(api, wrong)

    def test_points_are_told_to_apps_and_not_to_tokens(self, api, standings):
        told = {
            key: CONNECTOR.rate(api(standings[key]).get("rest/api/3/myself"))
            for key in ("scoped-token", "service-account-token")
        }
        consent = CONNECTOR.rate(api(standings["oauth"]).get("me"))

        assert all(rate.limit is None for rate in told.values())
        assert consent.limit is None or consent.limit == 65_000

    def test_p44_no_token_leaves_its_origin(self, spoil, fetch):
        spoil(kind="next_foreign")

        page = fetch(None)

        assert page.checkpoint is None or page.checkpoint.isdecimal()

    def test_a_withdrawn_one_is_refused_by_every_way(self, api, sandbox, standings):
        revoke = atlassian(sandbox).by_path
        revoke["/atlassian/tokens/revoke"]({"name": "bot-jira"})
        try:
            with pytest.raises(ReauthorizationRequired):
                self.identify(api, standings["service-account-token"])
        finally:
            revoke["/atlassian/tokens/revoke"]({"name": "bot-jira", "restore": True})
