"""A Secret shows itself to `reveal()` and to nothing else."""

from __future__ import annotations

import copy
import io
import json
import logging
import pickle
import pprint
import string
import traceback
from dataclasses import asdict, dataclass

import pytest
from django.core.serializers.json import DjangoJSONEncoder
from django.template import engines
from hypothesis import given, strategies as st
from kombu.utils.json import dumps as kombu_dumps

from portal.secret import Secret

CANARY = "canary-7d1f0b9e4f2a"


@dataclass(frozen=True)
class Token:
    name: str
    secret: Secret


@pytest.fixture
def secret():
    return Secret(CANARY)


def test_it_reveals_what_it_was_given(secret):
    assert secret.reveal() == CANARY
    assert Secret(CANARY.encode()).reveal() == CANARY


def test_its_repr_shows_the_last_four_of_a_long_one_and_nothing_of_a_short_one(secret):
    assert repr(secret) == "Secret(•••• 4f2a)"
    assert repr(Secret("a" * 15)) == "Secret(••••)"
    assert Secret("a" * 15).last_four == ""


def test_a_tail_that_would_break_a_line_is_not_shown():
    assert repr(Secret("a" * 20 + "\n\x1b[1")) == "Secret(••••)"


@pytest.mark.parametrize(
    "attempt",
    [
        str,
        lambda s: f"{s}",
        lambda s: f"{s:>10}",
        lambda s: "%s" % s,  # noqa: UP031
        "".join,
        lambda s: "x" + s,
        bytes,
        list,
        json.dumps,
        lambda s: json.dumps({"token": s}, cls=DjangoJSONEncoder),
        kombu_dumps,
        pickle.dumps,
        lambda s: s.__reduce_ex__(2),
        lambda s: s.__reduce__(),
        lambda s: s.__getstate__(),
        hash,
        vars,
    ],
)
def test_it_refuses_to_become_something_else(secret, attempt):
    with pytest.raises((TypeError, ValueError)) as refused:
        attempt(secret)

    assert CANARY not in str(refused.value)


def test_it_does_not_show_in_a_template(secret):
    template = engines["django"].from_string("{{ token }}")

    with pytest.raises(TypeError):
        template.render({"token": secret})


def test_it_does_not_show_inside_other_things(secret):
    token = Token("bot", secret)

    for shown in (repr(token), pprint.pformat({"token": [token]}), repr(asdict(token))):
        assert "canary" not in shown


def test_it_does_not_show_in_a_log_line_or_a_traceback(secret, capsys):
    stream = io.StringIO()
    logger = logging.Logger("test")
    logger.addHandler(logging.StreamHandler(stream))

    logger.warning("token %r", secret)
    logger.warning("token %s", secret)
    try:
        raise RuntimeError(secret)
    except RuntimeError as error:
        whole = traceback.TracebackException.from_exception(error, capture_locals=True)
        shown = "".join(whole.format())

    assert "•••• 4f2a" in stream.getvalue()
    assert CANARY not in stream.getvalue() + capsys.readouterr().err
    assert "Secret(•••• 4f2a)" in shown
    assert CANARY not in shown


def test_a_copy_is_the_same_secret(secret):
    assert copy.copy(secret) is secret
    assert copy.deepcopy({"token": secret})["token"] is secret


def test_it_equals_the_same_secret_and_no_text(secret):
    assert secret == Secret(CANARY)
    assert secret != Secret(CANARY + "x")
    assert secret != CANARY


def test_it_does_not_change(secret):
    with pytest.raises(AttributeError):
        secret.other = "x"
    with pytest.raises(AttributeError):
        secret._Secret__text = "x"
    with pytest.raises(AttributeError):
        del secret._Secret__text


@pytest.mark.parametrize("value", ["", b"", b"\xff" + CANARY.encode(), "\ud800" + CANARY, None, 7])
def test_what_is_no_text_is_refused_without_being_quoted(value):
    with pytest.raises(ValueError) as refused:
        Secret(value)

    assert "canary" not in str(refused.value)
    assert refused.value.__context__ is None


@given(st.text(alphabet=string.printable, min_size=1, max_size=60))
def test_no_secret_shows_more_than_four_characters(text):
    shown = repr(Secret(text)).removeprefix("Secret(••••").removesuffix(")").strip()

    assert len(shown) <= 4
    assert not shown or len(text) >= 16
