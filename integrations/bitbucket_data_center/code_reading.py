"""Bitbucket Data Center's JSON of code → records: refs, commits, pull requests, builds, grants.

Identity is the name of a ref, the hash of a commit, the number of a pull request, the key of a
build. A pull request of another repository refuses the whole page.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from connections.contracts import (
    NOBODY,
    BranchRecord,
    BuildRecord,
    BuildState,
    CommitRecord,
    Participation,
    PermissionRecord,
    Person,
    PullRequestRecord,
    PullState,
    RepositoryRecord,
    Verdict,
)
from integrations import bitbucket, bitbucket_code
from integrations.bitbucket import BadItem, Json, object_or_empty, required, text
from integrations.bitbucket_data_center import reading
from integrations.bitbucket_data_center.reading import moment
from integrations.bitbucket_events import objects

PULL_STATES = {
    "OPEN": PullState.OPEN,
    "MERGED": PullState.MERGED,
    "DECLINED": PullState.DECLINED,
}
VERDICTS = {"APPROVED": Verdict.APPROVED, "NEEDS_WORK": Verdict.CHANGES}
PERMISSIONS = {"REPO_READ": "read", "REPO_WRITE": "write", "REPO_ADMIN": "admin"}
PREFIXES = {"refs/heads/": "branch", "refs/tags/": "tag"}
MOST_PARTICIPANTS = 500


# ── Refs and commits ──────────────────────────────────────────────────────────────────────────


def ref(raw: Json) -> BranchRecord:
    """A branch, or a tag with the commit that it leads to."""
    kind, name = ref_names(raw)
    return BranchRecord(
        remote_id=bitbucket_code.ref_id(kind, name),
        kind=kind,
        name=name[: bitbucket.LONGEST_NAME],
        target=bitbucket_code.full_hash(raw, "latestCommit"),
        is_main=raw.get("isDefault") is True or raw.get("default") is True,
    )


def ref_names(raw: Json) -> tuple[str, str]:
    """Kind and name of a ref by its whole name; raises BadItem for what is neither kind."""
    whole = bitbucket_code.ref_name(raw, "id")
    for prefix, kind in PREFIXES.items():
        if whole.startswith(prefix) and whole != prefix:
            return kind, whole.removeprefix(prefix)
    raise BadItem("the item is neither branch nor tag")


def ref_id(raw: Json) -> str:
    """The id of a ref that cannot be read otherwise; empty where it has no name."""
    try:
        return bitbucket_code.ref_id(*ref_names(raw))
    except BadItem:
        return ""


def commit(raw: Json, home: str = "") -> CommitRecord:
    """A commit; its author is an account where the server knows the address."""
    found = bitbucket_code.full_hash(raw, "id")
    parents = (bitbucket_code.any_hash(each, "id") for each in objects(raw.get("parents")))
    return CommitRecord(
        remote_id=found,
        parents=tuple(one for one in parents if one),
        message=bitbucket_code.message(raw),
        author=_author(object_or_empty(raw, "author")),
        committed_at=moment(raw.get("committerTimestamp")) or moment(raw.get("authorTimestamp")),
        url=f"{home}/commits/{found}" if home else "",
        committer=_author(object_or_empty(raw, "committer")),
    )


def commit_id(raw: Json) -> str:
    """The hash of a commit that cannot be read otherwise; empty without one."""
    return bitbucket_code.any_hash(raw, "id")


def _author(raw: Json) -> Person:
    return Person(
        remote_id=reading.known_id(raw),
        name=text(raw, "displayName") or text(raw, "name"),
        email=bitbucket_code.email_address(raw.get("emailAddress")),
    )


def home_of(repository: RepositoryRecord) -> str:
    """The page below which those of its commits are; empty where the server names none."""
    return repository.url.removesuffix("/").removesuffix("/browse")


# ── Pull requests ─────────────────────────────────────────────────────────────────────────────


def person(raw: Any) -> Person:
    """A user in some role; nobody where there is none, or none with an id."""
    if not isinstance(raw, dict):
        return NOBODY
    try:
        found = reading.account(raw)
    except BadItem:
        return NOBODY
    return Person(remote_id=found.remote_id, name=found.name, url=found.url)


def pull_request(raw: Json) -> PullRequestRecord:
    """A pull request; who merged or declined it stands only in its activities."""
    number = bitbucket_code.ordinal(raw, "id")
    state = PULL_STATES.get(text(raw, "state"))
    if state is None:
        raise BadItem("state is none that is known")
    source, destination = object_or_empty(raw, "fromRef"), object_or_empty(raw, "toRef")
    properties = object_or_empty(raw, "properties")
    merged = object_or_empty(properties, "mergeCommit")
    return PullRequestRecord(
        remote_id=str(number),
        number=number,
        title=required(raw, "title"),
        state=state,
        author=person(object_or_empty(raw, "author").get("user")),
        participants=tuple(bitbucket_code.each_once(_participants(raw))),
        draft=raw.get("draft") is True,
        source_branch=text(source, "displayId"),
        source_hash=bitbucket_code.any_hash(source, "latestCommit"),
        source_repository=_full_name(object_or_empty(source, "repository")),
        destination_branch=text(destination, "displayId"),
        destination_hash=bitbucket_code.any_hash(destination, "latestCommit"),
        merge_hash=bitbucket_code.any_hash(merged, "id"),
        created_at=moment(raw.get("createdDate")),
        updated_at=moment(raw.get("updatedDate")),
        closed_at=moment(raw.get("closedDate")),
        version=bitbucket_code.count(raw, "version"),
        comments=bitbucket_code.count(properties, "commentCount"),
        url=reading.self_link(raw),
    )


def pull_id(raw: Json) -> str:
    """The number of a pull request that cannot be read otherwise; empty without one."""
    try:
        return str(bitbucket_code.ordinal(raw, "id"))
    except BadItem:
        return ""


def _participants(raw: Json) -> Iterator[Participation]:
    """Reviewers first: who is one may be listed among the others too."""
    reviewers = objects(raw.get("reviewers"))[:MOST_PARTICIPANTS]
    for item in reviewers:
        yield replace(_participation(item), reviewer=True)
    for item in objects(raw.get("participants"))[:MOST_PARTICIPANTS]:
        one = _participation(item)
        if one.person.remote_id or not (reviewers and one.reviewer):
            yield one


def _participation(raw: Json) -> Participation:
    who = bitbucket_code.or_deleted(person(raw.get("user")), raw, "displayName")
    return Participation(who, reviewer=text(raw, "role") == "REVIEWER", verdict=_verdict(raw))


def _verdict(raw: Json) -> Verdict:
    """`approved` is older than `status` and stands alone in old answers."""
    if raw.get("approved") is True:
        return Verdict.APPROVED
    return VERDICTS.get(text(raw, "status"), Verdict.NONE)


def _full_name(raw: Json) -> str:
    key, slug = text(object_or_empty(raw, "project"), "key"), text(raw, "slug")
    return f"{key}/{slug}" if key and slug else slug


def foreign(item: object, repository: RepositoryRecord) -> bool:
    """Whether a pull request goes to another repository than this."""
    if not isinstance(item, dict):
        return False
    known = reading.known_id(object_or_empty(object_or_empty(item, "toRef"), "repository"))
    return bool(known) and known != repository.remote_id


# ── Builds and grants ─────────────────────────────────────────────────────────────────────────


def build(raw: Json, of: str) -> BuildRecord:
    """What a build system says of this commit; a word for its state that is new is kept as such."""
    key = bitbucket_code.build_key(raw)
    ref = text(raw, "ref")
    for prefix in PREFIXES:
        ref = ref.removeprefix(prefix)
    return BuildRecord(
        remote_id=bitbucket_code.build_id(of, key),
        commit=of,
        key=key,
        name=text(raw, "name") or key,
        state=bitbucket_code.BUILD_STATES.get(text(raw, "state"), BuildState.UNKNOWN),
        url=bitbucket_code.build_link(raw.get("url")),
        refname=ref,
        created_at=moment(raw.get("createdDate")) or moment(raw.get("dateAdded")),
        updated_at=moment(raw.get("updatedDate")) or moment(raw.get("dateAdded")),
    )


def build_of(commit: str, raw: Json) -> str:
    """The id of a build that cannot be read otherwise; empty without a key."""
    try:
        return bitbucket_code.build_id(commit, bitbucket_code.build_key(raw))
    except BadItem:
        return ""


def elsewhere(raw: object, key: str, slug: str) -> bool:
    """Whether a build was set for another repository that has the same commit, as a fork has."""
    if not isinstance(raw, dict):
        return False
    said = text(raw, "projectKey").lower(), text(raw, "repositorySlug").lower()
    return all(said) and said != (key.lower(), slug.lower())


def permission(raw: Json) -> PermissionRecord:
    """What was granted to a user or a group on the repository itself."""
    granted = PERMISSIONS.get(text(raw, "permission"))
    if granted is None:
        raise BadItem("permission is none that is known")
    if isinstance(raw.get("group"), dict):
        name = required(raw["group"], "name")[:180]
        return PermissionRecord(f"group:{name}", "group", name, name, granted)
    who = reading.account(bitbucket.to_object(raw.get("user")))
    return PermissionRecord(f"user:{who.remote_id}", "user", who.remote_id, who.name, granted)


def subject_id(raw: Json) -> str:
    """The id of a grant that cannot be read otherwise; empty where it names nobody."""
    name = reading.group_id(raw)[:180]
    known = reading.known_id(object_or_empty(raw, "user"))
    return f"group:{name}" if name else f"user:{known}" if known else ""
