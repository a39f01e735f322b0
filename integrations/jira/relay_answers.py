"""What Jira told of each thing it was sent: accepted, refused, or for issues that it lacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from connections.contracts import Answer, Outcomes, Parcel, RelayEvent, RelayKind, Told
from connections.errors import UnexpectedResponse, cleaned
from integrations import atlassian
from integrations.jira.builds import build_key
from integrations.jira.deployments import deployment_key
from integrations.jira.devinfo import LISTS, entity_key
from integrations.jira.entity_ids import repository_id
from integrations.jira.issue_keys import keys_of

SILENT: Final = "Jira's answer does not say what became of it."
TOO_LARGE: Final = "Jira says that it is too large."
TOO_LARGE_STATUS: Final = 413
UNKNOWN: Final = "Jira knows none of the issues {keys}."
MOST_NAMED: Final = 5

Key = tuple[object, ...]


def told(parcel: Parcel, answer: Answer) -> tuple[Told, ...]:
    """A word for each event of the parcel; UnexpectedResponse for a body that is no such answer."""
    if not isinstance(answer.body, dict):
        raise UnexpectedResponse("This is no answer to what was sent.")
    unknown = _unknown(answer.body)
    accepted, refused = _read(answer.body)
    return tuple(_word(event, accepted, refused, unknown) for event in parcel.events)


def refused(events: Iterable[RelayEvent], detail: str) -> tuple[Told, ...]:
    """The same word for all of them: no."""
    return tuple(Told(event, Outcomes.REFUSED, detail) for event in events)


def withdrawn(parcel: Parcel) -> tuple[Told, ...]:
    """What was taken back."""
    return tuple(Told(event, Outcomes.WITHDRAWN) for event in parcel.events)


def messages(errors: object) -> str:
    """The vendor's sentences of a list of errors, fit to be shown."""
    said = [_message(each) for each in errors] if isinstance(errors, list) else []
    return cleaned("; ".join(filter(None, said)))


def reason(answer: Answer) -> str:
    """Why a whole request was refused, in the vendor's words where there are any."""
    if answer.status == TOO_LARGE_STATUS:
        return TOO_LARGE
    told = answer.body.get("errors") if isinstance(answer.body, dict) else answer.body
    return cleaned(atlassian.message(answer)) or messages(told) or "Jira refused it."


def no_such_issue(keys: Iterable[str]) -> str:
    """The sentence for what hangs on issues that are not there."""
    named = list(keys)
    more = ", …" if len(named) > MOST_NAMED else ""
    return UNKNOWN.format(keys=", ".join(named[:MOST_NAMED]) + more)


def _word(
    event: RelayEvent,
    accepted: set[Key],
    refused: Mapping[Key, str],
    unknown: frozenset[str],
) -> Told:
    key, keys = _key(event), keys_of(event)
    missing = tuple(each for each in keys if each in unknown)
    if keys and len(missing) == len(keys):
        return Told(event, Outcomes.UNKNOWN_SUBJECT, no_such_issue(keys), unknown=missing)
    reason = refused.get(key, refused.get((key[0], key[1]), None))
    if reason is not None:
        return Told(event, Outcomes.REFUSED, reason or "Jira refused it.", unknown=missing)
    if key not in accepted:
        return Told(event, Outcomes.REFUSED, SILENT, unknown=missing)
    kept = tuple(each for each in keys if each not in unknown)
    return Told(event, Outcomes.ACCEPTED, subjects=kept, unknown=missing)


def _key(event: RelayEvent) -> Key:
    """What stands for the event in an answer; of development information, repository first."""
    if event.kind in LISTS:
        return ("repository", repository_id(event.repository), LISTS[event.kind], entity_key(event))
    if event.kind is RelayKind.BUILD and (run := build_key(event)):
        return ("build", run.pipeline, run.number)
    if event.kind is RelayKind.DEPLOYMENT and (gone := deployment_key(event)):
        return ("deployment", gone.pipeline, gone.environment, gone.number)
    return ("nothing", event.key)


# ── The three forms of an answer ──────────────────────────────────────────────────────────────


def _read(body: Mapping[str, Any]) -> tuple[set[Key], dict[Key, str]]:
    accepted: set[Key] = set()
    refused: dict[Key, str] = {}
    for home, lists in _objects(body.get("acceptedDevinfoEntities")):
        for name in LISTS.values():
            accepted |= {("repository", home, name, _text(each)) for each in _list(lists, name)}
    for home, lists in _objects(body.get("failedDevinfoEntities")):
        if _list(lists, "errorMessages"):
            refused["repository", home] = messages(lists.get("errorMessages"))
        for name in LISTS.values():
            for each in _list(lists, name):
                if isinstance(each, dict):
                    said = messages(each.get("errorMessages"))
                    refused["repository", home, name, _text(each.get("id"))] = said
    for each in (*_list(body, "acceptedBuilds"), *_list(body, "acceptedDeployments")):
        accepted.add(_composite(each))
    for each in (*_list(body, "rejectedBuilds"), *_list(body, "rejectedDeployments")):
        if isinstance(each, dict):
            refused[_composite(each.get("key"))] = messages(each.get("errors"))
    return accepted, refused


def _composite(key: object) -> Key:
    if not isinstance(key, dict):
        return ("nothing", "")
    if "buildNumber" in key:
        return ("build", _text(key.get("pipelineId")), _number(key["buildNumber"]))
    return (
        "deployment",
        _text(key.get("pipelineId")),
        _text(key.get("environmentId")),
        _number(key.get("deploymentSequenceNumber")),
    )


def _unknown(body: Mapping[str, Any]) -> frozenset[str]:
    """The keys that this site does not have, whichever way they were named."""
    named = [each for each in _list(body, "unknownIssueKeys") if isinstance(each, str)]
    for each in _list(body, "unknownAssociations"):
        if isinstance(each, dict):
            named += [one for one in _list(each, "values") if isinstance(one, str)]
    return frozenset(key.upper() for key in named)


def _objects(raw: object) -> list[tuple[str, dict[str, Any]]]:
    """The members of an object that are objects."""
    if not isinstance(raw, dict):
        return []
    return [(name, each) for name, each in raw.items() if isinstance(each, dict)]


def _list(raw: Mapping[str, Any], name: str) -> list[Any]:
    value = raw.get(name)
    return value if isinstance(value, list) else []


def _text(raw: object) -> str:
    return raw if isinstance(raw, str) else str(raw) if isinstance(raw, int) else ""


def _number(raw: object) -> int | None:
    """A whole number, which some tell as a text."""
    text = _text(raw)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _message(raw: object) -> str:
    said = raw.get("message") if isinstance(raw, dict) else raw
    return said if isinstance(said, str) else ""
