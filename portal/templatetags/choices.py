"""The options of a select, as one tag: lists of teams are long and stand on busy pages."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from django import template
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag
def options(pairs: Iterable[tuple[object, object]], chosen: object = "") -> SafeString:
    """{% options shown.states shown.wish.state %}: one for each pair of value and words."""
    return SafeString("".join(option(value, words, value == chosen) for value, words in pairs))


def option(value: object, words: object, selected: bool) -> str:
    mark = " selected" if selected else ""
    return f'<option value="{escape(str(value))}"{mark}>{escape(str(words))}</option>'
