"""What is asked of every page: axe finds nothing, nothing sticks out, in light, dark and small."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

from tests.journeys.windows import DESKTOP, PHONE, Person

EVERYTHING = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLOURS = {"type": "rule", "values": ["color-contrast"]}
WIDER_THAN_THE_WINDOW = "document.documentElement.scrollWidth - window.innerWidth"
HIDDEN_TABS = """[...document.querySelectorAll('.tabs [aria-current]')].filter((tab) => {
  const [here, bar] = [tab, tab.closest('.tabs')].map((each) => each.getBoundingClientRect());
  return here.left < bar.left - 1 || here.right > bar.right + 1;
}).length"""
# What axe fetches first: only its rule about orientation, which is experimental and not asked for,
# would read the style sheets again.
MEDIA = {"assets": ["media"]}
# The next two frames are drawn: what was asked for is what is seen.
DRAWN = "new Promise((seen) => requestAnimationFrame(() => requestAnimationFrame(seen)))"
# A scheme changes colours and nothing else, so the dark page is asked about those alone.
LOOKS: tuple[tuple[str, tuple[int, int], Any], ...] = (
    ("light", DESKTOP, EVERYTHING),
    ("light", PHONE, EVERYTHING),
    ("dark", PHONE, COLOURS),
    ("dark", DESKTOP, COLOURS),
)


def faults(person: Person, address: str) -> list[str]:
    """What is wrong with the page that is open, at each size and in each scheme."""
    page, found = person.page, [f"{address}: {each}" for each in person.complaints]
    page.evaluate(AXE_SCRIPT)
    for scheme, size, rules in LOOKS:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.evaluate(DRAWN)
        wider = page.evaluate(WIDER_THAN_THE_WINDOW)
        if wider > 0:
            found.append(f"{address} ({size[0]} px): {wider} px wider than the window")
        if page.evaluate(HIDDEN_TABS):
            found.append(f"{address} ({size[0]} px): the tab that one is on is out of sight")
        if first := violations(page, rules):
            page.wait_for_timeout(500)  # a busy machine paints the other scheme late
            first = violations(page, rules)
        found += [f"{address} ({scheme}, {size[0]} px): {each}" for each in first]
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    person.complaints.clear()  # axe writes styles of its own, which the policy refuses
    return found


def violations(page: Page, rules: Any) -> list[str]:
    """What axe finds; of a long table the first rows, because the others are like them."""
    asked = {"runOnly": rules, "resultTypes": ["violations"], "elementRef": False, "preload": MEDIA}
    where = {"exclude": [["tbody tr:nth-child(n+9)"]]}
    results: Any = page.evaluate("([where, asked]) => axe.run(where, asked)", [where, asked])
    return [
        f"{each['id']}: {node['html'][:200]} {node.get('failureSummary', '')[:300]}"
        for each in results["violations"]
        for node in each["nodes"][:3]
    ]
