"""What is told of requests: to who answers that one waits, to who asked what came of it."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from connections.flows import telling, told_links
from connections.models import LinkRequest
from portal import notices
from portal.policy import Permission


def cause(held: LinkRequest) -> str:
    """What notices of this request are filed under."""
    return f"link_request:{held.id}"


def tell_admins(held: LinkRequest) -> None:
    """Whoever may answer reads that it waits."""
    notices.tell(
        told_links.REQUEST_WAITS,
        subject=held,
        audience=notices.who_may(Permission.LINK_REQUEST_DECIDE) - {held.asked_by_id},
        dedupe=cause(held),
        url=telling.page_of("link_request", held.id),
        title=f"{held.asked_by_name} asks for {held.what}",
        body=held.why,
    )


def tell_askers(held: LinkRequest, word: str) -> None:
    """Each who asks for it reads what came of it."""
    because = f" {held.decision_why}" if held.decision_why else ""
    askers: Collection[UUID] = {held.asked_by_id, *held.also_asked_by}
    notices.tell(
        told_links.REQUEST_ANSWERED,
        subject=held,
        audience=askers,
        dedupe=f"{cause(held)}:answer",
        url=telling.page_of("link_request", held.id),
        title=f"{held.what[:1].upper()}{held.what[1:]}: {word}",
        body=f"You asked for {held.what}. It is {word}.{because}",
    )
