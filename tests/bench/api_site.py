"""The api process as it is served, with the baseline of benchmark B6 beside it."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path

from portal import roles
from portal.wsgi import application

__all__ = ["application"]

BARE = "SELECT domain, version, fingerprint FROM portal_keycheck WHERE domain = %s"


def bare(request: HttpRequest) -> HttpResponse:
    """The shortest honest view: one row read from PostgreSQL, as JSON."""
    with roles.connection().cursor() as found:
        found.execute(BARE, ["access"])
        domain, version, fingerprint = found.fetchone()
    return JsonResponse({"domain": domain, "version": version, "fingerprint": fingerprint})


urlpatterns = [path("bare", bare), path("", include("portal.api_urls"))]
settings.ROOT_URLCONF = __name__
