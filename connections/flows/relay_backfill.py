"""What was there before a link goes too: drawn from the rows, then sent after what happens now.

Drawing puts down what names a subject, a portion to a transaction with the place where it goes on;
sending begins when all is drawn, so that every request is full.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import F, Q
from django.db.models.functions import Coalesce

from connections import registry
from connections.contracts import RelayKind, Relays
from connections.flows import relay_kinds, relay_outbox, relay_records
from connections.flows.problems import FlowProblem
from connections.flows.relay_outbox import FILL
from connections.models import (
    BackfillStand,
    Branch,
    Build,
    Commit,
    Deployment,
    Link,
    LinkRepository,
    LinkState,
    Pipeline,
    PullRequest,
    RelayItem,
    RelayState,
)
from portal import audit, clock, roles, tenancy, work
from portal.audit import Action
from portal.policy import SYSTEM, Actor
from portal.steps import step

JOB: Final = "draw_backfill"
PORTION: Final = 500
UNDER_WAY: Final = (BackfillStand.DRAWING, BackfillStand.SENDING)
SECONDS_EACH: Final = 1.0  # of a request, about

# Each list in turn, with what dates its rows.
LISTS: Final[tuple[tuple[RelayKind, type[Any], Any], ...]] = (
    (RelayKind.COMMIT, Commit, F("committed_at")),
    (RelayKind.BRANCH, Branch, F("committed_at")),
    (RelayKind.PULL_REQUEST, PullRequest, F("remote_updated_at")),
    (RelayKind.BUILD, Build, Coalesce("remote_updated_at", "remote_created_at")),
    (RelayKind.BUILD, Pipeline, Coalesce("completed_at", "remote_created_at")),
    (
        RelayKind.DEPLOYMENT,
        Deployment,
        Coalesce("completed_at", "remote_updated_at", "started_at"),
    ),
)
_PUT_DOWN: Final = """
INSERT INTO connections_relayitem AS held (id, organization_id, link_id, connection_id,
       repository_id, kind, key, sequence, state, cause, changed_at, due_at, urgency, attempts,
       error, error_detail, subjects)
SELECT gen_random_uuid(), %(organization)s, %(link)s, %(target)s, %(repository)s, %(kind)s, k.key,
       (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, 'waiting', 'backfill', %(now)s,
       %(now)s, 1, 0, '', '', '{}'
  FROM json_array_elements_text(%(keys)s::json) AS k(key)
 ORDER BY k.key
ON CONFLICT ON CONSTRAINT relay_item_once DO UPDATE
   SET sequence = greatest(held.sequence + 1, excluded.sequence), state = 'waiting',
       cause = 'backfill', changed_at = excluded.changed_at, due_at = excluded.due_at, urgency = 1,
       attempts = 0, error = '', error_detail = ''
 WHERE held.due_at IS NULL AND held.state <> 'sent'
RETURNING held.id
"""


@dataclass(frozen=True, slots=True)
class Estimate:
    """How much would be looked at, and at most how many requests and seconds it takes."""

    events: int
    requests: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Row:
    """A row on its way to be put down; see `relay_records.Wanted`."""

    repository_id: UUID
    kind: str
    key: str
    changed_at: datetime
    sequence: int = 0
    subjects: tuple[str, ...] = ()


def estimate(link: Link, *, since: datetime | None) -> Estimate:
    """What a back-fill would come to, if everything named a subject."""
    ids = list(_repositories(link))
    kinds = relay_kinds.travelling(link)
    counts = [
        _rows(model, dated, since).filter(repository_id__in=ids).count()
        for kind, model, dated in LISTS
        if kind in kinds
    ]
    batch = relay_kinds.rules_of(link).batch
    requests = sum(-(-count // batch) for count in counts)
    return Estimate(sum(counts), requests, int(requests * SECONDS_EACH) + 1 if requests else 0)


def start(*, actor: Actor, link: Link, since: datetime | None) -> None:
    """What is there since then is sent; nothing changes while another one is under way."""
    actor = relay_kinds.runner(actor, link)
    link.hold()
    if link.state not in (LinkState.ACTIVE, LinkState.PAUSED):
        raise FlowProblem("not_active", "", "Activate the link first.")
    if link.backfill_stand in UNDER_WAY:
        raise FlowProblem("under_way", "", "One is under way. Stop it first.")
    begin(link, since=since, actor=actor)


def begin(link: Link, *, since: datetime | None, actor: Actor) -> None:
    """The same, asked for with the activation."""
    link.backfill_stand, link.backfill_by = BackfillStand.DRAWING, actor.name[:200]
    link.backfill_since, link.backfill_at = since, []
    link.backfill_began_at, link.backfill_ended_at = clock.now(), None
    link.backfill_total = link.backfill_done = 0
    _save(link, "by", "since", "at", "began_at", "ended_at", "total", "done")
    asked = {"since": since} if since else {}
    audit.record(Action.RELAY_BACKFILL_STARTED, actor=actor, subject=link, **asked)
    _ask(link)


def cancel(*, actor: Actor, link: Link) -> None:
    """Nothing more of it is sent; what was sent stays."""
    actor = relay_kinds.runner(actor, link)
    link.hold()
    if link.backfill_stand not in UNDER_WAY:
        return
    link.backfill_stand, link.backfill_ended_at = BackfillStand.CANCELLED, clock.now()
    _save(link, "ended_at")
    audit.record(
        Action.RELAY_BACKFILL_CANCELLED, actor=actor, subject=link, sent=link.backfill_done
    )
    _ask(link)


def _save(link: Link, *fields: str) -> None:
    link.save(update_fields=["backfill_stand", *(f"backfill_{each}" for each in fields)])


def _ask(link: Link) -> None:
    work.later(JOB, dedupe=f"{JOB}:{link.id}", priority=work.FULL, link_id=link.id)


def may_send(link: Link) -> bool:
    """Whether what was put down for it may go: all is drawn, and nobody stopped it."""
    return link.backfill_stand not in (BackfillStand.DRAWING, BackfillStand.CANCELLED)


def note(link: Link) -> None:
    """How far it is, after something of the link was settled; over when nothing is left."""
    if link.backfill_stand != BackfillStand.SENDING:
        return
    left = RelayItem.objects.filter(link_id=link.id, urgency=FILL, due_at__isnull=False).count()
    link.hold()
    if link.backfill_stand != BackfillStand.SENDING:
        return
    link.backfill_done = max(0, link.backfill_total - left)
    if not left:
        link.backfill_stand, link.backfill_ended_at = BackfillStand.DONE, clock.now()
        audit.record(
            Action.RELAY_BACKFILL_ENDED, actor=SYSTEM, subject=link, sent=link.backfill_done
        )
    _save(link, "done", "ended_at")


# ── Drawing, in a worker ──────────────────────────────────────────────────────────────────────


def perform(claim: work.Claim, *, link_id: str) -> None:
    """All is put down that is to be sent, or taken up again after somebody stopped it."""
    while True:
        with tenancy.transaction():
            claim.hold()
            rows = Link.objects.select_related("source", "target", "destination")
            link: Link = rows.get(id=link_id)
            link.hold()
            if not _portion(link):
                claim.done()
                return
            claim.progressed()
        step("backfill.drawn")


def _portion(link: Link) -> bool:
    """The next portion; whether there may be another."""
    if link.backfill_stand == BackfillStand.CANCELLED:
        return _take_up(link)
    if link.backfill_stand != BackfillStand.DRAWING:
        return False
    place = _place(link)
    if place is None:
        link.backfill_stand = BackfillStand.SENDING if link.backfill_total else BackfillStand.DONE
        link.backfill_ended_at = None if link.backfill_total else clock.now()
        _save(link, "ended_at")
        relay_outbox.ask(link.target_id, hurry=True)
        return False
    repository_id, index, after = place
    keys, last, is_last = _next(link, repository_id, index, after)
    link.backfill_total += _put_down(link, repository_id, str(LISTS[index][0]), keys)
    at = [str(repository_id), index + 1, ""] if is_last else [str(repository_id), index, last]
    link.backfill_at = at
    _save(link, "total", "at")
    return True


def _place(link: Link) -> tuple[UUID, int, str] | None:
    """The repository, the list and the row after which it goes on; None at the end."""
    ids = _repositories(link)
    if not link.backfill_at:
        first = ids.first()
        return None if first is None else (first, 0, "")
    repository_id = UUID(link.backfill_at[0])
    index, after = int(link.backfill_at[1]), str(link.backfill_at[2])
    if index < len(LISTS):
        return repository_id, index, after
    following = ids.filter(repository_id__gt=repository_id).first()
    return None if following is None else (following, 0, "")


def _repositories(link: Link) -> Any:
    rows = LinkRepository.objects.filter(link_id=link.id, enabled=True)
    return rows.order_by("repository_id").values_list("repository_id", flat=True)


def _rows(model: type[Any], dated: Any, since: datetime | None) -> Any:
    rows = model.objects.filter(gone_at=None)
    if model is Branch:
        rows = rows.filter(kind="branch")
    if since is not None:
        rows = rows.annotate(dated=dated).filter(Q(dated__gte=since) | Q(dated=None))
    return rows


def _next(link: Link, repository_id: UUID, index: int, after: str) -> tuple[list[str], str, bool]:
    """Keys of the next rows that name a subject, the last row looked at, and whether it ends."""
    kind, model, dated = LISTS[index]
    connector = registry.connectors().get(link.target.connector)
    if kind not in relay_kinds.travelling(link) or not isinstance(connector, Relays):
        return [], "", True
    rows = _rows(model, dated, link.backfill_since).filter(
        repository_id=repository_id, remote_id__gt=after
    )
    ids = list(rows.order_by("remote_id").values_list("remote_id", flat=True)[:PORTION])
    now = clock.now()
    wanted = [Row(repository_id, str(kind), each, now) for each in ids]
    found = relay_records.events(link, wanted)
    keys = [event.key for event in found if event.record and connector.subjects(event)]
    return keys, ids[-1] if ids else "", len(ids) < PORTION


def _put_down(link: Link, repository_id: UUID, kind: str, keys: Sequence[str]) -> int:
    if not keys:
        return 0
    facts: dict[str, Any] = {
        "organization": tenancy.organization_id(),
        "link": link.id,
        "target": link.target_id,
        "repository": repository_id,
        "kind": kind,
        "keys": json.dumps(list(keys)),
        "now": clock.now(),
    }
    with roles.connection().cursor() as cursor:
        cursor.execute(_PUT_DOWN, facts)
        return len(cursor.fetchall())


def _take_up(link: Link) -> bool:
    """What was put down and not sent is not sent any more."""
    rows = RelayItem.objects.filter(link_id=link.id, urgency=FILL, due_at__isnull=False)
    ids = list(rows.values_list("id", flat=True)[:PORTION])
    RelayItem.objects.filter(id__in=ids).update(state=RelayState.DISCARDED, due_at=None)
    return bool(ids)
