"""What an issue shows: its development panel as Jira would draw it, and all that hangs on it."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from integrations.sandbox.jira.development import KINDS, Development, Entity, Provider
from integrations.sandbox.jira.render import plain
from integrations.sandbox.jira.world import Issue, JiraSite

Json = dict[str, Any]


def panel(data: JiraSite, development: Development, issue: Issue) -> Json:
    """Return what belongs to one issue, oldest submission first, each with its provider."""
    found: Json = {kind: [] for kind in (*KINDS, "builds", "deployments")}
    for name, provider in development.providers.items():
        for kind, repository, entity in entities(provider):
            if issue.id in entity.issues:
                found[kind].append({**entity.body, "repository": repository, "provider": name})
    status = issue.project.workflow.status(issue.status)
    return {
        "key": issue.key,
        "summary": issue.summary,
        "status": status.name,
        **found,
        "remoteLinks": issue.links,
        "comments": [
            {"author": one["author"]["accountId"], "text": plain(one["body"]).strip()}
            for one in issue.comments
        ],
        "worklogs": [
            {
                "author": one["author"]["accountId"],
                "seconds": one["timeSpentSeconds"],
                "started": one["started"],
                "text": plain(one.get("comment")).strip(),
            }
            for one in issue.worklogs
        ],
        "transitions": issue.history,
    }


def entities(provider: Provider) -> Iterator[tuple[str, str, Entity]]:
    """Yield kind, repository id and entity of everything that a provider has at a site."""
    for identifier, repository in provider.repositories.items():
        for kind in KINDS:
            for entity in repository.entities[kind].values():
                yield kind, identifier, entity
    for entity in provider.builds.values():
        yield "builds", "", entity
    for entity in provider.deployments.values():
        yield "deployments", "", entity


def truth(data: JiraSite, development: Development) -> Json:
    """Return everything at a site in short: issues by key, and what providers have stored."""
    keys = {issue.id: issue.key for issue in data.issues.values()}
    return {
        "projects": {key: project.name for key, project in data.projects.items()},
        "issues": {
            key: issue.project.workflow.status(issue.status).name
            for key, issue in data.issues.items()
        },
        "waiting": development.waiting,
        "fired": development.fired,
        "received": development.received,
        "providers": {
            name: stored(provider, keys) for name, provider in development.providers.items()
        },
        "links": {key: len(i.links) for key, i in data.issues.items() if i.links},
        "comments": {key: len(i.comments) for key, i in data.issues.items() if i.comments},
        "worklogs": {key: len(i.worklogs) for key, i in data.issues.items() if i.worklogs},
    }


def stored(provider: Provider, keys: dict[str, str]) -> Json:
    def row(entity: Entity) -> Json:
        return {
            "sequence": entity.sequence,
            "order": entity.order,
            "issues": [keys.get(each, each) for each in entity.issues],
            "properties": entity.properties,
            "body": entity.body,
        }

    return {
        "repositories": {
            identifier: {
                "sequence": one.sequence,
                "properties": one.properties,
                "body": one.body,
                **{kind: {k: row(e) for k, e in one.entities[kind].items()} for kind in KINDS},
            }
            for identifier, one in provider.repositories.items()
        },
        "builds": [row(entity) for entity in provider.builds.values()],
        "deployments": [row(entity) for entity in provider.deployments.values()],
    }


def drawn(shown: Json) -> str:
    """Return the panel as HTML, for the page of an issue."""
    parts = [f"<h1>{escape(shown['key'])} {escape(shown['summary'])}</h1>"]
    parts.append(f"<p>{escape(shown['status'])}</p><h2>Development</h2>")
    names = {"commits": "message", "branches": "name", "pullRequests": "title"}
    for kind in (*KINDS, "builds", "deployments"):
        rows = "".join(
            f'<li><a href="{escape(one["url"])}">'
            f"{escape(str(one.get(names.get(kind, ''), one.get('displayName'))))}</a> "
            f"{escape(str(one.get('status', one.get('state', ''))))}</li>"
            for one in shown[kind]
        )
        parts.append(f"<h3>{len(shown[kind])} {kind}</h3><ul>{rows}</ul>")
    links = "".join(
        f'<li><a href="{escape(one["object"]["url"])}">{escape(one["object"]["title"])}</a></li>'
        for one in shown["remoteLinks"]
    )
    said = "".join(f"<li>{escape(one['text'])}</li>" for one in shown["comments"])
    return "".join(parts) + f"<h2>Links</h2><ul>{links}</ul><h2>Comments</h2><ul>{said}</ul>"
