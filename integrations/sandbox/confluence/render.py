"""Confluence's JSON of what the world holds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from integrations.sandbox.atlassian.call import Call
from integrations.sandbox.atlassian.world import Account
from integrations.sandbox.confluence.world import Page, Space

Json = dict[str, Any]


def moment(seconds: float) -> str:
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def space(one: Space) -> Json:
    return {
        "id": one.id,
        "key": one.key,
        "name": one.name,
        "type": one.kind,
        "status": one.status,
        "authorId": one.author,
        "spaceOwnerId": one.author,
        "currentActiveAlias": one.alias,
        "createdAt": moment(one.created),
        "homepageId": one.homepage,
        "_links": {"webui": f"/spaces/{one.alias}"},
    }


def version(one: Page) -> Json:
    return {
        "createdAt": moment(one.changed),
        "message": one.message,
        "number": one.version,
        "minorEdit": False,
        "authorId": one.changed_by,
    }


def page(one: Page, wanted: str = "") -> Json:
    """Return a page; its text only in the format that is wanted."""
    formats = {"storage", "atlas_doc_format", "view"}
    body = {wanted: {"representation": wanted, "value": one.body}} if wanted in formats else {}
    shown = {
        "id": one.id,
        "status": one.status,
        "title": one.title,
        "spaceId": one.space,
        "parentType": "page",
        "position": 0,
        "authorId": one.author,
        "ownerId": one.author,
        "lastOwnerId": one.author,
        "createdAt": moment(one.created),
        "version": version(one),
        "body": body,
        "_links": {
            "webui": f"/pages/viewpage.action?pageId={one.id}",
            "editui": f"/pages/resumedraft.action?draftId={one.id}",
            "tinyui": f"/x/{one.id}",
        },
    }
    return {**shown, "parentId": one.parent} if one.parent else shown


def label(name: str, number: int) -> Json:
    return {"id": str(number), "name": name, "prefix": "global"}


def user(call: Call, account: Account) -> Json:
    """Return a person as the first API shows them."""
    return {
        "type": "known",
        "username": "",
        "userKey": "",
        "accountId": account.account_id,
        "accountType": account.kind,
        "email": account.email,
        "publicName": account.name,
        "profilePicture": {
            "path": "/wiki/aa-avatar/default",
            "width": 48,
            "height": 48,
            "isDefault": True,
        },
        "displayName": account.name,
        "timeZone": account.zone,
        "isExternalCollaborator": False,
        "externalCollaborator": False,
        "isGuest": False,
        "locale": "en_GB",
        "accountStatus": "active" if account.active else "inactive",
        "details": {},
        "_expandable": {"operations": "", "personalSpace": ""},
        "_links": {"self": f"{call.base}/wiki/rest/api/user?accountId={account.account_id}"},
    }
