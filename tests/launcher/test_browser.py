"""The small browser of bin/run --check reads forms as a real one does."""

from __future__ import annotations

import pytest
from launcher.browser import StepFailed, read

PAGE = """<title>T</title><script>var hidden = "<form>";</script>
<form method="post" action="/go"><input type="hidden" name="token" value="a&amp;b">
<input name="name" value="Acme"><input type="checkbox" name="w" value="1" checked>
<input type="checkbox" name="w" value="2"><input name="off" value="x" disabled>
<select name="s"><option value="p">P</option><option value="q" selected>Q</option></select>
<textarea name="t">words</textarea>
<button>Save</button><button name="show" value="1">Show</button></form>
<a href="/next"><span>Go</span> on</a>"""


def test_a_form_is_read_as_it_would_be_sent():
    form = read("http://x/", 200, PAGE).form(having="token")

    assert (form.action, form.method) == ("/go", "post")
    assert dict(form.fields) == {
        "token": "a&b",
        "name": "Acme",
        "w": "1",
        "s": "q",
        "t": "words",
    }
    assert form.choices["w"] == ["1", "2"]
    assert form.buttons == [("", "", "Save"), ("show", "1", "Show")]


def test_links_are_found_by_their_words():
    assert read("http://x/", 200, PAGE).link("Go on") == "/next"


def test_what_is_missing_is_said():
    with pytest.raises(StepFailed, match="no form with 'password'"):
        read("http://x/", 200, PAGE).form(having="password")


def test_scripts_are_not_text():
    assert "hidden" not in read("http://x/", 200, PAGE).text
