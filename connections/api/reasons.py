"""Why there is no token, as precisely as the portal knows it, and the way on where there is one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from connections import registry
from connections.access import CredentialUnreadable
from connections.api import asking, kinds
from connections.api.asking import Refusal
from connections.api.kinds import Kind
from connections.api.told import moment, page_url
from connections.errors import Misconfigured
from connections.explain import explain
from connections.flows import breaker, leases
from connections.flows.leases import Answer, NotGranted
from connections.flows.vendors import Where
from connections.grant_explanations import INCIDENT
from connections.models import Connection, LeaseOutcome
from connections.queries import products
from portal import tenancy

RETRY_SECONDS: Final = {
    LeaseOutcome.LATE: 5,
    LeaseOutcome.LOOK: 5,
    LeaseOutcome.PROMISED: 60,
    leases.BUSY: 1,
    LeaseOutcome.UNREADABLE: 60,
}
SLOWLY: Final = 30  # what no worker mends in a moment: a breaker tries once in so many seconds
BY_HAND: Final = 300  # what a person has to mend

# Refusals of a key that may use the connection: what is the matter with it is no secret to it.
OF_CONNECTION: Final = frozenset(
    {
        *(LeaseOutcome.NEEDS_LINK, LeaseOutcome.PAUSED, LeaseOutcome.NOT_LEASABLE),
        *(LeaseOutcome.REVOKED, LeaseOutcome.LATE, LeaseOutcome.LOOK, LeaseOutcome.UNREADABLE),
    }
)
_NOT_INSTALLED: Final = (
    "This portal has no connector for it at present: nothing here could renew its token or end it."
)
_BECAUSE: Final = {
    kinds.VENDOR_INCIDENT.code: INCIDENT,
    kinds.CONSUMER_MISCONFIGURED.code: Misconfigured.code,
}


@dataclass(frozen=True, slots=True)
class State:
    """What is known of the connection now, after the wait."""

    trouble: str
    suspect_since: datetime | None
    product: str
    breaker: str | None  # why the vendor's breaker is not closed; None when it is
    page_url: str
    has_credential: bool
    is_installed: bool


def not_granted(no: NotGranted) -> Refusal:
    """The refusal that a service reads."""
    kind = kinds.OF_OUTCOME[no.code]
    headers: dict[str, str] = dict(asking.BAD_KEY) if kind.status == 401 else {}
    members: dict[str, Any] = {}
    detail, seconds = "", _seconds(no)
    if no.code == LeaseOutcome.TOO_LONG and no.answer is not None:
        members["longest_seconds"] = no.answer.seconds
    state = _state(no.answer) if no.answer is not None and no.code in OF_CONNECTION else None
    if state is not None:
        if no.code == LeaseOutcome.LATE:
            kind, detail, seconds = _late(state)
        if no.code == LeaseOutcome.NOT_LEASABLE and not state.is_installed:
            detail = _NOT_INSTALLED
        if no.code == LeaseOutcome.NEEDS_LINK:
            members["relink_url"] = state.page_url
            detail = _lost(state)
        members |= _members(kind, state)
    if kind.status in (429, 503):
        headers["Retry-After"] = str(seconds)
    return Refusal(kind, detail, headers=headers, **members)


def _state(answer: Answer) -> State | None:
    """None when the connection is gone meanwhile."""
    with tenancy.acting_for(answer.organization_id), tenancy.transaction():
        rows = Connection.objects.filter(id=answer.connection_id)
        found = rows.values_list("id", "last_error", "suspect_since", "connector", "server").first()
        if found is None:
            return None
        id_, trouble, suspect_since, connector, server = found
        return State(
            trouble=trouble,
            suspect_since=suspect_since,
            product=products.name_of(connector),
            breaker=breaker.because(Where(connector, server)),
            page_url=page_url(id_),
            has_credential=answer.credential_id is not None,
            is_installed=registry.is_installed(connector),
        )


def _members(kind: Kind, state: State) -> dict[str, Any]:
    because = _BECAUSE.get(kind.code, state.trouble)
    return {
        **({"because": because} if because else {}),
        **({"suspect_since": moment(state.suspect_since)} if state.suspect_since else {}),
        "page_url": state.page_url,
    }


def _late(state: State) -> tuple[Kind, str, int]:
    """Why no worker brought a token in time: kind, detail, and when to ask again."""
    if Misconfigured.code in (state.breaker, state.trouble):
        return kinds.CONSUMER_MISCONFIGURED, "", BY_HAND if state.breaker is None else SLOWLY
    if state.breaker is not None:
        return kinds.VENDOR_INCIDENT, "", SLOWLY
    if state.trouble == CredentialUnreadable.code:
        return (
            kinds.OF_OUTCOME[LeaseOutcome.LATE],
            _told(state, "A person has to mend it."),
            BY_HAND,
        )
    if state.suspect_since is not None:
        seen = "The vendor refused to renew it, and is asked again before that is believed."
        return kinds.OF_OUTCOME[LeaseOutcome.LATE], seen, SLOWLY
    return kinds.OF_OUTCOME[LeaseOutcome.LATE], "", RETRY_SECONDS[LeaseOutcome.LATE]


def _lost(state: State) -> str:
    """Why it needs a new link; what was not withdrawn is not called so."""
    way_on = "A person links it again at `relink_url`."
    if not state.has_credential:
        return f"The portal holds no credential of it. {way_on}"
    return _told(state, way_on) if state.trouble else ""


def _told(state: State, way_on: str) -> str:
    return f"{explain(state.trouble, product=state.product).title}. {way_on}"


def _seconds(no: NotGranted) -> int:
    """When to ask again."""
    known = no.answer.seconds if no.answer else None
    if known is not None and no.code in (LeaseOutcome.TOO_SOON, LeaseOutcome.PROMISED):
        return max(1, known)
    return RETRY_SECONDS.get(no.code, 5)
