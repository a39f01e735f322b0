"""How the API writes moments, and the addresses of pages that people open."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from django.conf import settings

from portal import tenancy
from portal.models import Organization


def moment(at: datetime | None) -> str | None:
    """RFC 3339 in UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else None


def home_url() -> str:
    """Where the pages of the acting organization begin; the web process serves them."""
    slug = Organization.objects.values_list("slug", flat=True).get(id=tenancy.organization_id())
    return f"{settings.PORTAL_URL}/o/{slug}/"


def page_url(connection_id: UUID) -> str:
    """The page of a connection of the acting organization."""
    return f"{home_url()}connections/{connection_id}/"
