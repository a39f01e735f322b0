"""Confluence's paths in both APIs, each with its endpoint and the scopes it takes.

The second API takes granular scopes alone; the first, what is left of it, classic ones too.
"""

from __future__ import annotations

from collections.abc import Callable

from integrations.sandbox.atlassian.call import Call, Route, Sets
from integrations.sandbox.confluence import reading, writing
from integrations.sandbox.confluence.place import Place
from integrations.sandbox.confluence.world import ConfluenceSite
from integrations.sandbox.http import Response

Worker = Callable[[Place], Response]
V2, V1 = "/wiki/api/v2", "/wiki/rest/api"
SPACES: Sets = (("read:space:confluence",),)
PAGES: Sets = (("read:page:confluence",),)
WRITE: Sets = (("write:page:confluence",),)
BOTH: Sets = (("read:page:confluence", "write:page:confluence"),)
LABELS: Sets = (
    ("write:confluence-content",),
    ("read:label:confluence", "write:label:confluence"),
)
PEOPLE: Sets = (
    ("read:confluence-user",),
    ("read:content-details:confluence",),
    ("read:user:confluence",),
)
PAGE, PROPERTY = f"{V2}/pages/{{page}}", f"{V2}/pages/{{page}}/properties/{{property}}"

TABLE: tuple[tuple[str, str, Worker, Sets], ...] = (
    ("GET", f"{V2}/spaces", reading.spaces, SPACES),
    ("GET", f"{V2}/spaces/{{space}}", reading.space, SPACES),
    ("GET", f"{V2}/spaces/{{space}}/permissions", reading.permissions, SPACES),
    ("GET", f"{V2}/spaces/{{space}}/pages", reading.pages_of_space, PAGES),
    ("GET", f"{V2}/pages", reading.pages, PAGES),
    ("POST", f"{V2}/pages", writing.create, WRITE),
    ("GET", PAGE, reading.page, PAGES),
    ("PUT", PAGE, writing.update, WRITE),
    ("DELETE", PAGE, writing.delete, (("delete:page:confluence",),)),
    ("GET", f"{PAGE}/labels", reading.labels, PAGES),
    ("GET", f"{PAGE}/properties", reading.properties, PAGES),
    ("POST", f"{PAGE}/properties", writing.add_property, BOTH),
    ("PUT", PROPERTY, writing.change_property, BOTH),
    ("DELETE", PROPERTY, writing.remove_property, BOTH),
    ("GET", f"{PAGE}/footer-comments", reading.comments, (("read:comment:confluence",),)),
    ("POST", f"{V2}/footer-comments", writing.comment, (("write:comment:confluence",),)),
    ("POST", f"{V1}/content/{{page}}/label", writing.add_labels, LABELS),
    ("DELETE", f"{V1}/content/{{page}}/label", writing.remove_label, LABELS),
    ("DELETE", f"{V1}/content/{{page}}/label/{{label}}", writing.remove_label, LABELS),
    ("GET", f"{V1}/content/{{page}}", reading.gone, ()),
    ("GET", f"{V1}/search", reading.search,
     (("search:confluence",), ("read:content-details:confluence",))),
    ("GET", f"{V1}/user/current", reading.current_user, PEOPLE),
    ("GET", f"{V1}/user", reading.user, PEOPLE),
)  # fmt: skip


def routes(site_of: Callable[[Call], ConfluenceSite]) -> tuple[Route, ...]:
    """Return the table bound to where each call's data lies."""

    def bound(worker: Worker) -> Callable[[Call], Response]:
        return lambda call: worker(Place(call, site_of(call)))

    return tuple(Route(method, path, bound(worker), sets) for method, path, worker, sets in TABLE)
