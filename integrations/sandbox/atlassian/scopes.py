"""The scopes that an app may be given, by product, in the words of the consent page.

https://developer.atlassian.com/cloud/jira/platform/scopes-for-oauth-2-3LO-and-forge-apps/
"""

from __future__ import annotations

from collections.abc import Iterable

ACCOUNT = {
    "read:me": "View your profile: name, picture and e-mail address",
    "offline_access": "Act for you while you are away",
}
JIRA = {
    "read:jira-work": "Read projects, issues, comments, worklogs and links in Jira",
    "write:jira-work": "Create and edit issues, comments, worklogs and links in Jira",
    "read:jira-user": "View people in Jira: names, addresses, pictures",
    "manage:jira-configuration": "Change Jira's configuration",
    "manage:jira-webhook": "Manage Jira's webhooks",
    "read:audit-log:jira": "View Jira's audit log",
}
CONFLUENCE = {
    "read:space:confluence": "View spaces",
    "read:page:confluence": "View pages",
    "write:page:confluence": "Create and update pages",
    "read:comment:confluence": "View comments",
    "write:comment:confluence": "Create and update comments",
    "read:label:confluence": "View labels",
    "write:label:confluence": "Add and remove labels",
    "read:user:confluence": "View people in Confluence",
    "read:content-details:confluence": "View details of content, and search",
    "read:content.metadata:confluence": "View summaries of content",
    "read:audit-log:confluence": "View Confluence's audit log",
    "read:space.permission:confluence": "View who may do what in spaces",
    "search:confluence": "Search Confluence",
    "read:confluence-user": "View people in Confluence (classic)",
    "read:confluence-space.summary": "View spaces (classic)",
    "read:confluence-content.all": "View all content (classic)",
    "read:confluence-content.summary": "View summaries of content (classic)",
    "write:confluence-content": "Create and update content (classic)",
    "readonly:content.attachment:confluence": "View attachments",
}
DEVELOPMENT = {
    f"{verb}:{thing}:jira": f"{verb.capitalize()} {words}"
    for thing, words in (
        ("dev-info", "development information"),
        ("build-info", "builds"),
        ("deployment-info", "deployments"),
    )
    for verb in ("read", "write", "delete")
}
WORDS = ACCOUNT | JIRA | CONFLUENCE | DEVELOPMENT
# What a site's OAuth credentials may be ticked for, and the scope words of each.
PERMISSIONS = {
    "devinfo": "dev-info",
    "builds": "build-info",
    "deployments": "deployment-info",
}


def product(scope: str) -> str:
    """Return the product that a scope is about, empty for the account's own.

    An app may have granular scopes that are not listed here.
    """
    if scope in ACCOUNT:
        return ""
    if scope in CONFLUENCE or scope.endswith(":confluence"):
        return "confluence"
    return "jira" if scope in JIRA or scope.endswith(":jira") else ""


def of_product(scopes: Iterable[str], name: str) -> list[str]:
    return [scope for scope in scopes if product(scope) == name]


def of_permissions(permissions: Iterable[str]) -> list[str]:
    """Return the scopes of a site's credentials with these ticks."""
    return [
        f"{verb}:{PERMISSIONS[name]}:jira"
        for name in permissions
        for verb in ("read", "write", "delete")
    ]
