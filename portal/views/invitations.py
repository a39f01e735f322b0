"""The way in for an invited person: follow the link, sign up or in, accept.

The link's token leaves the address at once; the session keeps its hash while the person signs up.
"""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from portal import invitations
from portal.accounts import INVITATION_KEY, confirmed_addresses, invitation_in
from portal.invitations import FoundInvitation
from portal.refused import Impossible
from portal.requests import SignedInRequest
from portal.secret import hashed


@login_not_required
@require_GET
def follow(request: HttpRequest, token: str) -> HttpResponse:
    """The link in the mail; nothing is accepted by opening it."""
    token_hash = hashed(token)
    if invitations.by_hash(token_hash) is None:
        return _gone(request)
    request.session[INVITATION_KEY] = token_hash.hex()
    return redirect("invitation")


@login_not_required
@require_http_methods(["GET", "POST"])
def invitation(request: SignedInRequest) -> HttpResponse:
    """What one is invited to, and the button. Used, expired, revoked and guessed look the same."""
    found = invitation_in(request)
    if found is None:
        request.session.pop(INVITATION_KEY, None)
        return _gone(request)
    if request.method == "POST" and request.user.is_authenticated:
        return _accepted(request, found)
    context = {
        "invitation": found,
        "is_for_me": request.user.is_authenticated and _is_for(request, found),
    }
    return render(request, "portal/invitation.html", context)


@require_POST
def accept(request: SignedInRequest, invitation_id: UUID) -> HttpResponse:
    """From the list of one's own open invitations."""
    for found in invitations.for_addresses(confirmed_addresses(request.user)):
        if found.id == invitation_id:
            return _accepted(request, found)
    return _gone(request)


def _gone(request: HttpRequest) -> HttpResponse:
    return render(request, "portal/invitation_gone.html", status=404)


def _accepted(request: SignedInRequest, found: FoundInvitation) -> HttpResponse:
    addresses = confirmed_addresses(request.user)
    try:
        invitations.accept(user=request.user, addresses=addresses, found=found)
    except Impossible as error:
        messages.error(request, str(error))
        return redirect("organizations")
    request.session.pop(INVITATION_KEY, None)
    messages.success(request, f"You are now a member of {found.organization.name}.")
    return redirect("overview", found.organization.slug)


def _is_for(request: SignedInRequest, found: FoundInvitation) -> bool:
    return found.email in confirmed_addresses(request.user)
