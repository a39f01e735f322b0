"""One page at a time of a repository's code: refs, commits, pull requests, statuses of commits.

`fields` names what we keep, so that a page is a tenth of what Bitbucket would send; its `next`
links carry it on (https://developer.atlassian.com/cloud/bitbucket/rest/intro/#partial-response).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from urllib.parse import urlencode

from connections.contracts import (
    Answer,
    Api,
    Ask,
    CommitPullsRecord,
    CommitRecord,
    Container,
    Page,
    PullsSaid,
    Record,
    RepositoryRecord,
)
from integrations import bitbucket, bitbucket_code
from integrations.bitbucket import BadItem, Json, segment
from integrations.bitbucket_cloud import client, code_reading, reading
from integrations.bitbucket_cloud.sync import PAGE_SIZE, named_fields, repository_path

MOST_REVIEWS = 50  # more is refused (https://jira.atlassian.com/browse/BCLOUD-13229)
MOST_HEADS, MOST_KNOWN = 80, 60  # in one address, which some proxy may refuse above 8 KB
ROUNDS = 4
NOT_FOUND = frozenset({404})
INDEXING = 202
PULL_STATES = ("OPEN", "MERGED", "DECLINED", "SUPERSEDED")

_PERSON = ("uuid", "display_name", "nickname", "type")
_END = ("branch.name", "commit.hash", "repository.full_name", "repository.uuid")
_REF = ("type", "name", "target.hash", "target.date", "target.repository.uuid")
_COMMIT = (
    *("hash", "date", "message", "parents.hash", "links.html", "repository.uuid"),
    *(f"{who}.raw" for who in ("author", "committer")),
    *(f"{who}.user.{name}" for who in ("author", "committer") for name in _PERSON),
)
_PULL_REQUEST = (
    *("id", "title", "state", "draft", "created_on", "updated_on", "comment_count"),
    *("links.html", "merge_commit.hash"),
    *(f"{who}.{name}" for who in ("author", "closed_by", "reviewers") for name in _PERSON),
    *(f"participants.{name}" for name in ("role", "approved", "state", "participated_on")),
    *(f"participants.user.{name}" for name in _PERSON),
    *(f"{end}.{name}" for end in ("source", "destination") for name in _END),
)
_STATUS = (
    *("key", "name", "state", "url", "refname", "created_on", "updated_on"),
    *("commit.hash", "repository.uuid"),
)

Fields = Mapping[str, str]


def path_of(container: Container) -> str:
    """The repository's own address."""
    return repository_path(container.workspace.slug, repository_of(container).slug)


def repository_of(container: Container) -> RepositoryRecord:
    """The repository that is read; ValueError where the container is a workspace."""
    if container.repository is None:
        raise ValueError("This is read in a repository.")
    return container.repository


def listed(
    container: Container,
    answer: Answer,
    read: Callable[[Json], Record],
    known_id: Callable[[Json], str] | None = None,
) -> Page:
    """A page of this repository's records; raises UnexpectedResponse for another one's."""
    for item in bitbucket.items(answer):
        require_ours(container, answer, item)
    return reading.page(answer, read, known_id)


def require_ours(container: Container, answer: Answer, item: object) -> None:
    """Raise UnexpectedResponse for an item of another repository."""
    if code_reading.foreign(item, repository_of(container)):
        raise bitbucket.unexpected(answer, "The answer belongs to another repository.")


# ── Branches and tags ─────────────────────────────────────────────────────────────────────────


def branches(api: Api, container: Container, fields: Fields, ask: Ask) -> Page:
    """A page of branches and tags, which one list has together.

    What was deleted is seen by its absence only, so that all of it is read each time.
    """
    query = urlencode({"pagelen": PAGE_SIZE, "fields": named_fields(_REF)})
    answer = api.get(ask.checkpoint or f"{path_of(container)}/refs?{query}")
    return listed(container, answer, code_reading.ref, _ref_or_empty)


def _ref_or_empty(raw: Json) -> str:
    kind, name = raw.get("type"), raw.get("name")
    if kind not in ("branch", "tag") or not isinstance(name, str):
        return ""
    return bitbucket_code.ref_id(kind, name)


# ── Pull requests ─────────────────────────────────────────────────────────────────────────────


def pull_requests(api: Api, container: Container, fields: Fields, ask: Ask) -> Page:
    """A page of pull requests in every state, oldest first.

    By the day they were made, which never changes: sorted by their last change, one that changes
    between two pages would push another off both.
    """
    query = [("pagelen", str(MOST_REVIEWS)), *(("state", state) for state in PULL_STATES)]
    if ask.since:
        query.append(("q", f"updated_on>{ask.since.isoformat()}"))
    query += [("sort", "created_on"), ("fields", named_fields(_PULL_REQUEST))]
    answer = api.get(ask.checkpoint or f"{path_of(container)}/pullrequests?{urlencode(query)}")
    return listed(container, answer, code_reading.pull_request, _number_or_empty)


def _number_or_empty(raw: Json) -> str:
    try:
        return str(code_reading.pull_number(raw))
    except BadItem:
        return ""


# ── Commits ───────────────────────────────────────────────────────────────────────────────────


def commits(api: Api, container: Container, fields: Fields, ask: Ask) -> Page:
    """A page of the ancestors of some commits without those of others, newest first.

    Commits that are gone since, as after a forced push, are left out of the question. Where nothing
    is known the list ends behind a page that is older than `since` as a whole.
    """
    answer = api.get(ask.checkpoint) if ask.checkpoint else _first_commits(api, container, ask)
    if answer is None:
        return Page(records=(), checkpoint=None, total=0)
    page = listed(container, answer, code_reading.commit, _hash_or_empty)
    dates = [one.committed_at for one in page.records if isinstance(one, CommitRecord)]
    ended = not ask.known and bitbucket_code.all_before(dates, ask.since)
    return replace(page, checkpoint=None) if ended else page


def _first_commits(api: Api, container: Container, ask: Ask) -> Answer | None:
    """The first page; None in a repository that nobody pushed to, or whose heads are all gone.

    A refusal may name one unknown commit of many: after some of them nothing is left out.
    """
    branch = repository_of(container).main_branch
    heads = ask.commits or ((branch,) if branch else ())
    known = ask.known
    missing: frozenset[str] = frozenset()
    for attempt in range(ROUNDS):
        heads = tuple(one for one in heads if one not in missing)[:MOST_HEADS]
        known = tuple(one for one in known if one not in missing)[:MOST_KNOWN]
        if not heads:
            return None
        asked = () if attempt == ROUNDS - 1 else known
        answer = api.get(_commits_path(container, heads, asked), accept=NOT_FOUND)
        missing = _missing(answer) & {*heads, *asked}
        if not missing:
            break
    error = client.judge(answer)
    if error is not None:
        raise error
    return answer


def _commits_path(container: Container, heads: tuple[str, ...], known: tuple[str, ...]) -> str:
    query = [("pagelen", str(PAGE_SIZE))]
    query += [("include", one) for one in heads] + [("exclude", one) for one in known]
    query.append(("fields", named_fields(_COMMIT)))
    return f"{path_of(container)}/commits?{urlencode(query)}"


def _missing(answer: Answer) -> frozenset[str]:
    """The commits that a refusal calls unknown (observed as `error.data.shas`)."""
    if answer.status != 404 or not isinstance(answer.body, dict):
        return frozenset()
    error = bitbucket.object_or_empty(answer.body, "error")
    named = bitbucket.object_or_empty(error, "data").get("shas")
    listed_names = named if isinstance(named, list) else []
    return frozenset(name for name in listed_names if isinstance(name, str))


def _hash_or_empty(raw: Json) -> str:
    return bitbucket_code.any_hash(raw, "hash")


# ── Of one commit ─────────────────────────────────────────────────────────────────────────────


def statuses(api: Api, container: Container, fields: Fields, ask: Ask) -> Page:
    """A page of what build systems say of one commit after the other.

    Nobody lists the statuses of a repository; each commit costs a request.
    """
    whose = bitbucket_code.turn(ask, None)
    if whose is None:
        return Page(records=(), checkpoint=None, total=0)
    commit, rest = whose
    page = statuses_of(api, container, commit, rest)
    following = bitbucket_code.next_turn(ask, commit, page.checkpoint)
    return replace(page, checkpoint=following, total=None)


def statuses_of(api: Api, container: Container, commit: str, rest: str = "") -> Page:
    """A page of what build systems say of a commit; none of one that is gone."""
    query = urlencode({"pagelen": PAGE_SIZE, "fields": named_fields(_STATUS)})
    path = f"{path_of(container)}/commit/{segment(commit)}/statuses?{query}"
    answer = api.get(rest or path, accept=NOT_FOUND)
    if _missing(answer):
        return Page(records=(), checkpoint=None, total=0)
    error = client.judge(answer)
    if error is not None:
        raise error
    return listed(container, answer, partial(code_reading.status, of=commit), partial(_key, commit))


def _key(commit: str, raw: Json) -> str:
    try:
        return bitbucket_code.build_id(commit, bitbucket_code.build_key(raw))
    except BadItem:
        return ""


def pulls_of(api: Api, container: Container, commit: str) -> Page:
    """The pull requests that brought a commit, or why Bitbucket does not say.

    202 is an index that is not ready; 404 a repository for which nobody installed the app
    "Pull Request Commit Links" (OpenAPI document of August 2026), or a commit that is gone.
    """
    query = urlencode({"pagelen": PAGE_SIZE, "fields": "next,values.id"})
    path = f"{path_of(container)}/commit/{segment(commit)}/pullrequests?{query}"
    answer = api.get(path, accept=NOT_FOUND)
    if answer.status == INDEXING:
        return bitbucket.only(CommitPullsRecord(commit, PullsSaid.INDEXING))
    if answer.status in NOT_FOUND:
        if _missing(answer):
            return Page(records=(), checkpoint=None, total=0)
        return bitbucket.only(CommitPullsRecord(commit, PullsSaid.ABSENT))
    numbers = sorted({int(one) for one in map(_number_or_empty, _objects(answer)) if one})
    return bitbucket.only(CommitPullsRecord(commit, PullsSaid.KNOWN, tuple(numbers)))


def _objects(answer: Answer) -> list[Json]:
    return [item for item in bitbucket.items(answer) if isinstance(item, dict)]
