"""The pace of what costs the vendor or our workers something: not too often in ten minutes."""

from __future__ import annotations

from uuid import UUID

from connections.flows.problems import FlowProblem
from portal import tenancy
from portal.limits import Limit
from portal.policy import Actor

WINDOW = 600

# (of one person or connect link, of one organization); bulk verification asks for fifty at once.
LIMITS = {
    "link": (Limit(30, WINDOW), Limit(150, WINDOW)),
    "consumer": (Limit(30, WINDOW), Limit(60, WINDOW)),
    "connect_link": (Limit(60, WINDOW), Limit(120, WINDOW)),
    "guest": (Limit(20, WINDOW), Limit(300, WINDOW)),  # by one connect link, by all of them
    "link_request": (Limit(20, WINDOW), Limit(200, WINDOW)),
    "service_key": (Limit(30, WINDOW), Limit(60, WINDOW)),
    "hook_endpoint": (Limit(60, WINDOW), Limit(300, WINDOW)),
    "hooks": (Limit(120, WINDOW), Limit(300, WINDOW)),
    "import": (Limit(20, WINDOW), Limit(40, WINDOW)),  # each may be sixteen megabytes
    "export": (Limit(5, WINDOW), Limit(10, WINDOW)),
    "verify": (Limit(120, WINDOW), Limit(600, WINDOW)),
    "host": (Limit(10, 60), Limit(100, 86_400)),  # addresses tried for the first time
    "import_host": (Limit(500, WINDOW), Limit(2_000, 86_400)),  # as many as a file may name
    "sync": (Limit(60, WINDOW), Limit(300, WINDOW)),
    "branch": (Limit(30, WINDOW), Limit(150, WINDOW)),
    "trail": (Limit(60, WINDOW), Limit(300, WINDOW)),
}


def keep(what: str, actor: Actor) -> None:
    """Count one for this person here; raises FlowProblem("slow_down") when it is too often."""
    keep_of(what, actor.id)


def keep_of(what: str, who: UUID | None) -> None:
    """The same, for whoever or whatever has this id."""
    organization = tenancy.organization_id()
    of_person, of_organization = LIMITS[what]
    wait = max(
        of_person.wait_seconds(f"{what}:{organization}:{who}"),
        of_organization.wait_seconds(f"{what}:{organization}"),
    )
    if wait:
        raise FlowProblem("slow_down", "", f"That was often. Try again in {_in_words(wait)}.")


def _in_words(seconds: int) -> str:
    minutes = -(-seconds // 60)
    return "a minute" if minutes == 1 else f"{minutes} minutes"
