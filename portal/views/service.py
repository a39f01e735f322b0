"""Where services find the API: its index, and the way there for who asks the pages' address."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from portal.problem_details import MISDIRECTED, respond

NAME, VERSION = "Portal API", "1"


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """What this is and where it is explained; needs no key."""
    return JsonResponse(
        {"name": NAME, "version": VERSION, "documentation": f"{settings.PORTAL_URL}/api/"}
    )


@login_not_required
@csrf_exempt
def elsewhere(request: HttpRequest, rest: str = "") -> HttpResponse:
    """The web process opens no token, so it answers nothing under /api/: RFC 9110 §15.5.20."""
    address = settings.API_URL
    detail = f"Ask {address}. Nothing was read here."
    return respond(request, MISDIRECTED, detail, api_url=address)
