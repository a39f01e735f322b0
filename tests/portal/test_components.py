"""The components: words, marks, and that a page of all of them is sound in a real browser."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socketserver import ThreadingMixIn
from types import SimpleNamespace
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.template import Context, Template, TemplateSyntaxError
from django.template.loader import get_template
from django.test import Client, RequestFactory
from django.urls import reverse
from playwright.sync_api import Browser, Page, sync_playwright

from portal import phrases
from portal.context import frame_of
from portal.middleware import CONTENT_SECURITY_POLICY
from portal.policy import Actor, Role
from portal.views.gallery import gallery
from tests.chromium import CHROMIUM, launched

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 21, 14, 2, 9, tzinfo=UTC)


def shown(source: str, **values: object) -> str:
    return Template(source).render(Context(values))


class TestWords:
    @pytest.mark.parametrize(
        ("seconds", "words"),
        [
            (3, "just now"),
            (59, "59 seconds ago"),
            (60, "1 minute ago"),
            (3599, "59 minutes ago"),
            (90_000, "25 hours ago"),
            (3 * 86_400, "3 days ago"),
            (-52 * 60, "in 52 minutes"),
            (-2, "in a moment"),
            (-800 * 86_400, "in 2 years"),
        ],
    )
    def test_a_moment_is_told_from_now(self, seconds: int, words: str) -> None:
        assert phrases.relative(NOW - timedelta(seconds=seconds), now=NOW) == words

    def test_a_moment_also_says_its_absolute_time_and_zone(self) -> None:
        html = shown("{% when moment %}", moment=NOW)

        assert 'datetime="2026-11-21T14:02:09+00:00"' in html
        assert 'title="21 November 2026, 14:02:09 UTC"' in html

    def test_no_moment_is_said_in_words(self) -> None:
        assert "not yet" in shown('{% when moment empty="not yet" %}', moment=None)

    @pytest.mark.parametrize(
        ("count", "words"),
        [(None, ""), (1, "1 byte"), (999, "999 bytes"), (999_949, "999.9 kB"), (10**12, "1.0 TB")],
    )
    def test_sizes_are_short(self, count: int | None, words: str) -> None:
        assert phrases.size(count) == words

    def test_counts_bend_their_word(self) -> None:
        assert phrases.plural(1, "repository,repositories") == "1 repository"
        assert phrases.plural(10_000, "check") == "10,000 checks"

    @pytest.mark.parametrize(
        ("name", "letters"),
        [("Alice Adams", "AA"), ("bob@acme.example", "B"), ("", "?"), ("فريق التطوير", "فا")],
    )
    def test_initials_never_fail(self, name: str, letters: str) -> None:
        assert phrases.initials(name) == letters


class TestMarks:
    def test_a_badge_is_icon_and_word(self) -> None:
        html = shown('{% badge "broken" word %}', word="Access <withdrawn>")

        assert "<svg" in html
        assert "Access &lt;withdrawn&gt;" in html

    @pytest.mark.parametrize(
        "source",
        ['{% badge "green" %}', '{% icon "../secret" %}', '{% notice tone="red" %}{% endnotice %}'],
    )
    def test_a_wrong_word_fails_while_the_page_is_made(self, source: str) -> None:
        with pytest.raises(TemplateSyntaxError):
            shown(source)

    def test_titles_and_names_are_escaped_everywhere(self) -> None:
        html = shown(
            "{% card title=evil note=evil %}{{ evil }}{% endcard %}{% chip evil %}"
            "{% page_head title=evil line=evil kicker=evil %}{% endpage_head %}"
            "{% danger_zone title=evil name=evil action=evil button=evil %}{% enddanger_zone %}"
            '{% include "components/copy.html" with value=evil label=evil only %}'
            "{% link_button evil evil %}{% post_button evil evil %}"
            "{% scope_row label=evil needed=True granted=False %}{% endscope_row %}",
            evil="\"'><script>",
        )

        assert "<script" not in html
        assert "\"'>" not in html

    def test_a_form_of_one_button_carries_its_token(self) -> None:
        html = shown('{% post_button "Verify" "/go" %}', csrf_token="t0ken")

        assert 'name="csrfmiddlewaretoken" value="t0ken"' in html

    def test_a_column_sorts_up_then_down_and_starts_at_the_first_page(self) -> None:
        request = RequestFactory().get("/?sort=name&cursor=abc&q=web")
        html = Template('{% sort_header "Name" "name" %}').render(Context({"request": request}))

        assert 'aria-sort="ascending"' in html
        assert 'href="?sort=-name&amp;q=web"' in html

    def test_an_unknown_total_is_an_honest_count(self) -> None:
        html = shown(
            '{% include "components/progress.html" with label="Reading" done=1240 total=None'
            ' unit="member,members" only %}'
        )

        assert "1,240 members so far" in html
        assert "value=" not in html


class TestFrame:
    def frame(self, path: str, **values: object) -> object:
        request = RequestFactory().get(path)
        for name, value in values.items():
            setattr(request, name, value)
        return frame_of(request)

    def test_the_theme_is_one_of_ours_or_the_systems(self) -> None:
        request = RequestFactory().get("/")
        request.COOKIES["theme"] = '"><script>'

        assert frame_of(request).theme == ""

    def test_the_area_is_read_from_the_address(self) -> None:
        assert self.frame("/platform/keys/").area == "platform"  # type: ignore[attr-defined]
        assert self.frame("/support/").area == "support"  # type: ignore[attr-defined]
        assert self.frame("/platformer/").area == "plain"  # type: ignore[attr-defined]

    def test_what_a_role_may_not_open_is_not_offered(self) -> None:
        acme = SimpleNamespace(slug="acme", name="Acme")
        member = Actor("person", None, "Bob", Role.MEMBER)
        found = self.frame("/o/acme/", organization=acme, actor=member)

        assert "Audit" not in [item.label for item in found.items]  # type: ignore[attr-defined]


# ── In a browser ──────────────────────────────────────────────────────────────────────────────


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


class Threaded(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class GalleryHandler(WSGIHandler):
    """The gallery under the portal's own policy for scripts and styles; static files beside it."""

    def get_response(self, request: HttpRequest) -> HttpResponse:
        request._messages = CookieStorage(request)  # type: ignore[attr-defined]
        response = gallery(request)
        response["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        return response


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    handler = StaticFilesHandler(GalleryHandler())
    with make_server("127.0.0.1", 0, handler, Threaded, Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/gallery/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright, launched(playwright) as found:
        yield found


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(5000)
    page.complaints = []  # type: ignore[attr-defined]
    page.on("console", lambda line: line.type == "error" and page.complaints.append(line.text))  # type: ignore[attr-defined]
    page.on("pageerror", lambda error: page.complaints.append(str(error)))  # type: ignore[attr-defined]
    yield page
    assert not page.complaints  # type: ignore[attr-defined]
    context.close()


class TestInABrowser:
    @pytest.mark.parametrize(
        ("query", "scheme", "width"),
        [
            ("?errors=1", "light", 1440),
            ("?errors=1", "dark", 1440),
            ("?errors=1", "light", 390),
            ("?area=platform", "dark", 390),
            ("?area=platform", "light", 1440),
            ("?area=support", "light", 390),
            ("?area=support", "dark", 1440),
            ("?area=plain", "dark", 1440),
        ],
    )
    def test_axe_finds_nothing(
        self, page: Page, address: str, query: str, scheme: str, width: int
    ) -> None:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(address + query)
        tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
        assert not page.complaints  # type: ignore[attr-defined]
        results = Axe().run(page, options={"runOnly": tags, "resultTypes": ["violations"]})
        page.complaints.clear()  # type: ignore[attr-defined]  # axe writes styles of its own

        assert not results.response["violations"], results.generate_report()

    def test_nothing_sticks_out_on_a_phone(self, page: Page, address: str) -> None:
        page.set_viewport_size({"width": 390, "height": 800})
        page.goto(address)

        assert page.evaluate("document.documentElement.scrollWidth") <= 390

    def test_the_switch_sets_the_theme_at_once_and_for_the_server(
        self, page: Page, address: str
    ) -> None:
        page.goto(address)
        page.evaluate("document.querySelector('[data-theme-choice=dark]').click()")

        assert page.locator("html").get_attribute("data-bs-theme") == "dark"
        cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
        assert cookies["theme"] == "dark"
        page.reload()
        assert page.locator("html").get_attribute("data-bs-theme") == "dark"

    def test_the_keyboard_searches_moves_and_helps(self, page: Page, address: str) -> None:
        page.goto(address)
        page.keyboard.press("j")
        page.keyboard.press("j")
        assert page.evaluate("document.activeElement.textContent") == "acme-mobile"
        page.keyboard.press("k")
        assert page.evaluate("document.activeElement.textContent") == "acme-web"
        page.keyboard.press("/")
        assert page.evaluate("document.activeElement.type") == "search"
        page.keyboard.type("?")
        assert page.locator("[data-help][open]").count() == 0
        page.locator("h1").click()
        page.keyboard.press("Shift+?")
        assert page.locator("[data-help][open]").count() == 1

    def test_a_list_searches_as_one_types_and_the_address_follows(
        self, page: Page, address: str
    ) -> None:
        page.goto(address)
        page.get_by_role("searchbox").press_sequentially("web")
        page.wait_for_url("**?q=web&state=")

        assert page.get_by_role("searchbox").input_value() == "web"
        assert page.locator("#gallery-results").count() == 1

    def test_danger_waits_for_the_name(self, page: Page, address: str) -> None:
        page.goto(address)
        button = page.get_by_role("button", name="Revoke it for good")
        assert button.is_disabled()
        page.locator("input[name=confirm_name]").fill("acme-web")
        assert button.is_enabled()

    def test_a_menu_opens_and_closes_by_keyboard(self, page: Page, address: str) -> None:
        page.goto(address)
        summary = page.locator(".head .menu > summary")
        summary.focus()
        page.keyboard.press("Enter")
        assert page.get_by_role("link", name="Rename").is_visible()
        page.keyboard.press("Escape")
        assert not page.get_by_role("link", name="Rename").is_visible()

    def test_without_script_nothing_is_lost(self, browser: Browser, address: str) -> None:
        context = browser.new_context(java_script_enabled=False)
        page = context.new_page()
        page.set_default_timeout(5000)
        page.goto(address)

        assert page.get_by_role("button", name="Revoke it for good").is_enabled()
        assert page.locator("[data-copy]:visible").count() == 0
        assert page.locator("[data-themes]:visible").count() == 0
        assert page.get_by_role("button", name="Show", exact=True).count() >= 1
        context.close()


@pytest.mark.django_db
class TestPagesOfOthersWear:
    """allauth's pages and the problems: our frame, one h1, our words."""

    @pytest.mark.parametrize("name", ["account_login", "account_signup", "account_reset_password"])
    def test_the_way_in_wears_our_sheet(self, client: Client, name: str) -> None:
        html = client.get(reverse(name)).content.decode()

        assert html.count("<h1>") == 1
        assert 'class="sheet"' in html
        assert "csrfmiddlewaretoken" in html

    def test_a_wrong_password_is_said_on_top_and_the_address_stays(self, client: Client) -> None:
        form = {"login": "bob@acme.example", "password": "not this one"}
        html = client.post(reverse("account_login"), form).content.decode()

        assert "One thing needs your attention" in html
        assert 'value="bob@acme.example"' in html
        assert "not this one" not in html

    def test_what_is_not_there_says_so_with_a_reference(self, client: Client) -> None:
        response = client.get("/no/such/page/")

        assert response.status_code == 404
        assert response["X-Request-Id"] in response.content.decode()


class TestSources:
    def test_every_template_is_well_formed(self) -> None:
        for path in sorted((ROOT / "templates").rglob("*.html")):
            get_template(str(path.relative_to(ROOT / "templates")))

    def test_no_template_holds_inline_style_script_or_handler(self) -> None:
        forbidden = re.compile(r"""\sstyle=|<style|\son[a-z]+=|hx-on|<script(?![^>]*\bsrc=)|js:""")
        found = [
            str(path.relative_to(ROOT))
            for path in (ROOT / "templates").rglob("*.html")
            if "emails" not in path.parts  # mail programs know no style sheet of ours
            and forbidden.search(path.read_text(encoding="utf-8"))
        ]

        assert not found

    def test_every_colour_is_a_token(self) -> None:
        literal = re.compile(r"#[0-9a-f]{3,8}\b|rgb\(|oklch\(|hsl\(")
        for name in ("base", "frame", "components", "notices", "utilities"):
            lines = (ROOT / "static" / "css" / f"{name}.css").read_text().splitlines()
            assert not [line for line in lines if literal.search(line)], name
