"""The credential tab: what is known of the sealed secret and of those before it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from connections import registry
from connections.budgets import Hour
from connections.contracts import Manifest
from connections.flows import budget
from connections.models import Connection, Credential, Replacement
from connections.queries.health import expires_soon

KINDS = {
    "oauth2": "OAuth 2.0 grant",
    "client_credentials": "OAuth consumer of its own",
    "api_token": "API token",
    "workspace_access_token": "Workspace access token",
    "project_access_token": "Project access token",
    "repo_access_token": "Repository access token",
    "apppassword": "App password",
    "user_http_token": "HTTP access token of a person",
    "project_http_token": "HTTP access token of a project",
    "repository_http_token": "HTTP access token of a repository",
    "password": "User name and password",
}
KEPT = 20


@dataclass(frozen=True, slots=True)
class CredentialFacts:
    """One credential; `kind` in words, scopes None when the vendor did not say."""

    row: Credential
    kind: str
    expires_soon: bool


@dataclass(frozen=True, slots=True)
class CredentialTab:
    current: CredentialFacts | None
    earlier: list[CredentialFacts]
    lifetime: str
    limits: str
    acts_as: str
    hour: Hour | None  # what the vendor said of the account's requests, or that we shall wait


def credential_tab(connection: Connection, manifest: Manifest | None) -> CredentialTab:
    """The current credential and the last twenty before it."""
    # One that was checked and not switched to was never in use.
    never = Replacement.objects.filter(connection_id=connection.id, switched_at=None)
    rows = Credential.objects.filter(connection_id=connection.id).order_by("-created_at")
    rows = rows.exclude(id__in=never.values("new_id"))
    found = list(rows[: KEPT + 1])
    methods = manifest.methods if manifest else ()
    method = next((each for each in methods if each.key == connection.method), None)
    return CredentialTab(
        current=next((facts(row) for row in found if row.replaced_at is None), None),
        earlier=[facts(row) for row in found if row.replaced_at is not None],
        lifetime=method.lifetime if method else "",
        limits=method.limits if method else "",
        acts_as=method.acts_as if method else "",
        hour=_said(connection),
    )


def _said(connection: Connection) -> Hour | None:
    hour = budget.stand(connection.budget_id)
    tells = hour is not None and (hour.said_at is not None or hour.is_blocked)
    return hour if tells else None


def facts(row: Credential) -> CredentialFacts:
    """The credential in words."""
    return CredentialFacts(row, kind_word(row.kind), expires_soon(row))


def kind_word(kind: str) -> str:
    """A kind of credential in words: ours, those of a way to link, or as its vendor names it."""
    return KINDS.get(kind) or _titles().get(kind) or kind.replace("_", " ").capitalize()


@cache
def _titles() -> dict[str, str]:
    """The title of the way by which each kind of credential comes."""
    each = (m for one in registry.connectors().values() for m in one.manifest.methods)
    return {method.credential_kind: method.title for method in each}
