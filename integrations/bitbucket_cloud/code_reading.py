"""Bitbucket Cloud's JSON of code → records: refs, commits, pull requests, statuses.

Identity is the name of a ref, the hash of a commit, the number of a pull request, the key of a
status. An item of another repository refuses the whole page.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from connections.contracts import (
    NOBODY,
    BranchRecord,
    BuildRecord,
    BuildState,
    CommitRecord,
    Participation,
    Person,
    PullRequestRecord,
    PullState,
    RepositoryRecord,
    Verdict,
)
from integrations import bitbucket, bitbucket_code
from integrations.bitbucket import BadItem, Json, iso_moment, object_or_empty, required, text
from integrations.bitbucket_cloud import reading

PULL_STATES = {
    "OPEN": PullState.OPEN,
    "MERGED": PullState.MERGED,
    "DECLINED": PullState.DECLINED,
    "SUPERSEDED": PullState.SUPERSEDED,
}
VERDICTS = {"approved": Verdict.APPROVED, "changes_requested": Verdict.CHANGES}
MOST_PARTICIPANTS = 500


def ref(raw: Json) -> BranchRecord:
    """A branch, or a tag with the commit that it leads to."""
    kind = text(raw, "type")
    if kind not in ("branch", "tag"):
        raise BadItem("type is neither branch nor tag")
    name = bitbucket_code.ref_name(raw, "name")
    target = bitbucket.to_object(raw.get("target"))
    return BranchRecord(
        remote_id=bitbucket_code.ref_id(kind, name),
        kind=kind,
        name=name[: bitbucket.LONGEST_NAME],
        target=bitbucket_code.full_hash(target, "hash"),
        committed_at=iso_moment(target.get("date")),
    )


def commit(raw: Json) -> CommitRecord:
    """A commit; its author is an account where Bitbucket knows the address."""
    parents = raw.get("parents")
    listed = parents if isinstance(parents, list) else []
    hashes = (bitbucket_code.any_hash(each, "hash") for each in listed if isinstance(each, dict))
    return CommitRecord(
        remote_id=bitbucket_code.full_hash(raw, "hash"),
        parents=tuple(found for found in hashes if found),
        message=bitbucket_code.message(raw),
        author=_author(object_or_empty(raw, "author")),
        committed_at=iso_moment(raw.get("date")),
        url=reading.html_link(raw),
        committer=_author(object_or_empty(raw, "committer")),
    )


def _author(raw: Json) -> Person:
    said = raw.get("raw")
    written = bitbucket_code.committer(said) if isinstance(said, str) else NOBODY
    known = person(raw.get("user"))
    return Person(known.remote_id, known.name or written.name, written.email, known.url)


def person(raw: Any) -> Person:
    """An account in somebody's role; nobody where there is none, or none with an id."""
    if not isinstance(raw, dict):
        return NOBODY
    try:
        found = reading.account(raw)
    except BadItem:
        return NOBODY
    return Person(remote_id=found.remote_id, name=found.name, url=found.url)


def pull_request(raw: Json) -> PullRequestRecord:
    """A pull request; when it was closed Bitbucket does not say."""
    number = bitbucket_code.ordinal(raw, "id")
    state = PULL_STATES.get(text(raw, "state"))
    if state is None:
        raise BadItem("state is none that is known")
    source, destination = object_or_empty(raw, "source"), object_or_empty(raw, "destination")
    return PullRequestRecord(
        remote_id=str(number),
        number=number,
        title=required(raw, "title"),
        state=state,
        author=person(raw.get("author")),
        closed_by=person(raw.get("closed_by")),
        participants=tuple(bitbucket_code.each_once(_participants(raw))),
        draft=raw.get("draft") is True,
        source_branch=text(object_or_empty(source, "branch"), "name"),
        source_hash=bitbucket_code.any_hash(object_or_empty(source, "commit"), "hash"),
        source_repository=text(object_or_empty(source, "repository"), "full_name"),
        destination_branch=text(object_or_empty(destination, "branch"), "name"),
        destination_hash=bitbucket_code.any_hash(object_or_empty(destination, "commit"), "hash"),
        merge_hash=bitbucket_code.any_hash(object_or_empty(raw, "merge_commit"), "hash"),
        created_at=iso_moment(raw.get("created_on")),
        updated_at=iso_moment(raw.get("updated_on")),
        comments=bitbucket_code.count(raw, "comment_count"),
        url=reading.html_link(raw),
    )


def _participants(raw: Json) -> Iterator[Participation]:
    """Those who took part, and reviewers who have not yet; a deleted account's `user` is null."""
    for item in _objects(raw, "participants"):
        yield Participation(
            bitbucket_code.or_deleted(person(item.get("user")), item, "display_name"),
            reviewer=text(item, "role") == "REVIEWER",
            verdict=_verdict(item),
            at=iso_moment(item.get("participated_on")),
        )
    for who in map(person, _objects(raw, "reviewers")):
        if who.remote_id:
            yield Participation(who, reviewer=True)


def _objects(raw: Json, key: str) -> list[Json]:
    value = raw.get(key)
    listed = value if isinstance(value, list) else []
    return [item for item in listed[:MOST_PARTICIPANTS] if isinstance(item, dict)]


def _verdict(raw: Json) -> Verdict:
    """`approved` is older than `state` and stands alone in old answers."""
    if raw.get("approved") is True:
        return Verdict.APPROVED
    return VERDICTS.get(text(raw, "state"), Verdict.NONE)


def pull_number(raw: Json) -> int:
    """The number of a pull request that stands in another answer."""
    return bitbucket_code.ordinal(raw, "id")


def status(raw: Json, of: str) -> BuildRecord:
    """What a build system says of this commit; a word for its state that is new is kept as such."""
    named = bitbucket_code.any_hash(object_or_empty(raw, "commit"), "hash")
    if named and not of.startswith(named):
        raise BadItem("the status belongs to another commit")
    key = bitbucket_code.build_key(raw)
    return BuildRecord(
        remote_id=bitbucket_code.build_id(of, key),
        commit=of,
        key=key,
        name=text(raw, "name") or key,
        state=bitbucket_code.BUILD_STATES.get(text(raw, "state"), BuildState.UNKNOWN),
        url=bitbucket_code.build_link(raw.get("url")),
        refname=text(raw, "refname"),
        created_at=iso_moment(raw.get("created_on")),
        updated_at=iso_moment(raw.get("updated_on")),
    )


def foreign(item: object, repository: RepositoryRecord) -> bool:
    """Whether an item names another repository: of a pull request, the one that it goes to.

    Items are found by the path that was asked; where they name no repository, that decides.
    """
    if not isinstance(item, dict):
        return False
    holders = (item, object_or_empty(item, "target"), object_or_empty(item, "destination"))
    for holder in holders:
        uuid = object_or_empty(holder, "repository").get("uuid")
        if isinstance(uuid, str) and uuid:
            return uuid.lower() != repository.remote_id.lower()
    return False
