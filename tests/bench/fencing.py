"""B10: what row-level security adds to a page: the list of connections with it and without it.

The same page with the same statements; between the sides an administrator lets the web process's
role pass all policies, and not. Another organization has as many rows, or the fence would keep
nothing out. Short rounds, and many: a page's cost swings by a tenth, and the bound is half of that.
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

Admin = psycopg.Connection[tuple[object, ...]]


def run(servers: Servers, folder: Path, *, count: int = 60) -> bool:
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


def measured(admin: Admin, at: listing.Scene, *, fenced: bool, requests: int = 8) -> float:
    """Milliseconds of processor time for one page, with the policies on or off."""
    switch(admin, on=fenced)
    try:
        for _ in range(2):  # caches know the other side
            at.get(PAGE)
        return listing.cost(at, PAGE, requests=requests)
    finally:
        switch(admin, on=True)


def switch(admin: Admin, *, on: bool) -> None:
    """Whether policies hold for the role of the web process."""
    verb = sql.SQL("NOBYPASSRLS" if on else "BYPASSRLS")
    admin.execute(sql.SQL("ALTER ROLE portal_app {}").format(verb))
