"""The control port's page for people: what is there, and buttons that rehearse an outage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

Json = dict[str, Any]
Order = tuple[str, Json]
API = "* /2.0/*"
TOKEN = "POST /site/oauth2/access_token"

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:1.5rem auto;max-width:70rem;padding:0 1rem;
color:#172b4d;background:#f4f5f7}section{background:#fff;border:1px solid #dfe1e6;border-radius:8px;
padding:1rem;margin:1rem 0;overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #dfe1e6;vertical-align:top}
td code{word-break:break-all}form{display:inline-block;margin:.2rem}button{font:inherit;
padding:.4rem .8rem;border:1px solid #0052cc;border-radius:4px;background:#fff;color:#0052cc}
@media(prefers-color-scheme:dark){body{background:#161a1d;color:#c7d1db}section{background:#22272b;
border-color:#454f59}th,td{border-color:#454f59}button{background:#22272b;color:#579dff;
border-color:#579dff}}
"""


@dataclass(frozen=True, slots=True)
class Button:
    """A label, and the control requests it stands for."""

    label: str
    orders: tuple[Order, ...]


def always(kind: str, match: str, **options: object) -> Order:
    """Name a fault that stays until everything is normal again."""
    return "/faults", {"match": match, "kind": kind, "times": None, **options}


BUTTONS = {
    "normal": Button("Back to normal (keep credentials)", (("/normal", {}),)),
    "slow": Button("Slow: 5 s for every answer", (always("slow", API, seconds=5),)),
    "down": Button("Down: 503 for everything", (always("status", "* *", status=503),)),
    "refused": Button("Down: connection refused", (("/outage", {"kind": "refused"}),)),
    "storm": Button("invalid_grant for all", (("/storm", {"error": "invalid_grant"}),)),
    "silent": Button("Silent: no answer", (always("silent", API),)),
    "cut": Button("Answers cut off", (always("cut", API),)),
    "limited": Button("429 for the API", (always("status", API, status=429),)),
    "forbidden": Button("403 for the API", (always("status", API, status=403),)),
    "html": Button("Sign-in page instead of JSON", (always("html", API),)),
    "lost": Button("Lose the next token answer", (("/faults", {"match": TOKEN, "kind": "cut"}),)),
    "revoke": Button("Revoke every consent", (("/grants/revoke", {}),)),
    "hours": Button("Two hours later", (("/clock", {"advance": 7300}),)),
    "months": Button("Three months later", (("/clock", {"advance": 91 * 86400}),)),
    "thousands": Button("10,000 repositories in acme", (("/repositories", {"count": 10_000}),)),
    "changes": Button("25 random changes in acme", (("/activity", {"count": 25}),)),
    "hold": Button("Hold webhooks back", (("/webhooks", {"hold": True}),)),
    "release": Button(
        "Let held webhooks go, last first", (("/webhooks", {"release": "reversed"}),)
    ),
    "lose": Button("Lose the next webhook", (("/webhooks", {"drop": 1}),)),
    "earlier": Button(
        "App passwords still work (as before 28 July 2026)",
        (("/switches", {"app_passwords_end": "9999-12-31"}),),
    ),
    "reset": Button("Reset everything", (("/reset", {}),)),
}


def page(state: Json, rest: Json, server: Json, others: Mapping[str, Json]) -> str:
    """Return the whole page; it has no script. `server` is the Data Center beside the cloud.

    `others` are what further vendors say of themselves; each list in it becomes a table.
    """
    buttons = "".join(
        f'<form method="post" action="/panel/{name}"><button>{escape(button.label)}</button></form>'
        for name, button in BUTTONS.items()
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sandbox control</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{STYLE}</style></head><body><h1>Sandbox of Bitbucket Cloud</h1>"
        f"<p>Answers at <code>{escape(rest['url'])}</code>; its clock says "
        f"{escape(rest['now'])}; {rest['requests']} requests so far. Everything here is made up: "
        "no credential below opens anything.</p>"
        f"<section><h2>Rehearse</h2>{buttons}</section>"
        + table("Faults in force", ("match", "kind", "times", "hits"), rest["faults"])
        + table("People", ("nickname", "display_name", "email", "about"), state["users"])
        + table("Workspaces", ("slug", "name", "repositories", "members"), state["workspaces"])
        + table("Consumers", ("name", "key", "secret", "scopes", "callbacks", "private", "about"),
                state["consumers"])
        + table("Tokens", ("about", "kind", "email", "token", "scopes", "revoked"),
                state["tokens"])
        + f"<h2>Bitbucket Data Center at <code>{escape(rest['url'] + server['context_path'])}"
        "</code></h2>"
        + table("Clients", ("name", "client_id", "secret", "scopes", "callbacks"),
                server["clients"])
        + table("HTTP access tokens", ("about", "user", "project", "repository", "token",
                "permissions", "revoked"), server["tokens"])
        + "".join(section(slug, known) for slug, known in others.items())
        + "</body></html>"
    )  # fmt: skip


def section(slug: str, known: Json) -> str:
    lists = {name: rows for name, rows in known.items() if isinstance(rows, list) and rows}
    tables = (table(name, rows[0], rows) for name, rows in lists.items())
    return f"<h2>{escape(slug)}</h2>" + "".join(tables)


def table(title: str, columns: Iterable[str], rows: Iterable[Json]) -> str:
    names = list(columns)
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    body = "".join(
        "<tr>" + "".join(f"<td>{cell(row.get(name))}</td>" for name in names) + "</tr>"
        for row in rows
    )
    empty = f'<tr><td colspan="{len(names)}">None.</td></tr>'
    return (
        f"<section><h2>{escape(title)}</h2><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{body or empty}</tbody></table></section>"
    )


def cell(value: object) -> str:
    if isinstance(value, list):
        return "<br>".join(f"<code>{escape(str(item))}</code>" for item in value)
    return f"<code>{escape(str(value))}</code>"
