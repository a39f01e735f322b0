"""What somebody pasted to ask for a trail: a hash, a number, a name with one, or an address."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Final
from urllib.parse import unquote, urlsplit

LONGEST: Final = 1000
SHORTEST_HASH: Final = 7
MOST_PREFIXES: Final = 12
BETWEEN: Final = frozenset({"projects", "users", "repos"})
HASH: Final = re.compile(r"[0-9a-f]{7,64}")
FULL: Final = (40, 64)
_PULL = re.compile(r"(?P<name>[^\s#]+(?: [^\s#]+)*)\s*#\s*(?P<number>\d{1,9})")
_AT = re.compile(r"(?P<name>[^\s@]+)@(?P<hash>[0-9a-fA-F]{7,64})")
_PULL_PATH = re.compile(r"/pull-requests/(\d{1,9})(?:/|$)")
_COMMIT_PATH = re.compile(r"/(?:commits?|src|diff|browse)/([0-9a-fA-F]{7,64})(?:/|$)")
_RUN_PATH = re.compile(r"(?:^|/)results/(\d{1,9})(?:/|$)")
_AT_QUERY = re.compile(r"(?:^|&)(?:at|until)=([0-9a-fA-F]{7,64})(?:&|$)")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for: a hash or a number, in a repository by name or at an address.

    `run` is the number of a pipeline. `url` is the address without what a browser adds.
    """

    hash: str = ""
    pull: int = 0
    run: int = 0
    name: str = ""
    url: str = ""
    exact: tuple[str, ...] = ()  # ways to write the address, for what is found by the whole of it
    prefixes: tuple[str, ...] = ()  # addresses above it, the nearest first
    host: str = ""
    names: tuple[str, ...] = ()  # what a repository may be called whose address that is

    @property
    def is_empty(self) -> bool:
        return not (self.hash or self.pull or self.run or self.url)

    @property
    def is_full(self) -> bool:
        return len(self.hash) in FULL


def asked_for(stream: str, key: str, repository: str) -> str:
    """What leads from a record of this stream to its trail; empty where it has none."""
    if stream in ("commits", "statuses", "commit-pulls") and HASH.fullmatch(key[:40]):
        return key[:40]
    is_pull = stream == "pull-requests" and key.isascii() and key.isdigit()
    return f"{repository}#{key}" if is_pull and repository else ""


def read(text: str) -> Question:
    """From what was pasted; an empty question for what is none of these."""
    text = text.strip()[:LONGEST]
    if "://" in text:
        return _address(text)
    if HASH.fullmatch(text.lower()):
        return Question(hash=text.lower())
    if found := _PULL.fullmatch(text):
        return Question(name=found["name"], pull=int(found["number"]))
    if found := _AT.fullmatch(text):
        return Question(name=found["name"], hash=found["hash"].lower())
    return Question()


def _address(text: str) -> Question:
    """An address that a browser shows: of a build anywhere, or below a repository's own page."""
    try:
        parts = urlsplit(text)
        host = parts.netloc.lower()
    except ValueError:
        return Question()
    if parts.scheme.lower() not in ("http", "https") or not host:
        return Question()
    base = f"{parts.scheme.lower()}://{host}"
    path = parts.path.rstrip("/")
    query = f"?{parts.query}" if parts.query else ""
    plain = f"{base}{path}"
    spelled = dict.fromkeys((text, f"{plain}{query}", f"{plain}/{query}", plain, f"{plain}/"))
    pull = _PULL_PATH.search(path)
    commit = _COMMIT_PATH.search(path) or _AT_QUERY.search(parts.query)
    run = _RUN_PATH.search(path) or _RUN_PATH.search(parts.fragment)
    return Question(
        pull=int(pull[1]) if pull else 0,
        hash=commit[1].lower() if commit and not pull else "",
        run=int(run[1]) if run and not pull else 0,
        url=plain,
        exact=tuple(each[:500] for each in spelled),
        prefixes=_above(base, path),
        host=host,
        names=_names(path),
    )


def _names(path: str) -> tuple[str, ...]:
    """Each two names that follow each other, without the words that products put between."""
    parts = [name for name in unquote(path).split("/") if name and name not in BETWEEN]
    return tuple("/".join(pair) for pair in pairwise(parts[:MOST_PREFIXES]))


def _above(base: str, path: str) -> tuple[str, ...]:
    names = [name for name in unquote(path).split("/") if name][:MOST_PREFIXES]
    return tuple(f"{base}/{'/'.join(names[:end])}" for end in range(len(names), 0, -1))
