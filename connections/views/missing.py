"""What a page says that cannot do without a connector which is not installed (any more)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from connections.errors import NotInstalled
from portal.told_errors import tells_of

STATUS = 409


@tells_of(NotInstalled)
def not_installed(request: HttpRequest) -> HttpResponse:
    """Instead of a fault: what was read stays, and who can put the connector back."""
    return render(request, "connections/not_installed.html", status=STATUS)
