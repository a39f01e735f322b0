"""Every secret of a whole journey is sought everywhere afterwards, and found nowhere.

The journey: sign-in with a second step, an invitation, an OAuth consumer, a link by consent, a link
by token, renewal, a refusal, revocation, and two requests and one job that break on the way.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.core import mail
from django.db import connections
from django.urls import reverse
from django.utils import timezone

from connections import access, places
from connections.flows import link
from connections.models import Connection, Credential, PendingLink, Replacement, credential_of
from portal import roles, vault
from portal.models import Intake, Job, Membership, Team, User
from portal.policy import Role
from portal.secret import Secret
from tests.canary import Sinks, spellings, watching
from tests.servers import Servers
from tests.vendor import Vendor
from tests.works import Works

PASSWORD = "Canary-password-8c1f52d7"
# Where a secret is what the place is for (decisions.md 6, and sign-in's own storage).
NAMED = {
    ("session key", "table django_session"): "Django's storage of sessions, twelve hours long",
    ("session key", "table usersessions_usersession"): "so that a person can end a session",
}


SENT = {"invitation token", "reset key"}  # by mail, which is what they are for


class Journey:
    """One person's day, and every secret that came up in it."""

    def __init__(self, works: Works, vendor: Vendor, servers: Servers) -> None:
        self.works, self.vendor, self.sinks = works, vendor, Sinks(servers)
        self.secrets: dict[str, str] = {"password": PASSWORD}
        with works.inside():
            self.team = Team.objects.create(name="Red")

    # ── Sign-in ───────────────────────────────────────────────────────────────────────────────

    def sign_in(self) -> None:
        user = User.objects.create_user("canary@acme.example", PASSWORD, name="Cana Ry")
        EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
        with self.works.inside():
            Membership.objects.create(user=user, role=Role.OWNER)
        form = {"login": user.email, "password": PASSWORD}
        wrong = form | {"password": "Canary-mistyped-11aa22bb"}
        self.secrets["mistyped password"] = wrong["password"]
        self.sinks.post(reverse("account_login"), wrong)
        slip = {"login": PASSWORD, "password": "x"}  # that page gives back what was typed there
        self.sinks.post(reverse("account_login"), slip, shows=True)
        assert self.sinks.post(reverse("account_login"), form).status_code == 302
        self.secrets["session key"] = str(self.sinks.client.session.session_key)
        self.user = user

    def set_up_second_step(self) -> None:
        where = reverse("mfa_activate_totp")
        asked = self.sinks.get(where)["Location"]
        assert self.sinks.post(asked, {"password": PASSWORD})["Location"] == where
        page = self.sinks.get(where, shows=True)
        seed = str(self.sinks.client.session["mfa.totp.secret"])
        assert seed in page.content.decode()
        self.secrets["TOTP seed"] = seed
        code = format_hotp_value(hotp_value(seed, int(time.time()) // 30))
        done = self.sinks.post(reverse("mfa_activate_totp"), {"code": code}, shows=True)
        assert done.status_code == 302
        self.sinks.get(reverse("mfa_view_recovery_codes"), shows=True)
        kept = Authenticator.objects.get(user=self.user, type=Authenticator.Type.RECOVERY_CODES)
        self.secrets["recovery code"] = RecoveryCodes(kept).get_unused_codes()[0]
        self.secrets["session key"] = str(self.sinks.client.session.session_key)

    def forget_password(self) -> None:
        """The mail's address is a secret; asking for it breaks, and then works."""
        self.sinks.post(reverse("account_reset_password"), {"email": "alice@acme.example"})
        found = re.search(r"/accounts/password/reset/key/\w+-([\w-]{12,})/", mail.outbox[-1].body)
        assert found
        self.secrets["reset key"] = found[1]
        with self.without_table("portal_user"):
            assert self.sinks.get(found[0]).status_code == 500
        self.sinks.get(found[0])
        self.sinks.get(found[0].replace(found[1], f"{found[1]}x"))

    def invite(self) -> None:
        self.sinks.post(
            reverse("member_invite", args=["acme"]),
            {
                "email": "new@acme.example",
                "role": "member",
                "key": "6" * 8 + "-6666-4666-8666-" + "6" * 12,
            },
            shows=True,
        )
        found = re.search(r"/invitations/([\w-]{30,})/", str(mail.outbox[-1].body))
        assert found
        self.secrets["invitation token"] = found[1]
        self.sinks.get(reverse("invitation_link", args=[found[1]]))
        self.sinks.get(reverse("invitation"))
        self.sinks.get(reverse("invitation_link", args=["Canary-guess-" + "g" * 30]))

    # ── Linking ───────────────────────────────────────────────────────────────────────────────

    def register(self) -> None:
        known = self.vendor.consumer("acme-portal")
        self.secrets["consumer secret"] = known["secret"]
        form = {"connector": "bitbucket-cloud", "name": "Acme", "client_id": known["key"]}
        url = reverse("consumers", args=["acme"])
        self.sinks.post(url, form | {"secret": known["secret"], "name": ""})
        answer = self.sinks.post(url, form | {"secret": known["secret"]})
        assert answer.status_code in (302, 303), answer.content
        self.works.drain()

    def begin(self) -> str:
        answer = self.sinks.post("/o/acme/catalogue/bitbucket-cloud/link")
        return str(answer["Location"]).removesuffix("what")

    def link_by_consent(self) -> Connection:
        steps = self.begin()
        self.sinks.get(steps + "what")
        self.sinks.post(steps + "what", {"capabilities": ["repositories-read"], "reason": ""})
        form = {"name": "By consent", "team": ""}
        assert self.sinks.post(steps + "consent?method=oauth", form).status_code == 303
        page = self.sinks.get(steps + "leave", shows=True)  # it shows the state to go with
        url = self.address_in(page.content.decode())
        self.secrets["state"] = parse_qs(urlsplit(url).query)["state"][0]
        self.take_verifier()
        query = {k: v[0] for k, v in self.works.consent(url).items()}
        self.secrets["code"] = query["code"]
        self.sinks.get("/oauth/bitbucket-cloud/callback", data=query)
        self.sinks.get("/oauth/bitbucket-cloud/callback", data=query | {"state": "Canary-state-1"})
        self.sinks.get(steps + "check")
        self.works.drain()
        with self.works.inside():
            return Connection.objects.get(name="By consent")  # type: ignore[no-any-return]

    def address_in(self, page: str) -> str:
        found = re.search(r'href="([^"]*oauth2/authorize[^"]*)"', page)
        assert found
        return found[1].replace("&amp;", "&")

    def take_verifier(self) -> None:
        with roles.using_role("worker"), self.works.inside():
            pending = PendingLink.objects.order_by("-created_at")[0]
            place = places.of_link(pending, places.VERIFIER)
            waiting = Intake.objects.get(row_id=pending.id, field=places.VERIFIER)
            self.secrets["verifier"] = vault.intake_open(bytes(waiting.blob), place).reveal()

    def link_by_token(self) -> None:
        token = self.vendor.token("tomas-full")
        self.secrets["API token"] = token
        steps = self.begin()
        self.sinks.post(steps + "what", {"capabilities": ["repositories-read"], "reason": ""})
        where, form = (
            steps + "consent?method=api-token",
            {"email": "tomas@acme.example", "token": token},
        )
        assert self.sinks.post(where, form | {"name": ""}).status_code in (200, 400)
        wrong_kind = steps + "consent?method=workspace-token"
        self.sinks.post(wrong_kind, form | {"name": "By token", "team": str(self.team.id)})
        form |= {"name": "By token", "team": str(self.team.id)}
        with self.without_table("portal_intake"):
            assert self.sinks.post(where, form).status_code == 500
        assert self.sinks.post(where, form).status_code == 303
        self.sinks.get(steps + "check")
        with self.without_table("connections_credential"):
            self.works.drain()  # the job breaks with everything opened
        self.due()
        self.works.drain()
        with self.works.inside():
            assert Connection.objects.filter(name="By token").exists()

    def replace_token(self) -> None:
        """One is refused, for it is somebody else's; another one takes the place of the first."""
        with self.works.inside():
            connection = Connection.objects.get(name="By token")
        where = reverse("connection_replace", args=["acme", connection.id])
        scopes = ["read:user:bitbucket", "read:repository:bitbucket"]
        for user in ("dana", "tomas"):
            wish = {"kind": "api_token", "user": user, "scopes": scopes}
            token = str(self.vendor.order("/tokens", **wish)["token"])
            self.secrets[f"{user}'s next token"] = token
            form = {"email": f"{user}@acme.example", "token": token}
            assert self.sinks.post(where, form).status_code == 303
            with self.without_table("connections_credential"):
                self.works.drain()
            self.due()
            self.works.drain()
            assert self.sinks.get(where).status_code == 200
        for deed in ("switch", "withdrawn"):
            url = reverse("connection_replace_act", args=["acme", connection.id, deed])
            assert self.sinks.post(url).status_code == 303
            self.works.drain()
            self.sinks.get(where)
        with self.works.inside():
            assert Replacement.objects.get().stage == Replacement.Stage.DONE

    def paste_in_the_wrong_place(self, connection: Connection) -> None:
        token = self.vendor.token("dana-full")
        self.secrets["pasted elsewhere"] = token
        form = {"labels": "", "description": f"use {token}", "verify_every_hours": 24}
        self.sinks.post(
            reverse("connection_edit", args=["acme", connection.id]),
            form | {"sync_every_minutes": 60},
        )
        self.sinks.post(reverse("team_create", args=["acme"]), {"name": token[:70]})
        self.sinks.get(reverse("connections", args=["acme"]), shows=True, data={"q": token})

    # ── A connection's life ───────────────────────────────────────────────────────────────────

    def note_tokens(self, connection: Connection, when: str) -> None:
        with roles.using_role("worker"), self.works.inside():
            credential = credential_of(connection)
            for each in (places.ACCESS, places.REFRESH):
                opened = vault.open(places.of_credential(credential, each))
                self.secrets[f"{each} token {when}"] = opened.reveal()

    def renew(self, connection: Connection) -> None:
        self.note_tokens(connection, "before")
        with self.works.inside():
            Credential.objects.filter(refreshable=True).update(expires_at=timezone.now())
        self.works.verify(connection)
        self.note_tokens(connection, "after")
        assert self.secrets["access token before"] != self.secrets["access token after"]

    def refuse(self, connection: Connection) -> None:
        """The vendor repeats our secrets in its errors."""
        with self.works.inside():
            Credential.objects.filter(refreshable=True).update(expires_at=timezone.now())
        told = f"token {self.secrets['refresh token after']} of {self.secrets['consumer secret']}"
        body = {"error": "invalid_grant", "error_description": told}
        self.vendor.order(
            "/faults", match="POST /site/oauth2/access_token", kind="status", status=400, body=body
        )
        self.works.verify(connection)
        self.vendor.order("/normal")
        told = f"Token {self.secrets['access token after']} is not accepted"
        self.vendor.order(
            "/faults", match="GET /2.0/user", kind="status", status=403, text=told, times=None
        )
        self.works.verify(connection)
        self.vendor.order("/normal")

    def look_at_everything(self, connection: Connection) -> None:
        base = f"/o/acme/connections/{connection.id}/"
        for tab in (
            "",
            "verification",
            "credential",
            "repositories",
            "workspaces",
            "sync",
            "record",
        ):
            assert self.sinks.get(base + tab).status_code == 200, tab
        for name in (
            "members",
            "teams",
            "audit",
            "connections",
            "overview",
            "consumers",
            "catalogue",
        ):
            assert self.sinks.get(reverse(name, args=["acme"])).status_code == 200, name
        for name in ("mfa_index", "usersessions_list", "account_email", "organizations"):
            self.sinks.get(reverse(name))

    def revoke(self, connection: Connection) -> None:
        url = reverse("connection_revoke", args=["acme", connection.id])
        self.sinks.post(url, {"typed_name": "By consent"})
        self.works.drain()

    # ── Breaking things ───────────────────────────────────────────────────────────────────────

    @contextmanager
    def without_table(self, table: str) -> Iterator[None]:
        """Inside, the database lacks a table, and whatever needs it ends in an error."""
        name = connections["default"].settings_dict["NAME"]
        with self.sinks.servers.postgres.connect(name) as admin:
            admin.execute(f"ALTER TABLE {table} RENAME TO away".encode())
            try:
                yield
            finally:
                admin.execute(f"ALTER TABLE away RENAME TO {table}".encode())

    def due(self) -> None:
        with roles.using_role("worker"), self.works.inside():
            Job.objects.filter(done_at=None).update(run_at=timezone.now(), lease_until=None)


def test_no_secret_of_a_whole_journey_is_found_anywhere(
    works: Works, vendor: Vendor, servers: Servers, caplog: pytest.LogCaptureFixture
) -> None:
    journey = Journey(works, vendor, servers)
    with watching(servers) as commands:
        journey.forget_password()
        journey.sign_in()
        journey.set_up_second_step()
        journey.invite()
        journey.register()
        connection = journey.link_by_consent()
        journey.link_by_token()
        journey.replace_token()
        journey.paste_in_the_wrong_place(connection)
        journey.renew(connection)
        journey.refuse(connection)
        journey.look_at_everything(connection)
        journey.revoke(connection)
        journey.look_at_everything(connection)
    sinks = journey.sinks
    sinks.take(caplog.records)
    sinks.places["what Valkey was told"] = "\n".join(commands).encode()

    assert len(journey.secrets) >= 14
    assert b"job.raised" in sinks.places["logs"]
    assert any(" 500" in place for place in sinks.places)
    hits = {
        (name, spelling, place)
        for name, spelling, place in sinks.hits(journey.secrets)
        if (name, place) not in NAMED and not (name in SENT and place.startswith("mail "))
    }
    assert sorted(hits) == []
    kept = sinks.hits({"name": "By consent"})
    assert any(place == "table connections_connection" for _, _, place in kept)


def test_the_search_finds_what_is_there(works: Works, servers: Servers, vendor: Vendor) -> None:
    """The search itself is proved: a name that is stored is found, however it is spelled."""
    sinks = Sinks(servers)
    sinks.places["hex"] = b"..." + b"Canary-plain-1".hex().encode()
    for shift in range(3):
        sinks.places[f"shift {shift}"] = spellings("x" * shift + "Canary-plain-1")["base64+0"]
    sinks.places["reversed"] = b"1-nialp-yranaC"
    found = {place for _, _, place in sinks.hits({"canary": "Canary-plain-1"})}
    assert found == sinks.places.keys()


def test_nothing_that_holds_a_secret_shows_it(works: Works, vendor: Vendor) -> None:
    """`repr` is what a debugger, a traceback with locals and a careless log line print."""
    token = vendor.token("dana-full")
    connection = works.connection(works.link_by_token(token))
    with roles.using_role("worker"), works.inside():
        credential = credential_of(connection)
        way = access.way_of(connection)
        api = way.api(Secret(token))
        shown: list[Any] = [
            *(connection, credential, way, api, api.authorization, Secret(token)),
            *PendingLink.objects.all(),
            *Intake.objects.all(),
            vault.open(places.of_credential(credential, places.SECRET)),
            access.oauth_wire.Client(client_id="key", secret=token),
            link.oauth_wire.TokenAnswer(
                access_token=token, refresh_token=token, expires_in_seconds=1, scopes=None
            ),
        ]
        text = " ".join(repr(each) for each in shown)
        text += " ".join(repr(vars(each)) for each in shown if hasattr(each, "_meta"))
    assert not [name for name, form in spellings(token).items() if form in text.encode()]
