"""The charts on the tabs of one connection, each with the address of its numbers as a file."""

from __future__ import annotations

from django.urls import reverse

from connections.models import Connection
from connections.queries import activity
from portal.charts import Chart
from portal.requests import OrganizationRequest


def file_url(request: OrganizationRequest, connection: Connection, name: str) -> str:
    """Where the numbers of a chart are, with the span that the page shows."""
    url = reverse("connection_chart", args=[request.organization.slug, connection.id, name])
    span = activity.span_of(request.GET.get("span", "")).key
    return f"{url}?span={span}" if name == "deliveries" else url


def of_deliveries(request: OrganizationRequest, connection: Connection) -> list[Chart]:
    """What the tab of deliveries shows: how many came, and what was missed."""
    span = activity.span_of(request.GET.get("span", ""))
    url = file_url(request, connection, "deliveries")
    came = activity.deliveries([connection.id], span, file_url=url)
    return [
        came,
        activity.missed([connection.id], file_url=file_url(request, connection, "missed")),
    ]


def of_syncs(request: OrganizationRequest, connection: Connection) -> list[Chart]:
    """What the tab of syncs shows: requests of the hour, and how long syncs took."""
    asked = activity.requests(connection, file_url=file_url(request, connection, "requests"))
    took = activity.durations(connection, file_url=file_url(request, connection, "syncs"))
    return [each for each in (asked, took) if each is not None]
