"""A step up: what cannot be taken back is for somebody who has just proved who they are."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from allauth.account.adapter import get_adapter
from allauth.account.decorators import reauthentication_required
from allauth.core.exceptions import ReauthenticationRequired
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

View = Callable[..., HttpResponse]
AGAIN = "Confirm that it is you, then send the form again. Nothing was changed yet."


@reauthentication_required  # type: ignore[untyped-decorator]
def _prove(request: HttpRequest) -> None:
    """Raises ReauthenticationRequired when the last proof is older than five minutes."""


def recently_proven(page: str) -> Callable[[View], View]:
    """For a view of an organization: first the password or a code, then back to `page`.

    Somebody who came by single sign-on has neither here; for them the issuer's session counts.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
            asked = proof_wanted(request, reverse(page, args=[request.organization.slug]))
            return asked or view(request, *args, **kwargs)

        return guarded

    return decorate


def proof_wanted(request: Any, back: str) -> HttpResponse | None:
    """The way to a new proof and then to the address `back`; None when the last one is new."""
    methods = get_adapter().get_reauthentication_methods(request.user)
    try:
        _prove(request)
    except ReauthenticationRequired:
        if methods:
            messages.info(request, AGAIN)
            return redirect(f"{methods[0]['url']}?{urlencode({'next': back})}")
    return None
