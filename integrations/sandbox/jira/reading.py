"""What Jira's platform API lets one read: who, where, projects, issues, people."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from integrations.sandbox.atlassian.errors import jira
from integrations.sandbox.atlassian.world import Account
from integrations.sandbox.http import Response, json_response
from integrations.sandbox.jira import render
from integrations.sandbox.jira.place import Place
from integrations.sandbox.jira.render import API
from integrations.sandbox.jira.world import Issue

MOST_ISSUES, MOST_PEOPLE, MOST_PROJECTS = 5000, 1000, 100
# key → name, type, whether an ordinary member has it
PERMISSIONS = {
    "BROWSE_PROJECTS": ("Browse Projects", "PROJECT", True),
    "CREATE_ISSUES": ("Create Issues", "PROJECT", True),
    "EDIT_ISSUES": ("Edit Issues", "PROJECT", True),
    "ADD_COMMENTS": ("Add Comments", "PROJECT", True),
    "WORK_ON_ISSUES": ("Work On Issues", "PROJECT", True),
    "TRANSITION_ISSUES": ("Transition Issues", "PROJECT", True),
    "LINK_ISSUES": ("Link Issues", "PROJECT", True),
    "VIEW_DEV_TOOLS": ("View Development Tools", "PROJECT", True),
    "USER_PICKER": ("Browse users and groups", "GLOBAL", True),
    "ADMINISTER": ("Administer Jira", "GLOBAL", False),
}
KEYS = re.compile(
    r'(?:issuekey|key|issue|id)(?:\s+in\s*\(([^)]*)\)|\s*=\s*"?([\w-]+)"?)', re.IGNORECASE
)
PROJECT = re.compile(r'project\s*(?:=|in)\s*\(?\s*"?([\w", ]+?)"?\s*\)?(?:\s+and|\s+order|$)',
                     re.IGNORECASE)  # fmt: skip


def myself(place: Place) -> Response:
    person = place.person()
    whole = {
        **render.user(place.call, person),
        "groups": {"size": 1, "items": []},
        "applicationRoles": {"size": 1, "items": []},
        "expand": "groups,applicationRoles",
    }
    return json_response(whole)


def server_info(place: Place) -> Response:
    call = place.call
    return json_response(
        {
            "baseUrl": call.site.url,
            "displayUrl": call.site.url,
            "version": "1001.0.0-SNAPSHOT",
            "versionNumbers": [1001, 0, 0],
            "deploymentType": "Cloud",
            "buildNumber": 100_291,
            "buildDate": "2026-11-16T09:11:02.000+0000",
            "serverTime": render.moment(call.now),
            "scmInfo": "3b41b2b0f0a5f7d1f6a0c1c0f3a5e5e2d9a1c2f4",
            "serverTitle": call.site.title,
            "defaultLocale": {"locale": "en_GB"},
        }
    )


def my_permissions(place: Place) -> Response:
    asked = [name for name in place.call.first("permissions").split(",") if name]
    if not asked:
        raise jira(400, "The 'permissions' query parameter is required.")
    unknown = [name for name in asked if name not in PERMISSIONS]
    if unknown:
        raise jira(400, f"Unrecognized permission(s): {', '.join(unknown)}")
    told = {}
    for number, (key, (name, kind, usual)) in enumerate(PERMISSIONS.items()):
        if key in asked:
            have = place.is_admin or (usual and place.is_member)
            told[key] = {
                "id": str(number), "key": key, "name": name, "type": kind,
                "description": f"Ability to {name.lower()}.", "havePermission": have,
            }  # fmt: skip
    return json_response({"permissions": told})


def projects(place: Place) -> Response:
    """List projects by pages with `nextPage`, a whole address, where there is more."""
    call = place.call
    start, most = call.number("startAt", 0, 10**9), call.number("maxResults", 50, MOST_PROJECTS)
    query, keys = call.first("query").lower(), call.request.parameters.get("keys", [])
    found = [
        project
        for key, project in sorted(place.data.projects.items())
        if place.is_member
        and (query in project.key.lower() or query in project.name.lower())
        and (not keys or key in keys)
    ]
    shown = found[start : start + most]
    address = f"{call.base}{API}/project/search"
    answer: dict[str, Any] = {
        "self": f"{address}?startAt={start}&maxResults={most}",
        "maxResults": most,
        "startAt": start,
        "total": len(found),
        "isLast": start + most >= len(found),
        "values": [render.project(call, each) for each in shown],
    }
    if not answer["isLast"]:
        answer["nextPage"] = f"{address}?startAt={start + most}&maxResults={most}"
    return json_response(answer)


def project(place: Place) -> Response:
    return json_response(render.whole_project(place.call, place.project()))


def project_statuses(place: Place) -> Response:
    """List the statuses of a project's one issue type."""
    found = [render.status(place.call, each) for each in place.project().workflow.statuses]
    kind = render.issue_type(place.call)
    return json_response(
        [{name: kind[name] for name in ("self", "id", "name", "subtask")} | {"statuses": found}]
    )


def issue(place: Place) -> Response:
    wanted = place.call.first("fields")
    fields = set(wanted.split(",")) if wanted else None
    return json_response(render.issue(place.call, place.issue(), fields))


def bulk_fetch(place: Place) -> Response:
    """Return up to a hundred issues by id or key; what does not exist is an error in the answer."""
    wish = place.call.object()
    asked = [str(each) for each in wish.get("issueIdsOrKeys", ())]
    if not asked or len(asked) > 100:
        raise jira(400, "Between 1 and 100 issue ids or keys must be given.")
    wanted = set(wish["fields"]) if wish.get("fields") else None
    found, missing = [], []
    for identifier in asked:
        one = place.data.issue(identifier) if place.is_member else None
        if one is None:
            missing.append(identifier)
        else:
            found.append(render.issue(place.call, one, wanted))
    errors = [{"id": key, "errorMessage": {"errorMessages": [], "errors": {}}} for key in missing]
    return json_response({"issues": found, "issueErrors": errors} if errors else {"issues": found})


def search(place: Place) -> Response:
    """Search by a little JQL: issue keys, projects. Pages go on by an opaque token."""
    call = place.call
    wish = call.object() if call.request.method == "POST" else flat(call.request.parameters)
    jql = str(wish.get("jql", ""))
    if not jql.strip():
        raise jira(400, "Unbounded JQL queries are not allowed here. Please add a restriction.")
    start = position(str(wish.get("nextPageToken") or ""))
    most = min(int(wish.get("maxResults") or 50), MOST_ISSUES)
    fields = wish.get("fields") or "id"
    wanted = set(fields.split(",") if isinstance(fields, str) else fields)
    found = [each for each in place.data.issues.values() if place.is_member and meets(each, jql)]
    shown = [render.issue(call, each, wanted) for each in found[start : start + most]]
    if wanted == {"id"}:
        shown = [{"id": each["id"]} for each in shown]
    answer: dict[str, Any] = {"issues": shown, "isLast": start + most >= len(found)}
    if not answer["isLast"]:
        answer["nextPageToken"] = base64.b64encode(f"at:{start + most}".encode()).decode()
    return json_response(answer)


def removed_search(place: Place) -> Response:
    """Say that the old search is gone."""
    said = "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API."
    raise jira(410, said)


def flat(parameters: dict[str, list[str]]) -> dict[str, Any]:
    return {name: values[0] for name, values in parameters.items()}


def position(token: str) -> int:
    if not token:
        return 0
    try:
        mark, _, number = base64.b64decode(token, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        mark, number = "", ""
    if mark != "at" or not number.isdecimal():
        raise jira(400, "Invalid nextPageToken.")
    return int(number)


def meets(issue: Issue, jql: str) -> bool:
    """Whether an issue fulfils what we understand of a query: keys and projects."""
    listed = [first or second for first, second in KEYS.findall(jql)]
    keys = {key.strip(" \"'").upper() for each in listed for key in each.split(",")}
    named = [key for each in PROJECT.findall(jql) for key in re.findall(r"\w+", each)]
    if not keys and not named:
        return True
    return (not keys or bool({issue.key, issue.id, *issue.former_keys} & keys)) and (
        not named or issue.project.key in {key.upper() for key in named}
    )


def people(place: Place) -> Response:
    """Find people at the site by the beginning of a word of their name or of their address."""
    call = place.call
    query, wanted = call.first("query"), call.first("accountId")
    if not query and not wanted and "query" not in call.request.parameters:
        raise jira(400, "The query, username or property parameter must be provided.")
    start, most = call.number("startAt", 0, 10**9), call.number("maxResults", 50, MOST_PEOPLE)
    found = [
        account
        for account in call.world.accounts.values()
        if account.account_id in call.site.members and account.active and place.is_member
        and (account.account_id == wanted if wanted else begins(account, query))
    ]  # fmt: skip
    return json_response([listed(place, each) for each in found[start : start + most]])


def begins(account: Account, query: str) -> bool:
    query = query.lower().strip()
    words = [account.name.lower(), *account.name.lower().split(), account.email.lower()]
    return any(word.startswith(query) for word in words)


def listed(place: Place, account: Account) -> dict[str, Any]:
    return render.user(place.call, account)


def person(place: Place) -> Response:
    call = place.call
    account = call.world.account(call.first("accountId"))
    if account is None or account.account_id not in call.site.members or not place.is_member:
        raise jira(404, "Specified user does not exist or you do not have required permissions")
    return json_response(listed(place, account))
