"""Pipelines, their steps, environments and deployments over REST."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from integrations.sandbox.bitbucket_cloud import render_builds
from integrations.sandbox.bitbucket_cloud.call import Call
from integrations.sandbox.bitbucket_cloud.errors import not_found
from integrations.sandbox.bitbucket_cloud.paging import Listing
from integrations.sandbox.bitbucket_cloud.place import Place
from integrations.sandbox.bitbucket_cloud.query import QueryRefused, moment
from integrations.sandbox.code.records import Pipeline

Json = dict[str, Any]
SORTS = ("created_on", "run_creation_date", "creator.uuid")
# Each filter with what it is held against.
FILTERS: dict[str, Callable[[Pipeline], str]] = {
    "creator.uuid": lambda one: one.creator,
    "target.ref_type": lambda one: one.ref_type.upper(),
    "target.ref_name": lambda one: one.ref_name,
    "target.branch": lambda one: one.ref_name,
    "target.commit.hash": lambda one: one.commit,
    "target.selector.pattern": lambda one: one.ref_name,
    "target.selector.type": lambda one: "BRANCH",
    "trigger_type": lambda one: one.trigger,
    "status": lambda one: word(one),
}


def word(one: Pipeline) -> str:
    """Say how a pipeline stands in the words of the `status` filter."""
    if one.state != "COMPLETED":
        return {"PENDING": "PENDING", "IN_PROGRESS": "BUILDING"}[one.state]
    return {"SUCCESSFUL": "PASSED"}.get(one.result, one.result)


def pipelines(call: Call) -> Listing:
    """Knows no `q`; newest first unless sorted otherwise."""
    place = call.place()
    key = call.choice("sort", ("", *SORTS, *(f"-{name}" for name in SORTS)))
    found = [one for one in reversed(place.contents.pipelines) if passes(call, one)]
    if key in {"created_on", "run_creation_date"}:
        found.reverse()
    elif key.removeprefix("-") == "creator.uuid":
        found.sort(key=lambda one: one.creator, reverse=key.startswith("-"))
    return Listing(found, lambda one: render_builds.pipeline(place, one), filterable=False)


def passes(call: Call, one: Pipeline) -> bool:
    for name, read in FILTERS.items():
        wanted = {value.upper() for value in call.parameters.get(name, ())}
        if wanted and read(one).upper() not in wanted:
            return False
    since = call.first("created_on")
    try:
        return not since or one.created_on >= moment(since)
    except QueryRefused:
        return False


def run(call: Call) -> tuple[Place, Pipeline]:
    """Return the pipeline in the path, named by its uuid or its number."""
    place, wanted = call.place(), call.ids["pipeline_uuid"].strip("{}")
    for one in place.contents.pipelines:
        if wanted in {one.uuid.strip("{}"), str(one.build_number)}:
            return place, one
    raise not_found(f"Pipeline {call.ids['pipeline_uuid']} not found")


def pipeline(call: Call) -> Json:
    return render_builds.pipeline(*run(call))


def steps(call: Call) -> Listing:
    place, one = run(call)
    return Listing([render_builds.step(place, each) for each in one.steps], filterable=False)


def step(call: Call) -> Json:
    place, one = run(call)
    for each in one.steps:
        if each.uuid.strip("{}") == call.ids["step_uuid"].strip("{}"):
            return render_builds.step(place, each)
    raise not_found(f"Step {call.ids['step_uuid']} not found")


def environments(call: Call) -> Listing:
    return Listing([render_builds.environment(one) for one in call.contents().environments])


def environment(call: Call) -> Json:
    for one in call.contents().environments:
        if one.uuid.strip("{}") == call.ids["environment_uuid"].strip("{}"):
            return render_builds.environment(one)
    raise not_found(f"Environment {call.ids['environment_uuid']} not found")


def deployments(call: Call) -> Listing:
    """Newest first; by which order Bitbucket lists them is unsourced."""
    place = call.place()
    shown = [render_builds.deployment(place, one) for one in reversed(place.contents.deployments)]
    return Listing(shown)


def deployment(call: Call) -> Json:
    place = call.place()
    for one in place.contents.deployments:
        if one.uuid.strip("{}") == call.ids["deployment_uuid"].strip("{}"):
            return render_builds.deployment(place, one)
    raise not_found(f"Deployment {call.ids['deployment_uuid']} not found")
