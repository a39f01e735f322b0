"""What people are told of links between connections; in the transaction of what happened."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID

from connections.flows import told_relay as kinds
from connections.flows.telling import Named, page_of
from connections.models import Link, SmartDeed
from portal import clock, notices
from portal.policy import Permission

PATIENCE: Final = timedelta(minutes=10)  # a target that is silent for less is nobody's trouble
PAGE: Final = "relay"


def out_of_reach(link: Link) -> None:
    """Once it has stood still for a while, who may run it is told."""
    since = link.failing_since
    if since is None or since > clock.now() - PATIENCE:
        return
    notices.tell(
        kinds.STILL,
        subject=link,
        audience=_runners(link),
        dedupe=_cause(link),
        url=page_of(PAGE, link.id),
        team_id=link.target.team_id,
    )


def recovered(link: Link) -> None:
    """It goes on; who had been told of the trouble is told that."""
    notices.recovered(_cause(link), kind=kinds.GOES_ON, url=page_of(PAGE, link.id))


def over(link: Link) -> None:
    """It was removed: nobody has to do anything about it."""
    notices.resolve(_cause(link))


def command_failed(link: Link, deed: SmartDeed, member: UUID | None) -> None:
    """Who wrote the commit reads why nothing came of its command; where nobody here did, those who
    run the link do, once of each author."""
    if member is None:
        _stranger_failed(link, deed)
        return
    notices.tell(
        kinds.COMMAND,
        subject=Named(deed.id, f"#{deed.command} for {deed.subject} in {deed.commit[:12]}"),
        audience={member},
        dedupe=f"{kinds.COMMAND}:{deed.id}",
        url=page_of(PAGE, link.id),
        body=deed.detail,
        team_id=link.target.team_id,
    )


def _stranger_failed(link: Link, deed: SmartDeed) -> None:
    who = sha256(deed.author.encode()).hexdigest()[:16]
    notices.tell(
        kinds.STRANGER,
        subject=Named(deed.id, deed.author or "A commit without an author"),
        audience=_runners(link),
        dedupe=f"{kinds.STRANGER}:{link.id}:{who}",
        url=page_of(PAGE, link.id),
        body=f"#{deed.command} for {deed.subject}: {deed.detail}",
        team_id=link.target.team_id,
    )


def _runners(link: Link) -> set[UUID]:
    """Who may pause it and send things again: at both ends."""
    found: set[UUID] | None = None
    for end in (link.source, link.target):
        may = notices.who_may(Permission.RELAY_RUN, team_id=end.team_id)
        found = may if found is None else found & may
    return found or set()


def _cause(link: Link) -> str:
    return f"{kinds.STILL}:{link.id}"
