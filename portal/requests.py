"""What a view may read of its request, once the middleware and the decorators have let it pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django_htmx.middleware import HtmxDetails

from portal.memberships import FoundMembership, FoundOrganization
from portal.models import User
from portal.policy import Actor

View = Callable[..., HttpResponse]


def id_in(text: str) -> UUID | None:
    """The id that a text of an address or form is; None for anything else and other spellings."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text.lower() else None


def with_own_transactions(view: View) -> View:
    """For a view whose page says what became of something outside, after its deed is committed."""
    view.with_own_transactions = True  # type: ignore[attr-defined]
    return view


def commits_itself(view: Any) -> bool:
    """Whether the view opens its transactions; decorators over it pass that on."""
    return bool(getattr(view, "with_own_transactions", False))


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
