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

# A string, closed or not: the possessive body keeps an unclosed one from costing quadratic time.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_AS_SQUARE = bytes.maketrans(b"{}", b"[]")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class JsonRefused(ValueError):
    """Not JSON, or JSON that two parsers may read differently; the text never quotes the body."""


def loads(body: bytes) -> Any:
    """The value in these bytes; JsonRefused with a short reason for anything doubtful."""
    _refuse_depth(body)
    try:
        value = _DECODER.decode(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise JsonRefused("not UTF-8") from None
    except JsonRefused:
        raise
    except (ValueError, RecursionError):
        raise JsonRefused("not JSON") from None
    if _SURROGATE.search(body):
        _refuse_lone_surrogates(value)
    return value


def _refuse_depth(body: bytes) -> None:
    """Before any parser recurses: strings go, then each pass removes the innermost brackets."""
    if body.count(b"[") + body.count(b"{") <= DEEPEST:
        return
    brackets = _STRING.sub(b"", body).translate(_AS_SQUARE, _NOT_BRACKETS)
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


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise JsonRefused("a key stands twice")
    return found


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


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
)
