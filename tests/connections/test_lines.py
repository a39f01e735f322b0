"""The lines of a list are filled by hand, so what is filled in is tried by hand as well."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.template import Context, Template
from django.utils.safestring import SafeString

from connections.queries.listing import ConnectionRow
from connections.views import lines

NASTY = "<script>\"{name}\" & 'x'</script>"
PIECE = "&lt;script&gt;&quot;{name}&quot; &amp; &#x27;x&#x27;&lt;/script&gt;"


def row(**facts: Any) -> ConnectionRow:
    plain: dict[str, Any] = dict.fromkeys(ConnectionRow.__slots__, "")
    return ConnectionRow(**plain | {"id": UUID(int=1), "labels": [], "badge": SafeString()} | facts)


def filled(template: str, shown: ConnectionRow) -> str:
    page = Template("{% load lists %}{% each_line lines %}" + template + "{% endeach_line %}")
    return page.render(Context({"lines": [lines.of_connection(shown)]}))


@pytest.mark.parametrize("field", ["name", "account", "product", "team", "trouble", "seen"])
def test_every_text_is_escaped_once(field: str) -> None:
    text = filled(f"<td>{{{field}}}</td>", row(**{field: NASTY}))

    assert PIECE in text
    assert "<script>" not in text and "&amp;lt;" not in text


def test_a_label_is_escaped_and_quoted_in_its_address() -> None:
    text = filled("{labels}", row(labels=['a"b&c d']))

    assert text == (
        '<span><a class="chip" href="?label=a%22b%26c%20d" dir="auto">a&quot;b&amp;c d</a></span>'
    )


def test_what_is_not_there_is_said() -> None:
    assert filled("{seen} {trouble} {team}|{account}{labels}", row()) == (
        '<span class="faint">never</span> <span class="faint">none</span> '
        '<span class="faint">Everybody</span>|'
    )
