"""Two connections to join, with code that names issues, and links in whatever state a page needs.

Nothing of it needs a vendor: rows stand as a worker would have left them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

from connections.models import (
    Branch,
    Build,
    Commit,
    Connection,
    Deployment,
    Link,
    LinkRepository,
    Pipeline,
    PullRequest,
    RelayAttempt,
    RelayItem,
    Repository,
    SmartDeed,
    Workspace,
)
from portal import clock, roles
from portal.models import Team
from tests.works import Works

LINKS = "/o/acme/links/"
READ = ["repositories-read", "pullrequests-read", "pipelines-read"]
WRITES = ["relay-development"]


def code(works: Works, *, repositories: int = 3, team: Team | None = None) -> Connection:
    """A source with repositories, and in the first one a bit of everything about ACME-1."""
    with roles.using_role("worker"), works.inside():
        made: Connection = Connection.objects.create(
            connector="bitbucket-cloud", method="api-token", name="Acme code", team=team,
            account_id=uuid4(), account_name="Dana Levi", state="active", capabilities=READ,
        )  # fmt: skip
        space = Workspace.objects.create(
            connection=made, remote_id="{acme}", slug="acme", name="Acme", selected=True
        )
        rows = [
            Repository.objects.create(
                connection=made,
                workspace=space,
                remote_id=f"{{r{n}}}",
                slug=name,
                name=name,
                full_name=f"acme/{name}",
                url=f"https://bitbucket.org/acme/{name}",
                remote_updated_at=clock.now() - timedelta(hours=n),
            )
            for n, name in enumerate(_names(repositories))
        ]
        _written(made, rows[0])
    return made


def _names(count: int) -> list[str]:
    first = ["web-shop", "web-checkout", "api", "billing-service", "docs", "infrastructure"]
    return [*first, *(f"service-{n}" for n in range(count))][:count]


def _written(source: Connection, repository: Repository) -> None:
    here: dict[str, Any] = {"connection": source, "repository": repository}
    now, tip = clock.now(), "c" * 40
    who = {"author_remote_id": "{dana}", "author_name": "Dana Levi"}
    for n, said in enumerate(("ACME-1 Take the cart along", "Tidy up", "ACME-1 ACME-2 Pay once")):
        Commit.objects.create(
            **here, **who, remote_id=tip if n == 0 else f"{n}" * 40, message=said,
            committed_at=now - timedelta(minutes=n * 7 + 3), url=f"https://bitbucket.org/c/{n}",
        )  # fmt: skip
    Branch.objects.create(
        **here, remote_id="branch:ACME-1-cart", kind="branch", name="ACME-1-cart", target=tip,
        committed_at=now - timedelta(minutes=3),
    )  # fmt: skip
    PullRequest.objects.create(
        **here, remote_id="7", number=7, title="ACME-1: Take the cart along", state="open",
        author_remote_id="{dana}", author_name="Dana Levi", source_branch="ACME-1-cart",
        source_hash=tip[:12], destination_branch="main", remote_updated_at=now,
        url="https://bitbucket.org/acme/web-shop/pull-requests/7",
    )  # fmt: skip
    Pipeline.objects.create(
        **here, remote_id="{p1}", number=12, state="successful", commit=tip, refname="ACME-1-cart",
        remote_created_at=now, completed_at=now, url="https://bitbucket.org/acme/web-shop/p/12",
    )  # fmt: skip
    Build.objects.create(
        **here, remote_id=f"{tip}/ci", commit=tip, key="ci", name="Continuous checks",
        state="failed", remote_updated_at=now - timedelta(minutes=2), url="https://ci.example/1",
    )  # fmt: skip
    Deployment.objects.create(
        **here, remote_id="{d1}", environment="Staging", environment_kind="staging",
        state="successful", commit=tip, completed_at=now, url="https://bitbucket.org/d/1",
    )  # fmt: skip


def target(
    works: Works, *, capabilities: list[str] = WRITES, method: str = "site-credentials", **rest: Any
) -> Workspace:
    """The place of a target that can be written to."""
    values: dict[str, Any] = {"name": "Acme issues", "account_id": uuid4()} | rest
    with works.inside():
        if Connection.objects.filter(connector="jira", team=None).exists():
            values.setdefault("team", Team.objects.create(name=f"Team of {values['name']}"))
    with roles.using_role("worker"), works.inside():
        made = Connection.objects.create(
            connector="jira", method=method, state="active", capabilities=capabilities,
            account_name="acme", fields={"site": "acme"}, **values,
        )  # fmt: skip
        place: Workspace = Workspace.objects.create(
            connection=made, remote_id=str(uuid4()), slug="acme", name="acme.atlassian.net",
            url="https://acme.atlassian.net", selected=True,
        )  # fmt: skip
    return place


def joined(
    works: Works, source: Connection, place: Workspace, *, every: bool = True, **values: Any
) -> Link:
    """A link between them; with `every` all repositories take part."""
    given: dict[str, Any] = {
        "label": "Code to issues", "way": "development", "state": "active", "choice": "all",
        "created_by": "Alice", "activated_at": clock.now() - timedelta(days=3),
    } | values  # fmt: skip
    with roles.using_role("worker"), works.inside():
        link: Link = Link.objects.create(
            source=source, target=place.connection, destination=place, **given
        )
        if every:
            for row in Repository.objects.filter(connection=source):
                LinkRepository.objects.create(link=link, repository=row, enabled_at=clock.now())
    return link


def item(works: Works, link: Link, **values: Any) -> RelayItem:
    """One thing in the outbox of this link, waiting unless said otherwise."""
    given: dict[str, Any] = {
        "kind": "commit", "key": uuid4().hex, "sequence": 1, "cause": "webhook",
        "due_at": clock.now() if values.get("state", "waiting") == "waiting" else None,
    } | values  # fmt: skip
    with roles.using_role("worker"), works.inside():
        rows = Repository.objects.filter(connection_id=link.source_id).order_by("full_name")
        given.setdefault("repository", rows[0])
        made: RelayItem = RelayItem.objects.create(link=link, connection_id=link.target_id, **given)
    return made


def attempt(works: Works, link: Link, **values: Any) -> RelayAttempt:
    """One request to the target that was answered as said."""
    given: dict[str, Any] = {
        "request": "Tell development information", "latency_ms": 84, "answer": "accepted",
        "events": {"commit": 2, "branch": 1}, "accepted": 3,
    } | values  # fmt: skip
    with roles.using_role("worker"), works.inside():
        made: RelayAttempt = RelayAttempt.objects.create(link=link, **given)
    return made


def deed(works: Works, link: Link, **values: Any) -> SmartDeed:
    """One command of a commit, done unless said otherwise."""
    given: dict[str, Any] = {
        "commit": uuid4().hex, "subject": "ACME-1", "index": 0, "command": "comment",
        "state": "done", "author": "Dana Levi",
    } | values  # fmt: skip
    with roles.using_role("worker"), works.inside():
        repository = Repository.objects.filter(connection_id=link.source_id)[0]
        made: SmartDeed = SmartDeed.objects.create(
            link=link, connection_id=link.target_id, repository=repository, **given
        )
    return made


def reloaded(works: Works, link: Link) -> Link:
    with works.inside():
        found: Link = Link.objects.get(id=link.id)
        return found


def part_of(works: Works, link: Link) -> dict[str, bool]:
    with works.inside():
        rows = LinkRepository.objects.filter(link=link)
        return dict(rows.values_list("repository__slug", "enabled"))
