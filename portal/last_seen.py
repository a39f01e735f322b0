"""When and from where a session was last used: written once a minute, not at each request."""

from __future__ import annotations

from datetime import timedelta

from allauth.account.adapter import get_adapter
from allauth.usersessions.middleware import UserSessionsMiddleware
from allauth.usersessions.models import UserSession
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

LASTS = timedelta(minutes=1)  # "just now" as it is


class LastSeenMiddleware(UserSessionsMiddleware):  # type: ignore[misc]
    """allauth's writes at every request; this one stands aside while the row still holds."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        told = request.user.is_authenticated and is_told(request)
        response: HttpResponse = self.get_response(request) if told else super().__call__(request)
        return response


def is_told(request: HttpRequest) -> bool:
    """Whether the row names this person, browser and address, and was written just now."""
    longest: int = UserSession._meta.get_field("user_agent").max_length
    found: bool = UserSession.objects.filter(
        session_key=request.session.session_key,
        user_id=request.user.pk,
        ip=get_adapter().get_client_ip(request),
        user_agent=request.META.get("HTTP_USER_AGENT", "")[:longest],
        last_seen_at__gt=timezone.now() - LASTS,
    ).exists()
    return found
