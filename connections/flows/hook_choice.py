"""How a connection's events arrive: by webhooks of workspaces or repositories, or polling alone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.db.models import QuerySet

from connections import registry
from connections.contracts import HookRules, Level, ManagesHooks, Manifest
from connections.flows import hook_endpoints, hook_rounds as rounds, rights
from connections.flows.hook_endpoints import Made
from connections.flows.problems import FlowProblem
from connections.hook_matching import events_at
from connections.models import (
    Arrival,
    Connection,
    HookMode,
    HookPlan,
    HookStand,
    HookWanted,
    SyncSettings,
)
from portal import audit, clock, tenancy
from portal.policy import Actor

NO_ADDRESS: Final = (
    "This installation has no public address for webhooks, so no vendor can reach it. Whoever runs"
    " it can give it one with the setting HOOKS_URL. Until then changes are found by asking at"
    " intervals, which misses nothing and takes longer."
)
NOT_HTTPS: Final = (
    "{product} calls https addresses only, and HOOKS_URL is none. Whoever runs this installation"
    " can change that. Until then changes are found by asking at intervals."
)
NOT_ALLOWED: Final = (
    "This connection was linked without “{capability}”, so we may not make webhooks for it. Link it"
    " again with that; until then changes are found by asking at intervals."
)
LEVELS: Final = {Arrival.WORKSPACE: Level.WORKSPACE, Arrival.REPOSITORY: Level.REPOSITORY}


@dataclass(frozen=True, slots=True)
class Offer:
    """What may be chosen; `why_not` says in words why it is polling alone."""

    arrivals: tuple[Arrival, ...]
    rules: HookRules | None
    why_not: str = ""


def offer(connection: Connection) -> Offer:
    """The ways in which this connection's events can arrive here."""
    connector = registry.connectors().get(connection.connector)
    rules = connector.manifest.hooks if connector else None
    if connector is None or rules is None or not isinstance(connector, ManagesHooks):
        return Offer((Arrival.POLLING,), None, hook_endpoints.NO_HOOKS)
    reason = unreachable(connector.manifest) or _not_allowed(connection, connector.manifest)
    if reason:
        return Offer((Arrival.POLLING,), rules, reason)
    ways = tuple(way for way, level in LEVELS.items() if level in rules.levels)
    return Offer((Arrival.POLLING, *ways), rules)


def unreachable(manifest: Manifest) -> str:
    """Why this vendor cannot call this installation, in words; empty when it can."""
    if not settings.HOOKS_URL:
        return NO_ADDRESS
    rules, is_safe = manifest.hooks, settings.HOOKS_URL.startswith("https://")
    if rules is not None and rules.https_only and not is_safe and not settings.SANDBOX_ORIGINS:
        return NOT_HTTPS.format(product=manifest.name)
    return ""


def _not_allowed(connection: Connection, manifest: Manifest) -> str:
    wanted = manifest.hooks.capability if manifest.hooks else ""
    if not wanted or wanted in connection.capabilities:
        return ""
    title = next((c.title for c in manifest.capabilities if c.key == wanted), wanted)
    return NOT_ALLOWED.format(capability=title)


def choose(
    *,
    actor: Actor,
    connection: Connection,
    arrival: Arrival,
    events: Collection[str],
    mends_itself: bool,
) -> Made:
    """Events arrive by these hooks: a worker looks at every container, and mends what it may.

    Call it outside transactions. Polling alone is `poll_only`. Raises FlowProblem.
    """
    offered = offer(connection)
    if arrival not in offered.arrivals or offered.rules is None or arrival not in LEVELS:
        raise FlowProblem("arrival", "arrival", offered.why_not or "Choose one of the ways.")
    chosen = events_at(offered.rules, events, LEVELS[arrival])
    if not chosen:
        raise FlowProblem("events", "events", "Choose at least one trigger.")
    made = hook_endpoints.make(actor=actor, connection=connection)
    with tenancy.transaction():
        actor = rights.manager(actor, connection)
        connection.hold()
        plan = rounds.held(connection)
        changed = {"arrival": arrival, "events": list(chosen), "mends_itself": mends_itself}
        before = {name: getattr(plan, name) for name in changed}
        if changed != before:
            _save(actor, connection, plan, changed)
    return made


def _save(actor: Actor, connection: Connection, plan: HookPlan, changed: dict[str, Any]) -> None:
    """What is as it should be by the former choice only is wrong from now on."""
    other_events = plan.events != changed["events"]
    for name, value in changed.items():
        setattr(plan, name, value)
    plan.changed_at = plan.next_at = clock.now()
    plan.save(update_fields=[*changed, "changed_at", "next_at"])
    here = rounds.rows(connection)
    if other_events:
        rounds.stand_at(here.filter(stand=HookStand.PRESENT), HookStand.EVENTS)
    if plan.mends_itself:
        wrong = here.filter(rounds.wanted_at(plan), stand__in=rounds.WRONG)
        rounds.begin(plan, rounds.MEND, actor.name)
        rounds.want(plan, wrong, HookWanted.MEND, rounds.price(wrong.count()))
    elif not rounds.is_open(plan):
        rounds.begin(plan, rounds.LOOK, actor.name)
    receive(connection, HookMode.HOOKS)
    facts = {**changed, "arrival": str(plan.arrival)}
    audit.record(audit.Action.HOOKS_CHOSEN, actor=actor, subject=connection, **facts)
    for which in rounds.PURPOSES:
        rounds.ask(connection, which)


def receive(connection: Connection, mode: HookMode) -> None:
    """A sync knows whether webhooks tell of changes."""
    SyncSettings.objects.update_or_create(
        organization_id=connection.organization_id, connection=connection, defaults={"mode": mode}
    )


def ours_of(connection: Connection) -> QuerySet[Any]:
    """The containers in which the vendor has hooks of ours."""
    return rounds.rows(connection).exclude(remote_id="", extras=[])


def poll_only(*, actor: Actor, connection: Connection) -> None:
    """Nothing is accepted at the address any more, and a worker removes our hooks at the vendor.

    What cannot be removed stays on the list, with its reason. Call it outside transactions.
    """
    with tenancy.transaction():
        actor = rights.manager(actor, connection)
        connection.hold()
        plan = rounds.held(connection)
        if plan.arrival == Arrival.POLLING:
            return
        plan.arrival, plan.changed_at = Arrival.POLLING, clock.now()
        plan.save(update_fields=["arrival", "changed_at"])
        rounds.begin(plan, rounds.REMOVE, actor.name)
        count = rounds.part_with(plan, ours_of(connection))
        receive(connection, HookMode.POLLING)
        audit.record(audit.Action.HOOKS_STOPPED, actor=actor, subject=connection, hooks=count)
        for which in rounds.PURPOSES:
            rounds.ask(connection, which)
    hook_endpoints.disable(actor=actor, connection=connection)
