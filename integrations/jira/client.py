"""Jira's calls: who we are, what we may do, which projects there are."""

from __future__ import annotations

from collections.abc import Mapping

from connections.contracts import (
    Account,
    Answer,
    Api,
    Ask,
    Container,
    Page,
    ProjectRecord,
    WorkspaceRecord,
)
from connections.errors import AccessDenied, ScopeMissing
from integrations import answers, atlassian, atlassian_sites
from integrations.answers import Json, object_or_empty, required, segment, text
from integrations.atlassian import CLOUD_ID
from integrations.jira.scopes import BUILDS, DEPLOYMENTS, DEVINFO

PAGE_SIZE = 50
MOST_START = 1_000_000
PRODUCT = "jira"

MYSELF = "rest/api/3/myself"
SERVER_INFO = "rest/api/3/serverInfo"
PROJECTS = "rest/api/3/project/search?maxResults={size}&startAt={start}&orderBy=key"

# Nothing bears these: an answer that nothing is there proves that we may ask.
PROVIDERS = {
    BUILDS: "jira/builds/0.1/cloud/{cloud}/pipelines/portal-probe/builds/1",
    DEPLOYMENTS: "jira/deployments/0.1/cloud/{cloud}/pipelines/portal-probe/environments/"
    "portal-probe/deployments/1",
    DEVINFO: "jira/devinfo/0.1/cloud/{cloud}/existsByProperties?portalProbe=1",
}
_CLOSED = (AccessDenied, ScopeMissing)

_PROOFS = {
    "projects-read": "rest/api/3/project/search?maxResults=1",
    "people-read": "rest/api/3/user/search?query=a&maxResults=1",
}

# Which of the project's rights a capability needs somewhere, in Jira's own words.
_PERMISSIONS = {
    "issues-read": ("BROWSE_PROJECTS",),
    "relay-links": (
        "BROWSE_PROJECTS",
        "LINK_ISSUES",
        "ADD_COMMENTS",
        "WORK_ON_ISSUES",
        "TRANSITION_ISSUES",
    ),
}

Fields = Mapping[str, str]


# ── Who ───────────────────────────────────────────────────────────────────────────────────────


def myself(api: Api) -> Account:
    """Whose token this is, asked at its one site."""
    return answers.one(api.get(MYSELF), atlassian.account)


def me(api: Api) -> Account:
    """Who consented."""
    return answers.one(api.get(atlassian.ME), atlassian.account)


def own_site(api: Api, fields: Fields) -> WorkspaceRecord:
    """The one site of a token, by the name that it gives itself."""
    told = answers.body(api.get(SERVER_INFO))
    return atlassian_sites.own_site(fields, text(told, "serverTitle"))


# ── What a site's own credentials may do ──────────────────────────────────────────────────────


def providers(api: Api, fields: Fields) -> frozenset[str]:
    """What the site's credentials were ticked for; raises what is wrong when nothing is open."""
    opened, last = set(), None
    for name in PROVIDERS:
        try:
            provider(api, fields, name)
            opened.add(name)
        except _CLOSED as error:
            last = error
    if not opened and last is not None:
        raise last
    return frozenset(opened)


def provider(api: Api, fields: Fields, name: str) -> Answer:
    """Jira's answer that this kind of data may be asked for."""
    path = PROVIDERS[name].format(cloud=segment(fields[CLOUD_ID]))
    return api.get(path, accept=frozenset({404}) if name != DEVINFO else frozenset())


# ── Proofs ────────────────────────────────────────────────────────────────────────────────────


def prove(api: Api, fields: Fields, capability: str, cloud_id: str) -> Answer:
    """The answer that proves a capability at a site; raises what is wrong with it.

    Rights are of projects, and granted when some project grants them.
    """
    if capability in _PROOFS:
        return api.get(atlassian.at(fields, PRODUCT, cloud_id, _PROOFS[capability]))
    names = _PERMISSIONS[capability]
    path = f"rest/api/3/mypermissions?permissions={','.join(names)}"
    answer = api.get(atlassian.at(fields, PRODUCT, cloud_id, path))
    held = object_or_empty(answers.body(answer), "permissions")
    lacking = [name for name in names if not _has(held, name)]
    if lacking:
        raise AccessDenied(f"In no project: {', '.join(lacking)}.", **answers.facts(answer))
    return answer


def _has(held: Json, name: str) -> bool:
    return object_or_empty(held, name).get("havePermission") is True


def prove_development(api: Api, fields: Fields) -> Answer:
    """The last of three answers, when all are open."""
    found = [provider(api, fields, name) for name in PROVIDERS]
    return found[-1]


# ── Projects ──────────────────────────────────────────────────────────────────────────────────


def projects(api: Api, container: Container, fields: Fields, ask: Ask) -> Page:
    """A page of a site's projects. We count on by ourselves: its links name another address."""
    start = _start(ask.checkpoint)
    path = PROJECTS.format(size=PAGE_SIZE, start=start)
    answer = api.get(atlassian.at(fields, PRODUCT, container.workspace.remote_id, path))
    told = answers.body(answer)
    values = told.get("values")
    if not isinstance(values, list):
        raise answers.unexpected(answer, "The page has no list of values.")
    found, rejected = answers.records(values, project, lambda raw: text(raw, "id"))
    after = start + len(values)
    is_last = told.get("isLast") is not False or not values or after > MOST_START
    return Page(
        records=found,
        checkpoint=None if is_last else str(after),
        total=answers.count(told, "total"),
        rejected=rejected,
    )


def _start(checkpoint: str | None) -> int:
    return int(checkpoint) if checkpoint and checkpoint.isdecimal() else 0


def project(raw: Json) -> ProjectRecord:
    """A project by its number: keys change."""
    return ProjectRecord(
        remote_id=required(raw, "id"),
        key=required(raw, "key"),
        name=required(raw, "name"),
        private=raw.get("isPrivate") is not False,
    )
