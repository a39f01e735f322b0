"""Pages that fail in their own ways, for the tests of problem pages."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path

from portal import urls

handler400, handler403 = urls.handler400, urls.handler403
handler404, handler500 = urls.handler404, urls.handler500


@login_not_required
def costly(request: HttpRequest) -> HttpResponse:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '50ms'")
        cursor.execute("SELECT pg_sleep(5)")
    return HttpResponse()


@login_not_required
def waiting(request: HttpRequest) -> HttpResponse:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '50ms'")
        cursor.execute("LOCK TABLE portal_user")
    return HttpResponse()


@login_not_required
def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("the token is ATATT3xFfGF0-canary-7f3a")


urlpatterns = [
    path("costly/", costly),
    path("waiting/", waiting),
    path("broken/", broken),
    *urls.urlpatterns,
]
