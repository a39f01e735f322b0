"""Files of connections for tests: rows as a spreadsheet has them, with tokens of the sandbox."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.request import Request, urlopen
from uuid import UUID, uuid4

from connections.flows import import_checks, imports
from connections.models import ImportBatch, ImportRow
from tests.vendor import Vendor
from tests.works import Works

CLOUD = "bitbucket-cloud"
READ = ["read:user:bitbucket", "read:workspace:bitbucket", "read:repository:bitbucket"]
PULLS = ["pullrequest"]
READS = ["account", "project", "repository"]
COLUMNS = (
    *("connector", "method", "name", "team", "email", "username", "workspace", "project"),
    *("repository", "labels", "description", "token"),
)


def csv_of(rows: Sequence[Mapping[str, str]], columns: Sequence[str] = COLUMNS) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def api_tokens(vendor: Vendor, count: int) -> list[dict[str, str]]:
    """Rows of so many people, each with an API token of their own."""
    people = vendor.order("/people", count=count)["people"]
    rows = []
    for number, person in enumerate(people):
        made = vendor.order("/tokens", kind="api_token", user=person["nickname"], scopes=READ)
        name = f"API token {number}"
        rows.append({"connector": CLOUD, "name": name, "email": person["email"]} | _token(made))
    return rows


def slugs_of_acme(vendor: Vendor) -> list[str]:
    """The repositories that the vendor lists first."""
    bearer = {"Authorization": f"Bearer {vendor.token('acme-workspace')}"}
    with urlopen(Request(f"{vendor.url}/2.0/repositories/acme", headers=bearer)) as answer:
        return [each["slug"] for each in json.load(answer)["values"]]


def access_tokens(vendor: Vendor, slugs: Sequence[str]) -> list[dict[str, str]]:
    """Rows of access tokens of acme: its workspace's, a project's, and these repositories'."""
    rows = [
        _access_token(vendor, "workspace", READS, name="Workspace acme"),
        _access_token(vendor, "project", READS[1:], name="Project PAY", project="PAY"),
    ]
    for slug in slugs:
        rows.append(
            _access_token(vendor, "repo", PULLS, name=f"Repository {slug}", repository=slug)
        )
    return rows


def of_places(vendor: Vendor) -> list[dict[str, str]]:
    """Access tokens of acme: five that open their place, and four of which each is wrong."""
    first, second, third = slugs_of_acme(vendor)[:3]
    rows = access_tokens(vendor, [first, second, third])
    again = access_tokens(vendor, [first])[2] | {"name": "Same repository"}
    foreign = rows[3] | {"name": "Of the neighbour", "repository": third}
    unlike = rows[2] | {"name": "Not of a project", "project": "PAY", "method": "project-token"}
    dead = rows[1] | {"name": "Ended project", "token": "ATCTT3xFfGP0NeverGiven0123"}
    return [*rows, again, foreign, unlike, dead]


def _access_token(
    vendor: Vendor, of: str, scopes: Sequence[str], name: str, **place: str
) -> dict[str, str]:
    place |= {"workspace": "acme"}
    made = vendor.order("/tokens", kind=f"{of}_access_token", scopes=scopes, **place)
    return {"connector": CLOUD, "name": name, **place} | _token(made)


def _token(made: Mapping[str, Any]) -> dict[str, str]:
    return {"token": str(made["token"])}


def checked(works: Works, content: bytes, **rest: Any) -> ImportBatch:
    """The dry run, by Ada, who administers."""
    with works.inside():
        return import_checks.check(
            actor=rest.get("actor", works.admin),
            file_name=rest.get("file_name", "connections.csv"),
            content=content,
            team_id=rest.get("team_id"),
            replaces=rest.get("replaces", False),
            key=rest.get("key") or uuid4(),
        )


def started(works: Works, batch: ImportBatch, rotate_days: int | None = None) -> None:
    with works.inside():
        imports.start(actor=works.admin, batch=batch, rotate_days=rotate_days)


def rows_of(works: Works, batch: ImportBatch) -> list[ImportRow]:
    with works.inside():
        found = ImportRow.objects.filter(batch_id=batch.id).select_related("connection")
        return list(found.order_by("number"))


def outcomes(works: Works, batch: ImportBatch) -> dict[str, int]:
    """How many rows ended how."""
    found: dict[str, int] = {}
    for row in rows_of(works, batch):
        found[row.outcome] = found.get(row.outcome, 0) + 1
    return found


def now(works: Works, batch_id: UUID) -> ImportBatch:
    with works.inside():
        found: ImportBatch = ImportBatch.objects.get(id=batch_id)
        return found


def json_of(items: Sequence[Mapping[str, Any]]) -> bytes:
    """The list as a program exports it."""
    return json.dumps({"connections": list(items)}).encode()
