"""What people see at Atlassian's hosts: a consent page and places for links, without script."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from integrations.sandbox.atlassian.credentials import App
from integrations.sandbox.atlassian.scopes import WORDS
from integrations.sandbox.atlassian.world import Account, World
from integrations.sandbox.pages import STYLE

NOTE = (
    '<p class="note">This is the sandbox, not Atlassian. Everybody and everything here is made '
    "up.</p>"
)


def page(title: str, content: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)} · Atlassian sandbox</title><style>{STYLE}</style></head>"
        f"<body><main>{NOTE}{content}</main></body></html>"
    )


def refused(message: str) -> str:
    return page("Something went wrong", f"<h1>Something went wrong</h1><p>{escape(message)}</p>")


def place(name: str, path: str) -> str:
    """What stands where Atlassian would show an issue, a page or a site."""
    return page(name, f"<h1>{escape(name)}</h1><p><code>{escape(path)}</code></p>")


def consent(
    app: App,
    asked: Iterable[str],
    people: Iterable[Account],
    carried: dict[str, str],
    world: World,
) -> str:
    """Sign-in, choice of sites and consent in one. Sites where the person is not are left out."""
    hidden = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in carried.items()
    )
    who = "".join(person(account, world, first=i == 0) for i, account in enumerate(people))
    where = "".join(
        f'<label><input type="checkbox" name="sites" value="{escape(site.name)}" checked> '
        f"{escape(site.title)}</label><small>{escape(site.url)}: "
        f"{escape(', '.join(site.products))}</small>"
        for site in world.sites.values()
    )
    what = "".join(
        f"<li>{escape(WORDS.get(scope, scope))} <code>{escape(scope)}</code></li>"
        for scope in asked
    )
    name = escape(app.name)
    return page(
        f"{app.name} is requesting access",
        f"<h1>{name} is requesting access to your Atlassian account</h1>"
        f'<form method="post" action="/authorize">{hidden}'
        f"<fieldset><legend>Sign in as</legend>{who}</fieldset>"
        f"<fieldset><legend>Use the app on</legend>{where}</fieldset>"
        f"<h2>It wants to</h2><ul>{what}</ul>"
        '<button class="primary" name="decision" value="accept">Accept</button>'
        '<button name="decision" value="cancel">Cancel</button></form>',
    )


def person(account: Account, world: World, *, first: bool) -> str:
    places = ", ".join(site.name for site in world.sites_of(account.account_id)) or "no site"
    return (
        f'<label><input type="radio" name="user" value="{escape(account.nickname)}"'
        f"{' checked' if first else ''}> {escape(account.name)}</label>"
        f"<small>{escape(account.about)} ({escape(places)})</small>"
    )
