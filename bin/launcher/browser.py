"""A very small browser from the standard library: cookies, redirects, forms read from pages."""

from __future__ import annotations

import http.cookiejar
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser

DEADLINE_SECONDS = 30.0


class StepFailed(Exception):
    """The page is not what the journey expects; the text says what was asked and what came."""


@dataclass
class Form:
    """One form with its fields as the page fills them in; a name may have several values."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    choices: dict[str, list[str]] = field(default_factory=dict)
    buttons: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass
class Page:
    """An answer: where we ended up, what it says, its forms and links."""

    url: str
    status: int
    html: str
    forms: list[Form]
    links: list[tuple[str, str]]
    text: str

    def form(self, *, having: str = "", button: str = "", action: str = "") -> Form:
        """The form with this field, button text or action; raises StepFailed."""
        for form in self.forms:
            names = {name for name, _ in form.fields} | set(form.choices)
            texts = [text for _, _, text in form.buttons]
            if (
                (not having or having in names)
                and (not button or any(button in text for text in texts))
                and action in form.action
            ):
                return form
        wanted = " ".join(filter(None, (having, button, action)))
        raise StepFailed(f"{self.url} has no form with {wanted!r}")

    def link(self, text: str = "", *, address: str = "") -> str:
        """The address of the first link with this text or address; raises StepFailed."""
        for href, words in self.links:
            if text in words and address in href:
                return href
        raise StepFailed(f"{self.url} has no link {text or address!r}")

    def expect(self, *words: str) -> Page:
        """This page; raises StepFailed when it does not say all of these words."""
        for word in words:
            if word not in self.text:
                raise StepFailed(f"{self.url} does not say {word!r}")
        return self

    def expect_address(self, part: str) -> Page:
        """This page; raises StepFailed with what it says when we are somewhere else."""
        if part not in self.url:
            raise StepFailed(f"expected {part} but am at {self.url}: {self.text[:300]}")
        return self


class Reader(HTMLParser):
    """Collects forms, links and the visible text of one page."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: list[tuple[str, str]] = []
        self.words: list[str] = []
        self._form: Form | None = None
        self._link: list[str] | None = None
        self._href = ""
        self._button: tuple[str, str] | None = None
        self._caption: list[str] = []
        self._select = self._area = ""
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        given |= {key: key for key, value in attrs if value is None}
        opened = getattr(self, f"open_{tag}", None)
        if opened:
            opened(given)

    def handle_endtag(self, tag: str) -> None:
        closed = getattr(self, f"close_{tag}", None)
        if closed:
            closed()

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        if self._area and self._form:
            name, value = self._form.fields[-1]
            self._form.fields[-1] = (name, value + data)
            return
        self.words.append(data)
        if self._link is not None:
            self._link.append(data)
        if self._button is not None:
            self._caption.append(data)

    def open_script(self, given: dict[str, str]) -> None:
        self._silent += 1

    def close_script(self) -> None:
        self._silent -= 1

    def open_form(self, given: dict[str, str]) -> None:
        self._form = Form(given.get("action", ""), given.get("method", "get").lower())
        self.forms.append(self._form)

    def close_form(self) -> None:
        self._form = None

    def open_input(self, given: dict[str, str]) -> None:
        if self._form is None or "name" not in given or "disabled" in given:
            return
        kind, name, value = given.get("type", "text"), given["name"], given.get("value", "")
        if kind in ("checkbox", "radio"):
            self._form.choices.setdefault(name, []).append(value or "on")
            if "checked" in given:
                self._form.fields.append((name, value or "on"))
        elif kind in ("submit", "image"):
            self._form.buttons.append((name, value, value))
        elif kind not in ("button", "reset", "file"):
            self._form.fields.append((name, value))

    def open_select(self, given: dict[str, str]) -> None:
        self._select = given.get("name", "")

    def open_option(self, given: dict[str, str]) -> None:
        if self._form is None or not self._select:
            return
        options = self._form.choices.setdefault(self._select, [])
        options.append(given.get("value", ""))
        if "selected" in given or len(options) == 1:
            kept = [pair for pair in self._form.fields if pair[0] != self._select]
            self._form.fields = [*kept, (self._select, given.get("value", ""))]

    def close_select(self) -> None:
        self._select = ""

    def open_textarea(self, given: dict[str, str]) -> None:
        self._area = given.get("name", "")
        if self._form is not None and self._area:
            self._form.fields.append((self._area, ""))

    def close_textarea(self) -> None:
        self._area = ""

    def open_button(self, given: dict[str, str]) -> None:
        self._button, self._caption = (given.get("name", ""), given.get("value", "")), []

    def close_button(self) -> None:
        if self._form is not None and self._button is not None:
            self._form.buttons.append((*self._button, "".join(self._caption).strip()))
        self._button = None

    def open_a(self, given: dict[str, str]) -> None:
        self._href, self._link = given.get("href", ""), []

    def close_a(self) -> None:
        if self._link is not None:
            self.links.append((self._href, " ".join("".join(self._link).split())))
        self._link = None


class Browser:
    """Opens pages and sends forms; raises StepFailed for any answer of 400 or above."""

    def __init__(self, home: str) -> None:
        self.home = home
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        # The proxies of the environment are for the way out, not for loopback.
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), jar)
        self.page = Page(home, 0, "", [], [], "")

    def open(self, address: str, values: list[tuple[str, str]] | None = None) -> Page:
        url = urllib.parse.urljoin(self.page.url, address)
        body = urllib.parse.urlencode(values).encode() if values is not None else None
        request = urllib.request.Request(url, body, {"Referer": self.page.url})
        try:
            with self.opener.open(request, timeout=DEADLINE_SECONDS) as answer:
                self.page = read(answer.geturl(), answer.status, answer.read().decode())
        except urllib.error.HTTPError as error:
            raise StepFailed(f"{without_query(url)} answered {error.code}") from None
        except OSError as error:
            raise StepFailed(f"{without_query(url)} did not answer: {error}") from None
        return self.page

    def send(
        self, form: Form, values: Mapping[str, str | list[str]] | None = None, *, button: str = ""
    ) -> Page:
        """Send the form as the page filled it in, but for these values, by its first button or
        the one with these words."""
        given = values or {}
        pairs = [pair for pair in form.fields if pair[0] not in given]
        for name, value in given.items():
            pairs += [(name, each) for each in ([value] if isinstance(value, str) else value)]
        pressed = next((each for each in form.buttons if button in each[2]), ("", "", ""))
        pairs += [pressed[:2]] if pressed[0] else []
        action = form.action or self.page.url
        if form.method == "post":
            return self.open(action, pairs)
        return self.open(f"{action.partition('?')[0]}?{urllib.parse.urlencode(pairs)}")


def read(url: str, status: int, html: str) -> Page:
    reader = Reader()
    reader.feed(html)
    text = " ".join("".join(reader.words).split())
    return Page(url, status, html, reader.forms, reader.links, text)


def without_query(url: str) -> str:
    return url.partition("?")[0]
