"""From what was pasted to the commit or pull request that is meant, as far as it is kept here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any, Final
from uuid import UUID

from django.db.models import F, Lookup, Q, QuerySet

from connections.models import Build, Commit, Deployment, Pipeline, PullRequest, Push, Repository
from connections.queries import products, trail_words
from connections.queries.readable import readable
from connections.queries.trail_words import Question
from portal.policy import Actor

MOST: Final = 20
COMMIT, PULL = "commit", "pull"
_LAST: Final = "g"  # after every hexadecimal digit


@dataclass(frozen=True, slots=True)
class Subject:
    """A commit or a pull request in a repository; `message` is what a list shows of it."""

    kind: str
    repository: Repository
    key: str
    message: str = ""

    @property
    def asked(self) -> str:
        """What finds it again, with the repository's id."""
        if self.kind == COMMIT:
            return self.key
        return f"{self.repository.full_name}#{self.key}"

    @property
    def short(self) -> str:
        return self.key[:12] if self.kind == COMMIT else f"#{self.key}"


@dataclass(frozen=True, slots=True)
class Found:
    """One subject is the answer; several are to be chosen from; without any, `says` why."""

    subjects: tuple[Subject, ...] = ()
    more: bool = False
    via: str = ""
    says: tuple[str, ...] = ()
    repository: Repository | None = None


def find(actor: Actor, text: str, repository_id: UUID | None = None) -> Found:
    """What is meant, among what this person may read."""
    question = trail_words.read(text)
    if question.is_empty:
        return Found(says=(NOT_READ,))
    finder = _Finder(actor, repository_id)
    if question.url:
        return finder.by_address(question)
    if question.pull:
        return finder.by_name(question)
    if question.name:
        return finder.by_name(question)
    return finder.by_hash(question.hash)


NOT_READ: Final = (
    "That is none of what a trail can be found by. Paste a commit's hash (seven characters or"
    " more), the address of a commit, build, pipeline or pull request, or a repository and a"
    " number, as in web#12."
)


class _Finder:
    """Looks in the rows of connections that the person may read, in one repository if named."""

    def __init__(self, actor: Actor, repository_id: UUID | None) -> None:
        self._connections = readable(actor).values("id")
        self._repository_id = repository_id

    # ── By hash ───────────────────────────────────────────────────────────────────────────────

    def by_hash(self, given: str, repositories: Iterable[UUID] | None = None) -> Found:
        """Commits that begin so; what only pushes or builds name when no commit does."""
        rows = self._of(Commit.objects.all(), repositories)
        named = between(rows, "remote_id", given).select_related(*PATH)[: MOST * 2]
        found = [
            Subject(COMMIT, row.repository, row.remote_id, " ".join(row.message.split()))
            for row in named
        ]
        if not found:
            found = list(self._named_elsewhere(given, repositories))
        once = list(_once(found))
        if not once:
            return Found(says=(_no_commit(given),), repository=self._only(repositories))
        return Found(tuple(once[:MOST]), more=len(once) > MOST)

    def _named_elsewhere(
        self, given: str, repositories: Iterable[UUID] | None
    ) -> Iterator[Subject]:
        pushes = between(self._of(Push.objects.all(), repositories), "commit", given)
        for row in pushes.select_related(*PATH)[:MOST]:
            yield Subject(COMMIT, row.repository, row.commit, f"Pushed to {row.ref_name}")
        if len(given) not in trail_words.FULL:
            return
        for model in (Build, Pipeline, Deployment):
            rows = self._of(model.objects.all(), repositories).filter(commit=given)
            for row in rows.select_related(*PATH)[:MOST]:
                yield Subject(COMMIT, row.repository, given)

    # ── By name ───────────────────────────────────────────────────────────────────────────────

    def by_name(self, question: Question) -> Found:
        """In the repositories of that name: "web", "acme/web", "PROJECT/web"."""
        rows = called(self._repositories(), question.name)
        return self._in(list(rows[: MOST * 2]), question)

    def _in(self, repositories: list[Repository], question: Question) -> Found:
        if not repositories:
            return Found(says=(_no_repository(question),))
        if question.hash:
            return self.by_hash(question.hash, [row.id for row in repositories])
        if question.run:
            return self._by_run(repositories, question.run)
        if not question.pull:
            return Found(says=(NOT_READ,), repository=repositories[0])
        number = str(question.pull)
        ids = [row.id for row in repositories]
        titles = dict(
            PullRequest.objects.filter(repository_id__in=ids, remote_id=number).values_list(
                "repository_id", "title"
            )
        )
        known = [row for row in repositories if row.id in titles] or repositories
        found = (Subject(PULL, row, number, titles.get(row.id, "")) for row in known)
        once = list(_once(found))
        return Found(tuple(once[:MOST]), more=len(once) > MOST)

    def _by_run(self, repositories: list[Repository], number: int) -> Found:
        ids = [row.id for row in repositories]
        rows = Pipeline.objects.filter(repository_id__in=ids, number=number).exclude(commit="")
        found = [
            Subject(COMMIT, row.repository, row.commit) for row in rows.select_related(*PATH)[:MOST]
        ]
        if not found:
            says = f"Pipeline {number} of {repositories[0].full_name} is not kept here."
            return Found(says=(says,), repository=repositories[0])
        return Found(tuple(_once(found)), via=f"What pipeline {number} built.")

    # ── By address ────────────────────────────────────────────────────────────────────────────

    def by_address(self, question: Question) -> Found:
        """Of a build wherever it is, else of what lies below a repository's own page."""
        rows = self._of(Build.objects.all(), None).filter(url__in=question.exact)
        builds = list(rows.select_related(*PATH).order_by("-remote_updated_at")[:MOST])
        if builds:
            found = [Subject(COMMIT, row.repository, row.commit, row.name) for row in builds]
            return Found(tuple(_once(found)), via=f"What the build {builds[0].name} built.")
        homes = [f"{each}{end}" for each in question.prefixes for end in ("", "/", "/browse")]
        found_homes = list(self._repositories().filter(url__in=homes)[: MOST * 2])
        return self._in(found_homes or self._without_links(question), question)

    def _without_links(self, question: Question) -> list[Repository]:
        """Those of a server without https, whose links are not kept: by host and full name."""
        names = reduce(or_, (Q(full_name__iexact=name) for name in question.names), Q())
        if not names:
            return []
        rows = self._repositories().filter(names, url="")[: MOST * 2]
        return [row for row in rows if question.host in products.hosts(row.connection)]

    # ── What may be looked at ─────────────────────────────────────────────────────────────────

    def _repositories(self) -> QuerySet[Repository]:
        rows: QuerySet[Repository] = Repository.objects.filter(
            connection__in=self._connections
        ).select_related("connection", "workspace")
        return rows.filter(id=self._repository_id) if self._repository_id else rows

    def _of(self, rows: QuerySet[Any], repositories: Iterable[UUID] | None) -> QuerySet[Any]:
        rows = rows.filter(connection__in=self._connections)
        if self._repository_id:
            rows = rows.filter(repository_id=self._repository_id)
        return rows if repositories is None else rows.filter(repository_id__in=list(repositories))

    def _only(self, repositories: Iterable[UUID] | None) -> Repository | None:
        """The repository that was named, where it is one."""
        ids = list(repositories or ()) or ([self._repository_id] if self._repository_id else [])
        return self._repositories().filter(id=ids[0]).first() if len(ids) == 1 else None


PATH: Final = ("repository", "repository__connection", "repository__workspace")


class _From(Lookup):
    """Not before, in the order of `varchar_pattern_ops`."""

    operator = "~>=~"

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        left, of_left = self.process_lhs(compiler, connection)
        right, of_right = self.process_rhs(compiler, connection)
        return f"{left} {self.operator} {right}", (*of_left, *of_right)


class _Before(_From):
    operator = "~<~"


def called(rows: QuerySet[Repository], name: str) -> QuerySet[Repository]:
    """The repositories of that name: its own, or with its workspace's before it."""
    name = name.strip("/").removesuffix(".git")
    exact = Q(full_name__iexact=name) | Q(slug__iexact=name) | Q(name__iexact=name)
    return rows.filter(exact).order_by(F("gone_at").desc(nulls_first=True), "full_name", "id")


def between(rows: QuerySet[Any], column: str, prefix: str) -> QuerySet[Any]:
    """The rows whose hash begins so, by the index.

    Not by LIKE: row-level security lets no operator that could leak come before it, and so none of
    them use an index; comparing patterns leaks nothing.
    """
    return rows.filter(starts_with(column, prefix)).order_by(column)


def starts_with(column: str, prefix: str) -> Q:
    """The condition of `between`, to be joined with others."""
    return Q(_From(F(column), prefix)) & Q(_Before(F(column), prefix + _LAST))


def _once(found: Iterable[Subject]) -> Iterator[Subject]:
    """Each once, though several connections may have read the same repository."""
    seen = set()
    for one in found:
        connection = one.repository.connection
        place = (connection.connector, connection.server, one.repository.remote_id, one.key)
        if place not in seen:
            seen.add(place)
            yield one


def _no_commit(given: str) -> str:
    return (
        f"No commit that begins with {given[:12]} is kept here. It may be older than what was read,"
        " on a branch without a pull request, or in a repository that no connection here reads."
    )


def _no_repository(question: Question) -> str:
    what = f"called {question.name}" if question.name else "at that address"
    return (
        f"No repository {what} is read here, and no build has that address. Look at the Sync tab"
        " of its connection to learn why a repository is not here."
    )
