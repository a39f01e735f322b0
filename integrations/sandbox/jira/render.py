"""Jira's JSON of what the world holds. Texts are Atlassian documents (ADF) in version 3."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from integrations.sandbox.atlassian.call import Call
from integrations.sandbox.atlassian.world import Account
from integrations.sandbox.jira.world import CATEGORIES, Issue, Project, Status, Transition

Json = dict[str, Any]
API = "/rest/api/3"


def moment(seconds: float) -> str:
    """Write a moment as Jira does: milliseconds, and an offset without a colon."""
    value = datetime.fromtimestamp(seconds, UTC)
    return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}+0000"


def avatars(call: Call, what: str) -> Json:
    address = f"{call.base}{API}/universal_avatar/view/type/{what}/avatar/10300"
    return {f"{size}x{size}": f"{address}?size={size}" for size in (16, 24, 32, 48)}


def user(call: Call, account: Account) -> Json:
    return {
        "self": f"{call.base}{API}/user?accountId={account.account_id}",
        "accountId": account.account_id,
        "accountType": account.kind,
        "emailAddress": account.email,
        "avatarUrls": avatars(call, "user"),
        "displayName": account.name,
        "active": account.active,
        "timeZone": account.zone,
        "locale": "en_GB",
    }


def short_user(call: Call, account_id: str) -> Json | None:
    """Return a person as fields of an issue show them; None for nobody."""
    account = call.world.account(account_id)
    if account is None:
        return None
    return {name: value for name, value in user(call, account).items() if name != "locale"}


def project(call: Call, one: Project) -> Json:
    return {
        "expand": "description,lead,issueTypes,url,projectKeys,permissions,insight",
        "self": f"{call.base}{API}/project/{one.id}",
        "id": one.id,
        "key": one.key,
        "name": one.name,
        "avatarUrls": avatars(call, "project"),
        "projectTypeKey": "software",
        "simplified": one.style == "next-gen",
        "style": one.style,
        "isPrivate": False,
        "properties": {},
    }


def whole_project(call: Call, one: Project) -> Json:
    return {
        **project(call, one),
        "description": f"Everything about {one.name}.",
        "lead": short_user(call, one.lead),
        "components": [],
        "issueTypes": [issue_type(call)],
        "assigneeType": "UNASSIGNED",
        "versions": [],
        "roles": {},
    }


def issue_type(call: Call) -> Json:
    return {
        "self": f"{call.base}{API}/issuetype/10001",
        "id": "10001",
        "description": "A task that needs to be done.",
        "iconUrl": f"{call.base}{API}/universal_avatar/view/type/issuetype/avatar/10318",
        "name": "Task",
        "subtask": False,
        "avatarId": 10318,
        "hierarchyLevel": 0,
    }


def status(call: Call, one: Status) -> Json:
    number, name, color = CATEGORIES[one.category]
    return {
        "self": f"{call.base}{API}/status/{one.id}",
        "description": "",
        "iconUrl": f"{call.base}/images/icons/statuses/generic.png",
        "name": one.name,
        "id": one.id,
        "statusCategory": {
            "self": f"{call.base}{API}/statuscategory/{number}",
            "id": number,
            "key": one.category,
            "colorName": color,
            "name": name,
        },
    }


def transition(call: Call, one: Transition, of: Project) -> Json:
    return {
        "id": one.id,
        "name": one.name,
        "to": status(call, of.workflow.status(one.to)),
        "hasScreen": False,
        "isGlobal": not one.since,
        "isInitial": False,
        "isAvailable": True,
        "isConditional": one.admins,
        "isLooped": False,
    }


def issue(call: Call, one: Issue, wanted: set[str] | None = None) -> Json:
    """Return an issue with its fields, or those that are wanted."""
    fields: Json = {
        "summary": one.summary,
        "status": status(call, one.project.workflow.status(one.status)),
        "project": project(call, one.project),
        "issuetype": issue_type(call),
        "reporter": short_user(call, one.reporter),
        "assignee": short_user(call, one.assignee),
        "created": moment(one.created),
        "updated": moment(one.updated),
        "labels": [],
        "timespent": one.seconds_spent or None,
    }
    if wanted is not None and not wanted & {"*all", "*navigable"}:
        fields = {name: value for name, value in fields.items() if name in wanted}
    return {
        "expand": "renderedFields,names,schema,operations,editmeta,changelog",
        "id": one.id,
        "self": f"{call.base}{API}/issue/{one.id}",
        "key": one.key,
        "fields": fields,
    }


def document(text: str) -> Json:
    """Return a text as an Atlassian document of one paragraph."""
    words = [{"type": "text", "text": text}] if text else []
    return {"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": words}]}


def plain(node: Any) -> str:
    """Return the text of an Atlassian document, paragraphs on lines of their own."""
    if not isinstance(node, dict):
        return ""
    if node.get("type") == "text":
        return str(node.get("text", ""))
    if node.get("type") == "hardBreak":
        return "\n"
    inner = "".join(plain(child) for child in node.get("content", ()))
    return inner + "\n" if node.get("type") == "paragraph" else inner
