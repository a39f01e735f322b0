"""Pipelines, steps, environments and deployments in Bitbucket's JSON."""

from __future__ import annotations

from typing import Any

from integrations.sandbox.bitbucket_cloud import render
from integrations.sandbox.bitbucket_cloud.place import Place
from integrations.sandbox.code.records import Deployment, Environment, Pipeline, Step

Json = dict[str, Any]


def pipeline(place: Place, one: Pipeline) -> Json:
    own = f"{place.api}/pipelines/{render.encoded(one.uuid)}"
    return {
        "type": "pipeline",
        "uuid": one.uuid,
        "build_number": one.build_number,
        "repository": place.ours(),
        "creator": place.person(one.creator),
        "target": {
            "type": "pipeline_ref_target",
            "ref_type": one.ref_type,
            "ref_name": one.ref_name,
            "commit": commit(place, one.commit),
            "selector": {"type": "branches", "pattern": one.ref_name},
        },
        "trigger": {
            "type": f"pipeline_trigger_{one.trigger.lower()}",
            "name": one.trigger,
        },
        "state": state("pipeline_state", one.state, one.result),
        "created_on": one.created_on,
        **({"completed_on": one.completed_on} if one.completed_on else {}),
        "build_seconds_used": one.seconds,
        "links": {"self": render.link(own), "steps": render.link(f"{own}/steps")},
    }


def commit(place: Place, mark: str) -> Json:
    return {
        "type": "commit",
        "hash": mark,
        "links": {
            "self": render.link(f"{place.api}/commit/{mark}"),
            "html": render.link(f"{place.html}/commits/{mark}"),
        },
    }


def state(kind: str, name: str, result: str) -> Json:
    """A state, with its result when it is completed and its stage while it runs."""
    shown: Json = {"type": f"{kind}_{name.lower()}", "name": name}
    if name == "COMPLETED":
        shown["result"] = {"type": f"{kind}_completed_{result.lower()}", "name": result}
    elif name == "IN_PROGRESS":
        shown["stage"] = {"type": f"{kind}_in_progress_running", "name": "RUNNING"}
    return shown


def step(place: Place, one: Step) -> Json:
    return {
        "type": "pipeline_step",
        "uuid": one.uuid,
        "name": one.name,
        "state": state("pipeline_step_state", one.state, one.result),
        "started_on": one.started_on,
        **({"completed_on": one.completed_on} if one.completed_on else {}),
        "image": {"name": "atlassian/default-image:4"},
        "setup_commands": [],
        "script_commands": [],
    }


def environment(one: Environment) -> Json:
    return {
        "type": "deployment_environment",
        "uuid": one.uuid,
        "name": one.name,
        "slug": one.name.lower().replace(" ", "-"),
        "environment_type": {"type": "deployment_environment_type", "name": one.kind},
    }


def deployment(place: Place, one: Deployment) -> Json:
    found = next(each for each in place.contents.environments if each.uuid == one.environment)
    return {
        "type": "deployment",
        "uuid": one.uuid,
        "number": one.number,
        "environment": environment(found),
        "release": release(place, one),
        "deployable": release(place, one),
        "step": {"uuid": one.step},
        "state": deployment_state(place, one),
        "last_update_time": one.completed_on or one.started_on,
    }


def release(place: Place, one: Deployment) -> Json:
    built = one.release.removeprefix("#")
    return {
        "type": "deployment_release",
        "uuid": one.pipeline,
        "name": one.release,
        "url": f"{place.html}/pipelines/results/{built}",
        "commit": commit(place, one.commit),
        "pipeline": {"type": "pipeline", "uuid": one.pipeline},
        "created_on": one.started_on,
    }


def deployment_state(place: Place, one: Deployment) -> Json:
    kind = f"deployment_state_{one.state.lower()}"
    shown: Json = {
        "type": kind,
        "name": one.state,
        "url": release(place, one)["url"],
        "deployer": place.person(one.deployer),
        "started_on": one.started_on,
    }
    if one.state == "COMPLETED":
        status = {"type": f"{kind}_status_{one.status.lower()}", "name": one.status}
        shown |= {"status": status, "completed_on": one.completed_on}
    return shown
