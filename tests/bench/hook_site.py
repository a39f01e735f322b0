"""The baseline of benchmark B1: the shortest honest Django view that takes a webhook in.

It checks the HMAC and inserts the body, nothing else: no address is looked up, nothing is limited,
deduplicated or put on a list of work. Only the two middleware classes stand before it that every
new Django project has and a webhook needs.
"""

from __future__ import annotations

import hashlib
import hmac
from uuid import uuid4

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.urls import path

from portal.wsgi import application as receiving

SECRET = b"a secret of the benchmark"
INSERT = "INSERT INTO bench_inbox (id, body) VALUES (%s, %s)"


def bare(request: HttpRequest) -> HttpResponse:
    expected = "sha256=" + hmac.new(SECRET, request.body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, request.headers.get("X-Hub-Signature", "")):
        return HttpResponse(status=401)
    with connections["ingest"].cursor() as cursor:
        cursor.execute(INSERT, [uuid4(), request.body])
    return HttpResponse(status=202)


urlpatterns = [path("bare", bare)]
settings.ROOT_URLCONF = __name__
settings.MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
]
connections.settings["ingest"]["CONN_HEALTH_CHECKS"] = False  # a statement less for the view
_django = get_wsgi_application()


def application(environ, start_response):  # type: ignore[no-untyped-def]
    """One process serves both, so that nothing but the way of a request differs."""
    inner = _django if environ["PATH_INFO"] == "/bare" else receiving
    return inner(environ, start_response)
