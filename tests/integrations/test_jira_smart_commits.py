"""What commands a commit's message holds, for which issues, and which transition is meant."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from connections.contracts import CommandKind
from integrations.jira.smart_commits import commands, matching, time_spent

VECTORS = Path(__file__).parents[3] / "shared/samples/smart-commits/vectors.json"
needs_vectors = pytest.mark.skipif(not VECTORS.exists(), reason="the vectors are not here")


def vectors(name: str) -> list[Any]:
    found: list[Any] = json.loads(VECTORS.read_text())[name] if VECTORS.exists() else []
    return found


def said(message: str) -> str:
    """The commands in one line: "KEY word kind text | …", kinds by their first letter."""
    return " | ".join(
        f"{each.subject} {each.kind[0]}:{each.word} {each.text}".strip()
        for each in commands(message)
    )


@needs_vectors
@pytest.mark.parametrize("vector", vectors("parse"), ids=lambda each: each["message"][:40])
def test_every_vector_of_parsing_holds(vector: Any) -> None:
    found = commands(vector["message"])
    assert [
        {"key": one.subject, "command": one.word, "type": one.kind.value, "args": one.text}
        for one in found
    ] == vector["commands"]
    logged = [time_spent(one.text) for one in found if one.kind is CommandKind.WORKLOG]
    told = [{"timeSpent": one.spent, "comment": one.comment} for one in logged if one]
    assert told == vector["worklogs"]
    assert [one.index for one in found] == list(range(len(found)))


@needs_vectors
@pytest.mark.parametrize("vector", vectors("transition_match"), ids=lambda each: each["command"])
def test_every_vector_of_matching_holds(vector: Any) -> None:
    assert list(matching(vector["command"], vector["available"])) == vector["matches"]


# ── One by one ────────────────────────────────────────────────────────────────────────────────

CASES = {
    # where a key stands
    "PAY-1 #comment a": "PAY-1 c:comment a",
    "  PAY-1   #comment   a  ": "PAY-1 c:comment a",
    "[PAY-1] #comment a": "PAY-1 c:comment a",
    "(PAY-1) #comment a": "PAY-1 c:comment a",
    "fix: PAY-1 #comment a": "PAY-1 c:comment a",
    "#comment a PAY-1": "",
    "#comment before PAY-1 #close": "PAY-1 t:close",
    "pay-1 #comment a": "",
    "Pay-1 #comment a": "",
    "xPAY-1 #comment a": "",
    "1PAY-1 #comment a": "",
    "PAY-1x #comment a": "",
    "PAY-1_ #comment a": "",
    "_PAY-1 #comment a": "",
    "PAY_X-1 #comment a": "",
    "P-1 #comment a": "",
    "P2-1 #comment a": "P2-1 c:comment a",
    "2P-1 #comment a": "",
    "PAY-0 #comment a": "PAY-0 c:comment a",
    "PAY-007 #comment a": "PAY-007 c:comment a",
    "PAY- #comment a": "",
    "ÜBER-1 #comment a": "ÜBER-1 c:comment a",
    "ЗАДАЧА-5 #comment a": "ЗАДАЧА-5 c:comment a",
    "über-1 #comment a": "",
    # what may not stand before it
    "/PAY-1 #comment a": "",
    "feature/PAY-1 #comment a": "",
    "x-PAY-1 #comment a": "",
    "key=PAY-1 #comment a": "",
    "?PAY-1 #comment a": "",
    "&PAY-1 #comment a": "",
    ">PAY-1 #comment a": "",
    "^PAY-1 #comment a": "",
    "!PAY-1 #comment a": "",
    "~PAY-1 #comment a": "",
    ".PAY-1 #comment a": "PAY-1 c:comment a",
    ":PAY-1 #comment a": "PAY-1 c:comment a",
    "#PAY-1 #comment a": "PAY-1 c:comment a",
    '"PAY-1" #comment a': "PAY-1 c:comment a",
    "https://x.example/PAY-1 #comment a": "",
    "https://x.example?k=PAY-1 #comment a": "",
    # what follows it
    "PAY-1: #comment a": "PAY-1 c:comment a",
    "PAY-1 some words #comment a": "PAY-1 c:comment a",
    "PAY-1#comment a": "PAY-1 c:comment a",
    "PAY-1-2 #comment a": "PAY-1 c:comment a",
    "PAY-1.#comment a": "",
    "PAY-1 a#comment b": "",
    "PAY-1": "",
    "PAY-1 #": "",
    "PAY-1 # comment a": "",
    "PAY-1 #1 a": "",
    "PAY-1 ##comment a": "",
    "PAY-1 #-close": "",
    "PAY-1 #comment": "PAY-1 c:comment",
    # several keys
    "PAY-1 PAY-2 #close": "PAY-1 t:close | PAY-2 t:close",
    "PAY-1, PAY-2 #close": "PAY-1 t:close | PAY-2 t:close",
    "PAY-1,PAY-2 #close": "PAY-1 t:close | PAY-2 t:close",
    "PAY-1,  PAY-2,OPS-3 #close": "PAY-1 t:close | PAY-2 t:close | OPS-3 t:close",
    "PAY-1 , PAY-2 #close": "PAY-2 t:close",
    "PAY-1 and PAY-2 #close": "PAY-2 t:close",
    "PAY-1; PAY-2 #close": "PAY-2 t:close",
    "PAY-1,, PAY-2 #close": "PAY-2 t:close",
    "PAY-1/PAY-2 #close": "PAY-1 t:close",
    "PAY-1 #close PAY-2 #open": "PAY-1 t:close | PAY-2 t:open",
    "PAY-1 #comment see PAY-2": "PAY-1 c:comment see",
    "PAY-1 #comment see PAY-2 #close": "PAY-1 c:comment see | PAY-2 t:close",
    "PAY-1 PAY-1 #close": "PAY-1 t:close | PAY-1 t:close",
    "PAY-1 PAY-2 x OPS-3 OPS-4 #close": "OPS-3 t:close | OPS-4 t:close",
    # several commands
    "PAY-1 #close #comment done": "PAY-1 t:close | PAY-1 c:comment done",
    "PAY-1 #time 1h #time 2h": "PAY-1 w:time 1h | PAY-1 w:time 2h",
    "PAY-1 #comment a #b c": "PAY-1 c:comment a | PAY-1 t:b c",
    "PAY-1 PAY-2 #time 1h x #close": "PAY-1 w:time 1h x | PAY-2 w:time 1h x | PAY-1 t:close"
    " | PAY-2 t:close",
    "PAY-1 #comment a#b": "PAY-1 c:comment a#b",
    "PAY-1 #comment issue #7 is old": "PAY-1 c:comment issue #7 is old",
    "PAY-1 #comment\ttabbed": "PAY-1 c:comment tabbed",
    "PAY-1\t#close": "PAY-1 t:close",
    # words
    "PAY-1 #Comment a": "PAY-1 c:Comment a",
    "PAY-1 #TIME 1h": "PAY-1 w:TIME 1h",
    "PAY-1 #comments a": "PAY-1 t:comments a",
    "PAY-1 #timer 1h": "PAY-1 t:timer 1h",
    "PAY-1 #in-progress": "PAY-1 t:in-progress",
    "PAY-1 #in-progress-": "PAY-1 t:in-progress-",
    "PAY-1 #ready_now a": "PAY-1 t:ready _now a",
    "PAY-1 #done2 a": "PAY-1 t:done 2 a",
    "PAY-1 #schließen": "PAY-1 t:schlie ßen",
    "PAY-1 #comment: a": "PAY-1 c:comment : a",
    # lines
    "PAY-1\n#comment a": "",
    "PAY-1 #comment a\nb": "PAY-1 c:comment a",
    "PAY-1 #comment a\nPAY-2 #close": "PAY-1 c:comment a | PAY-2 t:close",
    "PAY-1 #comment a\r\nPAY-2 #close": "PAY-1 c:comment a | PAY-2 t:close",
    "Subject\n\nPAY-1 #close": "PAY-1 t:close",
    "PAY-1,\nPAY-2 #close": "PAY-2 t:close",
    "\n\n": "",
    "": "",
    # merges and reverts
    "Merged in feature/PAY-1 (pull request #7)": "",
    "Merge branch 'PAY-1-x' into main": "",
    'Revert "PAY-1 #close"': 'PAY-1 t:close "',
    "Merge pull request #12 from PAY-1": "",
}


@pytest.mark.parametrize("message", CASES, ids=range(len(CASES)))
def test_a_message_says_what_it_says(message: str) -> None:
    assert said(message) == CASES[message]


# ── All together: what is put together is found again ─────────────────────────────────────────

KEYS = (["PAY-1"], ["PAY-1", "OPS-22"], ["WEB2-345", "PAY-1", "LAB-7"])
JOINTS = (" ", ", ", ",", "  ")
BEFORE = ("", "fix: ", "[wip] as said in #12: ")
SAYINGS = (
    [("comment", "Größe ist 5 %")],
    [("time", "1w 2d 4h 30m"), ("close", "")],
    [("in-progress", "now"), ("Comment", "a - b"), ("TIME", "1.5h on it")],
)
TOGETHER = list(itertools.product(KEYS, JOINTS, BEFORE, SAYINGS))


@pytest.mark.parametrize(("keys", "joint", "before", "sayings"), TOGETHER)
def test_keys_and_commands_multiply(
    keys: list[str], joint: str, before: str, sayings: list[tuple[str, str]]
) -> None:
    text = " ".join(f"#{word} {argument}" for word, argument in sayings)
    found = commands(f"{before}{joint.join(keys)} {text}")
    assert [(one.subject, one.word, one.text) for one in found] == [
        (key, word, argument) for word, argument in sayings for key in keys
    ]


# ── Time ──────────────────────────────────────────────────────────────────────────────────────

TIMES = {
    "2h": ("2h", ""),
    "1w 2d 4h 30m": ("1w 2d 4h 30m", ""),
    "2h30m": ("2h30m", ""),
    "2h fixed it": ("2h", "fixed it"),
    "fixed it 2h": ("2h", "fixed it"),
    "fixed 2h it": ("2h", "fixed it"),
    "2h 30m": ("2h 30m", ""),
    "2h and 30m": ("2h", "and"),
    "1.5h": ("1.5h", ""),
    "1,5h": ("1.5h", ""),
    "0.25d review": ("0.25d", "review"),
    ".5h": (".5h", ""),
    "1.5d 2.25h": ("1.5d 2.25h", ""),
    "10.5.2h": ("5.2h", "10."),
    "2 h": None,
    "2H": None,
    "2": None,
    "2s": None,
    "": None,
    "soon": None,
    "1w": ("1w", ""),
    "90m standup": ("90m", "standup"),
    "  4h  ": ("4h", ""),
    "0h": ("0h", ""),
    "2d,4h": ("2d", ","),
}


@pytest.mark.parametrize("text", TIMES, ids=range(len(TIMES)))
def test_time_is_read_with_decimals(text: str) -> None:
    found = time_spent(text)
    assert (found and (found.spent, found.comment)) == TIMES[text]


# ── Transitions ───────────────────────────────────────────────────────────────────────────────

WORKFLOW = ["Start Progress", "Start Review", "Done", "In Progress", "In Review", "Reopen Issue"]
MEANT = {
    "done": ["Done"],
    "DONE": ["Done"],
    "d": ["Done"],
    "start": ["Start Progress", "Start Review"],
    "start-p": ["Start Progress"],
    "start-progress": ["Start Progress"],
    "Start-Review": ["Start Review"],
    "in": ["In Progress", "In Review"],
    "in-": ["In Progress", "In Review"],
    "in-progress": ["In Progress"],
    "inprogress": [],
    "reopen": ["Reopen Issue"],
    "issue": [],
    "close": [],
    "progress": [],
}


@pytest.mark.parametrize("command", MEANT)
def test_a_transition_is_meant_by_its_beginning(command: str) -> None:
    assert list(matching(command, WORKFLOW)) == MEANT[command]


def test_the_same_name_wins_over_longer_ones() -> None:
    assert matching("done", ["Done for now", "Done", "Done again"]) == ("Done",)


def test_a_dash_of_the_name_itself_goes_before_a_space() -> None:
    assert matching("re-open", ["Re open", "Re-open it"]) == ("Re-open it",)


def test_nothing_is_possible_where_nothing_is_offered() -> None:
    assert matching("done", []) == ()


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="PAY-12 #,\n/comentime.hx", max_size=80))
def test_any_message_is_read_and_gives_known_words_only(message: str) -> None:
    found = commands(message)
    assert [one.index for one in found] == list(range(len(found)))
    for one in found:
        assert one.subject in message
        assert f"#{one.word}" in message
        assert "\n" not in one.text


def test_there_are_more_than_two_hundred_cases_of_ours() -> None:
    assert len(CASES) + len(TOGETHER) + len(TIMES) + len(MEANT) > 200
