"""The dates of the audit filter mean midnight of one zone, and name it."""

from __future__ import annotations

from django.test import Client

from portal.models import User
from tests.works import Works


def test_the_filters_dates_name_their_zone(works: Works) -> None:
    client = Client()
    client.force_login(User.objects.get(id=works.admin.id))
    page = client.get("/o/acme/audit/").content.decode()

    assert "From (UTC)" in page and "Until (UTC)" in page
    ends = {"since": "0001-01-01", "until": "9999-12-31"}
    assert client.get("/o/acme/audit/", ends).status_code == 200
