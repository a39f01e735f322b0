"""Confluence keeps the contract, for every way to link it; and its own manners are met."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from connections.errors import ReauthorizationRequired
from connections.http import Door
from integrations.confluence import CONNECTOR, client
from integrations.sandbox.running import Sandbox
from tests.contract import ConnectorContract, Standing
from tests.integrations.atlassian_standings import (
    ORIGINS,
    by_each_token,
    consented,
    let_run,
    pasted,
)

CALLBACK = "http://localhost:8000/oauth/confluence/callback"


class TestConfluence(ConnectorContract):
    connector = CONNECTOR
    origins = ORIGINS
    callback = CALLBACK
    no_lies = frozenset({"next_number", "foreign_workspace"})  # links lie one level deeper

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
            "oauth": consented(sandbox, CONNECTOR, "confluence-portal"),
            **by_each_token(sandbox, door, CONNECTOR),
        }

    def test_a_site_without_the_product_is_not_listed(self, api, standings):
        assert [s.slug for s in self.workspaces(api, standings["oauth"])] == ["acme"]

    def test_every_capability_is_proved_by_every_way_that_has_it(self, api, standings):
        for key, standing in standings.items():
            for capability in CONNECTOR.manifest.capabilities:
                if capability.proof and not CONNECTOR.manifest.obstacle(
                    capability, standing.method
                ):
                    where = api(standing), standing.fields, standing.method
                    assert CONNECTOR.prove(*where, capability.key).status == 200, (
                        key,
                        capability.key,
                    )

    @pytest.mark.parametrize(
        ("key", "token", "says"),
        [
            ("classic-token", "dana-confluence", "choose “API token with scopes”"),
            ("scoped-token", "dana-classic", "choose “API token without scopes”"),
        ],
    )
    def test_a_token_at_the_wrong_address_is_told_where_it_belongs(
        self, api, sandbox, key, token, says
    ):
        wrong = pasted(sandbox, CONNECTOR, key, token)

        with pytest.raises(ReauthorizationRequired, match=says):
            self.identify(api, wrong)

    def test_p44_no_token_leaves_its_origin(self, spoil, fetch):
        spoil(kind="next_foreign")

        page = fetch(None)

        assert "://" not in (page.checkpoint or "")
