"""What a walk does besides pressing buttons: ticks, the vendor's page, rows, clocks, leases."""

from __future__ import annotations

import json
from collections.abc import Collection
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from connections import registry
from tests.journeys import rows
from tests.journeys.windows import PATIENCE_SECONDS, Person
from tests.live import LivePortal
from tests.prove.ways_known import Consent

LEAST = "account-read"
REASON = "Shows what happens in code where people plan it"


def begin(person: Person, connector: str, way: str, only: Collection[str] = ()) -> None:
    """At the second step, with everything ticked that this way can do, or nothing beyond `only`."""
    manifest = registry.get(connector).manifest
    method = manifest.method(way)
    able = {each.key for each in manifest.capabilities if not manifest.obstacle(each, method)}
    wanted = able & {*only, LEAST} if only else able
    person.open(f"catalogue/{connector}/")
    person.press("Link it")
    person.wait_at("/what$")
    for box in person.page.locator("input[name=capabilities]").all():
        box.set_checked(box.get_attribute("value") in wanted)
    if any(each.writes and each.key in wanted for each in manifest.capabilities):
        person.fill("Why it needs to change things", REASON)
    person.press("Go on")
    person.wait_at("/how$")


def accept(person: Person, consent: Consent) -> None:
    """At the vendor's page, as this person, for these sites."""
    who = person.page.locator(f"input[name=user][value={consent.user}]")
    who.check(timeout=PATIENCE_SECONDS * 1000)
    for box in person.page.locator("input[name=sites]").all():
        box.set_checked(box.get_attribute("value") in consent.sites)
    person.press(consent.accept)


def credentials(portal: LivePortal, connection: str) -> int:
    """How many this connection has had, the one in use among them."""
    of_it = "SELECT count(*) FROM connections_credential WHERE connection_id = %s"
    return int(rows.asked(portal, of_it, connection)[0][0])


def verifications(portal: LivePortal, connection: str) -> int:
    """How many are over."""
    counted = rows.asked(
        portal,
        "SELECT count(*) FROM connections_verification WHERE connection_id = %s"
        " AND finished_at IS NOT NULL",
        connection,
    )
    return int(counted[0][0])


def let_pass(portal: LivePortal, connection: str, seconds: int) -> None:
    """The vendor's clock goes on, and our token was received so much earlier.

    The clock first: what a sweep got in between would have ended with the old token."""
    portal.order("/clock", advance=seconds)
    rows.asked(
        portal,
        "UPDATE connections_credential SET expires_at = expires_at - %s * interval '1 second',"
        " refresh_due_at = refresh_due_at - %s * interval '1 second'"
        " WHERE connection_id = %s AND replaced_at IS NULL",
        *(seconds, seconds, connection),
    )


def leased(portal: LivePortal, connection: str, key: str) -> int:
    """The status of an ask for its token; 0 without a service that could ask."""
    if not key:
        return 0
    request = Request(
        f"{portal.api_url}/api/v1/connections/{connection}/token",
        json.dumps({"reason": "a nightly report"}).encode(),
        {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    try:
        with urlopen(request, timeout=15) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code
