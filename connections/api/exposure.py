"""Keys that stand in an address: whatever was asked with one, it is revoked."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from connections.api import lending
from connections.api.asking import Refusal
from connections.api.views import refused


class ExposedKeyMiddleware:
    """Stands in front of everything that the api process serves, also of what it refuses.

    Logs along the way hold the key, whether or not there is such an address or method.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            lending.end_exposed(request.path, request.META.get("QUERY_STRING", ""))
        except Refusal as refusal:
            return refused(request, refusal)
        return self.get_response(request)
