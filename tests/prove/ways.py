"""Every way to link Jira, Confluence, Spacelift and Space is walked in Chromium, to its revocation.

A whole portal runs beside, as bin/run starts it. For each way that a manifest offers a person links
a sandbox in the wizard, verifies, links again in place, lets the token end, replaces the credential
and revokes; after each step the page and the vendor are asked what is so. Pages of one way of each
vendor are looked at by axe.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import Browser, Error, sync_playwright

from portal.seeding import PASSWORD
from tests.chromium import launched
from tests.journeys.windows import Person, Windows, found_organization, sign_up
from tests.live import LivePortal
from tests.prove.stage import Stage
from tests.prove.told import Claim, Told
from tests.prove.ways_known import KNOWN, VENDORS, Way, in_short, missing, offered
from tests.prove.ways_walk import Walk
from tests.vendor import ROOT

STEPS = ("linked", "verified", "linked again", "refreshed", "rotated", "revoked")
SOON = {"LEASE_SECONDS": "5", "SWEEP_SECONDS": "2", "REQUESTS_PER_HOUR": "100000"}
SMALL = {"SANDBOX_REPOSITORIES": "24"}
NOT_TRIED = "not tried"
LONGEST = 2_000


@dataclass
class Seen:
    """What came of one way: a word for each step, and what was missed."""

    way: Way
    words: dict[str, str] = field(default_factory=dict)
    missed: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def row(self) -> list[str]:
        return [self.way.name, *(self.words.get(step, NOT_TRIED) for step in STEPS)]


def prove(stage: Stage, *, short: bool) -> Told:
    ways = in_short() if short else KNOWN
    with live_portal(stage) as portal, browser() as opened:
        seen, complaints = walked(portal, opened, ways)
    return counted(ways, seen, complaints)


@contextmanager
def live_portal(stage: Stage) -> Iterator[LivePortal]:
    portal = LivePortal(ROOT, stage.servers.begun(), **SOON, **SMALL)
    try:
        yield portal
    finally:
        portal.stop()


@contextmanager
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright, launched(playwright) as opened:
        yield opened


def walked(
    portal: LivePortal, opened: Browser, ways: Sequence[Way]
) -> tuple[list[Seen], list[str]]:
    """Each vendor's ways by a person of an organization of their own: thirty links in ten minutes
    are allowed to one."""
    seen: list[Seen] = []
    windows = Windows(portal, opened)
    try:
        for vendor in VENDORS:
            of_vendor = [way for way in ways if way.connector == vendor]
            if of_vendor:
                person, key = newcomer(windows, vendor)
                seen += [
                    walk(Walk(person, portal, way, key, looks=way is of_vendor[0]))
                    for way in of_vendor
                ]
        return seen, windows.take_complaints()
    finally:
        windows.close()


def newcomer(windows: Windows, vendor: str) -> tuple[Person, str]:
    """Somebody with an organization, and the service key that they made there."""
    person = windows.stranger()
    sign_up(person, "Wanda Ways")
    found_organization(person, f"Ways of {vendor}")
    person.open("keys/new")
    prove_again(person)
    person.fill("Name", "Nightly report")
    for name in ("scopes", "connectors"):
        for box in person.page.locator(f"input[name={name}]").all():
            box.check()
    person.press("Make the key")
    person.reads("Shown only now")
    text = person.page.locator("main .notice code").first.inner_text()
    return person, text.strip()


def prove_again(person: Person) -> None:
    """A key is made by somebody who has just proved who they are."""
    person.page.locator("main input[type=password]").fill(PASSWORD)
    person.page.locator("main button.button--primary").click()
    person.wait_at("/keys/new")


def walk(walk: Walk) -> Seen:
    """All steps; after the first that misses something the others are not tried."""
    seen = Seen(walk.way, faults=walk.faults)
    for name, step in walk.steps():
        try:
            seen.words[name] = step()
        except (AssertionError, Error, LookupError, ValueError) as error:
            seen.words[name] = "MISSED"
            seen.missed[name] = f"{walk.person.page.url}: {str(error)[:LONGEST]}"
            break
    print("  " + "  ".join(seen.row), flush=True)
    return seen


def counted(ways: Sequence[Way], seen: list[Seen], complaints: list[str]) -> Told:
    lost = [f"{one.way.name}, {step}: {why}" for one in seen for step, why in one.missed.items()]
    faults = [fault for one in seen for fault in one.faults]
    untold = missing()
    claims = [
        Claim("every way of the manifests is known here", not untold, ", ".join(untold)),
        *(
            Claim(f"each way is {step}", *judged(seen, step))
            for step in STEPS
        ),
        Claim("axe finds nothing, nothing sticks out", not faults, "; ".join(faults[:3])),
        Claim("no page complains", not complaints, "; ".join(complaints[:3])),
    ]  # fmt: skip
    tried = f"{len(ways)} of {len(offered())} ways of {len(VENDORS)} vendors in Chromium"
    return Told(tried, ("way", *STEPS), [one.row for one in seen], claims, lost + faults)


def judged(seen: list[Seen], step: str) -> tuple[bool, str]:
    """Whether this step did what it should on each way, and the first where it did not."""
    without = [one for one in seen if one.words.get(step, NOT_TRIED) in {NOT_TRIED, "MISSED"}]
    first = next((one.missed[step] for one in without if step in one.missed), "")
    done = len(seen) - len(without)
    return not without, f"{done} of {len(seen)}" + (f"; {first}" if first else "")
