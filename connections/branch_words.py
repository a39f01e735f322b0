"""Branches that are begun for somebody who stands at an issue, and how such a branch is called.

`contracts` hands the protocol on: rooms import it from there. No Django here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container as Names, Mapping
from typing import Final, Protocol, runtime_checkable

from connections.calls import Api
from connections.code_records import BranchRecord
from connections.streams import Container

LONGEST_NAME: Final = 200
LONGEST_PROPOSED: Final = 80
# What git refuses in a name (git check-ref-format), each with the sentence for it.
_WRONG: Final = (
    (re.compile(r"[\x00-\x20\x7f]"), "A branch’s name has no spaces."),
    (re.compile(r"[~^:?*\[\]\\]"), "A branch’s name has none of ~ ^ : ? * [ ] \\ in it."),
    (re.compile(r"\.\.|@\{"), "A branch’s name has neither .. nor @{ in it."),
    (re.compile(r"//|^/|/$"), "A branch’s name has a slash only between two words."),
    (re.compile(r"(?:^|/)\.|\.$"), "No part of a branch’s name begins or ends with a dot."),
    (re.compile(r"\.lock(?:/|$)"), "No part of a branch’s name ends with .lock."),
    (re.compile(r"^-"), "A branch’s name does not begin with a dash."),
    (re.compile(r"^@$|^HEAD$|^refs/"), "That means something else to git."),
)


@runtime_checkable
class MakesBranches(Protocol):
    """A source at which a branch can be begun; `Manifest.branches` is the capability it needs."""

    def make_branch(
        self, api: Api, container: Container, fields: Mapping[str, str], *, name: str, start: str
    ) -> BranchRecord:
        """A new branch where the branch `start` stands now; raises what `judge` names."""
        ...


def wrong(name: str) -> str:
    """What git has against this name, as a sentence; empty when it is a good one."""
    if not name:
        return "Write the name of the branch."
    if len(name) > LONGEST_NAME:
        return f"At most {LONGEST_NAME} characters fit."
    return next((sentence for pattern, sentence in _WRONG if pattern.search(name)), "")


def proposed(subject: str, summary: str, taken: Names[str] = ()) -> str:
    """The issue's key and what it is about, in letters that git and every keyboard know."""
    plain = unicodedata.normalize("NFKD", summary.replace("ß", "ss"))
    plain = "".join(each for each in plain if not unicodedata.combining(each)).lower()
    words = re.findall(r"[a-z0-9]+", plain)
    name = subject
    for word in words:
        if len(name) + 1 + len(word) > LONGEST_PROPOSED:
            break
        name = f"{name}-{word}" if name else word
    number, found = 2, name
    while found in taken:
        found, number = f"{name}-{number}", number + 1
    return found
