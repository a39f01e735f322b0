"""Where a key and a command have to stand in a commit's message, every place with every other."""

from __future__ import annotations

import time

import pytest

from integrations.jira.smart_commits import commands, matching, time_spent

# What stands right before the key, and whether it is one then.
BEFORE = {
    **dict.fromkeys(
        ("", "see ", "\t", "(", "[", "{", "<", '"', "'", "`", "“", "«", ":", ";"), True
    ),
    **dict.fromkeys((",", ".", "*", "+", "@", "#", "%", "$", "|", "\\", "–", "—", "…", "🚀"), True),
    **dict.fromkeys(("\u00a0", "\u2003", "\u200b", "WIP: ", "Merge PR 7: ", "v1.2 "), True),
    **dict.fromkeys(("&", "=", "?", ">", "^", "!", "~", "/", "-", "a-b-", "x/y/"), False),
    **dict.fromkeys(("_", "x", "1", "é", "ß", "日", "https://a.example/browse/"), False),
}
# What stands between the key and the command, and whether that is one then.
BETWEEN = {
    **dict.fromkeys(("", " ", "  ", "\t", ": ", ", ", ") ", "] ", " – ", " done, so "), True),
    **dict.fromkeys(("-2 ", "-fix ", "/x ", "! ", "? ", "\u2003 "), True),
    **dict.fromkeys((":", ".", ")", "x ", "_ ", "é ", "1x ", "\u00a0", "\u2003", " a"), False),
    **dict.fromkeys((" #", " \\", "\n", "\r\n", " \n "), False),
}
WORDS = {
    **{each: each for each in ("close", "Close", "in-progress", "a", "x-", "comment", "TIME")},
    "close.": "close",
    "close!": "close",
    "done,": "done",
    "ok)": "ok",
    "done2": "done",
    "to_do": "to",
    "größer": "gr",
    "i’m": "i",
    "done/": "done",
    **dict.fromkeys(("1", "-close", "_x", "é", "", "!", "42nd"), None),
}


@pytest.mark.parametrize("before", BEFORE, ids=range(len(BEFORE)))
def test_a_key_counts_by_what_stands_before_it(before: str) -> None:
    for between, is_command in BETWEEN.items():
        found = commands(f"{before}PAY-1{between}#close now")
        counts = BEFORE[before] and is_command
        assert [(each.subject, each.word, each.text) for each in found] == (
            [("PAY-1", "close", "now")] if counts else []
        ), between


@pytest.mark.parametrize("word", WORDS, ids=range(len(WORDS)))
def test_a_word_ends_where_its_letters_end(word: str) -> None:
    found = commands(f"PAY-1 #{word} now")
    read = WORDS[word]
    assert [each.word for each in found] == ([read] if read else [])
    if read:
        assert found[0].text == f"{word.removeprefix(read)} now".strip()


def test_what_follows_a_word_is_its_text_up_to_the_next() -> None:
    message = "PAY-1, OPS-2 #time 1w 2d 4h 30m on #5 #comment a # b #-c ##d #close\nOPS-3 #close x"
    assert [(each.subject, each.word, each.text) for each in commands(message)] == [
        ("PAY-1", "time", "1w 2d 4h 30m on #5"),
        ("OPS-2", "time", "1w 2d 4h 30m on #5"),
        ("PAY-1", "comment", "a # b #-c ##d"),
        ("OPS-2", "comment", "a # b #-c ##d"),
        ("PAY-1", "close", ""),
        ("OPS-2", "close", ""),
        ("OPS-3", "close", "x"),
    ]


SPANS = {
    "2w 4d 6h 30m": ("2w 4d 6h 30m", ""),
    "2w4d6h30m": ("2w4d6h30m", ""),
    "30m 6h": ("30m 6h", ""),
    "6h 6h": ("6h 6h", ""),
    "1.25h total, 2 files": ("1.25h", "total, 2 files"),
    "0.5d, then 1h more": ("0.5d", ", then more"),
    "3d4": ("3d", "4"),
    "h": None,
    "1 day": None,
    "one hour": None,
    "-1h": ("1h", "-"),
    "1h30": ("1h", "30"),
    "1H 2h": ("2h", "1H"),
    "999999999w": ("999999999w", ""),
    "٣h": None,
    "x2h": ("2h", "x"),
}


@pytest.mark.parametrize("text", SPANS, ids=range(len(SPANS)))
def test_time_is_what_looks_like_it(text: str) -> None:
    found = time_spent(text)
    assert (found and (found.spent, found.comment)) == SPANS[text]


STEPS = ["Close", "Close as duplicate", "close-and-archive", "Send to QA", "To Do", "ÜBERGEBEN"]
MEANT = {
    "close": ["Close"],
    "CLOSE": ["Close"],
    "clo": ["Close", "Close as duplicate", "close-and-archive"],
    "close-": ["close-and-archive"],
    "close-a": ["close-and-archive"],
    "close-as": ["Close as duplicate"],
    "close-as-duplicate": ["Close as duplicate"],
    "close-and-archive": ["close-and-archive"],
    "send": ["Send to QA"],
    "send-to-qa": ["Send to QA"],
    "send-qa": [],
    "to": ["To Do"],
    "to-do": ["To Do"],
    "todo": [],
    "qa": [],
    "x": [],
}


@pytest.mark.parametrize("word", MEANT)
def test_a_step_is_meant_by_its_name_or_how_it_begins(word: str) -> None:
    assert list(matching(word, STEPS)) == MEANT[word]


@pytest.mark.parametrize(
    "message",
    [
        f"PAY-1 #time {'1' * 9_900}",
        f"PAY-1 #time {'1.' * 4_900}",
        f"{'PAY-1 ' * 800}{'#x ' * 1_600}",
        f"{'PAY-1,' * 1_600} #x",
        f"{'P' * 5_000}-1 #{'x' * 4_000}",
    ],
    ids=range(5),
)
def test_no_message_takes_long(message: str) -> None:
    began = time.process_time()
    found = commands(message)
    assert len(found) <= 100
    for each in found:
        time_spent(each.text)
    assert time.process_time() - began < 2  # hundredths of a second; once more than six
