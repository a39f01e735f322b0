"""The page where people sign in and consent: a plain form, no script, everything escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from integrations.sandbox.bitbucket_cloud.credentials import Consumer
from integrations.sandbox.bitbucket_cloud.scopes import OAUTH
from integrations.sandbox.bitbucket_cloud.world import User, World
from integrations.sandbox.pages import page


def consent(
    consumer: Consumer,
    scopes: Iterable[str],
    users: Iterable[User],
    carried: dict[str, str],
    world: World,
) -> str:
    """The sign-in and consent page in one: who you are, what is asked, grant or cancel."""
    hidden = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in carried.items()
    )
    people = "".join(choice(user, world, first=i == 0) for i, user in enumerate(users))
    asked = "".join(
        f"<li>{escape(OAUTH.get(scope, ((), scope))[1])} <code>{escape(scope)}</code></li>"
        for scope in scopes
    )
    name = escape(consumer.name)
    return page(
        "Confirm access to your account",
        f"<h1>{name} asks for access to your account</h1>"
        f'<form method="post" action="/site/oauth2/authorize">{hidden}'
        f"<fieldset><legend>Sign in as</legend>{people}</fieldset>"
        f"<h2>It will be able to</h2><ul>{asked}</ul>"
        f"<p>Consumer of workspace <code>{escape(consumer.workspace)}</code>.</p>"
        '<button class="primary" name="decision" value="grant">Grant access</button>'
        '<button name="decision" value="deny">Cancel</button></form>',
    )


def choice(user: User, world: World, *, first: bool) -> str:
    places = ", ".join(w.slug for w, _ in world.workspaces_of(user.uuid)) or "no workspace"
    return (
        f'<label><input type="radio" name="user" value="{escape(user.nickname)}"'
        f"{' checked' if first else ''}> {escape(user.display_name)}</label>"
        f"<small>{escape(user.about)} ({escape(places)})</small>"
    )
