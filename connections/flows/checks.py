"""The lines of a verification: identity, credential, scopes, workspaces, capabilities."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import quote

from connections.access import Way
from connections.contracts import (
    Answer,
    Ask,
    Capability,
    Container,
    Identity,
    Proves,
    RepositoryRecord,
    WorkspaceRecord,
)
from connections.errors import Misconfigured, VendorError
from connections.flows import placed
from connections.flows.look import Look, answered, failure
from connections.models import Check, credential_of
from connections.vendor_api import VendorApi
from portal import tenancy

Result = Check.Outcome


def identity_lines(look: Look, identity: Identity) -> None:
    account, connection = identity.account, look.connection
    if not look.had("identity"):
        same = account.remote_id == connection.account_id
        look.keep(
            "identity",
            title="Who this credential acts as",
            outcome=Result.PROVEN if same else Result.REFUSED,
            detail=account.name[:300],
            proves="The vendor answers for this account."
            if same
            else "The vendor answers for another account than the one that was linked.",
            **look.asked(),
        )
    if not look.had("credential"):
        look.keep(
            "credential",
            title="Kind of credential",
            outcome=Result.NOTED,
            detail=identity.credential_kind,
            proves="Read from the vendor's answer.",
        )
    if not look.had("expiry"):
        with tenancy.transaction():
            expires_at = expiry(look, identity)
        look.keep(
            "expiry",
            title="Expiry",
            outcome=Result.NOTED,
            detail=expires_at.isoformat() if expires_at else "",
            proves="Said by the vendor." if expires_at else "The vendor does not say.",
        )
    if not placed.are_told(look):
        scopes_line(look, identity)
    for remark in identity.remarks:
        if not look.had(remark.key):
            look.keep(
                remark.key,
                title=remark.title[:200],
                outcome=Result.NOTED,
                detail=remark.detail[:300],
                proves=remark.means[:300],
            )


def scopes_line(look: Look, identity: Identity) -> None:
    """What was granted, in the vendor's words."""
    if not look.had("scopes"):
        scopes = identity.scopes
        look.keep(
            "scopes",
            title="Scopes granted",
            outcome=Result.UNPROVABLE if scopes is None else Result.PROVEN,
            detail=", ".join(sorted(scopes or ()))[:300],
            proves="The vendor's own words." if scopes is not None else "The vendor does not say.",
        )


def expiry(look: Look, identity: Identity) -> datetime | None:
    """When the credential itself ends, as far as anybody said; an access token's end is no news."""
    if identity.expires_at is not None:
        return identity.expires_at
    credential = credential_of(look.connection)
    return None if credential.refreshable else credential.expires_at


def workspace_line(
    look: Look, api: VendorApi, workspace: WorkspaceRecord
) -> RepositoryRecord | None:
    """Reachable, and its repositories listable; the first one serves as a sample for probes."""
    word = look.way.manifest.workspace_word.capitalize()
    stream = next((s for s in look.way.connector.streams if s.record is RepositoryRecord), None)
    if stream is None:
        return None
    try:
        page = stream.page(api, Container(workspace), look.connection.fields, Ask())
    except VendorError as error:
        if look.may_wait(error):
            raise
        if not look.had("workspace", workspace.slug):
            look.keep(
                "workspace",
                workspace=workspace.slug,
                title=f"{word} {workspace.name}"[:200],
                **failure(error),
            )
        return None
    records = [record for record in page.records if isinstance(record, RepositoryRecord)]
    if not look.had("workspace", workspace.slug):
        look.keep(
            "workspace",
            workspace=workspace.slug,
            title=f"{word} {workspace.name}"[:200],
            outcome=Result.PROVEN,
            detail=f"{page.total} repositories" if page.total is not None else "",
            proves="Reachable, and its repositories can be listed.",
            **look.asked(),
        )
    return records[0] if records else None


def capability_line(
    look: Look,
    api: VendorApi,
    identity: Identity,
    key: str,
    samples: dict[str, RepositoryRecord | None],
) -> None:
    """Proven by its probe, missing by its scopes, or said to be not provable by reading."""
    try:
        capability = look.way.manifest.capability(key)
    except KeyError:
        return
    name = f"capability:{key}"
    if look.had(name):
        return
    missing = missing_scopes(look.way, capability, identity.vocabulary, identity.scopes)
    facts: dict[str, Any]
    if missing:
        facts = {
            "outcome": Result.MISSING,
            "error": "scope_missing",
            "detail": "Missing: " + ", ".join(missing),
            "proves": "Without it this cannot be done.",
        }
    elif capability.proof:
        facts = _tried(look, lambda: _proof(look, api, key))
    elif not capability.probe:
        facts = {"outcome": Result.UNPROVABLE, "proves": capability.unprovable[:300]}
    else:
        facts = _probe(look, api, capability, samples)
    look.keep(name, capability=key, title=capability.title, **facts)


def missing_scopes(
    way: Way, capability: Capability, vocabulary: str, granted: frozenset[str] | None
) -> list[str]:
    """The scopes this capability needs and the grant lacks; empty when the vendor does not say."""
    if granted is None:
        return []
    held = way.manifest.closure(granted)
    return [scope for scope in capability.scopes.get(vocabulary, ()) if scope not in held]


def _probe(
    look: Look,
    api: VendorApi,
    capability: Capability,
    samples: dict[str, RepositoryRecord | None],
) -> dict[str, Any]:
    place = _place(capability.probe, samples)
    if place is None:
        return {
            "outcome": Result.NOTED,
            "detail": f"There is no {_sample_word(look)} to try it on yet.",
            "proves": "The scopes are granted.",
        }
    return _tried(look, lambda: api.get(place))


def _proof(look: Look, api: VendorApi, key: str) -> Answer:
    connector = look.way.connector
    if not isinstance(connector, Proves):
        raise Misconfigured(f"{look.way.manifest.name} tries nothing.")
    return connector.prove(api, look.connection.fields, look.way.method, key)


def _tried(look: Look, ask: Callable[[], Answer]) -> dict[str, Any]:
    """What a check keeps of a trial; temporary trouble is raised while there are attempts left."""
    try:
        answer = ask()
    except VendorError as error:
        if look.may_wait(error):
            raise
        return failure(error)
    return {
        "outcome": Result.PROVEN,
        "proves": "The vendor answered this read.",
        **answered(answer),
    }


def _sample_word(look: Look) -> str:
    is_repository = any(s.record is RepositoryRecord for s in look.way.connector.streams)
    return "repository" if is_repository else look.way.manifest.workspace_word


def _place(probe: str, samples: dict[str, RepositoryRecord | None]) -> str | None:
    for slug, repository in samples.items():
        if "{repository}" in probe and repository is None:
            continue
        return probe.format(
            workspace=quote(slug, safe=""),
            repository=quote(repository.slug, safe="") if repository else "",
        )
    return None if "{" in probe else probe
