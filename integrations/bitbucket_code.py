"""How Bitbucket Cloud and Data Center name code alike: refs, commits, builds, and whose turn it is.

A branch's or build's id is made of its names; one that would be too long is made of their digest.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import pairwise

from connections.contracts import Ask, BuildState, Participation, Person, Verdict
from connections.errors import UnexpectedResponse
from integrations import bitbucket
from integrations.bitbucket import BadItem, Json, address, object_or_empty, printable, text

LONGEST_ID = 200
LONGEST_KEY = 200
LONGEST_MESSAGE = 10_000
LONGEST_ADDRESS = 254
LARGEST_NUMBER = 2**31
DELETED = "A deleted account"

FULL_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
ANY_HASH = re.compile(r"[0-9a-f]{7,64}")
_RAW_AUTHOR = re.compile(r"(?P<name>[^<]*)<(?P<email>[^<>]*)>\s*")

BUILD_STATES = {
    "SUCCESSFUL": BuildState.SUCCESSFUL,
    "FAILED": BuildState.FAILED,
    "INPROGRESS": BuildState.RUNNING,
    "STOPPED": BuildState.STOPPED,
    "CANCELLED": BuildState.STOPPED,
}


# ── Names ─────────────────────────────────────────────────────────────────────────────────────


def ref_id(kind: str, name: str) -> str:
    """A branch's or tag's id: its kind and name."""
    return _joined(kind, name)


def build_id(commit: str, key: str) -> str:
    """A build's id: its commit's hash and its key."""
    return _joined(commit, key)


def _joined(first: str, second: str) -> str:
    whole = f"{first}:{second}"
    if len(whole) <= LONGEST_ID:
        return whole
    return f"{first}:{hashlib.sha256(second.encode()).hexdigest()}"


def named_ref(key: str) -> tuple[str, str] | None:
    """Kind and name of a ref's id; None where only a digest is left of the name."""
    kind, colon, name = key.partition(":")
    if not colon or not name or kind not in ("branch", "tag"):
        return None
    return None if _DIGEST.fullmatch(name) else (kind, name)


def ref_name(raw: Json, key: str) -> str:
    """The name of a branch or tag as it is, to its end; raises BadItem for what is none."""
    name = raw.get(key)
    if not isinstance(name, str) or not name or not name.isprintable():
        raise BadItem(f"{key} is missing or malformed")
    return name


def full_hash(raw: Json, key: str) -> str:
    """A commit's whole hash; raises BadItem for anything else."""
    found = raw.get(key)
    if not isinstance(found, str) or not FULL_HASH.fullmatch(found):
        raise BadItem(f"{key} is missing or malformed")
    return found


def any_hash(raw: Json, key: str) -> str:
    """A commit's hash, shortened perhaps; empty for anything else."""
    found = raw.get(key)
    return found if isinstance(found, str) and ANY_HASH.fullmatch(found) else ""


def ordinal(raw: Json, key: str) -> int:
    """A number that counts something from one on; raises BadItem for anything else."""
    found = raw.get(key)
    if not isinstance(found, int) or isinstance(found, bool) or not 0 < found < LARGEST_NUMBER:
        raise BadItem(f"{key} is missing or malformed")
    return found


def count(raw: Json, key: str) -> int:
    """How many there are; 0 where the vendor does not say."""
    found = bitbucket.count(raw, key)
    return found if found is not None and found < LARGEST_NUMBER else 0


# ── People and texts ──────────────────────────────────────────────────────────────────────────


def committer(raw: str) -> Person:
    """Who a commit says wrote it, "Name <address>": anybody can write anything there."""
    found = _RAW_AUTHOR.fullmatch(raw[:1000])
    name, email = (found["name"], found["email"]) if found else (raw, "")
    return Person(name=printable(name)[:300], email=email_address(email))


def or_deleted(person: Person, raw: Json, key: str) -> Person:
    """Who took part; a deleted account keeps what name is left of it, below `key` of its user."""
    if person.remote_id:
        return person
    return Person(name=text(object_or_empty(raw, "user"), key) or DELETED)


def each_once(found: Iterable[Participation]) -> Iterator[Participation]:
    """Every account once, as it was named first.

    Deleted ones cannot be told apart: all that said something are kept, so that an approval
    outlives the account.
    """
    seen: set[str] = set()
    for one in found:
        known = one.person.remote_id
        if known not in seen if known else one.verdict is not Verdict.NONE:
            yield one
        if known:
            seen.add(known)


def email_address(value: object) -> str:
    """An e-mail address that can be kept; empty for anything else."""
    kept = printable(value) if isinstance(value, str) else ""
    return kept if len(kept) <= LONGEST_ADDRESS and kept.count("@") == 1 else ""


def message(raw: Json) -> str:
    """What a commit says, line by line: commands in it reach to the end of theirs."""
    said = raw.get("message")
    lines = said[:LONGEST_MESSAGE].splitlines() if isinstance(said, str) else []
    return "\n".join(map(printable, lines)).strip()[:LONGEST_MESSAGE]


def build_key(raw: Json) -> str:
    """A build's key; raises BadItem without one."""
    key = text(raw, "key")[:LONGEST_KEY]
    if not key:
        raise BadItem("key is missing")
    return key


def build_link(url: object) -> str:
    """Where a build system shows a build; inside a company that is seldom https."""
    parts = address(url)
    if parts is None or "@" in parts.netloc:
        return ""
    link = parts.geturl()
    return link if len(link) <= 500 and link.isprintable() else ""


# ── Lists that are read commit by commit ──────────────────────────────────────────────────────


def turn(ask: Ask, first: str | None) -> tuple[str, str] | None:
    """Whose list is read now and where it goes on, "" at its beginning; None when it is nobody's.

    `first` is what begins where no commit was named. Raises UnexpectedResponse for a checkpoint
    that is not ours.
    """
    if ask.checkpoint is None:
        begins = ask.commits[0] if ask.commits else first
        return None if begins is None else (begins, "")
    commit, space, rest = ask.checkpoint.partition(" ")
    if not space or (commit and not FULL_HASH.fullmatch(commit)):
        raise UnexpectedResponse("This is not where a list of commits goes on.")
    return commit, rest


def next_turn(ask: Ask, commit: str, rest: str | None) -> str | None:
    """The checkpoint after a page of this commit's list; None at the end of the last one's."""
    if rest:
        return f"{commit} {rest}"
    if commit not in ask.commits:
        return None
    behind = ask.commits[ask.commits.index(commit) + 1 :]
    return f"{behind[0]} " if behind else None


def all_before(moments: Iterable[datetime | None], since: datetime | None) -> bool:
    """Whether every moment of a page is known and before `since`; not so for an empty page."""
    found = list(moments)
    return since is not None and bool(found) and all(m is not None and m < since for m in found)


def reaches(moments: Iterable[datetime | None], since: datetime | None) -> bool:
    """Whether a page, newest first, reaches back to `since`; never so in another order."""
    found = [moment for moment in moments if moment is not None]
    if since is None or not found or found[-1] >= since:
        return False
    return all(newer >= older for newer, older in pairwise(found))
