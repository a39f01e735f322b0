"""A link between two connections: drafted, changed, activated, paused, and its repositories.

What happened travels by `relay_sending.py`; how a link ends is `relay_removal.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import IntegrityError, transaction

from connections import registry
from connections.contracts import RelayRules, Relays
from connections.flows import plan, relay_backfill, relay_choice, relay_kinds, relay_outbox
from connections.flows.problems import FlowProblem
from connections.models import (
    Connection,
    Link,
    LinkChoice,
    LinkRepository,
    LinkState,
    Repository,
    Workspace,
)
from portal import audit, clock, roles
from portal.audit import Action
from portal.policy import Actor

TWICE: Final = "These two are linked already."
CHOICE: Final = ("choice", "pattern", "includes_new")


def rules_of(target: Connection) -> RelayRules:
    """What can travel to this connection; FlowProblem where nothing can."""
    connector = registry.connectors().get(target.connector)
    rules = connector.manifest.relay if connector is not None else None
    if rules is None or not isinstance(connector, Relays):
        raise FlowProblem("no_target", "destination", "Nothing can travel to this connection.")
    return rules


# ── Draft and change ──────────────────────────────────────────────────────────────────────────


def draft(*, actor: Actor, source: Connection, destination: Workspace, label: str = "") -> Link:
    """A link that does nothing yet, from this connection to this place of another one."""
    target = destination.connection
    link = Link(source=source, target=target, destination=destination)
    actor = relay_kinds.editor(actor, link)
    rules = rules_of(target)
    if plan.REPOSITORIES not in plan.streams_of(source):
        raise FlowProblem("no_source", "source", "This connection reads no repositories.")
    if source.state == Connection.State.REVOKED or target.state == Connection.State.REVOKED:
        raise FlowProblem("revoked", "", "One of the two was revoked.")
    link.way = _first_way(rules, target)
    link.options = {each.key: each.default for each in rules.options}
    link.label = label.strip()[:200] or f"{source.name} to {target.name}"[:200]
    link.created_by = actor.name[:200]
    try:
        with transaction.atomic(using=roles.current()):
            link.organization_id = source.organization_id
            link.save(force_insert=True)
    except IntegrityError:
        raise FlowProblem("twice", "destination", TWICE) from None
    audit.record(Action.RELAY_DRAFTED, actor=actor, subject=link, **_ends(link))
    return link


def _first_way(rules: RelayRules, target: Connection) -> str:
    for way in rules.ways:
        if way.capability in target.capabilities:
            return way.key
    raise FlowProblem(
        "no_way", "destination", "This connection was linked without what writing there needs."
    )


def _ends(link: Link) -> dict[str, Any]:
    return {
        "source": link.source.name,
        "target": link.target.name,
        "destination": link.destination.name,
    }


def choose(
    *,
    actor: Actor,
    link: Link,
    choice: str,
    pattern: str = "",
    listed: Collection[UUID] = (),
    includes_new: bool = False,
) -> None:
    """Which repositories take part. Those that leave an active link keep what was written."""
    actor = relay_kinds.editor(actor, link)
    _hold(link)
    if choice not in LinkChoice.values:
        raise FlowProblem("choice", "choice", "Choose which repositories take part.")
    link.choice, link.pattern = choice, pattern.strip()[:400]
    link.includes_new = includes_new and choice != LinkChoice.LISTED
    joined, left = relay_choice.settle(link, listed)
    if not LinkRepository.objects.filter(link_id=link.id, enabled=True).exists():
        raise FlowProblem("none", "choice", "Not one repository fits that.")
    link.save(update_fields=CHOICE)
    audit.record(
        Action.RELAY_CHANGED,
        actor=actor,
        subject=link,
        repositories=link.choice,
        pattern=link.pattern,
        joined=joined,
        left=left,
    )


def set_options(
    *, actor: Actor, link: Link, way: str, options: Mapping[str, bool], label: str = ""
) -> None:
    """By which way, and what of it travels. A way stays as it is once something was sent."""
    actor = relay_kinds.editor(actor, link)
    _hold(link)
    rules = rules_of(link.target)
    try:
        chosen = rules.way(way)
    except KeyError:
        raise FlowProblem("way", "way", "Choose how it is sent.") from None
    if chosen.capability not in link.target.capabilities:
        raise FlowProblem("way", "way", "This connection was linked without what that needs.")
    if way != link.way and link.state != LinkState.DRAFT:
        raise FlowProblem("way", "way", "An active link keeps its way. Make another one instead.")
    link.way = way
    link.options = {each.key: bool(options.get(each.key)) for each in rules.options}
    link.label = label.strip()[:200] or f"{link.source.name} to {link.target.name}"[:200]
    link.save(update_fields=["way", "options", "label"])
    audit.record(
        Action.RELAY_CHANGED,
        actor=actor,
        subject=link,
        way=way,
        options=sorted(key for key, is_on in link.options.items() if is_on),
    )


def drop(*, actor: Actor, link: Link) -> None:
    """A draft is gone; nothing was ever sent by it."""
    actor = relay_kinds.editor(actor, link)
    link.hold()
    if link.state != LinkState.DRAFT:
        raise FlowProblem("not_draft", "", "It is active. Remove it instead.")
    link.state, link.removal_ended_at = LinkState.REMOVED, clock.now()
    link.save(update_fields=["state", "removal_ended_at"])
    audit.record(Action.RELAY_DROPPED, actor=actor, subject=link)


def _hold(link: Link) -> None:
    """The row is as it is now; FlowProblem for one that is over."""
    link.hold()
    if link.state in (LinkState.REMOVING, LinkState.REMOVED):
        raise FlowProblem("over", "", "This link was removed.")


# ── Activate, pause ───────────────────────────────────────────────────────────────────────────


def activate(
    *,
    actor: Actor,
    link: Link,
    fills: bool = False,
    since: datetime | None = None,
) -> None:
    """From now on what happens is sent; with `fills`, what is known since then goes first."""
    actor = relay_kinds.editor(actor, link)
    _hold(link)
    if link.state != LinkState.DRAFT:
        return
    if not LinkRepository.objects.filter(link_id=link.id, enabled=True).exists():
        raise FlowProblem("none", "", "Choose repositories first.")
    link.state, link.activated_at = LinkState.ACTIVE, clock.now()
    link.save(update_fields=["state", "activated_at"])
    LinkRepository.objects.filter(link_id=link.id, enabled=True).update(enabled_at=clock.now())
    relay_choice.mark_all_of(link)
    audit.record(Action.RELAY_ACTIVATED, actor=actor, subject=link, **_ends(link))
    if fills:
        relay_backfill.begin(link, since=since, actor=actor)


def pause(*, actor: Actor, link: Link) -> None:
    """Nothing is sent; what happens meanwhile is put down and goes when it is resumed."""
    actor = relay_kinds.runner(actor, link)
    _hold(link)
    if link.state != LinkState.ACTIVE:
        return
    link.state, link.paused_by, link.paused_at = LinkState.PAUSED, actor.name[:200], clock.now()
    link.save(update_fields=["state", "paused_by", "paused_at"])
    audit.record(Action.RELAY_PAUSED, actor=actor, subject=link)


def resume(*, actor: Actor, link: Link) -> None:
    """What waited is sent now, the latest state of each thing."""
    actor = relay_kinds.runner(actor, link)
    _hold(link)
    if link.state != LinkState.PAUSED:
        return
    link.state, link.paused_by, link.paused_at = LinkState.ACTIVE, "", None
    link.waits_for, link.waits_until = "", None
    link.save(update_fields=["state", "paused_by", "paused_at", "waits_for", "waits_until"])
    audit.record(Action.RELAY_RESUMED, actor=actor, subject=link)
    relay_outbox.ask(link.target_id, hurry=True)


def retry(*, actor: Actor, link: Link) -> None:
    """The target is asked again at once, whatever it waits for."""
    relay_kinds.runner(actor, link)
    _hold(link)
    link.waits_for, link.waits_until = "", None
    link.save(update_fields=["waits_for", "waits_until"])
    relay_outbox.ask(link.target_id, hurry=True)


# ── Repository by repository ──────────────────────────────────────────────────────────────────


def enable(*, actor: Actor, link: Link, repositories: Sequence[UUID]) -> int:
    """These take part again from now on; how many joined."""
    actor = relay_kinds.editor(actor, link)
    _hold(link)
    own = relay_choice.repositories(source_id=link.source_id, choice=LinkChoice.ALL)
    ids = sorted(own.filter(id__in=list(repositories)).values_list("id", flat=True))
    names = _names(own, ids)
    joined = relay_choice.take_in(link, ids)
    audit.record(Action.RELAY_ENABLED, actor=actor, subject=link, names=names)
    return joined


def disable(*, actor: Actor, link: Link, repositories: Sequence[UUID], erase: bool) -> int:
    """These take part no more; with `erase`, what was written of them is removed there."""
    actor = relay_kinds.editor(actor, link)
    _hold(link)
    rows = LinkRepository.objects.filter(link_id=link.id, repository_id__in=list(repositories))
    ids = sorted(rows.values_list("repository_id", flat=True))
    left = relay_choice.take_out(link, ids, erases=erase)
    relay_outbox.forget_waiting(link, ids)
    names = _names(Repository.objects.all(), ids)
    audit.record(Action.RELAY_DISABLED, actor=actor, subject=link, names=names, erase=erase)
    if erase:
        relay_outbox.ask(link.target_id, hurry=True)
    return left


def _names(rows: Any, ids: Sequence[UUID]) -> list[str]:
    return list(
        rows.filter(id__in=ids[:20]).order_by("full_name").values_list("full_name", flat=True)
    )
