"""The five states, the four tones and the icons that pages draw; a wrong word fails loudly."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from django.template import TemplateSyntaxError
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

ICONS = Path(__file__).resolve().parents[1] / "static" / "icons"
TONES = {
    "plain": "info-circle",
    "good": "circle-check",
    "warning": "alert-triangle",
    "danger": "alert-circle",
}
STATES = {
    "working": ("Working", "circle-check"),
    "attention": ("Attention", "alert-triangle"),
    "broken": ("Broken", "circle-x"),
    "paused": ("Paused", "player-pause"),
    "unverified": ("Not yet verified", "circle-dashed"),
}
STATE_TONES = {"working": "good", "attention": "warning", "broken": "danger"}


def tone_checked(tone: str) -> str:
    """The tone itself; a word that is none fails loudly while the page is made."""
    if tone not in TONES:
        raise TemplateSyntaxError(f"{tone!r} is no tone; use one of {', '.join(TONES)}.")
    return tone


def state_checked(state: str) -> str:
    """The state itself, as `tone_checked`."""
    if state not in STATES:
        raise TemplateSyntaxError(f"{state!r} is no state; use one of {', '.join(STATES)}.")
    return state


@lru_cache(maxsize=256)
def drawing(name: str, label: str, classes: str) -> SafeString:
    """The icon's SVG for inlining: decoration unless it has a label."""
    path = ICONS / f"{name}.svg"
    if not re.fullmatch(r"[a-z0-9\-]+", name) or not path.is_file():
        raise TemplateSyntaxError(f"There is no icon {name!r} in static/icons.")
    means = format_html('role="img" aria-label="{}"', label) if label else 'aria-hidden="true"'
    svg = path.read_text(encoding="utf-8").strip()
    opening = format_html('<svg class="{}" {} focusable="false" ', classes, mark_safe(means))  # noqa: S308
    return mark_safe(svg.replace("<svg ", opening, 1))  # noqa: S308
