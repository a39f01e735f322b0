"""Dana's code linked to Jira by each way: the development panel, and links at the issues."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from allauth.account.models import EmailAddress

from connections.flows import relay_links
from connections.models import (
    Connection,
    Link,
    RelayItem,
    Repository,
    SyncSettings,
    Workspace,
)
from portal.policy import Role
from tests.connections.atlassian_life import Life
from tests.connections.coding import CAPABILITIES, SPACE, STREAMS
from tests.connections.ways import a_team, again, link_by_consent
from tests.prove.stage import Stage, until

TOMAS = "tomas@acme.example"
# Nothing is due or under way: of what was told, of what is read, of what is to be sent.
_RESTLESS = """
SELECT (SELECT count(*) FROM connections_relayitem WHERE due_at IS NOT NULL),
       (SELECT count(*) FROM connections_dirtytarget WHERE due_at IS NOT NULL),
       (SELECT count(*) FROM connections_syncrun WHERE state IN ('queued', 'running')),
       (SELECT count(*) FROM portal_job WHERE done_at IS NULL AND kind = ANY (%(kinds)s)
           AND run_at < now() + interval '5 seconds')
"""
_KINDS = ["relay_to_target", "fetch_told", "apply_deliveries", "poll_connection", "sync_connection"]
_TOKEN_ENDS = (
    "UPDATE connections_credential SET expires_at = now(), refresh_due_at = now()"
    " WHERE connection_id = %(source)s AND replaced_at IS NULL"
)
_READ = "UPDATE connections_connection SET next_sync_at = now() WHERE connector = 'bitbucket-cloud'"
# As though days had passed since its deployments were read: then a poll looks at them.
_DAYS_PASS = (
    "UPDATE connections_streamstate SET last_success_at = now() - interval '2 days'"
    " WHERE stream = 'deployments'"
)
_POLLED = (
    "SELECT min(next_sync_at) > now() FROM connections_connection"
    " WHERE connector = 'bitbucket-cloud'"
)
_WHY = (
    "SELECT kind, state, error, error_detail, attempts, due_at, lease_until"
    " FROM connections_relayitem WHERE due_at IS NOT NULL LIMIT 6",
    "SELECT waits_for, waits_until, failing_since, last_error, state FROM connections_link",
    "SELECT kind, attempts, run_at, lease_until, last_error FROM portal_job"
    " WHERE done_at IS NULL ORDER BY run_at LIMIT 9",
    "SELECT stream, key, due_at, lease_until FROM connections_dirtytarget"
    " WHERE due_at IS NOT NULL LIMIT 6",
    "SELECT host, state, because FROM connections_breaker",
)


@dataclass
class Linked:
    """Both ends, and one link for each way."""

    source: Connection
    targets: list[Connection]
    links: list[Link]
    slugs: list[str]
    with_oauth: bool


def linked(stage: Stage, *, token_seconds: int, with_oauth: bool) -> Linked:
    """Everything is read, and active from now on. Access tokens live for so long."""
    works, vendor = stage.works, stage.vendor
    vendor.order("/switches", rate_limit=10**6, access_token_seconds=token_seconds)
    vendor.order(
        "/atlassian/switches",
        access_token_seconds=token_seconds, site_token_seconds=token_seconds,
        burst_per_second=10**4, issue_writes=10**4, points_per_hour=10**7,
    )  # fmt: skip
    tomas = works.person(TOMAS, "Tomás", Role.MEMBER)
    EmailAddress.objects.get_or_create(
        user_id=tomas.id, email=TOMAS, defaults={"verified": True, "primary": True}
    )
    source = works.connection(
        link_by_consent(works, vendor, capabilities=CAPABILITIES), streams=list(STREAMS)
    )
    with works.inside():
        SyncSettings.objects.filter(connection=source).update(keep_days=None)
    works.allow(10**6)
    works.sync(source, SPACE)
    life = Life(works, vendor, "jira")
    targets = [life.connection(life.link("site-credentials"))]
    if with_oauth:
        targets.append(life.connection(life.link("oauth", called="Lab", team_id=a_team(works))))
    works.drain()
    links = [activated(stage, source, target, name)
             for target, name in zip(targets, ("acme", "fjord"), strict=False)]  # fmt: skip
    with works.inside():
        slugs = list(Repository.objects.order_by("slug").values_list("slug", flat=True))
    return Linked(again(works, source), targets, links, slugs, with_oauth)


def activated(stage: Stage, source: Connection, target: Connection, site: str) -> Link:
    works = stage.works
    with works.inside():
        places = Workspace.objects.select_related("connection")
        place = places.get(connection_id=target.id, slug=site)
        link = relay_links.draft(
            actor=works.admin, source=Connection.objects.get(id=source.id), destination=place
        )
        relay_links.choose(actor=works.admin, link=link, choice="all")
        relay_links.activate(actor=works.admin, link=link)
    return link


def let_read(stage: Stage, linked: Linked) -> None:
    """A sync is due. It reads deployments where pipelines changed: no webhook tells of them."""
    with stage.servers.postgres.connect(stage.database) as administrator:
        administrator.execute(_READ)


def let_token_end(stage: Stage, linked: Linked) -> None:
    """The source's access token is over, however fast all this goes."""
    with stage.servers.postgres.connect(stage.database) as administrator:
        administrator.execute(_TOKEN_ENDS, {"source": linked.source.id})


def let_days_pass(stage: Stage) -> None:
    """The next sync looks at deployments, whatever changed."""
    with stage.servers.postgres.connect(stage.database) as administrator:
        administrator.execute(_DAYS_PASS)


def come_to_rest(
    stage: Stage, linked: Linked, seconds: float, *, at_rest: Callable[[], object]
) -> None:
    """What happened is read and sent, and then what happens `at_rest`, of which nothing tells.

    What was deployed after its pipeline had ended is found by the look that a day brings, so days
    pass. A TimeoutError says what stands in the way.
    """
    stage.vendor.order("/webhooks/settle", seconds=8)
    end = time.monotonic() + seconds
    try:
        for happen in (lambda: None, at_rest):  # what is read last may name what was read before
            happen()
            let_days_pass(stage)
            let_read(stage, linked)
            until(lambda: bool(asked(stage, _POLLED)[0][0]), end - time.monotonic(), 0.3)
            until(lambda: quiet(stage), end - time.monotonic(), 0.5)
    except (TimeoutError, ValueError) as error:
        error.add_note("\n".join(str(row) for each in _WHY for row in asked(stage, each)))
        raise


def quiet(stage: Stage) -> bool:
    """Whether nothing is under way, now and a moment later."""
    for _ in range(3):
        if any(asked(stage, _RESTLESS, kinds=_KINDS)[0]):
            return False
        time.sleep(0.4)
    return True


def asked(stage: Stage, statement: str, **given: Any) -> list[tuple[Any, ...]]:
    with stage.servers.postgres.connect(stage.database) as administrator:
        rows = administrator.execute(statement.encode(), given or None)
        return [tuple(row) for row in rows.fetchall()]


def dead(stage: Stage, link: Link) -> list[str]:
    with stage.works.inside():
        rows = RelayItem.objects.filter(link_id=link.id, state="dead")
        return [f"{one.kind} {one.key} {one.error} {one.error_detail}" for one in rows]
