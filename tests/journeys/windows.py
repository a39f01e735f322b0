"""Windows of the browser: one for each person, with what its console complained of."""

from __future__ import annotations

import email
import email.policy
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from playwright.sync_api import Browser, BrowserContext, Page, expect

from portal.seeding import PASSWORD
from tests.live import LivePortal

DESKTOP, PHONE = (1440, 900), (390, 844)
# Two cores are shared with all other tests: what a worker does, and what a page does by itself.
PATIENCE_SECONDS, PAGE_SECONDS = 90.0, 30.0
# A page that was asked for and refused is not a fault of the page.
ANSWERS = "Failed to load resource: the server responded with a status of 4"

expect.set_options(timeout=PAGE_SECONDS * 1000)


@dataclass
class Person:
    """Somebody at a window; `home` is the address of their organization's pages.

    `link` identifies the link they have begun; `complaints` is what the console of any window of
    the story said.
    """

    page: Page
    portal: LivePortal
    email: str = ""
    home: str = ""
    link: str = ""
    complaints: list[str] = field(default_factory=list)

    def open(self, address: str) -> Page:
        """A page by its address: whole, from the portal's root, or from the organization's."""
        if not address.startswith(("http", "/")):
            address = self.home + address
        self.page.goto(address if address.startswith("http") else self.portal.url + address)
        return self.page

    def press(self, name: str, *, role: str = "button") -> Page:
        """Press the button (or follow the link) of this name."""
        found: Any = self.page.get_by_role(role, name=name)  # type: ignore[arg-type]
        found.first.click()
        return self.page

    def send(self, name: str) -> None:
        """Press the button; the form was taken and what it leads to is there. Else a page that is
        opened next could cut off what the browser was about to send."""
        with self.page.expect_navigation():
            self.press(name)

    def follow(self, name: str) -> Page:
        return self.press(name, role="link")

    def fill(self, label: str, text: str) -> None:
        self.page.get_by_label(label).fill(text)

    def reads(self, *words: str) -> None:
        """The page says this, now or soon."""
        for each in words:
            expect(self.page.locator("main")).to_contain_text(each)

    def sees(self, words: str) -> None:
        """The page comes to say this by itself, once a worker has done what it tells of."""
        expect(self.page.locator("main")).to_contain_text(words, timeout=PATIENCE_SECONDS * 1000)

    def wait_at(self, part: str) -> str:
        """The address, once it has this part."""
        self.page.wait_for_url(re.compile(part), timeout=PATIENCE_SECONDS * 1000)
        return self.page.url

    def letter(self, pattern: str) -> str:
        """What this pattern finds in the newest mail to the person."""
        return str(until(lambda: found_in_mail(self.portal.mail, self.email, pattern)))


@dataclass
class Windows:
    """The windows of one story."""

    portal: LivePortal
    browser: Browser
    contexts: list[BrowserContext] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def stranger(self, **options: Any) -> Person:
        """A window that knows nobody."""
        width, height = options.pop("size", DESKTOP)
        context = self.browser.new_context(
            viewport={"width": width, "height": height}, reduced_motion="reduce", **options
        )
        context.set_default_timeout(PAGE_SECONDS * 1000)
        self.contexts.append(context)
        page = context.new_page()
        page.on("console", lambda line: self._note(line.type == "error", line.text, page))
        page.on("pageerror", lambda error: self._note(True, str(error), page))
        return Person(page, self.portal, complaints=self.complaints)

    def signed_in(self, address: str, home: str = "", **options: Any) -> Person:
        """The window of one of the example people, or of somebody with their password."""
        person = self.stranger(**options)
        person.email, person.home = address, home
        sign_in(person, PASSWORD)
        return person

    def _note(self, is_wrong: bool, text: str, page: Page) -> None:
        if is_wrong and not text.startswith(ANSWERS):
            self.complaints.append(f"{page.url}: {text}")

    def take_complaints(self) -> list[str]:
        taken = list(self.complaints)
        self.complaints.clear()
        return taken

    def close(self) -> None:
        for context in self.contexts:
            context.close()


# ── Coming in ─────────────────────────────────────────────────────────────────────────────────


def sign_in(person: Person, password: str) -> None:
    person.open("/accounts/login/")
    person.fill("Email", person.email)
    person.page.locator("input[type=password]").fill(password)
    person.page.locator("main button.button--primary").click()
    person.wait_at(r"/(o/|organizations/|platform/|support/|$)")


def sign_up(person: Person, name: str) -> None:
    """Signed up with a confirmed address, by the link in the mail."""
    person.email = f"person-{uuid4().hex[:8]}@example.org"
    person.open("/accounts/signup/")
    person.fill("Your name", name)
    person.fill("Email", person.email)
    person.page.locator("input[type=password]").fill(PASSWORD)
    person.page.locator("main button.button--primary").click()
    person.wait_at("/accounts/confirm-email/")
    person.open(person.letter(r"https?://\S+/accounts/confirm-email/\S+"))
    person.press("Confirm")
    person.wait_at("/organizations/|/$|/o/")


def found_organization(person: Person, name: str) -> None:
    person.open("/organizations/")
    person.fill("Name of the organization", name)
    person.page.locator("main form").get_by_role("button", name=re.compile("rganization")).click()
    person.home = person.wait_at("/o/[^/]+/$")


# ── Waiting ───────────────────────────────────────────────────────────────────────────────────


def until(true: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
    """The first answer that is not empty; fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
    return found


def found_in_mail(folder: Path, address: str, pattern: str) -> str:
    for path in sorted(folder.iterdir(), key=lambda each: each.stat().st_mtime, reverse=True):
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        body = message.get_body()
        if address in str(message["To"]) and body is not None:
            found = re.search(pattern, body.get_content())
            if found:
                return found[0]
    return ""
