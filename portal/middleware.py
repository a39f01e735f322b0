"""What every request passes: its id, security headers, clean input, and its organization."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse, QueryDict

from portal import context_vars, tenancy, told_errors
from portal.memberships import memberships_of, teams_shown
from portal.policy import Actor, Role
from portal.requests import commits_itself

View = Callable[..., HttpResponse]
GetResponse = Callable[[HttpRequest], HttpResponse]

# `form-action` is left to 'self': the way to a vendor is a link, not a form target.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "object-src 'none'",
        "frame-ancestors 'none'",
    )
)
GIVEN_ID = "portal.request_id"  # in a WSGI environment
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class RequestIdMiddleware:
    """Gives each request an id that logs, records, jobs and error pages share."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # A server in front may have given it one; a client's header never arrives under this name.
        given = request.META.get(GIVEN_ID) or uuid4().hex[:16]
        request.request_id = given  # type: ignore[attr-defined]
        token = context_vars.request_id.set(given)
        address = context_vars.address.set(client_address(request.META))
        try:
            response = self.get_response(request)
        finally:
            context_vars.request_id.reset(token)
            context_vars.address.reset(address)
        response["X-Request-Id"] = request.request_id  # type: ignore[attr-defined]
        return response


def client_address(meta: Mapping[str, Any]) -> str:
    """Where the request comes from, as far as our own proxies can tell."""
    hops = [part.strip() for part in meta.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    trusted = settings.ALLAUTH_TRUSTED_PROXY_COUNT
    told = hops[-trusted] if 0 < trusted <= len(hops) else ""
    return str(told or meta.get("REMOTE_ADDR", ""))[:64]


class SecurityHeadersMiddleware:
    """Content security policy and friends; nothing of a signed-in page is kept by caches."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        response.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
        if not request.path.startswith(settings.STATIC_URL):
            response.setdefault("Cache-Control", "no-store")
        return response


class CleanInputMiddleware:
    """Refuses what cannot be text: control characters, bytes that are not UTF-8, fields sent twice.

    The fields of `REPEATABLE` are lists and may repeat.
    """

    REPEATABLE = frozenset(
        {
            *("capabilities", "workspaces", "labels", "selected", "state", "teams"),
            *("scopes", "connectors", "told_roles", "told_people"),
            *("connections", "hooks-events", "sync-streams", "repositories", "options"),
        }
    )

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: View, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        if request.encoding and request.encoding.lower() not in {"utf-8", "utf8"}:
            raise BadRequest("Send UTF-8.")
        self._check(request.GET)
        if request.method == "POST":
            self._check(request.POST)

    def _check(self, values: QueryDict) -> None:
        for name, found in values.lists():
            if len(found) > 1 and name not in self.REPEATABLE:
                raise BadRequest(f"The field {name[:40]!r} was sent twice.")
            for value in found:
                if isinstance(value, str) and (_CONTROL.search(value) or "\ufffd" in value):
                    raise BadRequest(f"The field {name[:40]!r} holds characters that are not text.")


class OrganizationMiddleware:
    """Enters the organization that the address names, in one transaction around the view, unless
    that commits by itself.

    Somebody without a membership gets the 404 of an organization that does not exist.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: View, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        request.memberships = []  # type: ignore[attr-defined]
        request.organization = None  # type: ignore[attr-defined]
        if not request.user.is_authenticated:
            return None
        request.memberships = memberships_of(request.user.id)  # type: ignore[attr-defined]
        if "organization_slug" not in kwargs:
            return None
        slug = kwargs.pop("organization_slug")
        for membership in request.memberships:  # type: ignore[attr-defined]
            if membership.slug == slug:
                try:
                    return self._inside(request, membership, view, args, kwargs)
                except Exception as error:
                    if page := self.process_exception(request, error):
                        return page
                    raise
        raise Http404

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """What a view's error says, where it is no fault; its transaction is rolled back."""
        return told_errors.page_of(request, error)

    def _inside(
        self, request: Any, membership: Any, view: View, args: Any, kwargs: Any
    ) -> HttpResponse:
        request.membership = membership
        request.organization = membership.organization
        if request.session.get("last_organization") != membership.slug:
            request.session["last_organization"] = membership.slug
        request.actor = Actor("person", request.user.id, str(request.user), Role(membership.role))
        with tenancy.acting_for(membership.organization.id, teams=teams_shown(membership)):
            if commits_itself(view):
                return view(request, *args, **kwargs)
            with tenancy.transaction():
                return view(request, *args, **kwargs)
