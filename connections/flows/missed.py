"""What a sync found changed although no webhook had told of it since it was read before.

It is read at that moment, so nothing is lost but the telling. A vendor that drops events, a webhook
that somebody removed and a message that was too large all show here (trust.md §6.3).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Exists, Q

from connections import registry
from connections.contracts import BranchRecord, Page, PullRequestRecord, Record
from connections.flows import hook_rounds, plan
from connections.flows.chains import Chain
from connections.flows.pull_moves import moves
from connections.models import (
    Delivery,
    DirtyTarget,
    Hook,
    HookEndpoint,
    HookMode,
    HookPlan,
    HookStand,
    MissedCause,
    MissedEvent,
    PullRequest,
    SyncSettings,
)
from portal import clock, roles

PULL_REQUESTS: Final = "pull-requests"
TOLD_OF: Final = ("branches", PULL_REQUESTS)  # what the webhooks that we make tell of
BEFORE: Final = timedelta(minutes=15)  # a webhook may be older than the page that shows its effect
HOOK_CAUSES: Final = {
    HookStand.MISSING: MissedCause.NO_HOOK,
    HookStand.FULL: MissedCause.NO_HOOK,
    HookStand.REFUSED: MissedCause.NO_HOOK,
    HookStand.INACTIVE: MissedCause.HOOK_INACTIVE,
    HookStand.EVENTS: MissedCause.HOOK_INACTIVE,
    HookStand.ADDRESS: MissedCause.HOOK_INACTIVE,
    HookStand.NO_SECRET: MissedCause.HOOK_INACTIVE,
}
LATE: Final = timedelta(days=1)  # for so long a webhook may still come


@dataclass(frozen=True, slots=True)
class Seen:
    """The webhook that was to tell, and what came in about this connection since `since`."""

    endpoint: HookEndpoint
    plan: HookPlan
    hook: Hook
    since: datetime
    has_deliveries: bool = False


Former = Mapping[str, PullRequest]


def former(chain: Chain, page: Page) -> Former:
    """The pull requests of this page as they were, where webhooks are expected to tell of them.

    Call it before the page is kept.
    """
    if not chain.was_read or chain.stream.key != PULL_REQUESTS:
        return {}
    is_told = SyncSettings.objects.filter(
        connection_id=chain.state.connection_id, mode=HookMode.HOOKS
    )
    rows = PullRequest.objects.filter(
        Exists(is_told),
        repository=chain.place.repository,
        remote_id__in=[record.remote_id for record in page.records],
    )
    return {row.remote_id: row for row in rows}


def look(chain: Chain, page: Page, written: Collection[str], were: Former) -> int:
    """What this page changed and nobody told of is listed as missed; how many that is.

    Only of what a webhook was to tell counts. Call it before the pass is noted as a success: it
    asks when the one before was.
    """
    since = chain.state.last_success_at
    if not written or since is None or not chain.was_read or chain.stream.key not in TOLD_OF:
        return 0
    seen = _expected(chain, since)
    if seen is None:
        return 0
    changed = [record for record in page.records if record.remote_id in set(written)]
    records = _to_be_told(chain, seen, changed, were)
    told = _told(chain, [record.remote_id for record in records], since - BEFORE)
    missed = [] if "" in told else [each for each in records if each.remote_id not in told]
    if missed:
        _keep(chain, missed, replace(seen, has_deliveries=_came(seen)))
    return len(missed)


def _expected(chain: Chain, since: datetime) -> Seen | None:
    """The webhook that should have told; None where nobody expects one, or none is made yet."""
    connection, place = chain.place.workspace.connection, chain.place
    if plan.settings_of(connection).mode != HookMode.HOOKS:
        return None
    endpoint = HookEndpoint.objects.filter(connection_id=connection.id).first()
    chosen = hook_rounds.plan_of(connection)
    hooks = Hook.objects.filter(
        hook_rounds.wanted_at(chosen),
        Q(repository=None) | Q(repository_id=place.repository and place.repository.id),
        workspace_id=place.workspace.id,
    )
    hook = hooks.exclude(stand=HookStand.NEW).first()
    if endpoint is None or hook is None:
        return None
    return Seen(endpoint, chosen, hook, since)


def _to_be_told(chain: Chain, seen: Seen, records: Iterable[Record], were: Former) -> list[Record]:
    """Those that changed in a way that one of the chosen triggers tells of."""
    rules = registry.get(chain.place.workspace.connection.connector).manifest.hooks
    events = [one for one in rules.events if one.key in seen.plan.events] if rules else []
    if chain.stream.key != PULL_REQUESTS:
        is_told = any(chain.stream.key in one.needed for one in events)
        return list(records) if is_told else []
    tells = {move for one in events for move in one.tells}
    return [
        each
        for each in records
        if isinstance(each, PullRequestRecord) and tells & moves(were.get(each.remote_id), each)
    ]


def _came(seen: Seen) -> bool:
    rows = Delivery.objects.filter(
        connection_id=seen.endpoint.connection_id, received_at__gte=seen.since - BEFORE
    )
    return bool(rows.exists())


def _told(chain: Chain, keys: Sequence[str], after: datetime) -> set[str]:
    """Which of these a webhook named; the empty one when it named all of the stream."""
    rows = DirtyTarget.objects.filter(
        connection_id=chain.state.connection_id,
        workspace_id=chain.place.workspace.id,
        repository_id=chain.place.repository.id if chain.place.repository else None,
        stream=chain.stream.key,
        key__in=[*keys, ""],
        told_at__gte=after,
    )
    return set(rows.values_list("key", flat=True))


def _keep(chain: Chain, missed: Sequence[Record], seen: Seen) -> None:
    place, now = chain.place, clock.now()
    MissedEvent.objects.bulk_create(
        [
            MissedEvent(
                organization_id=place.workspace.organization_id,
                connection_id=chain.state.connection_id,
                workspace_id=place.workspace.id,
                repository_id=place.repository.id if place.repository else None,
                stream=chain.stream.key,
                remote_id=record.remote_id[:200],
                name=_name(record)[:300],
                since=seen.since,
                changed_at=(changed := _changed_at(record)),
                found_at=now,
                cause=cause(seen, changed),
            )
            for record in missed
        ]
    )


def _name(record: Record) -> str:
    if isinstance(record, PullRequestRecord):
        return f"#{record.number} {record.title}"
    return str(getattr(record, "name", record.remote_id))


def _changed_at(record: Record) -> datetime | None:
    """When the vendor says that it changed; a branch has only its commit's date, maybe old."""
    return None if isinstance(record, BranchRecord) else getattr(record, "updated_at", None)


def cause(seen: Seen, changed_at: datetime | None) -> MissedCause:
    """The likeliest reason, from what can be seen here."""
    endpoint, hook = seen.endpoint, seen.hook
    made = max(endpoint.created_at, seen.plan.changed_at, hook.changed_at or endpoint.created_at)
    if endpoint.disabled_at is not None:
        return MissedCause.ADDRESS_OFF
    if (changed_at or seen.since) < made:
        return MissedCause.BEFORE_HOOK
    if hook.stand in HOOK_CAUSES:
        return HOOK_CAUSES[HookStand(hook.stand)]
    if endpoint.refused_at is not None and endpoint.refused_at >= seen.since:
        return MissedCause.REFUSED
    return MissedCause.TOO_LARGE if seen.has_deliveries else MissedCause.SILENT


# ── What came after all ───────────────────────────────────────────────────────────────────────

_ARRIVED = """
UPDATE connections_missedevent m SET arrived_at = t.told_at
  FROM connections_dirtytarget t
 WHERE m.arrived_at IS NULL AND m.found_at > %(after)s
   AND t.organization_id = m.organization_id AND t.connection_id = m.connection_id
   AND t.workspace_id = m.workspace_id AND t.repository_id = m.repository_id
   AND t.stream = m.stream AND t.key IN (m.remote_id, '') AND t.told_at > m.found_at
   AND t.told_at < m.found_at + %(late)s
"""


def settle() -> None:
    """What a webhook told of later is late and no longer missed. Inside a transaction."""
    named: dict[str, Any] = {"after": clock.now() - LATE, "late": LATE}
    with roles.connection().cursor() as cursor:
        cursor.execute(_ARRIVED, named)
