"""What a person gives while linking, checked: each problem names its field and the remedy."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from connections import places
from connections.contracts import BASE_URL, Manifest, Method, MethodKind
from connections.flows import hosts, pace, policies, rights
from connections.flows.problems import FlowProblem
from connections.models import Connection, Consumer, LinkRequest, PendingLink
from portal import tenancy, vault
from portal.models import Team
from portal.policy import Actor
from portal.secret import Secret

NAME = re.compile(r"[\w][\w .\-/()]{0,78}[\w)]|\w", re.UNICODE)
MORE_THAN_APPROVED = "This is more than was approved. Tick what you asked for, or ask again."
OTHER_THAN_APPROVED = "It was approved for another team. Choose that one, or ask again."
ENDS_ON: Final = "ends_on"
LONGEST_LIFE: Final = timedelta(days=3653)
NO_END: Final = "Name a day to come, within ten years. Leave it empty if it never ends."
LIFETIME = timedelta(minutes=settings.PENDING_LINK_MINUTES)


def require_own(actor: Actor, pending: PendingLink, *stages: str) -> None:
    rights.linker(actor, pending.relink, pending.connector)
    if pending.user_id != actor.id:
        raise FlowProblem("not_yours", "", "Somebody else began this link.")
    if pending.stage not in stages:
        raise FlowProblem("too_late", "", "This link has moved on. Look at its last step.")


def keep_to_approval(
    actor: Actor, pending: PendingLink, capabilities: Sequence[str], team_id: UUID | None = None
) -> None:
    """Who may link only because it was approved links what was approved; raises FlowProblem.

    An approval that names nothing is of the release before, and is good for everything.
    """
    try:
        rights.by_role(actor, pending.relink)
    except PermissionDenied:
        approved = rights.allowed_once(actor, pending.relink, pending.connector)
        if approved is None:
            raise
        if approved.capabilities and not set(capabilities) <= set(approved.capabilities):
            raise FlowProblem("capabilities", "capabilities", MORE_THAN_APPROVED) from None
        team = approved.terms.get("team")
        if pending.relink is None and team is not None and team != str(team_id or ""):
            raise FlowProblem("team", "team", OTHER_THAN_APPROVED) from None


def approved_team(approved: LinkRequest | None) -> UUID | None:
    """The team that a link was approved for; None for the whole organization, or for any."""
    team = approved.terms.get("team") if approved else None
    return UUID(team) if team else None


def keep_pace(actor: Actor, pending: PendingLink) -> None:
    """A guest uses up what their connect link may do, and nothing of its sender's."""
    if pending.connect_link_id:
        pace.keep_of("guest", pending.connect_link_id)
    else:
        pace.keep("link", actor)


def method_of(manifest: Manifest, key: str) -> Method:
    for method in manifest.choices:
        if method.key == key:
            return method
    raise FlowProblem("method", "method", "Choose one of the ways in the list.")


def clean_fields(method: Method, given: Mapping[str, str]) -> dict[str, str]:
    kept = {}
    for field in method.fields:
        if field.secret:
            continue
        value = given.get(field.name, "").strip()
        if not value or len(value) > field.max_length:
            raise FlowProblem("field", field.name, f"Fill in {field.label}.")
        if field.pattern and not re.fullmatch(field.pattern, value):
            raise FlowProblem(
                "field", field.name, f"{field.label} does not look right. {field.help}"
            )
        kept[field.name] = value
    return kept


def told_end(given: Mapping[str, str]) -> datetime | None:
    """When a pasted secret ends, as the vendor showed it: at the beginning of that day, in UTC."""
    text = given.get(ENDS_ON, "").strip()
    if not text:
        return None
    try:
        end = datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        raise FlowProblem("ends_on", ENDS_ON, "Write the day like 2027-03-31.") from None
    if not timezone.now() < end < timezone.now() + LONGEST_LIFE:
        raise FlowProblem("ends_on", ENDS_ON, NO_END)
    return end


def refuse_impossible(manifest: Manifest, method: Method, capabilities: Sequence[str]) -> None:
    for key in capabilities:
        obstacle = manifest.obstacle(manifest.capability(key), method)
        if obstacle:
            title = manifest.capability(key).title
            raise FlowProblem("method", "method", f"{title} is not possible this way. {obstacle}")


def refuse_personal(method: Method, connection: Connection | None) -> None:
    """The policy decides it, for this connection or for a new one; an exception counts."""
    if method.personal and policies.forbids_personal(connection):
        raise FlowProblem("personal", "method", policies.personal_obstacle(connection))


def free_name(name: str) -> str:
    name = " ".join(name.split())
    if not NAME.fullmatch(name):
        raise FlowProblem("name", "name", "Use letters, digits, spaces and . - / ( ), at most 80.")
    if Connection.objects.filter(name__iexact=name).exists():
        raise FlowProblem("name", "name", "Another connection has this name. Choose another one.")
    return name


def team_of(team_id: UUID | None, connector: str) -> UUID | None:
    if team_id is not None:
        if not Team.objects.filter(id=team_id).exists():
            raise FlowProblem("team", "team", "Choose one of the teams in the list.")
        return team_id
    taken = Connection.objects.filter(connector=connector, team=None).exclude(
        state=Connection.State.REVOKED
    )
    if taken.exists():
        raise FlowProblem(
            "team", "team", "The organization has its default connection already. Choose a team."
        )
    return None


def consumer_of(method: Method, connector: str, consumer_id: UUID | None) -> UUID | None:
    if method.kind.is_pasted:
        return None
    found = Consumer.everywhere.filter(connector=connector, removed_at=None, id=consumer_id).first()
    if found is None or found.organization_id not in {tenancy.organization_id(), tenancy.PLATFORM}:
        raise FlowProblem("no_consumer", "consumer", "Choose a registered OAuth consumer.")
    if method.kind is MethodKind.CLIENT_CREDENTIALS and found.organization_id == tenancy.PLATFORM:
        raise FlowProblem(
            "consumer", "consumer", "This way needs a consumer of your own organization."
        )
    kept: UUID = found.id
    return kept


def base_url_of(
    actor: Actor, manifest: Manifest, consumer_id: UUID | None, given: Mapping[str, str]
) -> dict[str, str]:
    """The base URL of a self-hosted product: the consumer's own, or the one that was typed."""
    if manifest.self_hosted is None:
        return {}
    if consumer_id is None:
        text = given.get(BASE_URL, "")
        return {BASE_URL: hosts.entered(actor=actor, manifest=manifest, text=text)}
    consumer = Consumer.everywhere.get(id=consumer_id)  # found before, maybe the platform's
    if not consumer.base_url:
        raise FlowProblem("no_consumer", "consumer", "This consumer belongs to no server.")
    return {BASE_URL: consumer.base_url}


def hand_in_secret(
    manifest: Manifest, method: Method, pending: PendingLink, secret: Secret | None
) -> None:
    """What was pasted waits for a worker, sealed under the link."""
    vault.take_in(
        places.of_link(pending, places.SECRET),
        pasted(manifest, method, secret),
        expires_at=timezone.now() + LIFETIME,
    )


def pasted(manifest: Manifest, method: Method, secret: Secret | None) -> Secret:
    """The secret, when it looks like one of this method; raises FlowProblem."""
    field = next(field for field in method.fields if field.secret)
    if secret is None:
        raise FlowProblem("field", field.name, f"Paste the {field.label.lower()}.")
    text = secret.reveal()
    if field.pattern and not re.fullmatch(field.pattern, text):
        raise FlowProblem(
            "field", field.name, "A token has no spaces or line breaks. Copy it again, whole."
        )
    for prefix in manifest.token_prefixes:
        if text.startswith(prefix.prefix):
            if prefix.refusal:
                raise FlowProblem("dead_token", field.name, prefix.refusal)
            if method.key not in prefix.methods:
                raise FlowProblem("wrong_kind", field.name, f"This is a {prefix.name}.")
            break
    return secret
