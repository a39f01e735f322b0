"""bin/run --check: walks the main journey over HTTP, as a person would, and times each step."""

from __future__ import annotations

import email
import email.policy
import json
import re
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from launcher.browser import DEADLINE_SECONDS, Browser, Page, StepFailed
from launcher.supervisor import Supervisor

PATIENCE_SECONDS = 60.0


@dataclass
class Journey:
    """What the steps share."""

    browser: Browser
    mail: Path
    email: str
    hooks: str = ""  # where webhooks come in
    overview: str = ""
    connection: str = ""


class CheckFailed(Exception):
    """A step failed, or a program died meanwhile; what it was has been said."""


def walk_through(environment: dict[str, str], supervisor: Supervisor) -> None:
    """Every step succeeds and nothing dies meanwhile; raises CheckFailed otherwise."""
    mail, hooks = Path(environment["MAIL_DIR"]), environment.get("HOOKS_URL", "")
    passed = walk(environment["PORTAL_URL"], mail, supervisor.say, hooks)
    supervisor.look()
    if supervisor.deaths:
        supervisor.say(f"FAILED  to keep running: {', '.join(supervisor.deaths)}")
    if not passed or supervisor.deaths:
        raise CheckFailed("The check failed.")


def walk(url: str, mail: Path, say: Callable[[str], None], hooks: str = "") -> bool:
    """Whether every step succeeds; each is said with its time, and the first failure ends it."""
    state = Journey(Browser(url), mail, f"check-{secrets.token_hex(4)}@example.org", hooks)
    for title, step in STEPS:
        begun = time.monotonic()
        try:
            step(state)
        except StepFailed as failure:
            say(f"FAILED  {title}: {failure}")
            return False
        say(f"ok  {title} ({time.monotonic() - begun:.2f} s)")
    say(f"{len(STEPS)} steps passed")
    return True


# ── The steps ─────────────────────────────────────────────────────────────────────────────────


def sign_up(state: Journey) -> None:
    page = state.browser.open("/accounts/signup/")
    form = page.form(having="password1")
    given = {"name": "Chris Check", "email": state.email, "password1": secrets.token_urlsafe(16)}
    state.browser.send(form, given).expect_address("/accounts/confirm-email/")


def confirm_address(state: Journey) -> None:
    link = re.search(r"https?://\S+/accounts/confirm-email/\S+", newest_mail(state))
    if link is None:
        raise StepFailed("the message has no link to confirm the address")
    page = state.browser.open(link[0])
    state.browser.send(page.form(button="Confirm"))


def make_organization(state: Journey) -> None:
    page = state.browser.open("/organizations/")
    made = state.browser.send(page.form(button="rganization"), {"name": "Check & Sons"})
    state.overview = made.url


def begin_link(state: Journey) -> None:
    product = state.browser.open(state.overview + "catalogue/bitbucket-cloud/")
    what = state.browser.send(product.form(action="/link"))
    how = state.browser.send(what.form(having="capabilities"))
    how.expect("How do you want to link it?")


def consent_at_the_vendor(state: Journey) -> None:
    page = state.browser.open(state.browser.page.link(address="method=oauth"))
    leaving = state.browser.send(page.form(having="name"), {"name": "Check"})
    vendor = state.browser.open(leaving.link("Go to"))
    state.browser.send(vendor.form(having="user"), {"user": "dana"}, button="Grant")


def see_the_verification(state: Journey) -> None:
    """The way back ends, after the worker's part, at the choice of workspaces."""
    page = until(state, "", lambda page: "/connections/" in page.url)
    state.connection = re.sub(r"(/connections/[^/]+/).*", r"\1", page.url)
    until(state, state.connection + "verification", lambda page: "dana" in page.text.lower())


def choose_workspaces(state: Journey) -> None:
    page = until(
        state,
        state.connection + "workspaces",
        lambda page: any("workspaces" in form.choices for form in page.forms),
    )
    form = page.form(having="workspaces")
    state.browser.send(form, {"workspaces": form.choices["workspaces"][:3]})


def repositories_arrive(state: Journey) -> None:
    page = until(state, state.connection + "repositories", lambda page: "Main branch" in page.text)
    page.expect("private")


def sync_ends(state: Journey) -> None:
    page = until(state, state.connection + "sync", lambda page: "Last sync" in page.text)
    if "could not be read" in page.text:
        raise StepFailed(f"{page.url} lists what could not be read: {page.text[:300]}")


def ask_the_api(state: Journey) -> None:
    """The pages' address names the API's, and that one says what it is."""
    status, misdirected = asked(state, state.browser.home + "/api/v1/")
    if status != 421 or "api_url" not in misdirected:
        raise StepFailed(f"{state.browser.home}/api/v1/ answered {status} and names no API")
    status, index = asked(state, misdirected["api_url"] + "/api/v1/")
    if status != 200 or "documentation" not in index:
        raise StepFailed(f"{misdirected['api_url']}/api/v1/ answered {status}")


def webhooks_come_in(state: Journey) -> None:
    """The address of nobody refuses a delivery as it refuses one that is signed wrongly."""
    if not state.hooks:
        return
    request = urllib.request.Request(
        f"{state.hooks}/hooks/v1/{secrets.token_urlsafe(32)}",
        b"{}",
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE_SECONDS) as answer:
            status = answer.status
    except urllib.error.HTTPError as error:
        status = error.code
    except OSError as error:
        raise StepFailed(f"{state.hooks} did not answer: {error}") from None
    if status != 401:
        raise StepFailed(f"{state.hooks} answered {status} to a delivery that nobody signed")


def asked(state: Journey, url: str) -> tuple[int, dict[str, str]]:
    """Status and JSON body of the answer, whatever the status is; raises StepFailed."""
    try:
        with state.browser.opener.open(url, timeout=DEADLINE_SECONDS) as answer:
            status, body = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, body = error.code, error.read()
    except OSError as error:
        raise StepFailed(f"{url} did not answer: {error}") from None
    try:
        return status, json.loads(body)
    except ValueError:
        raise StepFailed(f"{url} answered {status} without JSON") from None


def newest_mail(state: Journey) -> str:
    """The newest message to us; the web process has written it by now."""
    files = sorted(state.mail.iterdir(), key=lambda path: path.stat().st_mtime)
    for path in reversed(files):
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        body = message.get_body() if state.email in str(message["To"]) else None
        if body is not None:
            return str(body.get_content())
    raise StepFailed(f"no message to {state.email} in {state.mail}")


def until(state: Journey, address: str, arrived: Callable[[Page], bool]) -> Page:
    """The page once it is as wanted, looked at again and again as a person would."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        page = state.browser.open(address or state.browser.page.url)
        if arrived(page):
            return page
        if time.monotonic() > deadline:
            raise StepFailed(f"{page.url} still says: {page.text[:300]}")
        time.sleep(0.3)


STEPS: list[tuple[str, Callable[[Journey], None]]] = [
    ("sign up", sign_up),
    ("confirm the address by the link in the mail", confirm_address),
    ("make an organization", make_organization),
    ("begin to link Bitbucket Cloud", begin_link),
    ("consent at the vendor and come back", consent_at_the_vendor),
    ("see what the verification found", see_the_verification),
    ("choose workspaces", choose_workspaces),
    ("see repositories arrive", repositories_arrive),
    ("see the sync end", sync_ends),
    ("ask the API what it is", ask_the_api),
    ("send a webhook that nobody signed", webhooks_come_in),
]
