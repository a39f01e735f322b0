"""One way walked in the browser, step by step; each step says what was seen or fails."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus

from playwright.sync_api import Locator, expect

from connections import registry
from tests.journeys import walks
from tests.journeys.looks import faults
from tests.journeys.windows import PATIENCE_SECONDS, Person, until
from tests.live import LivePortal
from tests.prove import ways_behind as behind
from tests.prove.ways_behind import accept, begin
from tests.prove.ways_known import OURS, Consent, Way, method_of
from tests.prove.ways_vendors import Made, SpaceToken

PATIENCE = PATIENCE_SECONDS * 1000
PROVEN = re.compile("Proven|Not provable by reading")
ANSWERED = re.compile("answered 200")
RENEWED = re.compile(r"\d times? so far")  # again by a verification that the old token's end met


@dataclass
class Walk:
    """`key` is a service key that may lease its tokens; with `looks` every page is looked at."""

    person: Person
    portal: LivePortal
    way: Way
    key: str = ""
    looks: bool = False
    faults: list[str] = field(default_factory=list)
    connection: str = ""
    name: str = ""
    made: Made | None = None
    consented: set[str] = field(default_factory=set)
    before: set[str] = field(default_factory=set)

    @property
    def identifier(self) -> str:
        return self.connection.rstrip("/").rpartition("/")[2]

    def steps(self) -> Iterator[tuple[str, Callable[[], str]]]:
        yield "linked", self.link
        yield "verified", self.verify
        yield "linked again", self.link_again
        yield "refreshed", self.refresh
        yield "rotated", self.rotate
        yield "revoked", self.revoke

    # ── Linked ────────────────────────────────────────────────────────────────────────────────

    def link(self) -> str:
        """Through the wizard; the page says that it works and for whom."""
        method = method_of(self.way)
        self.name = f"{self.way.connector} by {method.title}".replace("'", "")[:60]
        if isinstance(self.way.source, Consent):
            self._register(self.way.source)
        if isinstance(self.way.source, SpaceToken):
            self.before = self.way.source.living(self.portal)
        begin(self.person, self.way.connector, self.way.method, self.way.only)
        self._look("what", back="what")
        self.person.follow(f"Choose {method.title}")
        walks.name_it(self.person, self.name)
        self._look("consent")
        self._give()
        self.connection = self._arrived()
        self._works()
        self._look("connection")
        return f"for {self.way.account}"

    def _works(self) -> None:
        """The page says so, once the first verification is over, and for whom."""
        self._open()
        walks.reloads_until(self.person, "Working")
        self.person.reads(self.name, self.way.account)

    def _register(self, consent: Consent) -> None:
        """The organization's own consumer, as the vendor shows it."""
        key, secret = consent.consumer(self.portal)
        person, product = self.person, registry.get(self.way.connector).manifest.name
        person.open("settings/consumers/")
        form = person.page.locator("section").filter(
            has=person.page.get_by_role("heading", name=product, exact=True)
        ).locator("form")  # fmt: skip
        if consent.base_url:
            form.locator("input[name=base_url]").fill(consent.base_url)
        form.locator("input[name=name]").fill(OURS)
        form.locator("input[name=client_id]").fill(key)
        form.locator("input[name=secret]").fill(secret)
        with person.page.expect_navigation():
            form.get_by_role("button", name="Register").click()
        walks.reloads_until(person, secret[-4:])

    def _give(self) -> None:
        """What the vendor made is pasted, or the consent given at its page."""
        source, person = self.way.source, self.person
        if isinstance(source, Consent):
            before = source.living(self.portal)
            choice = person.page.get_by_label("OAuth consumer")
            if choice.count():
                choice.select_option(label=source.option)
            person.page.get_by_role("button", name=re.compile("^Go to ")).click()
            accept(person, source)
            self._wait_for_worker()
            (mine,) = source.living(self.portal) - before
            self.consented.add(mine)
            return
        self.made = source.make(self.portal)
        self._paste(self.made)
        person.press("Link")
        self._wait_for_worker()

    def _paste(self, made: Made) -> None:
        for name, text in made.fields.items():
            box = self.person.page.locator(f"main input[name={name}]")
            if box.count():
                box.fill(text)

    def _wait_for_worker(self) -> None:
        self.person.wait_at("/connections/[^/]+/(workspaces|verification)$")

    def _arrived(self) -> str:
        url = self.person.page.url
        if url.endswith("/workspaces"):
            boxes = self.person.page.locator("input[name=workspaces]")
            expect(boxes.first).to_be_visible(timeout=PATIENCE)
            self._look("workspaces")
        return url.rpartition("/")[0] + "/"

    # ── Verified ──────────────────────────────────────────────────────────────────────────────

    def verify(self) -> str:
        """Each capability that was asked for has a line with what was tried and answered."""
        self._open()
        self.person.send("Verify now")
        self._open("verification")
        expect(self.person.page.locator("#checks")).to_be_visible(timeout=PATIENCE)
        wanted = self._lines()
        assert wanted.count(), "no line of the matrix"
        tried = [self._evidence(wanted.nth(place)) for place in range(wanted.count())]
        self._look("verification")
        assert any(tried), "nothing was proven"
        return f"{len(tried)} capabilities, {sum(tried)} proven"

    def _lines(self) -> Locator:
        """What was asked for: the first matrix of the page."""
        return self.person.page.locator("section[aria-labelledby=matrix] .scope").filter(
            has=self.person.page.locator("summary", has_text=re.compile(r"(?<!Not )Needed|Needed"))
        )

    def _evidence(self, line: Locator) -> bool:
        """Whether it is proven; then the answer that proves it is told."""
        summary = line.locator("summary").inner_text()
        assert "Missing" not in summary and "Refused" not in summary, summary
        assert PROVEN.search(summary), summary
        if "Proven" not in summary:
            return False
        line.locator("summary").click()
        expect(line.locator("td", has_text=ANSWERED).first).to_be_visible()
        return True

    # ── Linked again ──────────────────────────────────────────────────────────────────────────

    def link_again(self) -> str:
        """In place: the same address and name, a new grant or credential, its history kept."""
        former, before = self.made, behind.credentials(self.portal, self.identifier)
        self._open("credential")
        self._look("credential")
        self.person.press("Link again")
        self.person.wait_at("/what$")
        self.person.press("Go on")
        self.person.follow(f"Choose {method_of(self.way).title}")
        self._look("consent again")
        self._give()
        assert self._arrived() == self.connection, "it got another address"
        self._works()
        self._open("record")
        self.person.reads("inked again")
        after = behind.credentials(self.portal, self.identifier)
        assert after == before + 1, "no new credential"
        if former is not None and not isinstance(self.way.source, Consent):
            self.way.source.withdraw(self.portal, former)
            assert not self.way.source.works(self.portal, former)
        return "same address, new " + ("credential" if self.made else "grant")

    # ── Refreshed ─────────────────────────────────────────────────────────────────────────────

    def refresh(self) -> str:
        """After its token's end the worker has another; what renews nothing says when it ends."""
        if not self.way.seconds:
            return self._end_is_told()
        self._open("credential")
        self.person.reads("Not yet")
        behind.let_pass(self.portal, self.identifier, self.way.seconds + 60)
        walks.reloads_until(self.person, RENEWED)
        self.person.reads("Renewals")
        self._verified_once_more()
        self.portal.order("/clock", offset=0)
        return f"1 time after {self.way.seconds // 60} min"

    def _verified_once_more(self) -> None:
        """The new token is good at the vendor."""
        count = behind.verifications(self.portal, self.identifier)
        self._open()
        self.person.press("Verify now")
        until(lambda: behind.verifications(self.portal, self.identifier) > count)
        self._open()
        self.person.reads("Working")

    def _end_is_told(self) -> str:
        """By the vendor where it says so, else by a person in the form for it."""
        self._open("credential")
        facts = self.person.page.locator("dl.facts").first
        if "Nobody has said" in facts.inner_text():
            self.person.page.get_by_label(re.compile("ends", re.IGNORECASE)).fill("2027-11-30")
            self.person.press("Save")
            self.person.reads("The calendar knows it now")
        expect(facts).to_contain_text(re.compile(r"Expires\s*in "))
        assert "access token" not in facts.inner_text()
        return "nothing renews; its end is told"

    # ── Rotated ───────────────────────────────────────────────────────────────────────────────

    def rotate(self) -> str:
        if isinstance(self.way.source, Consent):
            return self._renews_itself()
        if method_of(self.way).rotation is not None:
            return self._rotate_by_itself()
        return self._replace()

    def _renews_itself(self) -> str:
        """Nothing is pasted: the page says so, and the consent that is left is the last one."""
        self._open("credential")
        self.person.reads("Never: it renews itself", "Link again")
        return "by itself"

    def _rotate_by_itself(self) -> str:
        """Made, checked, switched to, and the old one withdrawn, all by the worker."""
        source, former = self.way.source, self.made
        assert isinstance(source, SpaceToken) and former
        pasted = source.living(self.portal)
        self._ask_for_another()
        self.person.page.get_by_role("button", name="I have withdrawn it").wait_for(
            timeout=PATIENCE
        )
        first = source.living(self.portal) - pasted
        assert len(first) == 1, "no new token at the vendor"
        source.withdraw(self.portal, former)
        self.person.press("I have withdrawn it")
        self.person.wait_at("/credential$")
        self._ask_for_another()
        until(lambda: not first & source.living(self.portal))
        until(lambda: self._open("credential") or "2 times" in self._replacements())
        self._look("rotated")
        self._verified_once_more()
        return "twice by itself; old ones dead"

    def _ask_for_another(self) -> None:
        """Of the one that was pasted nobody knows the vendor's id: a person withdraws that."""
        self._open("credential")
        self.person.press("Rotate now")

    def _replacements(self) -> str:
        """How often a replacement was done, by the page's table."""
        table = self.person.page.locator("section[aria-labelledby=rotations]")
        done = table.inner_text().count("Done") if table.count() else 0
        return f"{done} times"

    def _replace(self) -> str:
        """In two phases: entered and checked, switched to, the old one withdrawn."""
        source, former, person = self.way.source, self.made, self.person
        assert former is not None and not isinstance(source, Consent)
        self.made = source.make(self.portal)
        self._open("credential")
        person.follow("Replace the credential")
        self._look("replace")
        self._paste(self.made)
        person.press("Check it")
        person.page.get_by_role("button", name="Switch to the new one").wait_for(timeout=PATIENCE)
        self._look("checked")
        person.press("Switch to the new one")
        person.reads("The new one is in use")
        self._look("switched")
        source.withdraw(self.portal, former)
        assert not source.works(self.portal, former) and source.works(self.portal, self.made)
        person.press("I have withdrawn it")
        person.wait_at("/credential$")
        person.reads("Replacements")
        self._verified_once_more()
        return "replaced; old one dead"

    # ── Revoked ───────────────────────────────────────────────────────────────────────────────

    def revoke(self) -> str:
        """Confirmed by its name; what the vendor can end is ended, else the page says where."""
        leased = behind.leased(self.portal, self.identifier, self.key)
        if self.key:  # what is pasted and not exchanged is never handed on
            assert (leased == HTTPStatus.OK) == bool(self.way.seconds), f"a lease: {leased}"
        self._open("settings")
        self._look("settings")
        button = self.person.page.get_by_role("button", name=re.compile("^Revoke it"))
        expect(button).to_be_disabled()
        self.person.page.locator("input[name=confirm_name]").fill(self.name)
        expect(button).to_be_enabled()
        button.click()
        self.person.reads(f"{self.name} is revoked")
        self._open("credential")
        walks.reloads_until(self.person, "There is no credential")
        self._open()
        self.person.reads("Revoked")
        self._look("revoked")
        if self.key:
            again = behind.leased(self.portal, self.identifier, self.key)
            assert again != HTTPStatus.OK, "its token is leased all the same"
        return self._ended() + (", leases end" if leased == HTTPStatus.OK else "")

    def _ended(self) -> str:
        """What is so at the vendor now."""
        source, main = self.way.source, self.person.page.locator("main")
        if isinstance(source, Consent) and source.ended_by_us:
            until(lambda: not self.consented & source.living(self.portal))
            return "ended at the vendor"
        if isinstance(source, SpaceToken):
            until(lambda: source.living(self.portal) <= self.before)
            return "withdrawn at the vendor"
        steps = method_of(self.way).withdraw
        for step in steps:
            expect(main).to_contain_text(step.text)
        links = [step.url for step in steps if step.url]
        if not steps:
            links = [registry.get(self.way.connector).manifest.account_settings_url]
        for url in links:
            expect(main.locator(f'a[href="{url}"]').first).to_be_visible()
        return "the page says where to delete it"

    # ── The browser ───────────────────────────────────────────────────────────────────────────

    def _open(self, tab: str = "") -> None:
        self.person.open(self.connection + tab)

    def _look(self, page: str, back: str = "") -> None:
        """Axe, widths and both schemes, where this walk looks at its pages."""
        if self.looks:
            self.faults += faults(self.person, f"{self.way.name}: {page}")
