"""GET and POST /site/oauth2/authorize: choose who you are, see what is asked, grant or cancel.

Errors about the consumer or its callback are pages, never redirects, as at Bitbucket.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

from integrations.sandbox.bitbucket_cloud import pages
from integrations.sandbox.bitbucket_cloud.credentials import Code, Consumer, Registry
from integrations.sandbox.bitbucket_cloud.switches import Switches
from integrations.sandbox.bitbucket_cloud.world import World
from integrations.sandbox.http import Request, Response, html_response, redirect_response
from integrations.sandbox.oauth import CARRIED, digest
from integrations.sandbox.pages import refusal

MISCONFIGURED = "This integration is misconfigured. Contact the vendor for assistance."
Fields = dict[str, str]


class ConsentRefused(Exception):
    """The page says why; nothing is sent to the callback."""

    def __init__(self, title: str) -> None:
        super().__init__(title)
        self.title = title


class Consent:
    """The authorization endpoint over one registry and world."""

    def __init__(
        self,
        registry: Registry,
        world: World,
        switches: Switches,
        now: Callable[[], float],
    ) -> None:
        self._registry = registry
        self._world = world
        self._switches = switches
        self._now = now

    def answer(self, request: Request) -> Response:
        given = request.form if request.method == "POST" else request.parameters
        fields = {name: values[0] for name, values in given.items()}
        try:
            consumer = self._consumer(fields)
            callback = self._callback(consumer, fields)
        except ConsentRefused as refused:
            return html_response(refusal(refused.title, MISCONFIGURED), 400)
        if fields.get("response_type") != "code":
            return self._back(callback, fields, {"error": "unsupported_response_type"})
        if request.method == "POST":
            return self._decide(consumer, callback, fields)
        gone = self._registry.deactivated
        users = [u for u in self._world.users.values() if u.about and u.uuid not in gone]
        carried = {name: fields[name] for name in CARRIED if name in fields}
        scopes = self._scopes(consumer, fields)
        return html_response(pages.consent(consumer, scopes, users, carried, self._world))

    def _consumer(self, fields: Fields) -> Consumer:
        consumer = self._registry.consumers.get(fields.get("client_id", ""))
        if consumer is None:
            raise ConsentRefused(f"Invalid client_id {fields.get('client_id', '')}")
        if not consumer.callbacks:
            raise ConsentRefused("No callback uri defined for the OAuth client.")
        return consumer

    def _callback(self, consumer: Consumer, fields: Fields) -> str:
        """Return where to send the person back; what was sent must equal or extend a callback."""
        asked = fields.get("redirect_uri")
        if asked is None:
            return consumer.callbacks[0]
        if not any(extends(asked, configured) for configured in consumer.callbacks):
            raise ConsentRefused("Invalid redirect_uri")
        return asked

    def _scopes(self, consumer: Consumer, fields: Fields) -> list[str]:
        """Return what would be granted: the consumer's ticks, narrowed only by a switch."""
        asked = fields.get("scope", "").split()
        if not asked or not self._switches.narrow_scopes:
            return consumer.scopes
        return [scope for scope in consumer.scopes if scope in asked]

    def _decide(self, consumer: Consumer, callback: str, fields: Fields) -> Response:
        user = self._world.user(fields.get("user", ""))
        if user is not None and user.uuid in self._registry.deactivated:
            user = None
        if fields.get("decision") != "grant" or user is None:
            error = self._switches.denial_error
            said = {"error": error, "error_description": "The user denied access"} if error else {}
            return self._back(callback, fields, said)
        text = secrets.token_urlsafe(24)
        self._registry.codes[digest(text)] = Code(
            consumer_key=consumer.key,
            user_uuid=user.uuid,
            scopes=list(self._scopes(consumer, fields)),
            redirect_uri=fields.get("redirect_uri", ""),
            challenge=fields.get("code_challenge", ""),
            challenge_method=fields.get("code_challenge_method", "plain"),
            expires_at=self._now() + self._switches.code_seconds,
        )
        return self._back(callback, fields, {"code": text})

    def _back(self, callback: str, fields: Fields, said: Fields) -> Response:
        state = {"state": fields["state"]} if "state" in fields else {}
        joint = "&" if urlsplit(callback).query else "?"
        return redirect_response(callback + joint + urlencode({**said, **state}))


def extends(asked: str, configured: str) -> bool:
    """Say whether a redirect_uri is the configured callback or lies below it."""
    return asked == configured or asked.startswith((configured.rstrip("/") + "/", configured + "?"))
