"""What a person sees of a message that came in: no secret, no address of a person, no end of it.

The rules look at names of members and at shapes of values. What is stored is not changed: whoever
manages the connection can download it as it came, which is on record.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from portal import fields, logs

HIDDEN: Final = "[hidden]"
ADDRESS: Final = "[e-mail address]"
MOST_SHOWN: Final = 64 * 1024  # characters
MOST_PARSED: Final = 1024 * 1024
DEEPEST: Final = 60

_NAMED: Final = re.compile(
    r"secret|token|passw(?:or)?d|passphrase|credential|authorization|cookie|signature|session"
    r"|(?:api|private|access|ssh|signing)[-_ ]?key",
    re.IGNORECASE,
)
_EMAIL: Final = re.compile(r"(?<![\w.+\-])[\w.+\-]+@[\w\-]+(?:\.[\w\-]+)+")  # linear in its length
_USERINFO: Final = re.compile(r"(?<=://)[^/@\s\"']{1,200}@")
_IN_QUERY: Final = re.compile(
    r"([?&][\w\-]{0,40}(?:token|secret|key|sig|auth|jwt|code)[\w\-]{0,40}=)[^&#\s\"']+",
    re.IGNORECASE,
)
_HASH: Final = re.compile(r"[0-9a-fA-F\-{}]+", re.ASCII)  # of a commit, or a UUID


@dataclass(frozen=True, slots=True)
class Shown:
    """The text to show; `hidden` counts what was hidden, `is_cut` when not all of it is here."""

    text: str
    is_json: bool
    hidden: int
    is_cut: bool


def body(raw: bytes) -> Shown:
    """The message as JSON with indents where it is JSON, otherwise as text."""
    whole = raw[:MOST_PARSED].decode("utf-8", "replace")
    try:
        found = json.loads(raw) if len(raw) <= MOST_PARSED else None
    except (ValueError, RecursionError):
        found = None
    if found is None:
        text, hidden = value(whole)
        return Shown(text[:MOST_SHOWN], False, hidden, len(text) > MOST_SHOWN)
    counted = [0]
    text = json.dumps(_clean(found, counted, 0), indent=2, ensure_ascii=False)
    return Shown(text[:MOST_SHOWN], True, counted[0], len(text) > MOST_SHOWN)


def headers(given: Mapping[str, str]) -> list[tuple[str, str]]:
    """The headers by name, with the same rules."""
    found = []
    for name in sorted(given):
        is_secret = _NAMED.search(name)
        found.append((name, HIDDEN if is_secret else value(str(given[name]))[0][:2000]))
    return found


def value(text: str) -> tuple[str, int]:
    """The text without what looks like a secret or a person's address; how often that was."""
    text, users = _USERINFO.subn(f"{HIDDEN}@", text)
    text, queries = _IN_QUERY.subn(rf"\1{HIDDEN}", text)
    text, addresses = _EMAIL.subn(ADDRESS, text)
    cleaned = logs.redact(text)
    known = int(cleaned != text)
    return cleaned, users + queries + addresses + known


def _clean(found: Any, counted: list[int], depth: int) -> Any:
    if depth > DEEPEST:
        return "…"
    if isinstance(found, dict):
        return {value(str(k))[0]: _member(str(k), v, counted, depth) for k, v in found.items()}
    if isinstance(found, list):
        return [_clean(each, counted, depth + 1) for each in found]
    return _text(found, counted) if isinstance(found, str) else found


def _member(name: str, found: Any, counted: list[int], depth: int) -> Any:
    if (
        _NAMED.search(name)
        and isinstance(found, str | int | float)
        and found not in ("", True, False)
    ):
        counted[0] += 1
        return HIDDEN
    return _clean(found, counted, depth + 1)


def _text(found: str, counted: list[int]) -> str:
    if not _HASH.fullmatch(found) and fields.is_known_token(found):
        counted[0] += 1
        return HIDDEN
    text, hidden = value(found)
    counted[0] += hidden
    return text
