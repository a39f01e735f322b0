"""Makes the first pipelines, commit statuses, environments and deployments of a repository."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

from integrations.sandbox.code.contents import Contents
from integrations.sandbox.code.marks import identifier, moment
from integrations.sandbox.code.parts import User
from integrations.sandbox.code.records import (
    Commit,
    Deployment,
    Environment,
    Pipeline,
    Status,
    Step,
)

RESULTS = ("SUCCESSFUL", "SUCCESSFUL", "FAILED", "STOPPED", "ERROR")
STEPS = ("Build and test", "Check style", "Deploy")
ENVIRONMENTS = (("Test", "Test"), ("Staging", "Staging"), ("Production", "Production"))
# What a pipeline's result is called as a commit's status.
AS_STATUS = {"SUCCESSFUL": "SUCCESSFUL", "STOPPED": "STOPPED", "": "INPROGRESS"}


def plant_builds(
    contents: Contents,
    chance: random.Random,
    count: int,
    main: str,
    people: Sequence[User],
    with_environments: bool,
) -> None:
    """Add what built the newest commits of the main branch and of the open pull requests."""
    log = contents.log([contents.branches[main]])
    for build in range(1, count + 1):
        commit = log[min(len(log) - 1, count - build)]
        creator = chance.choice(people).uuid
        contents.pipelines.append(pipeline_of(chance, build, commit, main, creator))
        contents.status(status_of(contents.pipelines[-1]))
    for wanted in contents.pull_requests.values():
        if wanted.state == "OPEN":
            commit = contents.commits[wanted.source_hash]
            contents.status(outside_status(commit, wanted.source, chance))
    if with_environments:
        contents.environments = [
            Environment(identifier(chance), name, kind) for name, kind in ENVIRONMENTS
        ]
        plant_deployments(contents, chance)


def pipeline_of(
    chance: random.Random, build: int, commit: Commit, branch: str, creator: str
) -> Pipeline:
    result = RESULTS[build % len(RESULTS)]
    seconds = chance.randrange(20, 1800)
    begun = datetime.fromisoformat(commit.date) + timedelta(seconds=4 + build)
    ended = moment(begun + timedelta(seconds=seconds))
    names = STEPS[: 1 + build % len(STEPS)]
    steps = [Step(identifier(chance), name, "COMPLETED", "SUCCESSFUL", moment(begun), ended)
             for name in names]  # fmt: skip
    steps[-1].result = result
    return Pipeline(
        uuid=identifier(chance),
        build_number=build,
        creator=creator,
        ref_type="branch",
        ref_name=branch,
        commit=commit.hash,
        trigger="PUSH",
        state="COMPLETED",
        result=result,
        created_on=moment(begun),
        completed_on=ended,
        seconds=seconds,
        steps=steps,
    )


def status_of(pipeline: Pipeline) -> Status:
    """Return the status that Pipelines puts on a commit; `url` is completed when it is shown."""
    return Status(
        commit=pipeline.commit,
        key=f"PIPELINE-{pipeline.build_number}",
        state=AS_STATUS.get(pipeline.result, "FAILED"),
        name=f"Pipeline #{pipeline.build_number} for {pipeline.ref_name}",
        description="",
        url=f"pipelines/results/{pipeline.build_number}",
        refname=pipeline.ref_name,
        created_on=pipeline.created_on,
        updated_on=pipeline.completed_on or pipeline.created_on,
    )


def outside_status(commit: Commit, branch: str, chance: random.Random) -> Status:
    """Return what another build server says of a commit."""
    number = chance.randrange(100, 9999)
    state = chance.choice(("SUCCESSFUL", "SUCCESSFUL", "FAILED", "INPROGRESS"))
    return Status(
        commit=commit.hash,
        key="ci/unit",
        state=state,
        name=f"Unit tests #{number}",
        description="",
        url=f"https://ci.example/builds/{number}",
        refname=branch,
        created_on=commit.date,
        updated_on=commit.date,
    )


def plant_deployments(contents: Contents, chance: random.Random) -> None:
    """Bring the newest successful builds to Staging, and every second of them to Production."""
    built = [one for one in contents.pipelines if one.result == "SUCCESSFUL"][-6:]
    _, staging, production = contents.environments
    for place, pipeline in enumerate(built):
        places = [staging, production] if place % 2 else [staging]
        for environment in places:
            contents.deployments.append(
                Deployment(
                    uuid=identifier(chance),
                    number=len(contents.deployments) + 1,
                    environment=environment.uuid,
                    pipeline=pipeline.uuid,
                    step=pipeline.steps[-1].uuid,
                    commit=pipeline.commit,
                    release=f"#{pipeline.build_number}",
                    state="COMPLETED",
                    status="SUCCESSFUL",
                    deployer=pipeline.creator,
                    started_on=pipeline.completed_on,
                    completed_on=pipeline.completed_on,
                )
            )
