"""An owner's day: people, roles, the record, consumers, and the life of a connection."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.journeys import walks
from tests.journeys.test_staff import register, remove
from tests.journeys.windows import (
    PASSWORD,
    Person,
    Windows,
    found_organization,
    sign_up,
)
from tests.live import LivePortal


@pytest.fixture(scope="module")
def ola(windows: Windows) -> Person:
    """The only owner of a new organization."""
    ola = windows.stranger()
    sign_up(ola, "Ola Owner")
    found_organization(ola, "Ola & Partners")
    return ola


def test_invites_by_mail_and_changes_a_role(ola: Person, windows: Windows) -> None:
    newcomer = windows.stranger()
    newcomer.email = f"new-{ola.email}"
    ola.open("members/")
    ola.fill("E-mail address", newcomer.email)
    ola.page.locator("main select[name=role]").last.select_option(label="Member")
    ola.press("Send the invitation")
    ola.reads("The invitation is on its way", newcomer.email)

    newcomer.open(newcomer.letter(r"https?://\S+/invitations/\S+"))
    newcomer.reads("Ola & Partners")
    newcomer.follow("Create your account")
    newcomer.fill("Your name", "Nils Newcomer")
    newcomer.page.locator("input[name=email]").fill(newcomer.email)
    newcomer.page.locator("input[type=password]").fill(PASSWORD)
    newcomer.page.locator("main button.button--primary").click()
    if "/confirm-email/" in newcomer.page.url:
        newcomer.open(newcomer.letter(r"https?://\S+/accounts/confirm-email/\S+"))
        newcomer.press("Confirm")
    newcomer.wait_at("/invitation/|/o/")
    if "/invitation/" in newcomer.page.url:
        newcomer.page.locator("main button.button--primary").click()
    newcomer.home = newcomer.wait_at("/o/ola-partners[^/]*/$")

    ola.open("members/")
    ola.follow("Nils Newcomer")
    ola.page.get_by_role("radio", name=re.compile("^Manager")).check()
    ola.press("Change the role")
    ola.reads("Nils Newcomer is now Manager")
    newcomer.open("audit/")
    newcomer.reads("Nils Newcomer")


def test_the_last_owner_can_neither_leave_nor_step_down(ola: Person) -> None:
    ola.open("settings/")
    ola.reads("You are its only owner")
    expect(ola.page.get_by_role("button", name="Leave")).to_have_count(0)

    ola.open("members/")
    ola.follow("Ola Owner")
    ola.page.get_by_role("radio", name=re.compile("^Admin")).check()
    ola.press("Change the role")
    ola.reads("owner")
    ola.open("members/")
    expect(ola.page.get_by_role("row").filter(has_text="Ola Owner")).to_contain_text("Owner")


def test_the_record_is_filtered_in_the_address(ola: Person) -> None:
    ola.open("audit/")
    rows = ola.page.locator("#record tbody tr")
    before = rows.count()
    ola.page.get_by_label("Deed").select_option(label="invited")
    ola.page.wait_for_url("**action=**")
    expect(rows).not_to_have_count(before)
    ola.reads("invited")

    ola.page.reload()
    ola.reads("invited")
    ola.open("audit/")
    ola.press("Verify now")
    ola.reads("entries fit", "Unaltered")


def test_registers_a_consumer_and_links_through_it(ola: Person, portal: LivePortal) -> None:
    known = walks.consumer(portal, "acme-narrow")
    register(ola, "settings/consumers/", "Ours", known["key"], known["secret"])
    ola.reads("Ours", known["key"])
    walks.reloads_until(ola, known["secret"][-4:])

    walks.begin_link(ola)
    ola.follow("Choose Sign in to Bitbucket")
    walks.name_it(ola, "Through ours")
    ola.page.get_by_label("OAuth consumer").select_option(label="Ours")
    ola.press("Go to Bitbucket Cloud")
    ola.page.get_by_text("acme-narrow asks for access").wait_for()
    walks.consent(ola, "dana")
    connection = walks.arrived(ola)
    ola.open(connection + "credential")
    ola.reads("Ours")


def test_pauses_resumes_and_revokes_with_the_name_typed(ola: Person) -> None:
    ola.open("connections/")
    ola.follow("Through ours")
    connection = ola.page.url
    walks.choose_workspaces(ola, connection, "yarden")
    walks.wait_synced(ola, connection)

    ola.open(connection + "settings")
    ola.press("Pause")
    ola.reads("Paused. Nothing is asked of the vendor")
    ola.press("Resume")
    ola.reads("Resumed. A verification comes first")

    ola.open(connection + "settings")
    ola.reads("There is no way back", "11 repositories as they were read", "1 sync")
    button = ola.page.get_by_role("button", name="Revoke it")
    expect(button).to_be_disabled()
    ola.page.locator("input[name=confirm_name]").fill("Through ours")
    button.click()
    ola.reads("Through ours is revoked")
    ola.open(connection + "credential")
    ola.reads("There is no credential")
    ola.open("audit/?q=Through")
    ola.reads("revoked")
    remove(ola, "settings/consumers/", "Ours")


def test_a_connections_words_are_changed_and_previewed(alice: Person, acme_code: str) -> None:
    alice.open(acme_code + "settings")
    alice.fill("Labels", "production, billing")
    alice.fill("Description", "**Read** by the billing jobs. <script>alert(1)</script>")
    alice.press("Preview the description")
    expect(alice.page.locator("section[aria-label=Preview] strong")).to_have_text("Read")
    alice.press("Save")
    alice.reads("Saved.")

    alice.open("connections/?label=billing")
    alice.reads("Acme code")
    expect(alice.page.locator("main script")).to_have_count(0)
