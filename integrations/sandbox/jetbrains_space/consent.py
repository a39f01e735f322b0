"""The consent page: who signs in, and which rights in which context the application asks for."""

from __future__ import annotations

from collections import defaultdict
from html import escape

from integrations.sandbox.jetbrains_space.credentials import App
from integrations.sandbox.jetbrains_space.rights import EVERYTHING, GLOBAL, RIGHTS
from integrations.sandbox.jetbrains_space.world import World
from integrations.sandbox.oauth import CARRIED
from integrations.sandbox.pages import page

ALSO_CARRIED = ("access_type", "request_credentials")
OFFLINE = "<p>It may renew its access while you are away.</p>"


def consent(app: App, world: World, fields: dict[str, str]) -> str:
    hidden = "".join(
        f'<input type="hidden" name="{name}" value="{escape(fields[name])}">'
        for name in (*CARRIED, *ALSO_CARRIED)
        if name in fields
    )
    people = "".join(
        f'<label><input type="radio" name="user" value="{escape(one.username)}"'
        f"{' checked' if number == 0 else ''}> {escape(f'{one.first} {one.last}')}</label>"
        f"<small>{escape(one.about)}</small>"
        for number, one in enumerate(world.people.values())
        if one.active
    )
    return page(
        "Authorize application",
        f"<h1>{escape(app.name)} asks for access to {escape(world.name)}</h1>"
        f'<form method="post" action="/oauth/auth">{hidden}'
        f"<fieldset><legend>Sign in as</legend>{people}</fieldset>"
        f"<h2>It will have</h2>{asked(fields['scope'])}"
        f"{OFFLINE if fields.get('access_type') == 'offline' else ''}"
        '<button class="primary" name="decision" value="grant">Accept</button>'
        '<button name="decision" value="deny">Reject</button></form>',
        "Space",
    )


def asked(scope: str) -> str:
    """The rights by context, as Space shows them."""
    by_context: dict[str, list[str]] = defaultdict(list)
    for word in scope.split():
        context, _, code = word.rpartition(":")
        known = RIGHTS.get(code, ("Everything that you may do", ""))[0]
        by_context[GLOBAL if word == EVERYTHING else context].append(f"{known} ({code})")
    return "".join(
        f"<h3>{escape(context)}</h3><ul>"
        + "".join(f"<li>{escape(line)}</li>" for line in lines)
        + "</ul>"
        for context, lines in by_context.items()
    )
