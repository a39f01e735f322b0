"""B10: what row-level security adds to a page: the list of connections with it and without it.

The same page with the same statements; between the sides an administrator switches the policies of
every table off and on. Another organization has as many rows, or the fence would keep nothing out.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg import sql

from tests.bench import listing, rounds
from tests.bench.rounds import Line
from tests.bench.stage import database_name
from tests.servers import Servers

ROWS = 20_000
BOUND = 1.05
PAGE = "/o/acme/connections/"

_COPY = """
INSERT INTO connections_connection
SELECT (jsonb_populate_record(c, jsonb_build_object(
    'id', gen_random_uuid(), 'organization_id', %(other)s::uuid, 'team_id', %(team)s::uuid))).*
  FROM connections_connection AS c
"""
_OTHER = """
INSERT INTO portal_organization (id, slug, name, created_at)
VALUES (gen_random_uuid(), 'globex', 'Globex', now()) RETURNING id
"""
_TEAM = """
INSERT INTO portal_team (id, organization_id, name, created_at)
VALUES (gen_random_uuid(), %s, 'Theirs', now()) RETURNING id
"""
_FENCED = "SELECT relname FROM pg_class WHERE relforcerowsecurity ORDER BY 1"

Admin = psycopg.Connection[tuple[object, ...]]


def run(servers: Servers, folder: Path, *, count: int = 25) -> bool:
    """Measure, print and keep; whether the bound holds."""
    with (
        listing.scene(servers, ROWS, page=3) as at,
        servers.postgres.connect(database_name()) as admin,
    ):
        neighbour(admin)
        sides: dict[str, Callable[[], float]] = {
            "fenced": lambda: measured(admin, at, fenced=True),
            "open": lambda: measured(admin, at, fenced=False),
        }
        samples = rounds.interleaved(sides, rounds=count)
    lines = [
        Line(
            "page ÷ without row-level security",
            rounds.ratios(samples["fenced"], samples["open"]),
            BOUND,
        ),
        Line("page", samples["fenced"], unit=" ms"),
    ]
    return rounds.report("tenancy", f"{ROWS:,} connections of each of two", lines, samples, folder)


def neighbour(admin: Admin) -> None:
    """Another organization with as many connections."""
    (other,) = admin.execute(_OTHER).fetchall()
    (team,) = admin.execute(_TEAM, other).fetchall()
    admin.execute(_COPY, {"other": other[0], "team": team[0]})
    admin.execute("ANALYZE connections_connection")


def measured(admin: Admin, at: listing.Scene, *, fenced: bool, requests: int = 20) -> float:
    """Milliseconds of processor time for one page, with the policies on or off."""
    switch(admin, on=fenced)
    try:
        for _ in range(3):  # what was planned for the other side is planned anew
            at.get(PAGE)
        return listing.cost(at, PAGE, requests=requests)
    finally:
        switch(admin, on=True)


def switch(admin: Admin, *, on: bool) -> None:
    verb = sql.SQL("ENABLE" if on else "DISABLE")
    for (table,) in admin.execute(_FENCED).fetchall():
        admin.execute(
            sql.SQL("ALTER TABLE {} {} ROW LEVEL SECURITY").format(sql.Identifier(str(table)), verb)
        )
