"""Keeps what a vendor answered, whatever happens to the database: in it, or on disk until it is.

A received token may be the only copy there is. When the transaction cannot be made, the answer is
sealed, appended to the spool and settled by a later sweep, by the same rules.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from uuid import UUID

from django.db import InterfaceError, OperationalError

from connections.flows import breaker, settlement, spool, vendors
from connections.flows.ledger import Settled
from connections.flows.refreshing import Outcome
from connections.flows.vendors import Where
from connections.lineage import AnswerClass
from portal import roles, tenancy

log = logging.getLogger(__name__)

UNREACHED = (InterfaceError, OperationalError)
BETWEEN_GOOD_NEWS_SECONDS = 1.0

_good_news: dict[tuple[UUID, Where], float] = {}


def keep(outcomes: Sequence[Outcome]) -> list[Settled]:
    """What was decided about each; whatever it raises, what was received is on disk by then.

    One that cannot be settled does not keep the others from it: it is spooled, logged, left out.
    """
    try:
        _note(outcomes)
        return _twice(lambda: settlement.settle(outcomes))
    except UNREACHED:
        spool.put(outcomes)
        raise
    except Exception:  # whatever it was, it may be about one of them alone
        if len(outcomes) == 1:
            spool.put(outcomes)
            raise
    return _one_by_one(outcomes)


def _note(outcomes: Sequence[Outcome]) -> None:
    """The vendors' breakers know of these answers before what was refused is believed.

    What was never sent was answered by nobody.
    """
    heard: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for one in outcomes:
        if one.latency_ms is not None:
            heard[one.claimed.row.connector, one.claimed.row.base_url].append(one)
    for asked, theirs in heard.items():
        where = vendors.at(*asked)
        answered: dict[AnswerClass, set[UUID]] = defaultdict(set)
        for one in theirs:
            answered[one.answer].add(one.claimed.row.connection_id)
        refused, faults = answered[AnswerClass.REFUSED], answered[AnswerClass.CONNECTOR_FAULT]
        if refused or faults or _is_news(where):
            breaker.note(
                where,
                where.token_host,
                good=answered[AnswerClass.KEPT],
                refused=refused,
                faults=faults,
            )


def _is_news(where: Where) -> bool:
    """Whether that a vendor is well was last said a moment ago: a sweep says it all the time."""
    about, now = (tenancy.organization_id(), where), time.monotonic()
    if now - _good_news.get(about, 0.0) < BETWEEN_GOOD_NEWS_SECONDS:
        return False
    _good_news[about] = now
    return True


def _one_by_one(outcomes: Sequence[Outcome]) -> list[Settled]:
    settled: list[Settled] = []
    for at, one in enumerate(outcomes):
        try:
            settled += keep([one])
        except UNREACHED:
            spool.put(outcomes[at + 1 :])
            raise
        except Exception:
            where = {"credential_id": str(one.claimed.row.credential_id)}
            log.exception("refresh.unsettled", extra=where)
    return settled


def _twice(settle: Callable[[], list[Settled]]) -> list[Settled]:
    """A deadlock or a restarted server costs one more try."""
    try:
        return settle()
    except UNREACHED:
        roles.connection().close_if_unusable_or_obsolete()
        return settle()
