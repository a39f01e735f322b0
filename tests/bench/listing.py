"""B7: the page of connections among 100,000, against the bare SQL in the same base template.

Both go through every middleware as a signed-in person's request. Processor time is counted, the
portal's and its PostgreSQL backend's, because that is what more people cost.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management import call_command
from django.db import connections as databases
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import include, path

from connections.models import Connection
from connections.queries.listing import ORDERS, Wish, shown
from portal import cursor, roles
from portal.models import Team, User
from portal.policy import Role
from tests.bench import rounds
from tests.bench.rounds import Line
from tests.bench.stage import database_name
from tests.servers import Servers
from tests.works import Works

ROWS = 100_000
TEAMS = 20
PAGES = 1000
REQUESTS = 20
MOST_QUERIES = 8

FILL = """
INSERT INTO connections_connection
SELECT (jsonb_populate_record(first, jsonb_build_object(
    'id', gen_random_uuid(),
    'name', 'Connection ' || lpad(n::text, 6, '0'),
    'account_id', 'account-' || n,
    'account_name', 'Account ' || n,
    'team_id', (%(teams)s::uuid[])[1 + n %% %(count)s],
    'labels', CASE WHEN n %% 3 = 0 THEN '["payments"]' ELSE '[]' END::jsonb,
    'state', CASE WHEN n %% 50 = 0 THEN 'needs_reauthorization' ELSE 'active' END,
    'paused_at', CASE WHEN n %% 20 = 0 THEN now() END,
    'last_error', CASE WHEN n %% 10 = 0 THEN 'unavailable' ELSE '' END,
    'last_error_at', CASE WHEN n %% 10 = 0 THEN now() - make_interval(mins => n) END,
    'last_success_at', now() - make_interval(secs => n)
))).*
FROM connections_connection AS first, generate_series(2, %(rows)s) AS n
"""

# Everything that a line of the page says, and the count below them, as PostgreSQL prints it.
BARE = """
SELECT concat_ws(' ', c.id, c.name, c.connector, c.account_name, c.labels, t.name, c.state,
                 c.paused_at, c.suspect_since, c.orphaned_at, c.last_error, c.last_error_at,
                 c.last_success_at,
                 (SELECT CASE WHEN v.outcome = 'partly' THEN
                              (SELECT k.error || ' ' || k.title FROM connections_check AS k
                                WHERE k.organization_id = v.organization_id
                                  AND k.verification_id = v.id
                                  AND k.outcome IN ('missing', 'refused', 'unreached')
                                ORDER BY k.outcome = 'missing' DESC, k.outcome = 'refused' DESC,
                                         k.position LIMIT 1) ELSE '' END
                    FROM connections_verification AS v
                   WHERE v.organization_id = c.organization_id AND v.connection_id = c.id
                     AND v.started_at >= now() - interval '8 days' AND v.finished_at IS NOT NULL
                   ORDER BY v.started_at DESC LIMIT 1),
                 (SELECT count(*) FROM (SELECT FROM connections_connection
                                         WHERE state <> 'revoked' LIMIT 1001) AS counted))
  FROM connections_connection AS c LEFT JOIN portal_team AS t ON t.id = c.team_id
 WHERE c.state <> 'revoked' ORDER BY c.name LIMIT 51
"""
AROUND = '{% extends "layouts/app.html" %}{% block content %}<pre>{{ text }}</pre>{% endblock %}'


def bare(request: HttpRequest) -> HttpResponse:
    """The shortest honest page: the same rows as PostgreSQL prints them, in the same frame."""
    with roles.connection().cursor() as found:
        found.execute(BARE)
        text = "\n".join(row[0] for row in found.fetchall())
    return HttpResponse(around().render({"text": text}, request))


@cache
def around() -> Any:
    """Compiled once, as every template is."""
    return engines["django"].from_string(AROUND)


urlpatterns = [path("o/<slug:organization_slug>/bare", bare), path("", include("portal.urls"))]


@dataclass(frozen=True, slots=True)
class Scene:
    """A signed-in manager of an organization with many connections."""

    client: Client
    far: str

    def get(self, address: str) -> HttpResponse:
        answer = self.client.get(address)
        assert answer.status_code == 200, (address, answer.status_code)
        return answer


def run(servers: Servers, folder: Path, *, count: int = 7) -> bool:
    """Measure, print and keep; whether every bound holds."""
    with scene(servers, ROWS) as at:
        sides = {
            "page": lambda: cost(at, "/o/acme/connections/"),
            "bare": lambda: cost(at, "/o/acme/bare"),
            "far": lambda: cost(at, at.far),
        }
        samples = rounds.interleaved(sides, rounds=count)
        lines = [
            Line(
                "page ÷ bare SQL in the same base template",
                rounds.ratios(samples["page"], samples["bare"]),
                1.8,
            ),
            Line(
                f"page {PAGES:,} ÷ page 1",
                rounds.ratios(samples["far"], samples["page"]),
                1.1,
            ),
            Line("queries of a page", [queries(at, at.far)], MOST_QUERIES),
            Line("processor time of a page", samples["page"], unit=" ms"),
            Line("processor time of the baseline", samples["bare"], unit=" ms"),
        ]
    return rounds.report("list", f"{ROWS:,} connections, 50 a page", lines, samples, folder)


@contextmanager
def scene(servers: Servers, rows: int, *, page: int = PAGES) -> Iterator[Scene]:
    call_command("collectstatic", interactive=False, verbosity=0)
    works = Works(Path())
    viewer = works.person("vera@acme.example", "Vera", Role.MANAGER)
    fill(servers, works, rows)
    with override_settings(ROOT_URLCONF=__name__):
        client = Client()
        client.force_login(User.objects.get(id=viewer.id))
        with works.inside():
            by = ORDERS["name"]
            far = cursor.page(shown(Wish()), by=by, size=(page - 1) * cursor.SIZE).next
        yield Scene(client, f"/o/acme/connections/?cursor={far}")


def fill(servers: Servers, works: Works, rows: int) -> None:
    with works.inside():
        teams = [Team.objects.create(name=f"Team {number}").id for number in range(TEAMS)]
        Connection.objects.create(
            connector="bitbucket-cloud",
            method="api-token",
            name="Connection 000001",
            team_id=teams[0],
            account_id="account-1",
            account_name="Account 1",
            account_kind="user",
            granted_by_name="Alice",
            state=Connection.State.ACTIVE,
        )
    ids: list[UUID] = teams
    with servers.postgres.connect(database_name()) as connection:
        connection.execute(FILL, {"teams": ids, "count": len(ids), "rows": rows})
        connection.execute("VACUUM ANALYZE connections_connection")


# ── What is measured ──────────────────────────────────────────────────────────────────────────


def cost(at: Scene, address: str, *, requests: int = REQUESTS) -> float:
    """Milliseconds of processor time for one request, ours and the backend's."""
    begun = busy()
    for _ in range(requests):
        at.get(address)
    return (busy() - begun) * 1000 / requests


def busy() -> float:
    """Seconds of processor time that this process and its PostgreSQL backend have used."""
    connection = databases["default"].connection
    backend = Path(f"/proc/{connection.info.backend_pid}/schedstat") if connection else None
    nanoseconds = int(backend.read_text().split()[0]) if backend else 0
    return time.process_time() + nanoseconds / 1e9


def queries(at: Scene, address: str) -> int:
    """How many statements one page costs, without BEGIN, SET LOCAL and COMMIT."""
    with CaptureQueriesContext(databases["default"]) as captured:
        at.get(address)
    said = [query["sql"] for query in captured.captured_queries]
    return sum(not sql.startswith(("BEGIN", "COMMIT", "SET LOCAL")) for sql in said)
