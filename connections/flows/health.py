"""When a refusal is believed: suspect at first, needs_reauthorization after a third look.

The rules are those of `lineage.py`, for pasted tokens as for grants: a look counts when the last
one is long enough ago, the third one only when the suspicion is ten minutes old, and none while
the vendor's breaker is open. Call these inside the transaction that locked the connection.
"""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Final

from django.conf import settings

from connections import lineage, registry
from connections.contracts import MethodEnd
from connections.flows import (
    breaker,
    relay_waking,
    telling,
    telling_replacements,
    vendors,
    witnesses,
)
from connections.grant_explanations import LOST
from connections.lineage import Decision, GrantView
from connections.models import Connection
from connections.replacement_explanations import METHOD_ENDED, METHOD_ENDS
from portal import audit, clock
from portal.policy import SYSTEM

State = Connection.State
AFTER_INCIDENT: Final = (600.0, 1200.0)


def view_of(connection: Connection, stance: breaker.Stance) -> GrantView:
    """The suspicion against this connection, in the words of the rules."""
    return GrantView(
        version=0,
        looks=connection.looks,
        suspect_since=connection.suspect_since,
        looked_at=connection.looked_at,
        breaker_open=stance.is_open,
        opened_at=stance.opened_at,
    )


def refused(connection: Connection, code: str, *, at_once: bool = False) -> Decision:
    """The vendor refused it; what that means is decided here and stands on the connection."""
    view = view_of(connection, breaker.stance(vendors.of(connection)))
    end = _end_of(connection)
    if end and end.is_over(clock.now()):  # nobody's are accepted: no third look is needed
        code, at_once = METHOD_ENDED, True
    if at_once or lineage.is_believed(view, clock.now()):
        decision = Decision.NEEDS_REAUTHORIZATION
    else:
        decision = Decision.SUSPECT
    if view.breaker_open and not at_once:
        decision = Decision.BREAKER
    settled(connection, decision, code, view)
    if decision is Decision.BREAKER:
        wait = timedelta(seconds=random.uniform(*AFTER_INCIDENT))
        connection.next_verification_at = clock.now() + wait
        connection.save(update_fields=["next_verification_at"])
    return decision


def settled(connection: Connection, decision: Decision, code: str, view: GrantView) -> None:
    """A refusal that was decided on already stands on the connection.

    `view` is the row as it was decided on. The next look is due in its time. Why it was refused
    for the first time stays the reason: a grant whose answer was lost was not withdrawn.
    """
    vendors.learn(connection)
    code = LOST if connection.last_error == LOST else code
    if decision is Decision.BREAKER:
        troubled(connection, code)
    elif decision is Decision.SUSPECT:
        _suspect(connection, code, view)
    elif decision is Decision.NEEDS_REAUTHORIZATION:
        _believe(connection, code, view)


def _suspect(connection: Connection, code: str, view: GrantView) -> None:
    connection.failed(code)
    if connection.state == State.NEEDS_REAUTHORIZATION:
        return
    is_first = connection.suspect_since is None
    _look(connection, view)
    again = lineage.look_again_at(view_of(connection, breaker.Stance()), clock.now())
    connection.next_verification_at = again
    connection.save(update_fields=["next_verification_at"])
    if is_first:
        telling.refused(connection)
        witnesses.ask(connection)


def _believe(connection: Connection, code: str, view: GrantView) -> None:
    connection.failed(code)
    _look(connection, view)
    if connection.state != State.NEEDS_REAUTHORIZATION:
        _turn(connection, State.NEEDS_REAUTHORIZATION, code)
        tell = telling_replacements.method_ended if code == METHOD_ENDED else telling.needs_link
        tell(connection)


def _look(connection: Connection, view: GrantView) -> None:
    after = lineage.looked(view, clock.now())
    connection.looks, connection.looked_at = after.looks, after.looked_at
    connection.suspect_since = after.suspect_since or clock.now()
    connection.save(update_fields=["looks", "looked_at", "suspect_since"])


def accepted(connection: Connection) -> None:
    """The vendor answers for the linked account: active, without suspicion."""
    was_troubled = connection.state != State.ACTIVE
    _plan_looks(connection)
    if connection.state == State.NEEDS_REAUTHORIZATION:
        _turn(connection, State.ACTIVE, "verified")
    connection.state = State.ACTIVE
    connection.save(update_fields=["state"])
    worked(connection, was_troubled=was_troubled)
    relay_waking.freed(connection.id)


def _plan_looks(connection: Connection) -> None:
    """From now on it is looked at whenever it was not heard of for a while."""
    if connection.next_probe_at is None and settings.PROBE_IDLE_MINUTES:
        idle = timedelta(minutes=settings.PROBE_IDLE_MINUTES)
        connection.next_probe_at = clock.now() + idle
        connection.save(update_fields=["next_probe_at"])


def worked(connection: Connection, *, was_troubled: bool = False) -> None:
    """The vendor took its credential: no trouble, and whoever was told of any is told that."""
    had_trouble = connection.suspect_since is not None or connection.last_error != ""
    was_troubled = was_troubled or had_trouble
    connection.succeeded()
    vendors.learn(connection)
    if _end_of(connection) is not None:
        connection.failed(METHOD_ENDS)
    if was_troubled:
        telling.recovered(connection)


def _end_of(connection: Connection) -> MethodEnd | None:
    """When the vendor ended this connection's kind of credential; None while it is alive."""
    try:
        method = registry.get(connection.connector).manifest.method(connection.method)
    except KeyError:
        return None
    return method.end


def troubled(connection: Connection, code: str) -> None:
    """It did not work, and nothing is known against its grant."""
    connection.failed(code)


def _turn(connection: Connection, state: str, because: str) -> None:
    connection.state = state
    connection.save(update_fields=["state"])
    audit.record(
        audit.Action.CONNECTION_STATE_CHANGED,
        actor=SYSTEM,
        subject=connection,
        state=state,
        because=because,
    )
