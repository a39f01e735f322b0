"""Every address of the portal, tried by everybody: who is let in stands in one table.

An address that is not in the table fails the build. Nobody who is kept out sees a word of Acme, no
reading changes a row, and every change needs the form's own token.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.http import HttpResponse
from django.middleware.csrf import get_token
from django.test import RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from connections.models import (
    Check,
    Connection,
    Repository,
    SyncRun,
    Verification,
    Workspace,
)
from portal import roles
from portal.models import Job, Team, TeamMembership
from portal.policy import TABLE, Role
from tests.abuse.browsers import plain
from tests.access import ACCESS, GUESTS, OPEN, OPERATOR, OWN_LINK, SIGNED_IN, SUPPORT
from tests.servers import Servers
from tests.town import CANARY, ROLES, STRANGERS, Town, snapshot
from tests.works import Works

LIBRARYS = ("account_", "mfa_", "socialaccount_", "openid_connect_", "usersessions_")
LIBRARYS_OPEN = {
    *("account_login", "account_logout", "account_inactive", "account_signup"),
    *("account_email_verification_sent", "account_reset_password", "account_confirm_login_code"),
    *("account_confirm_email", "account_reset_password_from_key_done"),
    *("account_reset_password_from_key", "account_reset_password_done", "mfa_authenticate"),
    *("socialaccount_login_cancelled", "socialaccount_signup"),
    *("openid_connect_login", "openid_connect_callback"),
}
# GETs that write, and why that does no harm.
WRITES = {
    "link_leave": "makes one-use values of one's own link; the page is where they are shown",
}
SECRET = ("invitation", "calendar_feed")  # addresses that are themselves one: this one is unknown
ENTERED = {200, 204, 302, 303, 400, 405, 409, 421}


def routes(
    patterns: list[URLPattern | URLResolver] | None = None, before: str = ""
) -> Iterator[tuple[str, URLPattern, str]]:
    for each in get_resolver().url_patterns if patterns is None else patterns:
        route = before + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from routes(each.url_patterns, route)
        else:
            yield each.name or "", each, route


OURS = [(name, route) for name, _, route in routes() if name and not name.startswith(LIBRARYS)]


@pytest.fixture(scope="module")
def town(module_works: Works, servers: Servers) -> Town:
    return Town(module_works, servers)


def address(town: Town, name: str, route: str, **instead: Any) -> str:
    """The address in Acme, or with other values for some parts of it."""
    values: dict[str, Any] = {
        "organization_slug": "acme", "slug": "acme", "connector": "bitbucket-cloud",
        "token": "t" * 43, "rest": "connections",
        "deed": "switch", "name": "deliveries", "kind": "replay", **town.ids, **instead,
    }  # fmt: skip
    return reverse(name, kwargs={k: v for k, v in values.items() if f":{k}>" in route})


def lets_in(name: str, who: str | None) -> bool:
    wanted = ACCESS[name]
    if wanted == OPEN:
        return True
    if who is None or who == "suspended":
        return False
    if wanted == SIGNED_IN:
        return True
    if wanted in (OPERATOR, SUPPORT):
        return who == wanted
    if wanted == OWN_LINK:
        return who == "manager"  # began the link that the address names
    return who in ROLES and wanted in TABLE[ROLES[who]]


def kept_out(response: HttpResponse, who: str | None) -> bool:
    if who is None or who == "suspended":
        return response.status_code == 302 and response["Location"].startswith("/accounts/login/")
    return response.status_code in (403, 404, 405)


def staff_know(who: str | None) -> bytes:
    """Operators and support may read an organization's name, and nothing else of it."""
    return b"" if who in ("operator", "support") else CANARY.encode()


# ── The table is whole ────────────────────────────────────────────────────────────────────────


def test_every_address_is_in_the_table() -> None:
    assert {name for name, _ in OURS} == ACCESS.keys()


def test_few_doors_are_open_and_each_is_named() -> None:
    is_open = {
        name
        for name, pattern, _ in routes()
        if not getattr(pattern.callback, "login_required", True)
    }
    mine = {name for name, wanted in ACCESS.items() if wanted == OPEN}
    assert is_open == mine | LIBRARYS_OPEN


# ── Everybody at every address ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("who", [None, "suspended", *STRANGERS], ids=str)
def test_T01_strangers(who: str | None, town: Town) -> None:
    client = town.client(who)
    for name, route in OURS:
        url = address(town, name, route)
        for method in ("get", "post"):
            response = getattr(client, method)(url)
            place = (who, method, name, response.status_code)
            if lets_in(name, who):
                assert response.status_code in ENTERED | {403, 404}, place
            else:
                assert kept_out(response, who), place
            content = response.content.replace(f"Acme {CANARY}".encode(), staff_know(who))
            assert CANARY.encode() not in content, place


@pytest.mark.parametrize("role", [role.value for role in Role])
def test_T01_members(role: str, town: Town) -> None:
    """GET as each role: let in where the table says, 403 elsewhere, 404 where it is not theirs.
    Reading changes nothing."""
    client = town.client(role)

    def look(name: str, route: str) -> None:
        response = client.get(address(town, name, route))
        place = (role, name, response.status_code)
        if lets_in(name, role):
            is_hidden = name.startswith(SECRET) or name in GUESTS
            assert response.status_code in ENTERED or is_hidden, place
        else:
            assert response.status_code in (403, 404, 405), place

    client.get(reverse("organizations"))
    before = snapshot(town)
    for name, route in OURS:
        if name not in WRITES:
            look(name, route)
    assert snapshot(town) == before
    for name, route in OURS:
        if name in WRITES:
            look(name, route)


@pytest.mark.parametrize("role", [role.value for role in Role if role != Role.OWNER])
def test_T01_members_post_only_what_their_role_may(role: str, town: Town) -> None:
    client = town.client(role)
    before = snapshot(town)
    for name, route in OURS:
        if lets_in(name, role):
            continue
        response = client.post(address(town, name, route), {"confirm": "1"})
        assert response.status_code in (403, 404, 405), (role, name, response.status_code)
    assert snapshot(town) == before


# ── Somebody else's objects ───────────────────────────────────────────────────────────────────


def test_T02_a_foreign_id_looks_like_one_that_never_was(town: Town) -> None:
    client = town.client("owner")
    for name, route in OURS:
        for part in town.foreign:
            if f":{part}>" not in route:
                continue
            for method in ("get", "post"):
                ask = getattr(client, method)
                foreign = ask(address(town, name, route, **{part: town.foreign[part]}))
                unknown = ask(address(town, name, route, **{part: uuid4()}))
                place = (method, name, part, foreign.status_code)
                assert foreign.status_code == unknown.status_code, place
                assert foreign.status_code in (404, 405, 302), place
                assert plain(foreign) == plain(unknown), place
                assert b"Globex" not in foreign.content, place


def test_T03_a_child_of_another_parent(town: Town) -> None:
    with town.works.inside():
        run = SyncRun.objects.get(id=town.ids["run_id"])
        other = type(run.connection).objects.create(name="Twin", account_id="twin", connector="x")
    client = town.client("owner")
    for name in ("connection_sync_cancel", "connection_sync_accept"):
        route = "<uuid:connection_id>/<uuid:run_id>/<slug:organization_slug>"
        for instead in (
            {"connection_id": other.id},
            {"run_id": town.foreign["run_id"]},
            {"connection_id": town.foreign["connection_id"]},
        ):
            assert client.post(address(town, name, route, **instead)).status_code == 404
    membership = reverse(
        "team_member_remove", args=["acme", town.ids["team_id"], town.foreign["membership_id"]]
    )
    client.post(membership)
    with town.works.inside():
        assert TeamMembership.objects.count() == 1


# No form takes two parts of one line, so that one cannot be refused for another's sake.
PARTS = (
    {"team": "team_id", "parent": "team_id", "heir": "membership_id"},
    {"consumer": "consumer_id", "selected": "connection_id", "workspaces": "workspace_id"},
)


@pytest.mark.parametrize("parts", PARTS, ids=" ".join)
def test_T02_foreign_ids_in_a_form_change_nothing(parts: dict[str, str], town: Town) -> None:
    foreign = {part: str(town.foreign[kind]) for part, kind in parts.items()}
    client = town.client("owner")
    globex = snapshot(town, town.globex.id)
    for name, route in OURS:
        if name in ("organization_leave", "connection_revoke"):
            continue
        response = client.post(address(town, name, route), foreign | {"confirm": "1"})
        assert response.status_code < 500, name
        assert b"Globex" not in response.content, name
    assert snapshot(town, town.globex.id) == globex


def test_T01_another_teams_connection_shows_nowhere(town: Town) -> None:
    """A member who is in no team sees the organization's own connections and no word of others."""
    word = "Quetzal"
    with town.works.inside():
        team = Team.objects.create(name=f"{word} team")
    with roles.using_role("worker"), town.works.inside():
        theirs = Connection.objects.create(
            name=f"{word} code", team=team, connector="bitbucket-cloud", method="api-token",
            account_id=word, account_name=word, state="active", last_error="unavailable",
        )  # fmt: skip
        space = Workspace.objects.create(
            connection=theirs, remote_id=word, slug="q", name=f"{word} space", selected=True
        )
        Repository.objects.create(
            workspace=space, connection=theirs, remote_id=word, slug="q", name=word, full_name=word
        )
        seen = Verification.objects.create(connection=theirs, outcome="failed")
        Check.objects.create(verification=seen, position=1, key="identity", title=f"{word} check")
        run = SyncRun.objects.create(connection=theirs, state="failed", now_reading=word)
    client = town.client("member")
    shown = {"teams", "team"}  # the teams themselves are no secret within the organization
    for name, route in OURS:
        if name in shown or "organization_slug" not in route:
            continue
        for instead in ({}, {"connection_id": theirs.id, "run_id": run.id}):
            response = client.get(address(town, name, route, **instead))
            content = response.content.replace(f"{word} team".encode(), b"")
            assert word.encode() not in content, (name, response.status_code)
            if instead and ":connection_id>" in route:
                posted = client.post(address(town, name, route, **instead))
                assert {response.status_code, posted.status_code} <= {404, 405}, name


# ── Methods, tokens, reading ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("method", ["head", "options", "put", "patch", "delete", "trace"])
def test_odd_verbs_are_refused_without_an_error(method: str, town: Town) -> None:
    client = town.client("owner")
    before = snapshot(town)
    for name, route in OURS:
        response = getattr(client, method)(address(town, name, route))
        allowed = {405, 403, 404, 421} | (ENTERED if method in ("head", "options") else set())
        assert response.status_code in allowed, (method, name, response.status_code)
    assert snapshot(town) == before


@pytest.mark.parametrize("token", [None, "x" * 64, "another person's"], ids=str)
def test_F01_every_change_needs_the_forms_own_token(token: str | None, town: Town) -> None:
    client = town.client("owner", csrf=True)
    client.get(reverse("members", args=["acme"]))
    form = {}
    if token == "another person's":
        form = {"csrfmiddlewaretoken": get_token(RequestFactory().get("/"))}
    elif token:
        form = {"csrfmiddlewaretoken": token}
    before = snapshot(town)
    for name, _, route in routes():
        if not name or name.startswith("openid") or "(?P" in route:
            continue
        response = client.post(address(town, name, route), form)
        assert response.status_code in (403, 405, 421), (name, response.status_code)
    assert snapshot(town) == before


def test_reading_of_staff_changes_nothing(town: Town) -> None:
    """Of members `test_T01_members` asks it."""
    for each in (town.client("operator"), town.client("support")):
        each.get(reverse("organizations"))
        before = snapshot(town)
        for name, route in OURS:
            if name not in WRITES:
                each.get(address(town, name, route))
        assert snapshot(town) == before


def test_the_queue_is_empty_after_all_this(town: Town) -> None:
    """No refused request left work behind that a worker would choke on."""
    town.works.drain()
    with town.works.inside():
        errors = set(Job.objects.exclude(last_error="").values_list("last_error", flat=True))
    assert not {error for error in errors if error != error.lower()}
