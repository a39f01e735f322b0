"""Connections to sites that other programs had: the file names the site, a worker finds its id."""

from __future__ import annotations

from connections.models import Connection, ImportRow
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
