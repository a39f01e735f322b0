"""Components that wrap a body, and the small words of every page. `templates/components/README.md`
shows each in use; settings load this library into every template."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from django import template
from django.template.context import Context
from django.template.loader import render_to_string
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from portal import phrases
from portal.marks import STATE_TONES, STATES, TONES, drawing, state_checked, tone_checked

register = template.Library()
_JOINTS: Final = re.compile(r"(?=\.\w)|(?<=[^/][/:@])(?![/\s])")

# ── Words ─────────────────────────────────────────────────────────────────────────────────────


@register.simple_tag
def icon(name: str, *, label: str = "", size: str = "", tone: str = "") -> SafeString:
    """{% icon "key" %} · {% icon "check" label="Yes" size="s" tone="good" %}"""
    classes = ["icon"] + [f"icon--{word}" for word in (size, tone) if word]
    return drawing(name, label, " ".join(classes))


@register.simple_tag
def when(moment: datetime | None, form: str = "relative", *, empty: str = "never") -> str:
    """{% when connection.verified_at %} · {% when row.at "absolute" %} · empty="not yet" """
    if moment is None:
        return format_html('<span class="faint">{}</span>', empty)
    machine, full = moment.isoformat(timespec="seconds"), phrases.absolute(moment)
    if form == "absolute":
        return format_html('<time datetime="{}">{}</time>', machine, full)
    words = phrases.relative(moment)
    return format_html('<time datetime="{}" title="{}">{}</time>', machine, full, words)


@register.simple_tag
def badge(state: str, word: str = "") -> str:
    """{% badge "working" %} · {% badge connection.state_word "Access withdrawn" %}: one of five."""
    usual, picture = STATES[state_checked(state)]
    return format_html(
        '<span class="state state--{}">{}{}</span>',
        state,
        drawing(picture, "", "icon"),
        word or usual,
    )


@register.simple_tag
def chip(word: object) -> str:
    """{% chip membership.role %}: a quiet label that says no state."""
    return format_html('<span class="chip">{}</span>', word)


@register.filter
def breakable(text: object) -> SafeString:
    """{{ address|breakable }}: a line may end before a dot and after a slash or a colon, where one
    reads an address in parts, rather than inside a word."""
    parts = (each for each in _JOINTS.split(str(text)) if each)
    return format_html_join(mark_safe("<wbr>"), "{}", ((each,) for each in parts))


register.filter("initials", phrases.initials)
register.filter("bytes", phrases.size)
register.filter("span", phrases.span)
register.filter("plural", phrases.plural)


@register.filter
def number(value: int | None) -> str:
    """{{ total|number }}: "10,000"."""
    return "" if value is None else f"{value:,}"


@register.filter
def tone_icon(tone: str) -> str:
    return TONES[tone_checked(tone)]


@register.filter
def state_icon(state: str) -> str:
    return STATES[state_checked(state)][1]


@register.filter
def state_word(state: str) -> str:
    return STATES[state_checked(state)][0]


@register.filter
def state_tone(state: str) -> str:
    return STATE_TONES.get(state_checked(state), "plain")


@register.filter
def message_tone(tags: str) -> str:
    """The tone of a Django message's tags."""
    tones = {"success": "good", "warning": "warning", "error": "danger"}
    return next((tones[tag] for tag in tags.split() if tag in tones), "plain")


# ── Buttons ───────────────────────────────────────────────────────────────────────────────────


@register.simple_tag
def link_button(
    label: str, href: str, *, kind: str = "", icon: str = "", small: bool = False
) -> str:
    """{% link_button "Link a product" url kind="primary" icon="plus" %}"""
    values = {"label": label, "href": href, "kind": kind, "icon": icon, "small": small}
    return render_to_string("components/link_button.html", values)


@register.simple_tag(takes_context=True)
def post_button(
    context: Context,
    label: str,
    action: str,
    *,
    kind: str = "",
    icon: str = "",
    small: bool = False,
    in_menu: bool = False,
    name: str = "",
    value: str = "",
) -> str:
    """{% post_button "Verify now" url kind="primary" icon="refresh" %}: a form of one button."""
    values: dict[str, object] = {"label": label, "action": action, "kind": kind, "icon": icon}
    values |= {"small": small, "in_menu": in_menu, "name": name, "value": value}
    return render_to_string("components/post_button.html", values | token(context))


@register.simple_tag(takes_context=True)
def sort_header(context: Context, label: str, name: str, *, number: bool = False) -> str:
    """{% sort_header "Name" "name" %}: a column head that sorts by `?sort=name`, then `-name`."""
    query = context["request"].GET.copy()
    now = query.get("sort", "")
    query.pop("cursor", None)
    query["sort"] = f"-{name}" if now == name else name
    order = {name: "ascending", f"-{name}": "descending"}.get(now, "")
    values = {"label": label, "order": order, "href": f"?{query.urlencode()}", "number": number}
    return render_to_string("components/sort_header.html", values)


def token(context: Context) -> dict[str, object]:
    """What a component needs to print `csrf_token`."""
    return {"csrf_token": context.get("csrf_token", "")}


# ── Wrappers ──────────────────────────────────────────────────────────────────────────────────


@register.simple_block_tag
def card(
    content: str, *, title: str = "", tone: str = "plain", note: str = "", level: int = 2
) -> str:
    """{% card title="Scopes" %}…{% endcard %}"""
    values = {"title": title, "tone": tone_checked(tone), "note": note, "level": level}
    return render_to_string("components/card.html", values | {"content": content})


@register.simple_block_tag
def notice(content: str, *, tone: str = "plain", title: str = "") -> str:
    """{% notice tone="warning" title="Two scopes are missing." %}…{% endnotice %}"""
    values = {"content": content, "tone": tone_checked(tone), "title": title}
    return render_to_string("components/notice.html", values)


@register.simple_block_tag
def page_head(
    content: str,
    *,
    title: object,
    state: str = "",
    word: str = "",
    line: object = "",
    kicker: str = "",
) -> str:
    """{% page_head title=connection.name state="working" line="Verified 4 minutes ago." %}buttons
    {% endpage_head %}; `word` stands in the badge instead of the state's own."""
    values = {"content": content, "title": title, "state": state, "word": word, "line": line}
    return render_to_string("components/page_head.html", values | {"kicker": kicker})


@register.simple_block_tag
def data_table(
    content: str,
    *,
    caption: str,
    show_caption: bool = False,
    cards: bool = True,
    bare: bool = False,
) -> str:
    """{% data_table caption="Repositories" %}<thead>…</thead><tbody>…</tbody>{% enddata_table %}"""
    values = {"content": content, "caption": caption, "show_caption": show_caption}
    return render_to_string("components/data_table.html", values | {"cards": cards, "bare": bare})


@register.simple_block_tag
def empty(content: str, *, title: str, icon: str = "folder") -> str:
    """{% empty title="No connections yet" icon="plug" %}<p>sentence</p>button{% endempty %}"""
    return render_to_string(
        "components/empty.html", {"content": content, "title": title, "icon": icon}
    )


@register.simple_block_tag
def menu(content: str, *, label: str = "More", icon: str = "dots", small: bool = False) -> str:
    """{% menu label="More" %}<a class="menu__item" href="…">…</a>{% endmenu %}"""
    values = {"content": content, "label": label, "icon": icon, "small": small}
    return render_to_string("components/menu.html", values)


@register.simple_block_tag
def filter_bar(content: str, *, target: str = "", label: str = "Filter", action: str = "") -> str:
    """{% filter_bar target="#results" %}search, selects{% endfilter_bar %}: GET, live by htmx."""
    values = {"content": content, "target": target, "label": label, "action": action}
    return render_to_string("components/filter_bar.html", values)


@register.simple_block_tag
def fact(content: str, label: str) -> str:
    """{% fact "Account" %}…{% endfact %} inside <dl class="facts">"""
    return format_html("<div><dt>{}</dt><dd>{}</dd></div>", label, content)


@register.simple_block_tag
def scope_matrix(content: str, *, label: str = "Scopes by capability") -> str:
    """{% scope_matrix %}{% scope_row … %}…{% endscope_row %}{% endscope_matrix %}"""
    return render_to_string("components/scope_matrix.html", {"content": content, "label": label})


@register.simple_block_tag
def scope_row(
    content: str,
    *,
    label: str,
    needed: bool,
    granted: bool | None,
    proven: str = "untried",
    is_open: bool = False,
) -> str:
    """{% scope_row label="Read repositories" needed=True granted=True proven="proven" %}words
    {% endscope_row %}; granted None is not known; proven: proven, refused, unprovable, untried."""
    values = {"content": content, "label": label, "needed": needed, "granted": granted}
    return render_to_string(
        "components/scope_row.html", values | {"proven": proven, "is_open": is_open}
    )


@register.simple_block_tag(takes_context=True)
def danger_zone(
    context: Context,
    content: str,
    *,
    title: str,
    name: str,
    action: str,
    button: str,
    because: str = "",
) -> str:
    """{% danger_zone title="Revoke" name=connection.name action=url button="Revoke" %}what is
    lost, counted{% enddanger_zone %}; posts `confirm_name`, which the flow checks, and with
    `because`, which is a question, the answer to it under this name."""
    values: dict[str, object] = {"content": content, "title": title, "name": name}
    values |= {"action": action, "button": button, "because": because}
    return render_to_string("components/danger_zone.html", values | token(context))
