"""Parcels sent to the development panel: whole, in halves where one of them is bad, or too much."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from connections.contracts import (
    Answer,
    Outcomes,
    Parcel,
    Reach,
    RelayEvent,
    RelayKind,
    Sent,
    Told,
)
from connections.errors import RemoteGone, UnexpectedResponse
from integrations.jira import relay_answers
from integrations.jira.parcels import BULK, branch_withdrawal, development_body, withdrawal

BAD: Final = frozenset({400, 413})
MOVED: Final = frozenset({301, 302, 303, 307, 308})
GONE: Final = frozenset({404})
RENAMED: Final = (
    "This address sends us elsewhere: the site was renamed. Choose the site by its new name."
)
LISTED: Final = {RelayKind.BUILD: "builds", RelayKind.DEPLOYMENT: "deployments"}


def placed(reach: Reach, path: str) -> str:
    """A parcel's path at the site that is the destination."""
    return path.replace("{site}", reach.destination.remote_id)


def ask(reach: Reach, verb: str, path: str, body: object, accept: frozenset[int]) -> Answer:
    """The answer. A renamed site answers with its new address, which the door does not follow: a
    credential goes to no other place, and a redirected POST would arrive as a GET."""
    try:
        return reach.api.send(verb, placed(reach, path), body, accept=accept)
    except UnexpectedResponse as error:
        if error.status not in MOVED:
            raise
        raise RemoteGone(RENAMED, status=error.status, request=error.request) from error


def send(reach: Reach, parcel: Parcel) -> Sent:
    """A word for each event. What one bad event spoils for all is sent again in halves."""
    if parcel.verb == "DELETE":
        answer = ask(reach, "DELETE", parcel.path, None, GONE)
        sent = _sent(relay_answers.withdrawn(parcel), answer)
        return replace(sent, requests=1 + _take_along(reach, sent.told))
    answer = ask(reach, parcel.verb, parcel.path, parcel.body, BAD)
    if answer.status not in BAD:
        sent = _sent(relay_answers.told(parcel, answer), answer)
        return replace(sent, requests=1 + _take_along(reach, sent.told))
    if len(parcel.events) > 1:
        return _halved(reach, parcel, answer)
    return _sent(relay_answers.refused(parcel.events, relay_answers.reason(answer)), answer)


def _take_along(reach: Reach, told: tuple[Told, ...]) -> int:
    """What goes with these words is taken back; how many requests it took.

    Of an update that names unknown issues alone Jira stores nothing, so that what was there stays.
    """
    moved = [word.event for word in told if word.outcome is Outcomes.UNKNOWN_SUBJECT]
    paths = [taken.path for taken in map(withdrawal, moved) if taken]
    paths += filter(None, (branch_withdrawal(word.event) for word in told))
    for path in paths:
        ask(reach, "DELETE", path, None, GONE)
    return len(paths)


def _halved(reach: Reach, parcel: Parcel, answer: Answer) -> Sent:
    """Both halves' words. An error in the second one is no reason to forget the first: it is
    raised, and the first will be sent again, which changes nothing at the target."""
    middle = len(parcel.events) // 2
    parts = [
        send(reach, part_of(parcel, events))
        for events in (parcel.events[:middle], parcel.events[middle:])
    ]
    return Sent(
        told=tuple(word for part in parts for word in part.told),
        status=parts[-1].status,
        request=answer.request,
        latency_seconds=answer.latency_seconds + sum(part.latency_seconds for part in parts),
        requests=1 + sum(part.requests for part in parts),
    )


def part_of(parcel: Parcel, events: tuple[RelayEvent, ...]) -> Parcel:
    """The parcel with some of its events alone."""
    whole = parcel.body if isinstance(parcel.body, dict) else {}
    body: dict[str, Any]
    if parcel.path == BULK[RelayKind.COMMIT]:
        body = development_body(events, whole)
    else:
        name = LISTED[events[0].kind]
        at = {id(event): entity for event, entity in zip(parcel.events, whole[name], strict=True)}
        body = {**whole, name: [at[id(event)] for event in events]}
    return replace(parcel, events=events, body=body)


def _sent(told: tuple[Told, ...], answer: Answer) -> Sent:
    return Sent(told, answer.status, answer.request, answer.latency_seconds)
