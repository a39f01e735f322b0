"""The live parts of a connection's pages in a real browser: keyboard and opened rows stay put."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from playwright.sync_api import Page, sync_playwright

from connections.models import Connection, SyncRun, Verification
from portal.middleware import CONTENT_SECURITY_POLICY
from tests.chromium import CHROMIUM, launched
from tests.connections.pages import base_of, signed_in, text
from tests.vendor import Vendor
from tests.works import Works

REMEMBER = """selector => {
    window.kept = document.querySelector(selector);
    return window.kept !== null;
}"""
STAYED = "selector => document.querySelector(selector) === window.kept && window.kept.isConnected"

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine")


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


class Threaded(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Told(WSGIHandler):
    """Answers every request with the page that is shown now, under the portal's own policy."""

    shown = ""

    def get_response(self, request: HttpRequest) -> HttpResponse:
        response = HttpResponse(self.shown)
        response["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        return response


@contextmanager
def opened(first: str) -> Iterator[tuple[Page, Callable[[str], None]]]:
    """A browser at the first page, and what changes the page it is told at its next poll."""
    told = Told()
    told.shown = first
    with (
        make_server("127.0.0.1", 0, StaticFilesHandler(told), Threaded, Quiet) as server,
        sync_playwright() as playwright,
        launched(playwright) as browser,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.new_page()
        page.set_default_timeout(8000)
        complaints: list[str] = []
        page.on("console", lambda line: line.type == "error" and complaints.append(line.text))
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        yield page, lambda shown: setattr(told, "shown", shown)
        assert not complaints
        server.shutdown()


@pytest.fixture
def connection(works: Works, vendor: Vendor) -> Connection:
    return works.connection(works.link_by_token(vendor.token("dana-full")))


def test_cancel_keeps_the_focus_and_the_words_their_place(
    works: Works, connection: Connection
) -> None:
    client, address = signed_in(works.alice), base_of(connection) + "sync"
    with works.inside():
        SyncRun.objects.create(
            connection=connection, state="running", started_at=timezone.now(), done=3, total=500
        )
    pages = [text(client.get(address))]
    with works.inside():
        SyncRun.objects.update(done=77)
    pages.append(text(client.get(address)))
    with works.inside():
        SyncRun.objects.update(state="done", finished_at=timezone.now())
    pages.append(text(client.get(address)))

    with opened(pages[0]) as (page, tell):
        cancel = page.locator("#live").get_by_role("button", name="Cancel")
        cancel.focus()
        assert page.evaluate(REMEMBER, "#live [role=status]")
        tell(pages[1])
        page.get_by_text("77 of 500 records").wait_for()

        assert page.evaluate(STAYED, "#live [role=status]")
        assert page.evaluate("document.activeElement.textContent").strip() == "Cancel"

        asked: list[str] = []
        tell(pages[2])
        page.get_by_role("heading", name="Last sync").wait_for()
        page.on("request", lambda request: asked.append(request.url))
        page.wait_for_timeout(1500)
        assert asked == [] and cancel.count() == 0


def test_an_opened_row_of_the_matrix_stays_open(works: Works, connection: Connection) -> None:
    client, address = signed_in(works.alice), base_of(connection) + "verification"
    with works.inside():
        Verification.objects.create(connection=connection, requested_by="Alice")
    pages = [text(client.get(address))]
    with works.inside():
        Verification.objects.filter(outcome="running").update(requested_by="Ada")
    pages.append(text(client.get(address)))

    with opened(pages[0]) as (page, tell):
        page.locator("#live details summary").first.click()
        page.locator("#live details summary").first.focus()
        assert page.evaluate(REMEMBER, "#live [role=status]")
        tell(pages[1])
        page.get_by_text("Asked by Ada").wait_for()

        assert page.locator("#live details[open]").count() == 1
        assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
        assert page.evaluate(STAYED, "#live [role=status]")
