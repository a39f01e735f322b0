"""Development information: submit, read, delete by id or by property, ask whether there is any."""

from __future__ import annotations

from typing import Any

from integrations.sandbox.atlassian.errors import development, gateway
from integrations.sandbox.http import Response, json_response
from integrations.sandbox.jira.development import KINDS, Repository
from integrations.sandbox.jira.provider_place import ACCEPTED, ProviderPlace, accepted
from integrations.sandbox.jira.smart import Smart
from integrations.sandbox.jira.submitting import Submission, check_request, count

Json = dict[str, Any]
NEWEST = 400
SEQUENCE = "_updateSequenceId"
IN_PATHS = {"commit": "commits", "branch": "branches", "pull_request": "pullRequests"}


def submit(place: ProviderPlace) -> Response:
    call = place.call
    place.check_size()
    body = call.object()
    repositories = check_request(body)
    backfill = body.get("operationType") == "BACKFILL"
    place.draw(count(repositories), backfill=backfill)
    wait = float(call.switches.apply_seconds)
    smart = Smart(place.data, [each for each in place.members if each.active])
    given = (place.data, place.development, place.provider, smart, body, wait, call.now)
    outcome = Submission(*given).run()
    place.development.received.append(
        {
            "what": "devinfo",
            "by": call.identity.name,
            "entities": count(repositories),
            "repositories": len(repositories),
            "backfill": backfill,
            "prevent_transitions": bool(body.get("preventTransitions")),
            "at": call.now,
            "told": told_of(repositories),
        }
    )
    said = outcome.body(tells_unknown=call.switches.unknown_keys == "told")
    return json_response(said, ACCEPTED)


def told_of(repositories: list[Json]) -> list[list[Any]]:
    """Each entity as it came, whether or not it is taken: its list, its home, its id, its sequence.

    A branch that came with its pull request is marked by that one's id.
    """
    found: list[list[Any]] = []
    for one in repositories:
        pulls = {
            (each.get("sourceBranch"), each.get("updateSequenceId")): each.get("id")
            for each in one.get("pullRequests") or ()
        }
        for kind in KINDS:
            for each in one.get(kind) or ():
                sequence = each.get("updateSequenceId")
                by = pulls.get((each.get("name"), sequence), "") if kind == "branches" else ""
                found.append([kind, one["id"], f"{each.get('id')}{by and f' of {by}'}", sequence])
    return found


def show(place: ProviderPlace) -> Response:
    """Return what is stored of a repository with its newest entities."""
    identifier = place.call.ids["repository"]
    found = place.provider.repositories.get(identifier)
    if found is None:
        raise gateway(404)
    kept = sorted(found.all(), key=lambda entity: -entity.order)[:NEWEST]
    orders = {entity.order for entity in kept}
    lists = {
        kind: [e.body for e in found.entities[kind].values() if e.order in orders] for kind in KINDS
    }
    return json_response({**found.body, **lists})


def delete_repository(place: ProviderPlace) -> Response:
    identifier, until = place.call.ids["repository"], place.sequence(SEQUENCE)

    def deed() -> None:
        found = place.provider.repositories.get(identifier)
        if found is not None:
            empty(found, until)
            if until is None or (found.sequence <= until and not found.all()):
                del place.provider.repositories[identifier]

    place.development.later(float(place.call.switches.apply_seconds), deed)
    return accepted()


def empty(repository: Repository, until: int | None) -> None:
    """Forget the entities up to this sequence number, or all."""
    for held in repository.entities.values():
        for key in [k for k, e in held.items() if until is None or e.sequence <= until]:
            del held[key]


def delete_entity(place: ProviderPlace) -> Response:
    ids, until = place.call.ids, place.sequence(SEQUENCE)
    kind = IN_PATHS.get(ids["kind"])
    if kind is None:
        raise development(400, f"Wrong entity type specified: {ids['kind']}")

    def deed() -> None:
        repository = place.provider.repositories.get(ids["repository"])
        held = repository.entities[kind] if repository else {}
        found = held.get(ids["entity"])
        if found is not None and (until is None or found.sequence <= until):
            del held[ids["entity"]]

    place.development.later(float(place.call.switches.apply_seconds), deed)
    return accepted()


def delete_by_properties(place: ProviderPlace) -> Response:
    """Delete every repository that has all these properties; a sequence number is ignored."""
    place.sequence(SEQUENCE)
    wanted = place.properties(SEQUENCE)

    def deed() -> None:
        held = place.provider.repositories
        for key in [key for key, repository in held.items() if repository.has(wanted)]:
            del held[key]

    place.development.later(float(place.call.switches.apply_seconds), deed)
    return accepted()


def exists(place: ProviderPlace) -> Response:
    """Say whether a repository has all these properties, up to a sequence number."""
    until = place.sequence(SEQUENCE)
    wanted = place.properties(SEQUENCE)
    found = any(
        repository.has(wanted) and (until is None or repository.sequence <= until)
        for repository in place.provider.repositories.values()
    )
    return json_response({"hasDataMatchingProperties": found})
