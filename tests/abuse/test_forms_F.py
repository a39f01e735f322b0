"""Abuse cases F: forms that were tampered with, on every form that any page shows."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.db.utils import OperationalError
from django.test import Client

from connections.models import Connection
from portal.middleware import CleanInputMiddleware
from portal.models import Membership, User
from tests.abuse.forms import ShownForm, plausible
from tests.test_urls import OURS, address
from tests.town import Town, snapshot

Shown = list[tuple[str, ShownForm]]
Clients = dict[str, Client]
FORM = "application/x-www-form-urlencoded"
# Operators act on any organization here, by right: its failed jobs, its erasure.
OF_ALL = ("/platform/queues/failed/", "/platform/erasures/")


def posts(shown: Shown) -> Shown:
    return [(who, form) for who, form in shown if form.method == "post"]


def test_F06_F07_extra_fields_are_not_taken(town: Town, clients: Clients, shown: Shown) -> None:
    globex, products = snapshot(town, town.globex.id), products_of(town)
    extra = {
        **dict.fromkeys(("is_staff", "is_superuser", "is_operator", "is_support", "verified"), "1"),
        **dict.fromkeys(("organization", "organization_id", "tenant"), str(town.globex.id)),
        "user": str(town.people["mallory"].id),
        **dict.fromkeys(("id", "granted_by"), str(uuid4())),
        **dict.fromkeys(("connector_type", "state_hash", "health"), "jira"),
    }
    for who, form in posts(shown):
        if form.action.startswith(OF_ALL):
            continue
        fields = {name: value for name, value in extra.items() if name not in form.values}
        status = clients[who].post(form.action, {**plausible(form), **fields}).status_code
        assert status < 500, form.name
    assert snapshot(town, town.globex.id) == globex
    staff = User.objects.filter(is_operator=True) | User.objects.filter(is_support=True)
    assert {user.email.partition("@")[0] for user in staff} == {"operator", "support"}
    with town.works.inside():
        assert not Membership.objects.filter(user=town.people["mallory"]).exists()
    for one, product in products_of(town).items():
        assert product == products.get(one, "bitbucket-cloud")


def products_of(town: Town) -> dict[Any, str]:
    with town.works.inside():
        return dict(Connection.objects.values_list("id", "connector"))


def test_F06_hidden_fields_are_tried_with_what_is_foreign(
    town: Town, clients: Clients, shown: Shown
) -> None:
    globex = snapshot(town, town.globex.id)
    for who, form in posts(shown):
        if form.action.startswith(OF_ALL):
            continue
        for name, kind in form.kinds.items():
            if kind not in ("hidden", "select", "radio", "checkbox"):
                continue
            for value in (*foreign_to(town, form, name), uuid4(), "owner", "x", ""):
                filled = {**plausible(form), name: str(value)}
                response = clients[who].post(form.action, filled)
                assert response.status_code < 500, (form.name, name, value)
                assert b"Globex" not in response.content, (form.name, name)
    assert snapshot(town, town.globex.id) == globex


def foreign_to(town: Town, form: ShownForm, name: str) -> list[Any]:
    """What is next door: what is of the kind that the field offers of ours, or all of it where the
    field offers nothing that would tell. One will do for a field that offers words alone, and for
    a box that has no value of its own, because it says yes whatever is sent."""
    offered = form.offered[name] - {""}
    ours = {kind for kind, one in town.ids.items() if str(one) in offered}
    alike = [one for kind, one in town.foreign.items() if kind in ours]
    if alike:
        return alike
    found = list(town.foreign.values())
    is_words = offered and not any(is_id(one) for one in offered)
    is_box = form.kinds[name] == "checkbox" and not form.values[name]
    return found[:1] if is_words or is_box else found


def is_id(text: str) -> bool:
    """Whether it could name a row."""
    with suppress(ValueError):
        return bool(UUID(text))
    return text.isdigit()


def test_F08_a_field_sent_twice(town: Town, clients: Clients, shown: Shown) -> None:
    lists = CleanInputMiddleware.REPEATABLE
    before, tried = snapshot(town), 0
    for who, form in posts(shown):
        for name in form.values:
            if name in lists:
                continue
            body = urlencode([*plausible(form).items(), (name, "again")])
            assert clients[who].post(form.action, body, content_type=FORM).status_code == 400
            tried += 1
    assert tried > 40
    assert snapshot(town) == before


def test_F09_an_array_where_a_word_is_expected(town: Town, clients: Clients, shown: Shown) -> None:
    for who, form in posts(shown):
        filled = {f"{name}[]": value for name, value in plausible(form).items()}
        assert clients[who].post(form.action, filled).status_code < 500, form.name


MULTIPART = "multipart/form-data; boundary=b"
PART = b'--b\r\nContent-Disposition: form-data; name="f%d"\r\n\r\nx\r\n'
BROKEN = [
    pytest.param(b"".join(PART % n for n in range(10_000)) + b"--b--", MULTIPART, id="F11-parts"),
    pytest.param(b"--b\r\n\r\nx\r\n--b--", MULTIPART, id="F11-nameless"),
    pytest.param(b"--b\r\nx", "multipart/form-data", id="F11-no-boundary"),
    pytest.param(b"no parts at all", MULTIPART, id="F11-none"),
    pytest.param(urlencode({f"f{n}": n for n in range(1001)}).encode(), FORM, id="F12"),
    pytest.param(b'{"name": "x", "role": "owner"}', "text/plain", id="F13-plain"),
    pytest.param(b'{"name": "x", "role": "owner"}', "application/json", id="F13-json"),
    pytest.param(b"<x/>", "text/xml", id="F13-xml"),
    pytest.param(b"a=b", "", id="F13-none"),
]


@pytest.mark.parametrize(("body", "kind"), BROKEN)
def test_bodies_that_are_no_form(
    body: bytes, kind: str, town: Town, clients: Clients, shown: Shown
) -> None:
    """Nothing is read of them: they count as a form that was sent empty, or are refused."""
    before = snapshot(town)
    for who, form in posts(shown):
        if form.kinds:  # a bare button has nothing to be read
            response = clients[who].generic("POST", form.action, body, content_type=kind)
            assert response.status_code < 500, form.name
            assert response.status_code in (200, 302, 303, 400, 403, 404, 413, 415, 429), form.name
    assert snapshot(town) == before


ODD_PLACES = ("-1", "1e9", "NaN", "x" * 3000, "eyJ4IjoxfQ:1abc:def")


LISTS = (
    *("members", "audit", "connections", "connection_repositories", "connection_sync"),
    *("connection_record", "overview", "catalogue"),
)


def test_F14_F15_lists_take_their_own_words_only(town: Town, clients: Clients) -> None:
    routes = dict(OURS)
    odd = (*ODD_PLACES, "password", "-granted_by__email")
    for name in LISTS:
        url = address(town, name, routes[name])
        shown = clients["owner"].get(url).content.decode()
        keys = {"page", "cursor", "sort"} | {k for k in ("state", "role", "since") if k in shown}
        for key in keys:
            for value in odd:
                response = clients["owner"].get(url, {key: value})
                assert response.status_code in (200, 400), (name, key, value)


def test_F14_another_tenants_cursor_is_refused(town: Town, clients: Clients) -> None:
    """Cursors are signed for one organization."""
    with town.works.inside(town.globex):
        for number in range(60):
            Connection.objects.create(
                name=f"c{number:02}", connector="x", account_id=number, state="revoked",
                revoked_at="2026-01-01T00:00:00Z", granted_by_name="",
            )  # fmt: skip
    mallory = town.client("mallory")
    page = mallory.get("/o/globex/connections/?state=revoked").content.decode()
    cursor = page.partition("cursor=")[2].partition('"')[0].partition("&")[0]
    assert cursor
    assert mallory.get(f"/o/globex/connections/?state=revoked&cursor={cursor}").status_code == 200
    assert (
        clients["owner"].get(f"/o/acme/connections/?state=revoked&cursor={cursor}").status_code
        == 400
    )


def test_F16_a_statement_has_five_seconds(town: Town) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone()[0] == "5s"
        cursor.execute("SET statement_timeout = '50ms'")
        with pytest.raises(OperationalError):
            cursor.execute("SELECT pg_sleep(2)")
        cursor.execute("RESET statement_timeout")


def test_F18_F20_secret_fields_are_never_filled_and_dots_are_no_secret(
    town: Town, clients: Clients, shown: Shown
) -> None:
    before, tried = snapshot(town), 0
    for who, form in posts(shown):
        for name, kind in form.kinds.items():
            if kind != "password" or form.action.startswith("/accounts/"):
                continue
            assert form.values[name] == "", form.name
            for dots in ("••••••••••••", "************", " . . . ", ""):
                filled = {**plausible(form), name: dots}
                assert clients[who].post(form.action, filled).status_code == 400, form.name
            tried += 1
    assert tried >= 5
    assert snapshot(town) == before


def test_F23_no_page_lets_itself_be_framed(town: Town, clients: Clients) -> None:
    for who in ("", "owner"):
        for name, route in OURS:
            response = clients[who].get(address(town, name, route))
            policy = response["Content-Security-Policy"]
            assert "frame-ancestors 'none'" in policy, name
            assert "unsafe" not in policy, name
            assert response["X-Content-Type-Options"] == "nosniff"
