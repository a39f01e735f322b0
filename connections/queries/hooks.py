"""The webhooks tab: how events arrive, the work under way, and the test of the address."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Max

from connections.contracts import HookRules
from connections.explain import Explanation, explain
from connections.flows import hook_endpoints, hook_rounds as rounds
from connections.flows.hook_choice import LEVELS, Offer, offer
from connections.flows.hook_leaving import NO_TIME
from connections.hook_matching import events_at
from connections.models import (
    Arrival,
    Connection,
    Delivery,
    HookEndpoint,
    HookPlan,
)
from connections.queries.hook_words import TRIALS, Trial, in_words
from portal import clock


@dataclass(frozen=True, slots=True)
class Round:
    """The work under way, or the last."""

    what: str
    by: str
    began: datetime
    ended: datetime | None
    total: int
    done: int
    made: int
    changed: int
    removed: int
    failed: int
    waits_for: Explanation | None

    @property
    def is_open(self) -> bool:
        return self.ended is None


@dataclass(frozen=True, slots=True)
class HooksTab:
    """Everything of the tab but the address, which only those who manage the connection see."""

    offer: Offer
    plan: HookPlan
    endpoint: HookEndpoint | None
    line: str
    triggers: list[str]
    round: Round | None
    trial: Trial | None
    last_delivery: datetime | None
    left_behind: list[tuple[str, str]]
    left_more: int

    @property
    def is_on(self) -> bool:
        return self.plan.arrival != Arrival.POLLING

    @property
    def is_unreachable(self) -> bool:
        """Whether no vendor can call this installation at all."""
        return not settings.HOOKS_URL

    @property
    def two_hold(self) -> bool:
        """Whether the secret before the newest one is accepted as well."""
        until = self.endpoint.previous_until if self.endpoint else None
        return until is not None and until > clock.now()

    @property
    def is_lost(self) -> bool:
        """Whether the first secret waited for a worker until it was too late."""
        one = self.endpoint
        if one is None or one.secret_at is not None:
            return False
        return one.created_at + hook_endpoints.WAITS < clock.now()

    @property
    def is_live(self) -> bool:
        """Whether something on the page changes by itself in the next seconds."""
        waits = self.trial is not None and self.trial.is_waiting
        kept = self.endpoint is None or self.endpoint.secret_at is not None or self.is_lost
        return waits or not kept or (self.round is not None and self.round.is_open)


def hooks_tab(connection: Connection, product: str) -> HooksTab:
    """How events of this connection arrive, and what is being done about it."""
    plan, offered = rounds.plan_of(connection), offer(connection)
    received = Delivery.objects.filter(connection_id=connection.id)
    named = [one for one in plan.left_behind if one.get("name")]
    return HooksTab(
        offer=offered,
        plan=plan,
        endpoint=hook_endpoints.endpoint_of(connection),
        line=in_words(plan, product),
        triggers=_triggers(plan, offered.rules),
        round=_round(plan, product),
        trial=_trial(plan, product),
        last_delivery=received.aggregate(at=Max("received_at"))["at"],
        left_behind=[(one["name"], _why_left(one["why"], product)) for one in named],
        left_more=sum(one.get("more", 0) for one in plan.left_behind),
    )


def _triggers(plan: HookPlan, rules: HookRules | None) -> list[str]:
    level = LEVELS.get(Arrival(plan.arrival))
    if rules is None or level is None:
        return []
    chosen = events_at(rules, plan.events, level)
    return [event.title for event in rules.events if event.key in chosen]


def _why_left(code: str, product: str) -> str:
    if code == NO_TIME:
        return "There was no time left to remove it."
    return explain(code, product=product).title


def _round(plan: HookPlan, product: str) -> Round | None:
    if plan.round_began_at is None:
        return None
    left = rounds.left(plan)
    return Round(
        what=rounds.TITLES.get(plan.round_what, "Webhooks tended"),
        by=plan.round_by,
        began=plan.round_began_at,
        ended=plan.round_ended_at,
        total=max(plan.round_total, left),
        done=max(0, plan.round_total - left),
        made=plan.made,
        changed=plan.changed,
        removed=plan.removed,
        failed=plan.failed,
        waits_for=explain(plan.waits_for, product=product) if plan.waits_for else None,
    )


def _trial(plan: HookPlan, product: str) -> Trial | None:
    if not plan.test_stand:
        return None
    words = TRIALS.get(plan.test_stand, TRIALS["answered"])
    return Trial(
        stand=plan.test_stand,
        title=words.title.format(status=plan.test_status or "nothing", product=product),
        remedy=words.remedy.format(status=plan.test_status or "nothing", product=product),
        tone=words.tone,
        by=plan.test_by,
        at=plan.test_ended_at or plan.test_asked_at,
    )
