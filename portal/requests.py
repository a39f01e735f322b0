"""What a view may read of its request, once the middleware and the decorators have let it pass."""

from __future__ import annotations

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from portal.memberships import FoundMembership, FoundOrganization
from portal.models import User
from portal.policy import Actor


class SignedInRequest(HttpRequest):
    """Somebody is signed in; their memberships are known."""

    user: User
    memberships: list[FoundMembership]
    htmx: HtmxDetails
    request_id: str


class OrganizationRequest(SignedInRequest):
    """They are a member of the organization that the address names, and act for it."""

    organization: FoundOrganization
    membership: FoundMembership
    actor: Actor
