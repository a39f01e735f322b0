"""Connections to sites that other programs had: the file names the site, a worker finds its id."""

from __future__ import annotations

from connections import places, registry
from connections.imports import example
from connections.models import Connection, ImportRow
from portal import roles, vault
from tests.connections.atlassian_life import Life
from tests.connections.ways import a_team, patiently
from tests.importing import checked, csv_of, rows_of, started
from tests.vendor import Vendor
from tests.works import Works

COLUMNS = ("connector", "method", "name", "team", "site", "email", "token")


def test_rows_are_linked_at_their_sites_and_a_wrong_kind_is_told_so(
    works: Works, vendor: Vendor
) -> None:
    life = Life(works, vendor, "jira")
    rows = []
    for method, name in (
        ("scoped-token", "tomas-jira"),
        ("service-account-token", "bot-jira"),
        ("classic-token", "dana-jira"),
    ):
        fields, secret = life.given(method, name)
        about = {"connector": "jira", "method": method, "name": name, "team": name}
        rows.append(about | fields | {"token": secret.reveal()})
        a_team(works, name)

    batch = checked(works, csv_of(rows, COLUMNS))
    started(works, batch)
    patiently(works)

    found = {row.name: row for row in rows_of(works, batch)}
    assert found["tomas-jira"].outcome == ImportRow.Outcome.CREATED
    assert found["bot-jira"].outcome == ImportRow.Outcome.CREATED
    assert "choose “API token with scopes”" in found["dana-jira"].detail
    with works.inside():
        linked = Connection.objects.get(name="tomas-jira")
    assert linked.fields["cloud_id"] == "5c1d6a52-8f0e-4b8d-9a3c-0f6b7e21ac01"
    assert works.verify(linked).outcome == "passed"


class TestExchanged:
    """A client's id and secret from a file: the secret is shown, and renewed tokens come of it."""

    COLUMNS = ("connector", "method", "name", "team", "site", "client_id", "client_secret")

    def row(self, life: Life, method: str = "site-credentials") -> dict[str, str]:
        fields, secret = life.given(method)
        about = {"connector": life.connector, "method": method, "name": method, "team": method}
        return about | fields | {"client_secret": secret.reveal()}

    def test_they_are_linked_refreshed_and_to_be_replaced(
        self, works: Works, vendor: Vendor
    ) -> None:
        life = Life(works, vendor, "jira")
        methods = ("site-credentials", "service-account-oauth")
        for method in methods:
            a_team(works, method)

        batch = checked(works, csv_of([self.row(life, each) for each in methods], self.COLUMNS))
        started(works, batch, rotate_days=30)
        patiently(works)

        assert {row.outcome for row in rows_of(works, batch)} == {ImportRow.Outcome.CREATED}
        for method in methods:
            with works.inside():
                linked = Connection.objects.get(name=method)
            held = life.in_use(linked)
            assert held.refreshable and held.rotate_because == "import"
            with roles.using_role("worker"), works.inside():
                kept = vault.open(places.of_credential(held, places.SECRET)).reveal()
            assert kept == self.row(life, method)["client_secret"]
            life.grow_stale(linked)
            life.sweep()
            assert life.in_use(linked).version == 2
            assert works.verify(linked).outcome == "passed"

    def test_what_is_wrong_is_told_by_its_column(self, works: Works, vendor: Vendor) -> None:
        life = Life(works, vendor, "jira")
        good = self.row(life)
        a_team(works, "site-credentials")
        wrong = [
            good | {"client_id": ""},
            good | {"client_secret": ""},
            good | {"method": "", "name": "Which"},
            good | {"client_id": life.given("scoped-token")[1].reveal()},
            good | {"refresh_token": "eyJwhatever", "name": "Spare"},
        ]

        batch = checked(works, csv_of(wrong, (*self.COLUMNS, "refresh_token")))

        found = [{each["field"] for each in row.findings} for row in rows_of(works, batch)]
        assert [sorted(each & COLUMNS_TOLD) for each in found] == [
            ["client_id"], ["token"], ["method"], ["client_id", "token"], ["refresh_token"],
        ]  # fmt: skip

    def test_a_client_that_the_vendor_does_not_know_is_refused(
        self, works: Works, vendor: Vendor
    ) -> None:
        life = Life(works, vendor, "jira")
        a_team(works, "site-credentials")
        wrong = self.row(life) | {"client_id": "nobody-knows-this-client"}

        batch = checked(works, csv_of([wrong], self.COLUMNS))
        started(works, batch)
        patiently(works)

        (row,) = rows_of(works, batch)
        assert (row.outcome, row.code) == (ImportRow.Outcome.FAILED, "reauthorization_required")

    def test_the_example_has_a_row_for_each_way_to_paste(self) -> None:
        manifests = [one.manifest for one in registry.connectors().values()]

        text = example.csv_text(manifests)

        for manifest in manifests:
            for method in manifest.choices:
                assert (f",{method.key}," in text) == method.kind.is_pasted


COLUMNS_TOLD = {"client_id", "token", "method", "refresh_token"}
