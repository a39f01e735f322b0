"""Bitbucket Cloud's own link to Jira's site acme, while `first_party_link` is switched on.

No source tells all of its manners (unsourced for Cloud). As with Jira's connector for Git servers
(jira-dvcs-connector, BitbucketCommunicator), each repository then has a webhook that leads to the
site, and issues show what was pushed by a provider of their own: who sends the same, doubles it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from integrations.sandbox.atlassian.vendor import Atlassian
from integrations.sandbox.bitbucket_cloud.subscriptions import Subject
from integrations.sandbox.bitbucket_cloud.vendor import BitbucketCloud
from integrations.sandbox.bitbucket_cloud.world import Repository
from integrations.sandbox.code.contents import Contents
from integrations.sandbox.code.records import Hook
from integrations.sandbox.jira.development import Entity, Provider, Repository as Shown
from integrations.sandbox.jira.triggers import KEY
from integrations.sandbox.jira.world import JiraSite

SITE = "acme"
EVENTS = ("repo:push", "pullrequest:created", "pullrequest:updated", "pullrequest:fulfilled")


def join(bitbucket: BitbucketCloud, atlassian: Atlassian) -> None:
    """Let the switch of the one show at both, from now on."""
    bitbucket.deeds.scene.subscriptions.also = partial(hooks, atlassian)
    atlassian.places.development[SITE].own = partial(shown, bitbucket, atlassian)


def hooks(atlassian: Atlassian, subject: Subject) -> list[Hook]:
    """The hook by which the site hears of a repository."""
    places = atlassian.places
    if not places.switches.first_party_link or not isinstance(subject, Repository):
        return []
    url = f"{places.world.sites[SITE].url}/rest/bitbucket/1.0/repository/{subject.number}/sync"
    mark = f"{{{subject.uuid.strip('{}')[::-1]}}}"
    return [Hook(mark, url, "Jira", True, list(EVENTS), "of Jira", "2025-03-04T08:00:00Z")]


def shown(bitbucket: BitbucketCloud, atlassian: Atlassian) -> Provider | None:
    """What hangs on the site's issues by this link: all that was changed since the start."""
    if not atlassian.places.switches.first_party_link:
        return None
    site = atlassian.places.jira[SITE]
    changed = bitbucket.deeds.scene.library.changed
    return Provider({mark: of_repository(site, mark, held) for mark, held in changed.items()})


def of_repository(site: JiraSite, mark: str, held: Contents) -> Shown:
    made = Shown({"id": mark, "name": held.repository}, 0)
    for kind, identifier, text, body in said(held):
        keys = (site.issue(found[0].upper()) for found in KEY.finditer(text))
        if issues := [issue.id for issue in keys if issue]:
            one = {"id": identifier, "url": f"https://bitbucket.org/{held.repository}", **body}
            made.entities[kind][identifier] = Entity(one, 0, list(dict.fromkeys(issues)), 0)
    return made


def said(held: Contents) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Kind, id, the text that may name issues, and what a panel shows of it."""
    for commit in held.log(held.heads()):
        yield "commits", commit.hash, commit.message, {"message": commit.message}
    for name in held.branches:
        yield "branches", name, name, {"name": name}
    for pull in held.pull_requests.values():
        body = {"title": pull.title, "status": pull.state}
        yield "pullRequests", str(pull.id), f"{pull.title} {pull.source}", body
