"""Whom the pages of one transaction name is written once, in an order that all writers share."""

from __future__ import annotations

from django.test.utils import CaptureQueriesContext

from connections.contracts import Person
from connections.flows import persons
from connections.models import VendorIdentity
from portal import roles
from tests.connections.coding import linked
from tests.vendor import Vendor
from tests.works import Works


def test_people_of_many_pages_are_written_in_one_statement(works: Works, vendor: Vendor) -> None:
    connection = linked(works, vendor, streams=["repositories"])
    with roles.using_role("worker"), works.inside():
        with CaptureQueriesContext(roles.connection()) as asked, persons.gathered():
            persons.note_people(connection.id, [Person("b", "Bo"), Person("c", "Cy")])
            persons.note_people(connection.id, [Person("a", "Al"), Person("b", "Bob")])
            assert not VendorIdentity.objects.exists()
        assert sum("vendoridentity AS held" in query["sql"] for query in asked) == 1
        rows = VendorIdentity.objects.order_by("key").values_list("key", "name")
        assert list(rows) == [("a", "Al"), ("b", "Bob"), ("c", "Cy")]
