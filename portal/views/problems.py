"""What a person reads when a request cannot be served: calm words, the way on, a reference."""

from __future__ import annotations

import sys

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from psycopg.errors import DeadlockDetected, LockNotAvailable, QueryCanceled

from portal.keys import KeysUnavailable
from portal.refusals import organization_slug, record_refusal

TOO_COSTLY = "This search takes too long. Narrow it with a filter or a shorter span of time."
NO_KEYS = "The service that keeps the keys does not answer. Nothing of yours was changed."
BUSY = "Somebody else is changing the same thing at this moment. Nothing of yours was changed."


@login_not_required
def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Our own sentence when a view gave one; what a library says is for the log."""
    reason = "" if isinstance(exception, SuspiciousOperation) else str(exception or "")[:200]
    return render(request, "400.html", {"reason": reason}, status=400)


@login_not_required
def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    reason = str(exception or "")[:200]
    record_refusal(request, reason)
    return render(request, "403.html", {"exception": reason}, status=403)


@login_not_required
def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Another's organization and none at all look the same; only the record tells them apart."""
    slug = organization_slug(request)
    mine = {place.slug for place in getattr(request, "memberships", ())}
    if slug and slug not in mine and request.resolver_match:
        record_refusal(request, "not a member")
    return render(request, "404.html", status=404)


@login_not_required
def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    record_refusal(request, "the form's token did not match")
    return render(request, "403_csrf.html", status=403)


@login_not_required
def server_error(request: HttpRequest) -> HttpResponse:
    """A query that ran into its time limit is the asker's to narrow, one that waited in vain may be
    tried again; the rest is ours to mend."""
    if isinstance(sys.exc_info()[1], KeysUnavailable):
        return _later(request, NO_KEYS, KeysUnavailable.seconds)
    cause = getattr(sys.exc_info()[1], "__cause__", None)
    if isinstance(cause, QueryCanceled):
        return render(request, "400.html", {"reason": TOO_COSTLY}, status=400)
    if isinstance(cause, LockNotAvailable | DeadlockDetected):
        return _later(request, BUSY, 5)
    return render(request, "500.html", status=500)


def _later(request: HttpRequest, reason: str, seconds: int) -> HttpResponse:
    page = render(request, "503.html", {"reason": reason}, status=503)
    page["Retry-After"] = str(seconds)
    return page
