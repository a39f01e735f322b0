"""An operator's day and a support person's day: what they see, and what they never see."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.journeys import rows, walks
from tests.journeys.windows import Person, Windows
from tests.live import LivePortal


class TestOperator:
    def test_looks_after_the_platform_and_sees_no_tenant(
        self, windows: Windows, acme_code: str
    ) -> None:
        olga = windows.signed_in("olga@portal.example", home="/platform/")

        olga.open("")
        olga.follow("Organizations")
        olga.reads("Acme", "Globex")
        olga.follow("Keys")
        olga.reads("Proven")
        olga.follow("Queues")
        olga.reads("By class", "A person waits", "connections.start_due")
        olga.follow("Workers")
        olga.reads("At least one worker is alive", "complete_link", "worker")
        olga.follow("Record")
        expect(olga.page.locator("main")).not_to_contain_text("Acme code")

        for closed in ("/o/acme/", "/o/acme/audit/", "/support/", "/support/acme/look/", acme_code):
            olga.open(closed)
            expect(olga.page.get_by_role("heading", level=1)).not_to_contain_text("Acme")
            expect(olga.page.locator("body")).not_to_contain_text("Acme code")

    def test_registers_a_consumer_for_everybody(self, windows: Windows, portal: LivePortal) -> None:
        olga = windows.signed_in("olga@portal.example", home="/platform/")
        known = walks.consumer(portal, "acme-wide")
        register(olga, "connectors/", "Everybody's", known["key"], known["secret"])

        olga.reads("Everybody's", known["key"])
        walks.reloads_until(olga, known["secret"][-4:])
        assert known["secret"] not in olga.page.content()
        olga.follow("Record")
        olga.reads("Everybody's")
        remove(olga, "connectors/", "Everybody's")


class TestSupport:
    def test_looks_with_a_reason_and_changes_nothing(
        self, windows: Windows, portal: LivePortal, acme_code: str
    ) -> None:
        sam = windows.signed_in("sam@portal.example", home="/support/")
        end_looks(portal)
        one = "acme/connections/" + acme_code.partition("/connections/")[2]

        sam.open(one)
        sam.reads("You need a reason before you look")
        sam.open("")
        sam.fill("Address of the organization", "acme")
        sam.press("Continue")
        sam.fill("Why do you need to look?", "Ticket 4711: the list stays empty")
        sam.press("Begin to look")
        sam.wait_at("/look/$")
        sam.reads("Read-only", "Acme code")
        sam.page.get_by_role("link", name="Acme code").click()

        sam.wait_at(one)
        sam.reads("Scopes by capability", "Last verification", "Dana Levi")
        assert deeds(sam) == ["Stop looking"]
        sam.press("Stop looking")
        sam.wait_at("/support/(acme/)?$")
        sam.open(one)
        sam.reads("You need a reason before you look")

    def test_the_organization_reads_who_looked_and_why(self, alice: Person) -> None:
        alice.open("audit/?q=Sam")

        alice.reads("Sam Okoye", "Ticket 4711: the list stays empty")

    def test_a_look_that_ended_by_itself_asks_for_a_reason_again(
        self, windows: Windows, portal: LivePortal
    ) -> None:
        sam = windows.signed_in("sam@portal.example", home="/support/")
        end_looks(portal)
        sam.open("acme/")
        sam.fill("Why do you need to look?", "Ticket 4712: the same once more")
        sam.press("Begin to look")
        sam.wait_at("/look/$")

        rows.asked(portal, "UPDATE portal_supportlook SET ends_at = now() WHERE ended_at IS NULL")

        sam.open("acme/look/")
        sam.reads("You need a reason before you look")


def end_looks(portal: LivePortal) -> None:
    """None is open, whatever an earlier story left."""
    rows.asked(portal, "UPDATE portal_supportlook SET ended_at = now() WHERE ended_at IS NULL")


def register(person: Person, address: str, name: str, key: str, secret: str) -> None:
    """A consumer of this name, key and secret, registered by the form of the page."""
    person.open(address)
    forms = person.page.locator("main form").filter(
        has=person.page.get_by_role("button", name="Register")
    )
    form = forms.first  # each product has one
    form.locator("input[name=name]").fill(name)
    form.locator("input[name=client_id]").fill(key)
    form.locator("input[name=secret]").fill(secret)
    form.get_by_role("button", name="Register").click()


def remove(person: Person, address: str, name: str) -> None:
    person.open(address)
    person.follow(f"Change {name}")
    person.page.locator("input[name=confirm_name]").fill(name)
    person.page.locator(".danger-zone button").click()
    person.reads(f"{name} is removed")


def deeds(person: Person) -> list[str]:
    """The buttons that send something, but for signing out."""
    buttons = person.page.locator("form[method=post] button:visible").all_inner_texts()
    return [text for text in buttons if text != "Sign out"]
