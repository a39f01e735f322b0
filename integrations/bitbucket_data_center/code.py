"""One page at a time of a repository's code: refs, pull requests, commits, builds, grants.

The server has no filter by time: a list that can be had newest first is left where it reaches
back to what is held, all others are read to their end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from urllib.parse import urlencode

from connections.contracts import (
    NOBODY,
    Answer,
    Api,
    Ask,
    BranchRecord,
    CommitPullsRecord,
    CommitRecord,
    Container,
    Page,
    Person,
    PullRequestRecord,
    PullsSaid,
    PullState,
    RepositoryRecord,
)
from integrations import bitbucket, bitbucket_code
from integrations.bitbucket import segment
from integrations.bitbucket_data_center import client, code_reading, reading
from integrations.bitbucket_data_center.sync import PAGE_SIZE, listed, repository_path, started
from integrations.bitbucket_events import objects

NOT_FOUND = frozenset({404})
BY_NAME = {"orderBy": "ALPHABETICAL"}  # a push moves no other ref off its page
NOTHING = Page(records=(), checkpoint=None, total=0)
NO_COMMITS = ("NoSuchCommitException", "NoDefaultBranchException", "EmptyRepositoryException")
ENDINGS = {"MERGED": PullState.MERGED, "DECLINED": PullState.DECLINED}
_TAGS, _GROUPS, _OPEN = "tags ", "groups ", "open "

Fields = Mapping[str, str]


def path_of(container: Container) -> str:
    """The repository's own address."""
    return repository_path(container.workspace.slug, repository_of(container).slug)


def repository_of(container: Container) -> RepositoryRecord:
    """The repository that is read; ValueError where the container is a project."""
    if container.repository is None:
        raise ValueError("This is read in a repository.")
    return container.repository


# ── Branches and tags ─────────────────────────────────────────────────────────────────────────


def branches(api: Api, container: Container, fields: Fields, ask: Ask) -> Page:
    """A page of branches; the last of them brings the first page of tags along.

    Where both fit on one page, the whole list is one, and nothing of it needs a mark that it was
    seen.
    """
    at = ask.checkpoint
    if at is not None and at.startswith(_TAGS):
        return _refs(api, container, "tags", at.removeprefix(_TAGS), _TAGS)
    page = _refs(api, container, "branches", at, "")
    if page.checkpoint is not None:
        return page
    tags = _refs(api, container, "tags", None, _TAGS)
    rejected = (*page.rejected, *tags.rejected)
    return Page((*page.records, *tags.records), tags.checkpoint, rejected=rejected)


def _refs(api: Api, container: Container, kind: str, at: str | None, prefix: str) -> Page:
    path = f"{path_of(container)}/{kind}"
    page = listed(api, path, at, code_reading.ref, code_reading.ref_id, **BY_NAME)
    return replace(page, checkpoint=f"{prefix}{page.checkpoint}") if page.checkpoint else page


def ref_of(api: Api, container: Container, key: str) -> Page:
    """A branch or tag by its name; an empty page where it is gone.

    A branch has no address of its own, but the newest commit of any ref has.
    """
    named = bitbucket_code.named_ref(key)
    if named is None:
        raise ValueError("This name of a branch or tag is only a digest.")
    kind, name = named
    whole = f"refs/{'heads' if kind == 'branch' else 'tags'}/{name}"
    path = f"{path_of(container)}/commits?{urlencode({'until': whole, 'limit': 1})}"
    found = reading.page(api.get(path), 0, code_reading.commit, code_reading.commit_id).records
    if not found or not isinstance(found[0], CommitRecord):
        return NOTHING
    newest = found[0]
    short = name[: bitbucket.LONGEST_NAME]
    return bitbucket.only(BranchRecord(key, kind, short, newest.remote_id, newest.committed_at))


# ── Pull requests ─────────────────────────────────────────────────────────────────────────────


def pull_requests(api: Api, container: Container, fields: Fields, ask: Ask) -> Page:
    """A page of pull requests in every state.

    All of them come oldest first, so that new ones do not push others off their page; what changed
    comes newest first, until a page in that order reaches back to `since`. No review moves a date
    (captured webhooks), so that behind such a page all that are open are read.
    """
    at = ask.checkpoint or ""
    if at.startswith(_OPEN):
        page = _pull_requests(api, container, at.removeprefix(_OPEN), "OPEN", "OLDEST")
        return replace(page, checkpoint=f"{_OPEN}{page.checkpoint}") if page.checkpoint else page
    page = _pull_requests(api, container, at, "ALL", "NEWEST" if ask.since else "OLDEST")
    found = (one.updated_at for one in page.records if isinstance(one, PullRequestRecord))
    is_enough = page.checkpoint is not None and bitbucket_code.reaches(found, ask.since)
    return replace(page, checkpoint=_OPEN) if is_enough else page


def _pull_requests(api: Api, container: Container, at: str, state: str, order: str) -> Page:
    start = started(at or None)
    query = {"state": state, "order": order, "start": start, "limit": PAGE_SIZE}
    answer = api.get(f"{path_of(container)}/pull-requests?{urlencode(query)}")
    for item in bitbucket.items(answer):
        _require_ours(container, answer, item)
    return reading.page(answer, start, code_reading.pull_request, code_reading.pull_id)


def pull_request_of(api: Api, container: Container, key: str) -> Page:
    """A pull request by its number, with who ended it, which its activities say."""
    path = f"{path_of(container)}/pull-requests/{segment(key)}"
    answer = api.get(path)
    _require_ours(container, answer, answer.body)
    found = bitbucket.one(answer, code_reading.pull_request)
    if found.state in ENDINGS.values():
        found = replace(found, closed_by=_ended_by(api.get(f"{path}/activities?limit=50"), found))
    return bitbucket.only(found)


def _ended_by(answer: Answer, found: PullRequestRecord) -> Person:
    """Who merged or declined it; nobody where that is not among its last activities."""
    for line in objects(bitbucket.items(answer)):
        if ENDINGS.get(bitbucket.text(line, "action")) is found.state:
            return code_reading.person(line.get("user"))
    return NOBODY


def _require_ours(container: Container, answer: Answer, item: object) -> None:
    """Raise UnexpectedResponse for a pull request of another repository."""
    if code_reading.foreign(item, repository_of(container)):
        raise bitbucket.unexpected(answer, "The answer belongs to another repository.")


# ── Commits ───────────────────────────────────────────────────────────────────────────────────


def commits(api: Api, container: Container, fields: Fields, ask: Ask) -> Page:
    """A page of one head's ancestors after the other, without those of one that is known.

    A repository without commits has none. Where nothing is known, a head's list ends behind a page
    that is older than `since` as a whole.
    """
    whose = bitbucket_code.turn(ask, "")
    if whose is None:
        return NOTHING
    head, rest = whose
    known, at = _excluded(ask, head, rest)
    start = started(at or None)
    answer = api.get(_commits_path(container, head, known, start), accept=NOT_FOUND)
    if _has_no_commits(answer):
        return replace(NOTHING, checkpoint=bitbucket_code.next_turn(ask, head, None))
    _raise_if_wrong(answer)
    read = partial(code_reading.commit, home=code_reading.home_of(repository_of(container)))
    page = reading.page(answer, start, read, code_reading.commit_id)
    following = bitbucket_code.next_turn(ask, head, _rest(ask, page, known))
    return replace(page, checkpoint=following, total=None)


def _excluded(ask: Ask, head: str, rest: str) -> tuple[str, str]:
    """The one commit without whose ancestors a list is asked for, and where that list goes on.

    The first head is read before the others, so that they are read without what is in it.
    """
    known, _, at = rest.rpartition(" ")
    first = ask.commits[0] if ask.commits else head
    usual = ask.known[0] if ask.known else ""
    return known or (usual if head == first else first), at


def _rest(ask: Ask, page: Page, known: str) -> str | None:
    """Where a head's list goes on: from its beginning where it shows a nearer commit to leave out.

    The server takes one commit to leave out, and the first that is known may be on a branch that
    parted from this one long ago.
    """
    if page.checkpoint is None:
        return None
    dates = [one.committed_at for one in page.records if isinstance(one, CommitRecord)]
    if not ask.known:
        ended = bitbucket_code.all_before(dates, ask.since)
        return None if ended else page.checkpoint
    behind = ask.known[ask.known.index(known) + 1 :] if known in ask.known else ask.known
    nearer = next((one.remote_id for one in page.records if one.remote_id in behind), None)
    return f"{nearer} 0" if nearer else f"{known} {page.checkpoint}"


def _commits_path(container: Container, head: str, known: str, start: int) -> str:
    query = {"ignoreMissing": "true", "start": str(start), "limit": str(PAGE_SIZE)}
    if head:
        query["until"] = head
    if known:
        query["since"] = known
    return f"{path_of(container)}/commits?{urlencode(query)}"


def _has_no_commits(answer: Answer) -> bool:
    """Whether a refusal says that the commit is gone, or that nobody pushed anything yet."""
    if answer.status not in NOT_FOUND or not isinstance(answer.body, dict):
        return False
    said = (bitbucket.text(one, "exceptionName") for one in objects(answer.body.get("errors")))
    return any(name.endswith(NO_COMMITS) for name in said)


def _raise_if_wrong(answer: Answer) -> None:
    error = client.judge(answer)
    if error is not None:
        raise error


def commit_of(api: Api, container: Container, key: str) -> Page:
    """A commit by its hash."""
    answer = api.get(f"{path_of(container)}/commits/{segment(key)}")
    read = partial(code_reading.commit, home=code_reading.home_of(repository_of(container)))
    return bitbucket.only(bitbucket.one(answer, read))


def pulls_of(api: Api, container: Container, key: str) -> Page:
    """The pull requests that brought a commit."""
    path = f"{path_of(container)}/commits/{segment(key)}/pull-requests?limit={PAGE_SIZE}"
    found = map(code_reading.pull_id, objects(bitbucket.items(api.get(path))))
    numbers = tuple(sorted({int(one) for one in found if one}))
    return bitbucket.only(CommitPullsRecord(key, PullsSaid.KNOWN, numbers))


# ── Builds ────────────────────────────────────────────────────────────────────────────────────


def statuses(api: Api, container: Container, fields: Fields, ask: Ask) -> Page:
    """A page of what build systems say of one commit after the other."""
    whose = bitbucket_code.turn(ask, None)
    if whose is None:
        return NOTHING
    commit, rest = whose
    page = statuses_of(api, container, commit, rest)
    following = bitbucket_code.next_turn(ask, commit, page.checkpoint)
    return replace(page, checkpoint=following, total=None)


def statuses_of(api: Api, container: Container, commit: str, rest: str = "") -> Page:
    """A page of what build systems say of a commit, without what they said for other repositories.

    The one list that there is goes by the commit alone; the resource that took its place in 7.14
    wants each build's key (OpenAPI document of 9.4).
    """
    start = started(rest or None)
    query = urlencode({"start": start, "limit": PAGE_SIZE})
    answer = api.get(f"build-status/latest/commits/{segment(commit)}?{query}")
    following = reading.next_start(answer, start)
    key, slug = container.workspace.slug, repository_of(container).slug
    ours = [one for one in bitbucket.items(answer) if not code_reading.elsewhere(one, key, slug)]
    records, rejected = bitbucket.records(
        replace(answer, body={"values": ours}),
        partial(code_reading.build, of=commit),
        partial(code_reading.build_of, commit),
    )
    return Page(records, None if following is None else str(following), rejected=rejected)


# ── Permissions ───────────────────────────────────────────────────────────────────────────────


def permissions(api: Api, container: Container, fields: Fields, ask: Ask) -> Page:
    """A page of what was granted on the repository itself: first to users, then to groups."""
    place = f"{path_of(container)}/permissions"
    at, read, id_of = ask.checkpoint, code_reading.permission, code_reading.subject_id
    if at is not None and at.startswith(_GROUPS):
        page = listed(api, f"{place}/groups", at.removeprefix(_GROUPS) or None, read, id_of)
        return replace(page, checkpoint=f"{_GROUPS}{page.checkpoint}") if page.checkpoint else page
    page = listed(api, f"{place}/users", at, read, id_of)
    return page if page.checkpoint else replace(page, checkpoint=_GROUPS)
