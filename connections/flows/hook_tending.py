"""A worker tends a connection's webhooks: container by container, each settled on its own row.

One job tends what people wait for, another the rest; rows say what is left, so that whoever comes
after a killed worker goes on where it ended. A container that refuses does so alone.
"""

from __future__ import annotations

import logging
from typing import Final

from connections import registry
from connections.contracts import ManagesHooks
from connections.errors import RateLimited, ReauthorizationRequired, VendorError
from connections.flows import (
    budget,
    hook_choice,
    hook_rounds as rounds,
    hook_settling as settling,
)
from connections.flows.chains import container_of
from connections.flows.hook_mending import AtVendor, Done
from connections.flows.hook_taking import Taken, Tender, due, free, known, take
from connections.flows.keep import Place
from connections.hook_matching import Found
from connections.models import Connection, HookEndpoint, HookPlan, HookWanted
from portal import clock, tenancy, work
from portal.steps import step

log = logging.getLogger(__name__)

IN_HAND: Final = "hooks_in_hand"
SOON: Final = 3  # seconds


def perform(claim: work.Claim, *, connection_id: str, which: str) -> None:
    """Everything of the connection that is due was tended; raises RetryLater to go on later."""
    with tenancy.transaction():
        connection = Connection.objects.filter(id=connection_id).first()
        if connection is None or connection.connector not in registry.connectors():
            return
        period = settling.period_of(connection)
    tender = Tender(claim, connection, which, period)
    try:
        while not _is_over(tender):
            while taken := take(tender):
                _tend(tender, taken)
    except RateLimited as error:
        _note_wait(tender, error.code)
        rest = tender.asking.rest(error) if tender.asking else budget.LEAST_WAIT
        raise work.RetryLater(error.code, seconds=rest, free=True) from error
    except VendorError as error:
        _note_wait(tender, error.code)
        raise
    except LookupError:  # paused, revoked, or polled only since
        log.info("hooks.not_live", extra={"connection_id": connection_id})
    finally:
        tender.close()


# ── Tend ──────────────────────────────────────────────────────────────────────────────────────


def _tend(tender: Tender, taken: Taken) -> None:
    """What the row wants is done at the vendor, and stands on the row.

    Raises what concerns more than this container.
    """
    tender.claim.stay()
    done = Done()
    try:
        found = _asked(tender, taken, done)
    except (RateLimited, ReauthorizationRequired, LookupError):
        settling.let_go(tender.claim, taken.row)
        raise
    except VendorError as error:
        settling.fail(tender.claim, tender.connection, taken.row, error, done)
        tender.note_silence(error)
        return
    tender.silent = 0
    settling.settle(
        tender.claim, tender.connection, taken.row, found, done, taken.secret_at, tender.period
    )
    step("hook.kept")


def _asked(tender: Tender, taken: Taken, done: Done) -> Found:
    row, asking = taken.row, tender.at(taken.row.purpose)
    connector = asking.way.connector
    if not isinstance(connector, ManagesHooks):
        raise LookupError
    there = AtVendor(
        connector=connector,
        api=asking.api(),
        container=container_of(Place(row.workspace, row.repository)),
        fields=tender.connection.fields,
        expected=taken.expected,
        secret=taken.secret,
        done=done,
    )
    if row.wanted == HookWanted.REMOVE:
        return there.remove(known(taken))
    if row.wanted == HookWanted.MEND:
        return there.mend(known(taken))
    return there.look()


# ── The end ───────────────────────────────────────────────────────────────────────────────────


def _is_over(tender: Tender) -> bool:
    """Whether nothing is due any more, with the connection locked; then the job is done.

    Raises RetryLater while another job has in hand what this one is to tend afterwards.
    """
    with tenancy.transaction():
        tender.claim.hold()
        connection = tender.connection
        connection.hold()
        plan = rounds.held(connection)
        endpoint = HookEndpoint.objects.filter(connection_id=connection.id).first()
        if connection.is_live and endpoint is not None:
            rounds.draw(connection, plan, endpoint)
            left = due(connection, rounds.PURPOSES[tender.which])
            if left.filter(free(tender)).exists():
                return False
            if left.exists():
                raise work.RetryLater(IN_HAND, seconds=SOON, free=True)
        settling.end_round(connection, plan)
        if hook_choice.offer(connection).why_not:
            HookPlan.objects.filter(id=plan.id).update(next_at=clock.now() + settling.HOUR)
        settling.keep_both_secrets(connection)
        tender.claim.done()
        return True


def _note_wait(tender: Tender, code: str) -> None:
    """The page says what the round waits for."""
    with tenancy.transaction():
        tender.claim.hold()
        tender.connection.hold()
        rows = HookPlan.objects.filter(connection_id=tender.connection.id)
        rows.update(waits_for=code[:40])
        settling.keep_both_secrets(tender.connection)
