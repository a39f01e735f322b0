"""GET and POST /authorize: who you are, for which sites, what is asked, accept or cancel.

Errors about the app, its callback or the audience are pages, never redirects.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

from integrations.sandbox.atlassian import pages
from integrations.sandbox.atlassian.credentials import App, Code, Registry
from integrations.sandbox.atlassian.oauth import AUDIENCE
from integrations.sandbox.atlassian.switches import Switches
from integrations.sandbox.atlassian.world import Account, World
from integrations.sandbox.http import Request, Response, html_response, redirect_response
from integrations.sandbox.oauth import CARRIED, digest

DENIED = {"error": "access_denied", "error_description": "User did not authorize the request"}
Fields = dict[str, str]


class Consent:
    """The authorization endpoint over one registry and world."""

    def __init__(
        self, registry: Registry, world: World, switches: Switches, now: Callable[[], float]
    ) -> None:
        self._registry = registry
        self._world = world
        self._switches = switches
        self._now = now

    def answer(self, request: Request) -> Response:
        given = request.form if request.method == "POST" else request.parameters
        fields = {name: values[0] for name, values in given.items()}
        app = self._registry.apps.get(fields.get("client_id", ""))
        wrong = self._wrong(app, fields)
        if app is None or wrong:
            return html_response(pages.refused(wrong), 400)
        asked = fields.get("scope", "").split()
        unknown = [scope for scope in asked if scope not in app.scopes]
        if unknown or not asked:
            text = f"requested scope(s) {', '.join(unknown) or '(none)'} not granted to the app"
            return back(fields, {"error": "invalid_scope", "error_description": text})
        if fields.get("response_type") != "code":
            return back(fields, {"error": "unsupported_response_type"})
        if request.method == "POST":
            return self._decide(app, fields, asked, given.get("sites", []))
        people = [a for a in self._world.accounts.values() if a.about and a.active]
        people = [account for account in people if account.kind == "atlassian"]
        carried = {name: fields[name] for name in (*CARRIED, "audience") if name in fields}
        return html_response(pages.consent(app, asked, people, carried, self._world))

    def _wrong(self, app: App | None, fields: Fields) -> str:
        """Say what is wrong with the request itself; empty when nothing is."""
        if app is None:
            return "We couldn't identify the app that is asking: its client_id is not known."
        if fields.get("redirect_uri", "") not in app.callbacks:
            return "The redirect_uri is not the callback URL that is registered for the app."
        if fields.get("audience") != AUDIENCE:
            return f"The audience has to be {AUDIENCE}."
        return ""

    def _decide(self, app: App, fields: Fields, asked: list[str], sites: list[str]) -> Response:
        account = self._world.account(fields.get("user", ""))
        if fields.get("decision") != "accept" or account is None or not account.active:
            return back(fields, DENIED)
        text = secrets.token_urlsafe(48)
        self._registry.codes[digest(text)] = Code(
            key=app.key,
            account=account.account_id,
            sites=self._chosen(account, sites),
            scopes=asked,
            redirect_uri=fields["redirect_uri"],
            challenge=fields.get("code_challenge", ""),
            challenge_method=fields.get("code_challenge_method", "plain"),
            expires_at=self._now() + self._switches.code_seconds,
        )
        return back(fields, {"code": text})

    def _chosen(self, account: Account, names: list[str]) -> list[str]:
        """Return the cloud ids that were ticked, of sites where this person is."""
        there = self._world.sites_of(account.account_id)
        return [site.cloud_id for site in there if site.name in names]


def back(fields: Fields, said: Fields) -> Response:
    callback = fields["redirect_uri"]
    state = {"state": fields["state"]} if "state" in fields else {}
    joint = "&" if urlsplit(callback).query else "?"
    return redirect_response(callback + joint + urlencode({**state, **said}))
