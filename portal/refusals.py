"""What was refused goes on record: on the organization's if its own member asked, else on the
platform's. The record names the route, never the address, because an address may be a secret."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest

from portal import audit, tenancy
from portal.audit import Action
from portal.memberships import memberships_of
from portal.models import Organization
from portal.policy import Actor


def platform() -> Organization:
    """The platform itself as the subject of a record."""
    return Organization(id=tenancy.PLATFORM, slug="platform", name="Platform")


def record_refusal(request: HttpRequest, reason: str) -> None:
    """Put the refusal on record in a transaction of its own; a signed-out visitor leaves none."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated or tenancy.is_inside():
        return
    subject = place_of(request, user.id)
    with tenancy.acting_for(subject), tenancy.transaction():
        audit.record(
            Action.ACCESS_REFUSED,
            actor=Actor(kind="person", id=user.id, name=str(user)),
            subject=subject,
            reason=reason,
            page=request.resolver_match.route if request.resolver_match else "",
            method=request.method,
        )


def organization_slug(request: HttpRequest) -> str:
    """The organization that the address names, whether or not it exists."""
    first, _, rest = request.path_info.removeprefix("/").partition("/")
    return rest.partition("/")[0] if first == "o" else ""


def place_of(request: HttpRequest, user_id: UUID) -> Organization:
    """The organization whose member asks for one of its pages, else the platform."""
    slug = organization_slug(request)
    if slug:
        for membership in memberships_of(user_id):
            if membership.slug == slug:
                found = membership.organization
                return Organization(id=found.id, slug=found.slug, name=found.name)
    return platform()
