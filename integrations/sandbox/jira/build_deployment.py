"""Builds and deployments: submit, read, delete by key or by property.

Each is checked for itself; the request as a whole is refused for its form alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from integrations.sandbox.atlassian.errors import gateway, listed
from integrations.sandbox.http import Response, json_response
from integrations.sandbox.jira import rules
from integrations.sandbox.jira.checks import (
    Rule,
    has_both,
    subjects,
    wrong,
    wrong_properties,
    wrong_subjects,
)
from integrations.sandbox.jira.development import Entity, replaces
from integrations.sandbox.jira.provider_place import ACCEPTED, ProviderPlace, accepted

Json = dict[str, Any]
Key = tuple[Any, ...]
MOST, MOST_KEYS = 100, 100
SEQUENCE = "_updateSequenceNumber"
BOTH = "issueKeys and associations are mutually exclusive, please specify only one of them"


@dataclass(frozen=True, slots=True)
class Sort:
    """Builds, or deployments: their words, their rules, and what their key is made of."""

    name: str
    one: str
    rules: Mapping[str, Rule]
    key: Callable[[Json], Json]
    inside: Callable[[Json], list[str]]

    def held(self, place: ProviderPlace) -> dict[Key, Entity]:
        held: dict[Key, Entity] = getattr(place.provider, self.name)
        return held


def build_key(body: Json) -> Json:
    return {"pipelineId": body.get("pipelineId"), "buildNumber": body.get("buildNumber")}


def deployment_key(body: Json) -> Json:
    pipeline, environment = body.get("pipeline"), body.get("environment")
    return {
        "pipelineId": pipeline.get("id") if isinstance(pipeline, dict) else None,
        "environmentId": environment.get("id") if isinstance(environment, dict) else None,
        "deploymentSequenceNumber": body.get("deploymentSequenceNumber"),
    }


def inside_build(body: Json) -> list[str]:
    found = wrong(body["testInfo"], rules.TESTS) if body.get("testInfo") else []
    references = body.get("references")
    if references is not None and not 1 <= len(references) <= 5:
        found.append("'references' must contain between 1 and 5 references")
    return found


def inside_deployment(body: Json) -> list[str]:
    found = [f"pipeline: {each}" for each in wrong(body["pipeline"], rules.PIPELINE)]
    found += [f"environment: {each}" for each in wrong(body["environment"], rules.ENVIRONMENT)]
    associations = body.get("associations")
    if associations is not None and not 1 <= len(associations) <= 3:
        found.append("'associations' must contain between 1 and 3 associations")
    return found


BUILDS = Sort("builds", "build", rules.BUILD, build_key, inside_build)
DEPLOYMENTS = Sort("deployments", "deployment", rules.DEPLOYMENT, deployment_key, inside_deployment)


def submit(sort: Sort, place: ProviderPlace) -> Response:
    call = place.call
    place.check_size()
    body = call.object()
    found = check_request(sort, body)
    place.draw(len(found), backfill=False)
    good, bad, unknown = [], [], []
    for one in found:
        said = wrong_one(sort, one)
        issues, missing = issues_of(place, one)
        unknown += missing
        if not said and not issues and not other_associations(one):
            said = [f"No valid issues found for {sort.one}"]
        if said:
            bad.append({"key": sort.key(one), "errors": [{"message": each} for each in said]})
            continue
        good.append(sort.key(one))
        properties = {k: str(v) for k, v in (body.get("properties") or {}).items()}
        deed = partial(store, sort, place, one, issues, properties)
        place.development.later(float(call.switches.apply_seconds), deed)
    told = list(dict.fromkeys(unknown)) if call.switches.unknown_keys == "told" else []
    place.development.received.append(
        {
            "what": sort.name,
            "by": call.identity.name,
            "entities": len(found),
            "at": call.now,
            "told": [told_of(sort, one) for one in found],
        }
    )
    word = sort.name.capitalize()
    answer = {f"accepted{word}": good, f"rejected{word}": bad, "unknownIssueKeys": told}
    return json_response({**answer, "unknownAssociations": []}, ACCEPTED)


def told_of(sort: Sort, one: Json) -> list[Any]:
    """One as it came, whether or not it is taken: its list, its home, its number, its sequence."""
    *home, number = sort.key(one).values()
    return [sort.name, "/".join(map(str, home)), str(number), one.get("updateSequenceNumber")]


def check_request(sort: Sort, body: Json) -> list[Json]:
    """Return what was submitted. Raises ApiError 400 or 413."""
    found = body.get(sort.name)
    if not isinstance(found, list) or not found:
        raise listed(400, f"'{sort.name}' must contain between 1 and {MOST} entries")
    if not all(isinstance(each, dict) for each in found):
        raise listed(400, f"'{sort.name}' is invalid")
    if len(found) > MOST:
        raise listed(413, f"Data is too large. Submit fewer {sort.name} in each payload.")
    said = wrong_properties(body.get("properties"))
    if said:
        raise listed(400, said)
    for one in found:
        if any(part is None for part in sort.key(one).values()):
            raise listed(400, f"The key of each {sort.one} is required")
    return found


def wrong_one(sort: Sort, one: Json) -> list[str]:
    if has_both(one):
        return [BOTH]
    found = wrong(one, sort.rules) + wrong_subjects(one, MOST_KEYS)
    return found or sort.inside(one)


def other_associations(one: Json) -> bool:
    """Whether something else than an issue is named: a service, a commit, a repository."""
    kinds = {each.get("associationType") for each in one.get("associations") or ()}
    return bool(kinds - {"issueKeys", "issueIdOrKeys"})


def issues_of(place: ProviderPlace, one: Json) -> tuple[list[str], list[str]]:
    """Return the ids of the issues that are named, also through commits, and unknown keys."""
    found, missing = [], []
    for key in subjects(one):
        issue = place.data.issue(key)
        if issue is None:
            missing.append(key)
        else:
            found.append(issue.id)
    for association in one.get("associations") or ():
        if association.get("associationType") == "commit":
            found += [id_ for value in association["values"] for id_ in of_commit(place, value)]
    return list(dict.fromkeys(found)), missing


def of_commit(place: ProviderPlace, value: Any) -> list[str]:
    """Return the issues of a commit that this provider has submitted before."""
    if not isinstance(value, dict):
        return []
    repository = place.provider.repositories.get(str(value.get("repositoryId")))
    commit = (
        repository.entities["commits"].get(str(value.get("commitHash"))) if repository else None
    )
    return commit.issues if commit else []


def store(
    sort: Sort, place: ProviderPlace, one: Json, issues: list[str], properties: dict[str, str]
) -> None:
    """Store it unless a newer one is there."""
    held, key = sort.held(place), tuple(sort.key(one).values())
    old, sequence = held.get(key), one["updateSequenceNumber"]
    if replaces(old, sequence):
        order = place.development.next_order()
        held[key] = Entity(one, sequence, issues, order, properties)


def show(sort: Sort, place: ProviderPlace) -> Response:
    found = sort.held(place).get(path_key(place))
    if found is None:
        raise gateway(404)
    return json_response(found.body)


def delete(sort: Sort, place: ProviderPlace) -> Response:
    """Delete one by its key; a sequence number is no longer looked at."""
    key = path_key(place)

    def deed() -> None:
        sort.held(place).pop(key, None)

    place.development.later(float(place.call.switches.apply_seconds), deed)
    return accepted()


def delete_by_properties(sort: Sort, place: ProviderPlace) -> Response:
    try:
        wanted = place.properties(SEQUENCE)
    except Exception as error:
        raise listed(400, "At least one property must be specified, and none twice") from error

    def deed() -> None:
        held = sort.held(place)
        for key in [key for key, entity in held.items() if entity.has(wanted)]:
            del held[key]

    place.development.later(float(place.call.switches.apply_seconds), deed)
    return accepted()


def path_key(place: ProviderPlace) -> Key:
    ids = place.call.ids
    last = place.number("number")
    return (ids["pipeline"], ids["environment"], last) if "environment" in ids else (
        ids["pipeline"], last
    )  # fmt: skip


def gating(place: ProviderPlace) -> Response:
    """Say that a deployment may go on."""
    key = path_key(place)
    found = place.provider.deployments.get(key)
    if found is None:
        raise gateway(404)
    return json_response(
        {
            "updatedTimestamp": found.body["lastUpdated"],
            "gatingStatus": "allowed",
            "details": [],
            "pipelineId": key[0],
            "environmentId": key[1],
            "deploymentSequenceNumber": key[2],
        }
    )
