"""Where a person arrives: their organization, or the choice of one, or the making of the first."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from portal import invitations, people
from portal.accounts import INVITATION_KEY, confirmed_addresses
from portal.forms import OrganizationForm
from portal.requests import SignedInRequest
from portal.views.answers import done

LAST_KEY = "last_organization"  # in the session, kept by the middleware


@require_GET
def home(request: SignedInRequest) -> HttpResponse:
    """To the invitation this browser followed, else to the last or only organization, else to the
    area of the platform's own people."""
    if request.session.get(INVITATION_KEY):
        return redirect("invitation")
    slugs = [membership.slug for membership in request.memberships]
    last = request.session.get(LAST_KEY)
    if last in slugs:
        return redirect("overview", last)
    if len(slugs) == 1:
        return redirect("overview", slugs[0])
    return redirect(_area(request) if not slugs else "organizations")


@require_GET
def organizations(request: SignedInRequest) -> HttpResponse:
    return _page(request, OrganizationForm(actor=people.person(request.user)))


@require_http_methods(["GET", "POST"])
def create(request: SignedInRequest) -> HttpResponse:
    if request.method == "GET":
        return redirect("organizations")
    actor = people.person(request.user)
    form = OrganizationForm(request.POST, actor=actor)
    made = done(form, lambda values: people.create_organization(actor=actor, **values))
    return redirect("overview", made.slug) if made else _page(request, form, status=400)


def _area(request: SignedInRequest) -> str:
    """Where somebody works who belongs to no organization."""
    if request.user.is_operator:
        return "platform"
    return "support" if request.user.is_support else "organizations"


def _page(request: SignedInRequest, form: OrganizationForm, status: int = 200) -> HttpResponse:
    context = {
        "form": form,
        "memberships": request.memberships,
        "invitations": invitations.for_addresses(confirmed_addresses(request.user)),
    }
    return render(request, "portal/organizations.html", context, status=status)
