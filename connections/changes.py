"""What a vendor announced to change, as data: who is hit, when, and what to do. No Django here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

_NAME = re.compile(r"\{[a-z_]+\}")
UNKNOWN = "another path"


@dataclass(frozen=True, slots=True)
class VendorChange:
    """One dated change. It hits a connection by the kind of its credential, by a scope it was
    granted, by an endpoint it really used, or, of a self-hosted product, by its version. With none
    of these it hits nobody: it is news.

    `on` is the day from which it holds for good, `since` when it began (brownouts). `endpoints`
    are a method and a path template, as `endpoint_of` gives them. `made_before` leaves of the
    kinds only what was made before that day, or has no known end. `before_version` hits older
    servers; `from_versions` newer ones: the first version of each line that has the change.
    `goal` names the campaign that answers it ("rotate" or "relink"); empty when none does.
    """

    key: str
    on: date
    title: str
    breaks: str
    remedy: str
    url: str
    since: date | None = None
    credential_kinds: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    endpoints: tuple[str, ...] = ()
    made_before: date | None = None
    before_version: str = ""
    from_versions: tuple[str, ...] = ()
    goal: str = ""

    @property
    def hits_somebody(self) -> bool:
        """Whether it can hit a connection at all."""
        return bool(self.credential_kinds or self.scopes or self.endpoints or self.is_by_version)

    @property
    def is_by_version(self) -> bool:
        return bool(self.before_version or self.from_versions)

    @property
    def asks_something(self) -> bool:
        """Whether people have to do something: by a campaign, or upgrade a server of theirs."""
        return bool(self.goal or self.before_version)


def endpoint_of(request: str, templates: tuple[str, ...]) -> str:
    """Method and path template of a request, as a connector spells its paths.

    What fits none is called so: the names in a path are nobody's business but its vendor's.
    """
    method, _, path = request.partition(" ")
    path = path.partition("?")[0].strip("/")
    for template, pattern in _patterns(templates):
        if pattern.search(path):
            return f"{method} {template}"
    return f"{method} {UNKNOWN}"


@lru_cache(maxsize=32)
def _patterns(templates: tuple[str, ...]) -> list[tuple[str, re.Pattern[str]]]:
    """Templates fit the end of a path: before it come a context path and the API's version.

    Those with the most words of their own come first, so that a name which is called like one of
    their words does not win; of the same kind, the longest.
    """
    plain = sorted(
        {template.partition("?")[0].strip("/") for template in templates},
        key=lambda one: (-len(one.split("/")), one.count("{"), one),
    )
    return [(one, re.compile(_spelled(one))) for one in plain]


def _spelled(template: str) -> str:
    parts = _NAME.split(template)
    return r"(?:^|/)" + r"[^/]+".join(map(re.escape, parts)) + "$"
