"""The sandbox's Space keeps to the derived model, to its rights, and to what its help says."""

from __future__ import annotations

import pytest

from integrations.sandbox.jetbrains_space.api import ROUTES
from integrations.sandbox.jetbrains_space.rights import RIGHTS
from tests.integrations.space_model import find, model, needs_model, validate
from tests.integrations.spaced import CALLBACK, VERIFIER, Space

ME = "/team-directory/profiles/me"
APP = "/applications/me"
CAR = {"className": "ProjectPermissionTarget", "project": "key:CAR"}
CHECK = {"principal": "profile:me", "uniqueRightCode": "Project.View", "target": CAR}
NEW = {"name": "new", "scope": "global:Project.View", "expires": "2027-01-01T00:00:00.000Z"}


@pytest.fixture
def space() -> Space:
    return Space()


ASKED = [
    ("GET", "/organization", "dana-full", None, {}),
    ("GET", "/organization", "nora-full", None, {"_fields": "id,name"}),
    ("GET", "/projects", "dana-full", None, {"_skip": "100", "_top": 100}),
    ("GET", "/projects", "tomas-full", None, {"_fields": "next,data(id,key(key))", "term": "car"}),
    ("GET", "/projects/key:LAB", "dana-small", None, {}),
    ("GET", "/projects/key:CAR/automation/jobs", "robot-token", None,
     {"repoFilter": "", "branchFilter": "", "_top": 1}),
    ("GET", "/team-directory/memberships", "dana-full", None, {"_fields": "data(id,member(id))"}),
    ("GET", "/team-directory/profiles", "tomas-full", None, {}),
    ("GET", ME, "dana-small", None, {"_fields": "id,name(firstName,lastName),emails"}),
    ("GET", APP, "robot-token", None, {}),
    ("GET", f"{APP}/authorizations/authorized-contexts", "robot-token", None, {}),
    ("GET", f"{APP}/authorizations/authorized-rights", "robot-token", None,
     {"contextIdentifier": "project:key:CAR"}),
    ("POST", "/permissions/check-permission", "tomas-full", CHECK, {}),
    ("GET", f"{ME}/permanent-tokens", "dana-full", None, {}),
    ("POST", f"{ME}/permanent-tokens", "dana-full", NEW, {}),
    ("GET", f"{APP}/permanent-tokens", "robot-token", None, {"_fields": "data(id,name)"}),
    ("POST", f"{APP}/permanent-tokens", "robot-token", NEW | {"scope": "**"}, {}),
    ("DELETE", f"{ME}/permanent-tokens/current", "tomas-full", None, {}),
    ("DELETE", f"{APP}/permanent-tokens/current", "robot-token", None, {}),
]  # fmt: skip


@needs_model
@pytest.mark.parametrize(
    ("method", "path", "who", "body", "query"), ASKED, ids=[f"{m} {p}" for m, p, *_ in ASKED]
)
def test_each_answer_keeps_to_the_model(space, method, path, who, body, query):
    reply, words, sent = space.ask(method, path, who, body=body, **query)

    assert reply.status == 200, reply.body
    validate(method, f"/api/http{path}", words, sent, reply.json)


@needs_model
def test_each_route_is_the_model_s_and_no_route_is_untried():
    for method, path, _ in ROUTES:
        find(method, "/api/http" + path.replace("{", "").replace("}", ""))
    tried = {(method, path) for method, path, *_ in ASKED}
    assert len(tried) >= len(ROUTES) - 4  # a consent's four are tried below


@needs_model
def test_each_right_has_the_name_that_the_sdk_gives_it():
    known = set(model()["permissions"].values())
    assert RIGHTS.keys() <= known
    for method, path, name in [
        ("GET", "/projects", "View project details"),
        ("GET", "/projects/x/automation/jobs", "View automation jobs"),
        ("GET", "/team-directory/memberships", "View memberships"),
        ("GET", ME, "View member profiles"),
    ]:
        assert find(method, f"/api/http{path}")["requiredPermissions"] == [name]
        assert name in {shown for shown, _ in RIGHTS.values()}


@pytest.mark.parametrize(
    ("who", "method", "path", "status", "code"),
    [
        ("dana-expired", "GET", "/organization", 401, "authentication-required"),
        ("dana-narrow", "GET", ME, 403, "permission-denied"),
        ("tomas-full", "GET", "/projects/key:LAB", 403, "permission-denied"),
        ("nora-full", "GET", "/projects/key:NONE", 404, "not-found"),
        ("robot-token", "GET", ME, 404, "not-found"),
        ("dana-full", "GET", APP, 404, "not-found"),
        ("dana-full", "GET", "/nothing/here", 404, "not-found"),
        ("dana-full", "GET", "/projects/key:CAR/automation/jobs", 400, "validation-error"),
        ("dana-full", "POST", "/permissions/check-permission", 400, "validation-error"),
    ],
)
def test_what_is_refused_says_so_in_space_s_words(space, who, method, path, status, code):
    reply, *_ = space.ask(method, path, who)

    assert (reply.status, reply.json["error"]) == (status, code)
    assert reply.json["error_description"]


@pytest.mark.parametrize("fields", ["id,", "name(", "a(b", "id)", "id,,name", "näme"])
def test_fields_that_cannot_be_read_are_refused_or_harmless(space, fields):
    reply, *_ = space.ask("GET", "/organization", "dana-full", _fields=fields)

    assert reply.status in (200, 400) and "sandbox_failed" not in reply.body.decode()


def test_batches_go_on_to_the_end(space):
    places, found = ["0"], []
    while len(found) < 130:
        reply, *_ = space.ask("GET", "/projects", "dana-full", _skip=places[-1], _top=50)
        found += [each["id"] for each in reply.json["data"]]
        places.append(reply.json["next"])

    assert places == ["0", "50", "100", "130"] and len(set(found)) == 130
    space.vendor.switches.set("next_at_end", False)
    last, *_ = space.ask("GET", "/projects", "dana-full", _skip="100")
    assert last.json["next"] == ""


def test_who_asks_too_often_is_told_to_wait(space):
    space.vendor.switches.set("requests_per_minute", 2)

    replies = [space.ask("GET", "/organization", "dana-full")[0] for _ in range(3)]
    other, *_ = space.ask("GET", "/organization", "tomas-full")

    assert [reply.status for reply in replies] == [200, 200, 429] and other.status == 200
    assert replies[-1].json["error"] == "rate-limited" and replies[-1].headers["Retry-After"]
    space.clock.advance(61)
    assert space.ask("GET", "/organization", "dana-full")[0].status == 200


class TestOAuth:
    def test_a_code_brings_tokens_once_and_to_its_own_verifier(self, space):
        code = space.told(space.consent())["code"]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}

        wrong = space.exchange(**form, code_verifier="w" * 64)
        right = space.exchange(**form, code_verifier=VERIFIER)
        again = space.exchange(**form, code_verifier=VERIFIER)

        assert [each.status for each in (wrong, right, again)] == [400, 200, 400]
        assert right.json["scope"] == "global:Profile.View global:Project.View"
        assert right.json["expires_in"] == 600 and right.json["refresh_token"]

    def test_who_does_not_ask_to_stay_gets_no_refresh_token(self, space):
        assert "refresh_token" not in space.by_code(access_type="online").json

    @pytest.mark.parametrize("manner", ["stays", "rotates"])
    def test_a_renewal_keeps_or_replaces_the_refresh_token(self, space, manner):
        space.vendor.switches.set("refresh_token", manner)
        first = space.by_code().json["refresh_token"]

        renewed = space.refresh(first).json

        assert ("refresh_token" in renewed) == (manner == "rotates")
        assert space.refresh(first).status == (200 if manner == "stays" else 400)

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"decision": "deny"}, "access_denied"),
            ({"scope": "global:Nothing"}, "invalid_scope"),
            ({"code_challenge_method": "plain"}, "invalid_request"),
            ({"response_type": "token"}, "unsupported_response_type"),
        ],
    )
    def test_what_is_not_granted_comes_back_with_its_state(self, space, changes, error):
        assert space.told(space.consent(**changes)) == {"error": error, "state": "s-1"}

    @pytest.mark.parametrize(
        "changes", [{"client_id": "nobody"}, {"redirect_uri": "https://evil.example/"}]
    )
    def test_an_unknown_address_is_never_redirected_to(self, space, changes):
        reply = space.consent(**changes)

        assert reply.status == 400 and "Location" not in reply.headers

    def test_the_page_shows_the_rights_by_context(self, space):
        asked = "scope=global:Profile.View+project:key:CAR:Project.View&response_type=code"
        query = f"{asked}&client_id=acme-space-portal&redirect_uri={CALLBACK}"
        page = space.send("GET", "/oauth/auth", query + "&code_challenge_method=S256").body.decode()

        assert "<h3>global</h3>" in page and "<h3>project:key:CAR</h3>" in page
        assert "View project details" in page

    def test_a_client_is_itself_with_its_own_secret_only(self, space):
        form = {"grant_type": "client_credentials", "scope": "**"}

        right = space.exchange("acme-space-robot", **form)
        wrong = space.exchange("acme-space-robot", **form, secret="guess")
        other = space.exchange("acme-space-portal", **form)

        assert right.json["scope"] == "**" and "refresh_token" not in right.json
        assert (wrong.status, wrong.json["error"]) == (401, "invalid_client")
        assert other.json["error"] == "unauthorized_client"

    def test_a_grant_ends_itself(self, space):
        given = space.by_code().json
        bearer = {"authorization": f"Bearer {given['access_token']}"}
        below = "/api/http/team-directory/profiles/oauth-consents/me"
        listed = space.send("GET", below, **bearer).json

        ended = space.send("DELETE", f"{below}/refresh-tokens/self", **bearer)

        assert len(listed) == 1 and len(listed[0]["refreshTokens"]) == 1
        assert (ended.status, ended.body) == (200, b"")
        assert space.refresh(given["refresh_token"]).json["error"] == "invalid_grant"
        assert space.send("GET", below, **bearer).status == 401


def test_credentials_outlive_a_restart(space):
    given, before = space.by_code().json, space.vendor.mark()
    kept = space.vendor.keep()

    other = Space()
    other.vendor.restore(kept)

    assert other.vendor.mark() == before
    assert other.refresh(given["refresh_token"]).status == 200


def test_the_control_port_s_deeds_do_what_they_say(space):
    deeds = space.vendor.by_path
    made = deeds["/jetbrains-space/tokens"]({"name": "mine", "user": "tomas", "days": None})
    assert space.ask("GET", ME, "mine")[0].status == 200 and made["expires_at"] is None
    deeds["/jetbrains-space/tokens/end"]({"name": "mine", "expired": True})
    assert space.ask("GET", ME, "mine")[0].status == 401
    deeds["/jetbrains-space/people"]({"user": "dana"})
    assert space.ask("GET", ME, "dana-full")[0].status == 401
    deeds["/jetbrains-space/projects"]({"count": 3})
    deeds["/jetbrains-space/people"]({"user": "dana", "active": True})
    assert space.ask("GET", "/projects", "dana-full")[0].json["totalCount"] == 3
    deeds["/jetbrains-space/apps"](
        {"client_id": "acme-space-robot", "context": "global", "rights": []}
    )
    assert space.ask("GET", "/projects", "robot-token")[0].json["data"] == []
    space.by_code(user="tomas")
    assert deeds["/jetbrains-space/grants/revoke"]({"user": "tomas"}) == {"revoked": 1}
    assert [g["revoked"] for g in space.vendor.questions["/jetbrains-space/grants"]({})] == [True]
