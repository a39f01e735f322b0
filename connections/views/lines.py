"""The cells of a list's lines, those with markup already made: what `each_line` fills in.

Fifty lines of ten cells are most of what a page costs, so the few shapes are filled by hand here,
each text escaped where it enters.
"""

from __future__ import annotations

from functools import lru_cache
from html import escape
from urllib.parse import quote

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from connections.queries.listing import ConnectionList, ConnectionRow, Wish
from connections.queries.policies import FILTERS

NOTHING = SafeString("")
NEVER = SafeString('<span class="faint">never</span>')
NONE = SafeString('<span class="faint">none</span>')
EVERYBODY = SafeString('<span class="faint">Everybody</span>')


Choices = tuple[tuple[str, str], ...]
POLICIES: Choices = (("", "Any rotation"), *FILTERS.items())


def filters(shown: ConnectionList) -> SafeString:
    """The filter bar; rendered once for the same wish and choices."""
    return _filters(shown.wish, tuple(shown.connectors), tuple(shown.states), tuple(shown.teams))


@lru_cache(maxsize=200)
def _filters(wish: Wish, connectors: Choices, states: Choices, teams: Choices) -> SafeString:
    shown = {"wish": wish, "connectors": connectors, "states": states, "teams": teams}
    shown |= {"policies": POLICIES}
    return SafeString(render_to_string("connections/_list_filters.html", {"shown": shown}))


def of_connection(row: ConnectionRow) -> dict[str, object]:
    """One line of the list of connections."""
    return {
        "id": row.id,
        "url": row.url,
        "name": row.name,
        "product": row.product,
        "account": SafeString(f" · {own_way(row.account)}") if row.account else NOTHING,
        "badge": row.badge,
        "seen": moment(row.seen_iso, row.seen) if row.seen else NEVER,
        "trouble": trouble(row) if row.trouble else NONE,
        "team": own_way(row.team) if row.team else EVERYBODY,
        "labels": labels(row.labels) if row.labels else NOTHING,
    }


def own_way(text: str) -> SafeString:
    """A text that runs in its own direction."""
    return SafeString(f'<span dir="auto">{escape(text)}</span>')


def moment(iso: str, words: str) -> SafeString:
    return SafeString(f'<time datetime="{escape(iso)}">{escape(words)}</time>')


def trouble(row: ConnectionRow) -> SafeString:
    when = moment(row.trouble_iso, row.trouble_at)
    second = f'<span class="table__second">{when}</span>'
    return SafeString(f"<span>{escape(row.trouble)}{second}</span>")


def labels(words: list[str]) -> SafeString:
    chips = (
        f'<a class="chip" href="?label={quote(word)}" dir="auto">{escape(word)}</a>'
        for word in words
    )
    return SafeString(f"<span>{' '.join(chips)}</span>")
