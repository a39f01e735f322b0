"""The repositories tab: workspaces to choose from, and a list that stays quick at 10,000 rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.core.exceptions import BadRequest
from django.db.models import BigIntegerField, DateTimeField, Q, QuerySet, Value
from django.db.models.functions import Coalesce

from connections.explain import explain
from connections.models import Project, Repository, Workspace
from connections.queries import products
from portal import cursor as cursors, phrases

COUNT_UP_TO = 20_000
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
ORDERS = {
    "name": ("full_name", "id"),
    "-name": ("-full_name", "-id"),
    "changed": ("changed_at", "id"),
    "-changed": ("-changed_at", "-id"),
    "size": ("bytes", "id"),
    "-size": ("-bytes", "-id"),
}
STATES = {"": "Present", "trouble": "In trouble", "gone": "Gone", "all": "All"}
COLUMNS = (
    "id", "name", "full_name", "url", "private", "main_branch", "language", "size_bytes",
    "remote_updated_at", "project_remote_id", "workspace_id", "last_error", "gone_at", "seen_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RepositoryWish:
    """What the address asks for; every value was checked."""

    search: str = ""
    workspace: str = ""
    project: str = ""
    state: str = ""
    sort: str = "name"

    @classmethod
    def read(cls, query: Mapping[str, str]) -> RepositoryWish:
        """Raises BadRequest for a sort or a filter that is not on the list (F15)."""
        wish = cls(
            search=query.get("q", "").strip()[:200],
            workspace=query.get("workspace", ""),
            project=query.get("project", "")[:200],
            state=query.get("state", ""),
            sort=query.get("sort", "") or "name",
        )
        if wish.sort not in ORDERS:
            raise BadRequest("This list cannot be sorted that way.")
        if wish.state not in STATES:
            raise BadRequest("There is no such state.")
        if wish.workspace:
            try:
                UUID(wish.workspace)
            except ValueError:
                raise BadRequest("There is no such workspace.") from None
        return wish

    @property
    def is_filtered(self) -> bool:
        return bool(self.search or self.workspace or self.project or self.state)

    def parameters(self) -> dict[str, str]:
        named = {"q": self.search, "workspace": self.workspace, "project": self.project}
        named |= {"state": self.state, "sort": "" if self.sort == "name" else self.sort}
        return {name: value for name, value in named.items() if value}


@dataclass(frozen=True, slots=True)
class RepositoryRow:
    name: str
    full_name: str
    url: str
    private: bool
    main_branch: str
    project: str
    language: str
    size: str
    changed: str
    changed_iso: str
    trouble: str
    since: datetime
    is_gone: bool


@dataclass(frozen=True, slots=True)
class RepositoryList:
    wish: RepositoryWish
    workspaces: list[Workspace]
    rows: list[RepositoryRow]
    previous: str
    next: str
    count: str
    workspace_options: list[tuple[str, str]]
    project_options: list[tuple[str, str]]
    state_options: list[tuple[str, str]]

    @property
    def filled(self) -> dict[str, bool]:
        """Which columns say something: not every vendor tells language, size or day."""
        names = ("project", "main_branch", "language", "size", "changed")
        sorts = {"size", "changed"} & {self.wish.sort.removeprefix("-")}
        return {name: name in sorts or any(getattr(r, name) for r in self.rows) for name in names}

    @property
    def selected(self) -> list[Workspace]:
        return [workspace for workspace in self.workspaces if workspace.selected]


def repository_list(
    *, connection_id: UUID, product: str, wish: RepositoryWish, cursor: str
) -> RepositoryList:
    """The page of this connection's repositories that wish and cursor name."""
    workspaces = workspaces_of(connection_id)
    projects = _projects(connection_id)
    rows = _wanted(connection_id, wish)
    window = cursors.page(rows, by=ORDERS[wish.sort], cursor=cursor)
    return RepositoryList(
        wish=wish,
        workspaces=workspaces,
        rows=[_row(row, projects, product) for row in window.rows],
        previous=_address(wish, window.previous),
        next=_address(wish, window.next),
        count=_counted(rows, wish, len(window.rows)) if window.rows else "",
        workspace_options=[("", "Any workspace"), *_named(workspaces)],
        project_options=[("", "Any project"), *((key, name) for key, name in projects.items())],
        state_options=list(STATES.items()),
    )


def workspaces_of(connection_id: UUID) -> list[Workspace]:
    """The workspaces that the credential reaches, chosen ones first."""
    rows = Workspace.objects.filter(connection_id=connection_id)
    return list(rows.order_by("-selected", "personal", "name", "id"))


def _named(workspaces: list[Workspace]) -> list[tuple[str, str]]:
    return [(str(each.id), each.name) for each in workspaces if each.selected]


def _projects(connection_id: UUID) -> dict[str, str]:
    rows = Project.objects.filter(workspace__connection_id=connection_id, gone_at=None)
    return dict(rows.order_by("name").values_list("remote_id", "name"))


def _wanted(connection_id: UUID, wish: RepositoryWish) -> QuerySet[Any, Any]:
    rows = Repository.objects.filter(connection_id=connection_id).filter(_state(wish.state))
    if wish.search:
        rows = rows.filter(Q(full_name__icontains=wish.search) | Q(name__icontains=wish.search))
    if wish.workspace:
        rows = rows.filter(workspace_id=wish.workspace)
    if wish.project:
        rows = rows.filter(project_remote_id=wish.project)
    columns: tuple[str, ...] = COLUMNS
    if wish.sort.endswith("changed"):
        moment = Value(LONG_AGO, output_field=DateTimeField())
        rows = rows.annotate(changed_at=Coalesce("remote_updated_at", moment))
        columns += ("changed_at",)
    elif wish.sort.endswith("size"):
        nothing = Value(-1, output_field=BigIntegerField())
        rows = rows.annotate(bytes=Coalesce("size_bytes", nothing))
        columns += ("bytes",)
    return rows.values_list(*columns, named=True)


def _state(word: str) -> Q:
    if word == "gone":
        return Q(gone_at__isnull=False)
    if word == "trouble":
        return Q(gone_at=None) & ~Q(last_error="")
    return Q() if word == "all" else Q(gone_at=None)


def _row(row: Any, projects: Mapping[str, str], product: str) -> RepositoryRow:
    changed = row.remote_updated_at
    return RepositoryRow(
        name=row.name,
        full_name=row.full_name,
        url=products.web_address(row.url),
        private=row.private,
        main_branch=row.main_branch,
        project=projects.get(row.project_remote_id, ""),
        language=row.language,
        size=phrases.size(row.size_bytes),
        changed=phrases.relative(changed) if changed else "",
        changed_iso=changed.isoformat(timespec="seconds") if changed else "",
        trouble=explain(row.last_error, product=product).title if row.last_error else "",
        since=row.gone_at or row.seen_at,
        is_gone=row.gone_at is not None,
    )


def _counted(rows: QuerySet[Any, Any], wish: RepositoryWish, shown: int) -> str:
    words = "match,matches" if wish.is_filtered else "repository,repositories"
    found = rows.order_by()[: COUNT_UP_TO + 1].count()
    if found > COUNT_UP_TO:
        return f"{shown:,} of more than {COUNT_UP_TO:,}"
    total = phrases.plural(found, words)
    return total if found == shown else f"{shown:,} of {total}"


def _address(wish: RepositoryWish, cursor: str) -> str:
    return f"?{urlencode(wish.parameters() | {'cursor': cursor})}" if cursor else ""
