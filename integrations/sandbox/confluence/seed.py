"""The spaces and pages that are there from the start."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from integrations.sandbox.confluence.world import ConfluenceSite

# site → key, name, alias, kind, status, how many pages
SPACES: dict[str, tuple[tuple[str, str, str, str, str, int], ...]] = {
    "acme": (
        ("PAY", "Payments", "", "global", "current", 30),
        ("OPS", "Operations & <Reliability>", "operations", "global", "current", 8),
        ("HR", "Human Resources (closed)", "", "global", "current", 3),
        ("OLD", "ארכיון", "", "global", "archived", 2),
        ("dana", "Dana Levi", "", "personal", "current", 2),
    ),
}
# More spaces, so that a listing has pages.
EXTRA = 40


def build(name: str, people: Sequence[str], now: Callable[[], float]) -> ConfluenceSite:
    """Return a site's spaces; a site that has none is empty."""
    site = ConfluenceSite(now)
    for key, title, alias, kind, status, count in SPACES.get(name, ()):
        closed = [each for each in people if each != people[0]] if key == "HR" else []
        space = site.add_space(
            key if kind == "global" else f"~{people[0].replace(':', '').replace('-', '')}",
            title, people[0], alias=alias, kind=kind, status=status, closed_to=closed,
        )  # fmt: skip
        for number in range(count):
            author = people[number % len(people)]
            page = site.add_page(
                space, f"{title}: note {number + 1}", f"<p>Note {number + 1}.</p>", author,
                parent=space.homepage,
            )  # fmt: skip
            page.labels = ["release-1-2-3"] if number % 10 == 0 else []
    for number in range(EXTRA if name in SPACES else 0):
        site.add_space(f"TEAM{number + 1}", f"Team {number + 1}", people[number % len(people)])
    return site
