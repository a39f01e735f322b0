"""The forms that pages really show, read from their HTML: what a person could fill in and send."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

from django.test import Client

TEXT = {"text", "email", "search", "password", "url", "textarea"}


@dataclass
class ShownForm:
    """A form of a page: where it goes, what it holds as it is shown, and what each field offers."""

    action: str
    method: str
    values: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    offered: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    required: set[str] = field(default_factory=set)

    @property
    def texts(self) -> list[str]:
        return [name for name, kind in self.kinds.items() if kind in TEXT]

    @property
    def name(self) -> str:
        return f"{self.method} {self.action}"


class _Reader(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.page = page
        self.found: list[ShownForm] = []
        self.form: ShownForm | None = None
        self.choosing = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and given.get("method", "get") != "dialog":
            action = urljoin(self.page, given.get("action") or self.page)
            self.form = ShownForm(action, given.get("method", "get").lower())
            self.found.append(self.form)
        elif self.form is not None and given.get("name"):
            self._field(tag, given)
        elif tag == "option" and self.form is not None and self.choosing:
            self._option(given)

    def _field(self, tag: str, given: dict[str, str]) -> None:
        assert self.form is not None
        name, kind = given["name"], given.get("type", "text") if tag == "input" else tag
        if name == "csrfmiddlewaretoken" or tag not in ("input", "textarea", "select"):
            return
        self.form.offered[name].add(given.get("value", ""))
        if kind in ("checkbox", "radio") and name in self.form.values and "checked" not in given:
            return
        self.form.kinds[name] = kind
        self.form.values[name] = given.get("value", "")
        if "required" in given:
            self.form.required.add(name)
        self.choosing = name if tag == "select" else ""

    def _option(self, given: dict[str, str]) -> None:
        assert self.form is not None
        self.form.offered[self.choosing].add(given.get("value", ""))
        if "selected" in given or not self.form.values[self.choosing]:
            self.form.values[self.choosing] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.form = None
        elif tag == "select":
            self.choosing = ""


def forms_on(client: Client, url: str) -> list[ShownForm]:
    """The forms of the page at this address; none when there is no page."""
    response: Any = client.get(url)
    if response.status_code != 200 or not response["Content-Type"].startswith("text/html"):
        return []
    reader = _Reader(url)
    reader.feed(response.content.decode())
    return reader.found


def plausible(form: ShownForm) -> dict[str, str]:
    """The form filled in so that nothing but the field under test can be wrong with it."""
    words = {
        "email": "somebody@acme.example",
        "password": "a-pasted-word-12",
        "login": "a@b.example",
    }
    filled = dict(form.values)
    for name in form.texts:
        if not filled[name]:
            filled[name] = words.get(name, words.get(form.kinds[name], f"plausible {name}"))
    return filled
