"""The addresses under /api/v1: a lease of a token, facts of connections, and the description."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from connections.api import asking, description, facts, kinds, pace
from connections.api.asking import Refusal
from connections.flows import key_stops, leases
from connections.flows.leases import Ask, Granted, NotGranted
from connections.models import KeyScope, LeaseOutcome
from portal import context_vars
from portal.problem_details import respond

View = Callable[..., HttpResponse]
RETRY_SECONDS: Final = {
    LeaseOutcome.LATE: 5,
    LeaseOutcome.LOOK: 5,
    LeaseOutcome.PROMISED: 60,
    leases.BUSY: 1,
    leases.UNREADABLE: 60,
}


def endpoint(*methods: str) -> Callable[[View], View]:
    """A view of these methods, called with the key's hash; what it refuses is problem details."""

    def decorate(view: View) -> View:
        @login_not_required
        @csrf_exempt
        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            headers: dict[str, str] = {}
            try:
                key_hash = _admitted(request, methods)
                paced = pace.count(key_hash)
                headers = paced.headers()
                if paced.wait_seconds:
                    raise Refusal(kinds.TOO_MANY)
                response = view(request, key_hash, *args, **kwargs)
            except NotGranted as no:
                response = refused(request, not_granted(no))
            except BadRequest as wrong:
                response = refused(request, Refusal(kinds.BAD_REQUEST, str(wrong)))
            except Refusal as refusal:
                response = refused(request, refusal)
            for name, value in headers.items():
                response.headers.setdefault(name, value)
            return response

        return answer

    return decorate


def _admitted(request: HttpRequest, methods: tuple[str, ...]) -> bytes:
    """The hash of the key that asks; a key in the address ends itself, whatever else was asked."""
    exposed = asking.exposed_keys(request.path, request.META.get("QUERY_STRING", ""))
    for each in exposed:
        key_stops.exposed(each)
    if exposed:
        raise Refusal(kinds.KEY_IN_ADDRESS, headers=asking.BAD_KEY)
    if request.method not in methods:
        raise Refusal(kinds.NOT_ALLOWED, headers={"Allow": ", ".join(methods)})
    return asking.key_hash(request.headers.get("Authorization", ""))


def refused(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """The refusal as problem details, with its code for machines."""
    return respond(
        request,
        refusal.kind,
        refusal.detail,
        headers=refusal.headers,
        code=refusal.kind.code,
        **refusal.members,
    )


# ── A token ───────────────────────────────────────────────────────────────────────────────────


@endpoint("POST")
def token(request: HttpRequest, key_hash: bytes, connection_id: str) -> HttpResponse:
    """A fresh access token of this connection, on record before it is handed out."""
    wish = asking.canonical(connection_id)
    wanted = asking.wanted(
        request.body,
        request.headers.get("Content-Type", ""),
        request.headers.get("Prefer", ""),
    )
    ask = Ask(
        key_hash=key_hash,
        connection_id=wish,
        reason=wanted.reason,
        min_ttl_seconds=wanted.min_ttl_seconds,
        wait_seconds=wanted.wait_seconds,
        refused=wanted.refused,
        address=asking.network_address(context_vars.address.get()),
        request_id=context_vars.request_id.get(),
    )
    return JsonResponse(token_body(leases.take(ask)), headers={"Cache-Control": "no-store"})


def token_body(granted: Granted) -> dict[str, object]:
    """What a service reads of a lease (RFC 6749 §5.1, without a refresh token)."""
    answer = granted.answer
    return {
        "lease_id": str(answer.lease_id),
        "access_token": granted.token.reveal(),
        "token_type": "Bearer",
        "expires_at": facts.moment(answer.expires_at),
        "expires_in": answer.seconds,
        "scopes": answer.scopes,
        "missing_scopes": granted.missing,
        "connection": {
            "id": str(answer.connection_id),
            "name": answer.connection_name,
            "connector": answer.connector,
            "state": answer.state,
            "suspect_since": facts.moment(answer.suspect_since),
            "last_success_at": facts.moment(answer.last_success_at),
        },
    }


def not_granted(no: NotGranted) -> Refusal:
    """Why there is no token, with the way on where there is one."""
    kind, answer = kinds.OF_OUTCOME[no.code], no.answer
    headers: dict[str, str] = dict(asking.BAD_KEY) if kind.status == 401 else {}
    members: dict[str, object] = {}
    if answer is not None and no.code == LeaseOutcome.NEEDS_LINK:
        members["relink_url"] = facts.page_of(answer.organization_id, answer.connection_id)
    if answer is not None and no.code == LeaseOutcome.TOO_LONG:
        members["longest_seconds"] = answer.seconds
    if kind.status in (429, 503):
        headers["Retry-After"] = str(_retry_seconds(no))
    return Refusal(kind, headers=headers, **members)


def _retry_seconds(no: NotGranted) -> int:
    known = no.answer.seconds if no.answer else None
    if known is not None and no.code in (LeaseOutcome.TOO_SOON, LeaseOutcome.PROMISED):
        return max(1, known)
    return RETRY_SECONDS.get(no.code, 5)


# ── Facts ─────────────────────────────────────────────────────────────────────────────────────


@endpoint("GET", "HEAD")
def connections(request: HttpRequest, key_hash: bytes) -> HttpResponse:
    """The connections this key is for, a page at a time."""
    with key_stops.entered(key_hash, KeyScope.READ, _address()) as service_key:
        found = facts.page(service_key, facts.Wish.read(request.GET))
    return JsonResponse(found)


@endpoint("GET", "HEAD")
def connection(request: HttpRequest, key_hash: bytes, connection_id: str) -> HttpResponse:
    """One connection: its facts, its health, its scopes."""
    wish: UUID = asking.canonical(connection_id)
    with key_stops.entered(key_hash, KeyScope.READ, _address()) as service_key:
        found: Mapping[str, object] = facts.one(service_key, wish)
    return JsonResponse(found)


def _address() -> str:
    return asking.network_address(context_vars.address.get())


@login_not_required
def openapi(request: HttpRequest) -> HttpResponse:
    """This API, described in OpenAPI 3.1; needs no key."""
    if request.method not in ("GET", "HEAD"):
        return refused(request, Refusal(kinds.NOT_ALLOWED, headers={"Allow": "GET, HEAD"}))
    return JsonResponse(description.document(settings.API_URL))
