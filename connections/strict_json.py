"""JSON as it is meant: one value per key, finite numbers, bounded depth, valid Unicode.

Python's parser takes the last of two equal keys, NaN, and any depth until the stack ends; two
parsers that disagree on an answer are an attack (RFC 8259 §4, §6, §9). No Django here.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

DEEPEST = 64
LONGEST_INTEGER = 20  # digits and sign: a signed 64-bit number
LONGEST_FLOAT = 128

_MARKS = bytes.maketrans(b"{}", b"[]")  # a pair of either kind is a level
_NO_MARKS = bytes(set(range(256)) - set(b'[]{}:"'))
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class JsonRefused(ValueError):
    """Not JSON, or JSON that two parsers may read differently; the text never quotes the body."""


def loads(body: bytes) -> Any:
    """The value in these bytes; JsonRefused with a short reason for anything doubtful."""
    marks = _marks(body)
    _refuse_depth(marks.replace(b":", b""))
    keys, decoder = _decoder()
    try:
        value = decoder.decode(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise JsonRefused("not UTF-8") from None
    except JsonRefused:
        raise
    except (ValueError, RecursionError):
        raise JsonRefused("not JSON") from None
    if sum(keys) != marks.count(b":"):
        raise JsonRefused("a key stands twice")
    if _SURROGATE.search(body):
        _refuse_lone_surrogates(value)
    return value


def _marks(body: bytes) -> bytes:
    """The brackets and colons outside strings, up to where the body ceases to be JSON at least.

    Each step is one pass in C: a page of an API has ten thousand strings.
    """
    if b"\\" in body:  # which has no place outside strings: an escaped quote ends none
        body = body.replace(rb"\\", b"").replace(rb"\"", b"")
    marks = body.translate(_MARKS, _NO_MARKS).replace(b'""', b"")
    return b"".join(marks.split(b'"')[::2])


def _refuse_depth(brackets: bytes) -> None:
    """Before any parser recurses: each pass removes the innermost brackets."""
    if len(brackets) <= DEEPEST:
        return
    for _ in range(DEEPEST):
        if not brackets:
            return
        brackets = brackets.replace(b"[]", b"")
    if brackets:
        raise JsonRefused("nested too deep")


def _refuse_lone_surrogates(value: object) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise JsonRefused("half a character") from None


def _integer(text: str) -> int:
    if len(text) > LONGEST_INTEGER:
        raise JsonRefused("a number is too large")
    return int(text)


def _float(text: str) -> float:
    number = float(text) if len(text) <= LONGEST_FLOAT else math.inf
    if math.isinf(number):
        raise JsonRefused("a number is too large")
    return number


def _constant(_name: str) -> NoReturn:
    raise JsonRefused("a number is not finite")


def _decoder() -> tuple[list[int], json.JSONDecoder]:
    """A decoder, and how many keys each object had that it has read: of equal ones, one is left."""
    keys: list[int] = []

    def counted(found: dict[str, Any]) -> dict[str, Any]:
        keys.append(len(found))
        return found

    return keys, json.JSONDecoder(
        object_hook=counted, parse_int=_integer, parse_float=_float, parse_constant=_constant
    )
