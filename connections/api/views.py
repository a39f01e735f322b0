"""The addresses under /api/v1: a lease of a token, facts of connections, and the description."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from connections.api import asking, description, facts, kinds, lending, pace
from connections.api.asking import Refusal
from connections.api.front import LENT
from connections.api.lending import Asked
from connections.api.reasons import not_granted
from connections.flows import key_stops
from connections.flows.leases import NotGranted
from connections.models import KeyScope, ServiceKey
from portal.problem_details import respond

View = Callable[..., HttpResponse]
READ = ("GET", "HEAD")


def answers(*methods: str) -> Callable[[View], View]:
    """A view of these methods, and of no others, that needs no cookie."""

    def decorate(view: View) -> View:
        @login_not_required
        @csrf_exempt
        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method not in methods:
                allowed = {"Allow": ", ".join(methods)}
                return refused(request, Refusal(kinds.NOT_ALLOWED, headers=allowed))
            return view(request, *args, **kwargs)

        return answer

    return decorate


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


@answers("POST")
def token(request: HttpRequest, connection_id: str) -> HttpResponse:
    """A fresh access token of this connection; most often `front.py` has answered before."""
    lent = request.META.get(LENT) or lending.lend(_asked(request), connection_id)
    if lent.refusal is not None:
        response = refused(request, lent.refusal)
    else:
        response = HttpResponse(lent.body, content_type="application/json")
        response["Cache-Control"] = "no-store"
    return _paced(response, lent.headers)


@answers(*READ)
def connections(request: HttpRequest) -> HttpResponse:
    """The connections this key is for, a page at a time."""
    return _read(request, lambda key: facts.page(key, facts.Wish.read(request.GET)))


@answers(*READ)
def connection(request: HttpRequest, connection_id: str) -> HttpResponse:
    """One connection: its facts, its health, its scopes."""
    return _read(request, lambda key: facts.one(key, asking.canonical(connection_id)))


def _read(request: HttpRequest, found: Callable[[ServiceKey], dict[str, object]]) -> HttpResponse:
    """What is found with the key that asks, or why nothing is; either tells the key's pace."""
    headers: Mapping[str, str] = {}
    try:
        key_hash, headers = lending.admitted(_asked(request))
        with key_stops.entered(key_hash, KeyScope.READ, lending.address()) as key:
            pace.know(key_hash)
            response: HttpResponse = JsonResponse(found(key))
    except NotGranted as no:
        response = refused(request, not_granted(no))
    except BadRequest as wrong:
        response = refused(request, Refusal(kinds.BAD_REQUEST, str(wrong)))
    except Refusal as refusal:
        response = refused(request, refusal)
    return _paced(response, headers)


def _paced(response: HttpResponse, headers: Mapping[str, str]) -> HttpResponse:
    for name, value in headers.items():
        response.headers.setdefault(name, value)
    return response


@answers(*READ)
def openapi(request: HttpRequest) -> HttpResponse:
    """This API, described in OpenAPI 3.1; needs no key."""
    return JsonResponse(description.document(settings.API_URL))


def _asked(request: HttpRequest) -> Asked:
    takes_body = request.method == "POST"
    return Asked(
        authorization=request.headers.get("Authorization", ""),
        content_type=request.headers.get("Content-Type", ""),
        prefer=request.headers.get("Prefer", ""),
        body=request.body if takes_body else b"",
    )
