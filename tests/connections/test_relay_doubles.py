"""Whether the same is sent to a link's target already: a worker looks before it begins."""

from __future__ import annotations

from connections.flows import relay_doubles
from connections.models import Connection, Link
from portal import clock
from tests.connections import joining
from tests.connections.coding import SPACE, linked, slugs
from tests.connections.joining import LINKS
from tests.connections.pages import signed_in, text
from tests.vendor import Vendor
from tests.works import Works


def looked(works: Works, source: Connection) -> Link:
    """A draft between the source and a site, after a worker has looked."""
    link = joining.joined(works, source, joining.target(works), state="draft")
    with works.inside():
        relay_doubles.ask(actor=works.alice, link=link)
    works.drain()
    with works.inside():
        found: Link = Link.objects.get(id=link.id)
        return found


def test_the_vendors_own_link_is_found_by_its_webhook(works: Works, vendor: Vendor) -> None:
    source = linked(works, vendor)
    works.sync(source, SPACE)
    vendor.order("/atlassian/switches", first_party_link=True)
    link = looked(works, source)

    assert link.doubles_at and not link.doubles_error
    assert link.doubles == [
        f"A webhook “Jira” at {SPACE}/{slug} brings the same there already."
        for slug in slugs(works)
    ]
    assert "“Jira”" in text(signed_in(works.alice).get(f"{LINKS}{link.id}/start"))


def test_where_nobody_can_look_the_page_says_so(works: Works) -> None:
    source = joining.code(works)
    with works.inside():
        Connection.objects.filter(id=source.id).update(paused_at=clock.now())
    link = looked(works, source)

    assert link.doubles == [] and link.doubles_error == "not_live"
    page = text(signed_in(works.alice).get(f"{LINKS}{link.id}/start"))
    assert "Nobody could look" in page
