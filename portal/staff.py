"""The doors to the platform's and support's areas: to others they are not there (404)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from portal.models import User
from portal.policy import Actor
from portal.refusals import record_refusal

View = Callable[..., HttpResponse]


def operator_required(view: View) -> View:
    """`request.actor` is an operator; one without a required second step is sent to set it up."""
    return _staff_required(view, "is_operator", "operator")


def support_required(view: View) -> View:
    """`request.actor` is a support person, as above."""
    return _staff_required(view, "is_support", "support")


def _staff_required(view: View, claim: str, kind: str) -> View:
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        user = User.objects.get(pk=str(request.user.pk))
        if not getattr(user, claim):
            record_refusal(request, f"not {kind}")
            raise Http404
        if settings.REQUIRE_MFA_FOR_STAFF and not is_mfa_enabled(user):
            messages.warning(request, "Set up two-step sign-in first: this area requires it.")
            return redirect("mfa_index")
        request.actor = Actor(kind=kind, id=user.id, name=str(user))  # type: ignore[attr-defined]
        return view(request, *args, **kwargs)

    return guarded
