"""What was there before a link goes too, after what happens now: asked for, stopped, and how far.

A worker draws it first (`relay_drawing.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import F, Q
from django.db.models.functions import Coalesce

from connections.contracts import RelayKind
from connections.flows import relay_kinds
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
)
from portal import audit, clock, work
from portal.audit import Action
from portal.policy import SYSTEM, Actor

JOB: Final = "draw_backfill"
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


@dataclass(frozen=True, slots=True)
class Estimate:
    """How much would be looked at, and at most how many requests and seconds it takes."""

    events: int
    requests: int
    seconds: int


def estimate(link: Link, *, since: datetime | None) -> Estimate:
    """What a back-fill would come to, if everything named a subject."""
    ids = list(repositories(link))
    kinds = relay_kinds.travelling(link)
    counts = [
        rows_since(model, dated, since).filter(repository_id__in=ids).count()
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
    save(link, "by", "since", "at", "began_at", "ended_at", "total", "done")
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
    save(link, "ended_at")
    audit.record(
        Action.RELAY_BACKFILL_CANCELLED, actor=actor, subject=link, sent=link.backfill_done
    )
    _ask(link)


def save(link: Link, *fields: str) -> None:
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
    save(link, "done", "ended_at")


def repositories(link: Link) -> Any:
    rows = LinkRepository.objects.filter(link_id=link.id, enabled=True)
    return rows.order_by("repository_id").values_list("repository_id", flat=True)


def rows_since(model: type[Any], dated: Any, since: datetime | None) -> Any:
    rows = model.objects.filter(gone_at=None)
    if model is Branch:
        rows = rows.filter(kind="branch")
    if since is not None:
        rows = rows.annotate(dated=dated).filter(Q(dated__gte=since) | Q(dated=None))
    return rows
