"""Bodies that lie: what strict JSON refuses, before and after any parser sees it."""

from __future__ import annotations

import json
import math
import time

import pytest
from hypothesis import given, strategies as st

from connections.strict_json import JsonRefused, loads

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NUMBER = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(b"<html><form>Sign in</form></html>", "not JSON", id="P01"),
        pytest.param(b"", "not JSON", id="P03"),
        pytest.param(b'{"access_token": "a', "not JSON", id="P04"),
        pytest.param(b'{"access_token":"a","access_token":"b"}', "a key stands twice", id="P08"),
        pytest.param(b'[{"a":{"b":1,"c":2,"\\u0062":3}}]', "a key stands twice", id="P08-escaped"),
        pytest.param(b'{"expires_in": NaN}', "a number is not finite", id="P09-nan"),
        pytest.param(b"[-Infinity]", "a number is not finite", id="P09-infinity"),
        pytest.param(b"[1e999]", "a number is too large", id="P09-1e999"),
        pytest.param(b"[1" + b"0" * 400 + b"]", "a number is too large", id="P09-digits"),
        pytest.param(b"[0." + b"1" * 4000 + b"]", "a number is too large", id="P09-fraction"),
        pytest.param(b"[" * 100_000, "nested too deep", id="P10-open"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, "nested too deep", id="P10-closed"),
        pytest.param(b'{"a":' * 65 + b"1" + b"}" * 65, "nested too deep", id="P10-objects"),
        pytest.param(b'[{"a":' * 33 + b"1" + b"}]" * 33, "nested too deep", id="P10-mixed"),
        pytest.param(b'["\xff"]', "not UTF-8", id="not-utf8"),
        pytest.param(b'["\xc0\xaf"]', "not UTF-8", id="overlong"),
        pytest.param('{"a":1}'.encode("utf-16"), "not UTF-8", id="utf16"),
        pytest.param(b"\xef\xbb\xbf{}", "not JSON", id="byte-order-mark"),
        pytest.param(b'["\\ud83d"]', "half a character", id="lone-surrogate"),
        pytest.param(b"{} {}", "not JSON", id="two-values"),
        pytest.param(b"{'a': 1}", "not JSON", id="single-quotes"),
        pytest.param(b'["a\nb"]', "not JSON", id="raw-newline"),
    ],
)  # fmt: skip
def test_what_two_parsers_could_read_differently_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(JsonRefused) as refused:
        loads(body)

    assert str(refused.value) == reason
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@pytest.mark.parametrize("body", [b"[]", b'"a"', b"5", b"null", b"true"], ids=lambda b: f"P07-{b}")
def test_a_bare_value_is_json_and_left_to_the_reader(body: bytes) -> None:
    assert loads(body) == json.loads(body)


def test_sixty_four_levels_are_read() -> None:
    body = b'[{"a":' * 32 + b"1" + b"}]" * 32

    assert loads(body) == json.loads(body)


def test_brackets_inside_strings_do_not_count() -> None:
    body = json.dumps({"a": "[" * 500, 'b\\"[': ["{" * 500, '\\"[[[']}).encode()

    assert loads(body) == json.loads(body)


def test_many_brackets_side_by_side_are_not_depth() -> None:
    body = json.dumps([[{}]] * 50_000).encode()

    assert len(loads(body)) == 50_000


def test_characters_beyond_the_first_plane_are_read_escaped_or_not() -> None:
    assert loads(b'["\\ud83d\\ude00", "\xf0\x9f\x98\x80"]') == ["😀", "😀"]


def test_a_refusal_of_five_megabytes_is_quick() -> None:
    began = time.process_time()

    unclosed = b'"' + b'\\"' * 2_500_000
    for hostile in (unclosed, b'["' * 2_500_000, b"[" * 5_000_000, b'[[["\\' * 999_999):
        with pytest.raises(JsonRefused):
            loads(hostile)

    assert time.process_time() - began < 5  # a busy machine makes others wait, not us work


@given(st.text('{}[]:,"\\ab1 ', max_size=40))
def test_equal_keys_are_refused_wherever_they_stand(text: str) -> None:
    for body in (text, f'[{{"a":"{text}","b":{{}}}}]', f'{{"c":{{"a":1,"{text}":2}}}}'):
        try:
            read: object = loads(body.encode())
        except JsonRefused:
            read = "refused"

        assert read == _by_pairs(body)


def _by_pairs(body: str) -> object:
    """As Python reads it when it is shown each object's pairs; "refused" where it would not."""

    def single(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError
        return dict(pairs)

    try:
        return json.loads(body, object_pairs_hook=single)
    except ValueError:
        return "refused"


@given(PLAIN)
def test_what_json_writes_is_read_back(value: object) -> None:
    assert loads(json.dumps(value).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_read_as_python_reads_them_or_refused(body: bytes) -> None:
    try:
        value = loads(body)
    except JsonRefused:
        return

    assert value == json.loads(body)
    assert not (isinstance(value, float) and math.isnan(value))
