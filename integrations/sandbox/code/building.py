"""What machines do: commit statuses, pipelines with their steps, deployments."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Generic

from integrations.sandbox.code.marks import identifier, moment
from integrations.sandbox.code.parts import P, R, U, W
from integrations.sandbox.code.planting_builds import STEPS, status_of
from integrations.sandbox.code.records import (
    Commit,
    Deployment,
    Environment,
    Pipeline,
    Status,
    Step,
)
from integrations.sandbox.code.stage import Stage

Json = dict[str, Any]
STATES = ("SUCCESSFUL", "FAILED", "INPROGRESS", "STOPPED")
RESULTS = ("SUCCESSFUL", "FAILED", "STOPPED", "ERROR", "EXPIRED")


class Building(Generic[W, R, P, U]):
    """Statuses are told of; pipelines through the statuses they put, deployments not at all."""

    def __init__(self, stage: Stage[W, R, P, U]) -> None:
        self._stage = stage

    def status(self, place: P, actor: U, wish: Json) -> Status:
        """Keep a build's word on a `commit`. Raises LookupError or ValueError."""
        commit, now = self._commit(place, wish), self._stage.now()
        key, state = str(wish.get("key") or "build"), str(wish.get("state") or "SUCCESSFUL")
        if state not in STATES:
            raise ValueError(f"state is one of {', '.join(STATES)}")
        old = place.contents.statuses.get(commit.hash, {}).get(key)
        made = Status(
            commit=commit.hash,
            key=key,
            state=state,
            name=str(wish.get("name") or (old.name if old else key)),
            description=str(wish.get("description") or ""),
            url=str(wish.get("url") or (old.url if old else f"https://ci.example/{key}")),
            refname=wish.get("refname") or (old.refname if old else None),
            created_on=old.created_on if old else now,
            updated_on=now,
        )
        return self._keep(place, actor, made)

    def _keep(self, place: P, actor: U, made: Status) -> Status:
        known = made.key in place.contents.statuses.get(made.commit, {})
        place.contents.status(made)
        self._stage.tell_of_build(place, actor, made, known)
        return made

    def _commit(self, place: P, wish: Json) -> Commit:
        """Return the commit that `commit` or `branch` names, else the newest of the main branch."""
        revision = str(wish.get("commit") or wish.get("branch") or place.repository.mainbranch)
        found = place.contents.find(revision)
        if found is None:
            raise LookupError(f"no revision {revision!r}")
        return found

    def pipeline(self, place: P, actor: U, wish: Json) -> Pipeline:
        """Start a pipeline, or bring the one of number `pipeline` further; a `result` ends it."""
        if "pipeline" in wish:
            wanted = int(wish["pipeline"])
            found = [one for one in place.contents.pipelines if one.build_number == wanted]
            if not found:
                raise LookupError(f"no pipeline {wanted}")
            one = found[0]
        else:
            one = self._start(place, actor, wish)
        result = str(wish.get("result") or ("" if wish.get("running") else "SUCCESSFUL"))
        if result:
            self._end(place, actor, one, result)
        return one

    def _start(self, place: P, actor: U, wish: Json) -> Pipeline:
        commit, now = self._commit(place, wish), self._stage.now()
        named = wish.get("steps", 2)
        names = named if isinstance(named, list) else STEPS[: int(named)]
        made = Pipeline(
            uuid=identifier(self._stage.chance),
            build_number=len(place.contents.pipelines) + 1,
            creator=actor.uuid,
            ref_type="branch",
            ref_name=str(wish.get("branch") or place.repository.mainbranch),
            commit=commit.hash,
            trigger=str(wish.get("trigger") or "PUSH").upper(),
            state="IN_PROGRESS",
            result="",
            created_on=now,
            completed_on="",
            seconds=0,
            steps=[
                Step(identifier(self._stage.chance), str(name), "IN_PROGRESS", "", now, "")
                for name in names
            ],
        )
        place.contents.pipelines.append(made)
        self._keep(place, actor, status_of(made))
        return made

    def _end(self, place: P, actor: U, one: Pipeline, result: str) -> None:
        if result not in RESULTS:
            raise ValueError(f"result is one of {', '.join(RESULTS)}")
        now = self._stage.now()
        begun = datetime.fromisoformat(one.created_on)
        one.seconds = max(1, int((datetime.fromisoformat(now) - begun).total_seconds()))
        one.state, one.result = "COMPLETED", result
        one.completed_on = max(now, moment(begun + timedelta(seconds=1)))
        for step in one.steps:
            step.state, step.result, step.completed_on = "COMPLETED", "SUCCESSFUL", now
        one.steps[-1].result = result
        self._keep(place, actor, status_of(one))

    def deployment(self, place: P, actor: U, wish: Json) -> Deployment:
        """Bring what a pipeline built to an `environment`, which is made where it is missing."""
        contents, now = place.contents, self._stage.now()
        number = wish.get("pipeline")
        built = [one for one in contents.pipelines if number in (None, one.build_number)]
        if not built:
            raise LookupError("no pipeline whose build could be deployed")
        state = str(wish.get("state") or "COMPLETED")
        made = Deployment(
            uuid=identifier(self._stage.chance),
            number=len(contents.deployments) + 1,
            environment=self._environment(place, str(wish.get("environment") or "Staging")).uuid,
            pipeline=built[-1].uuid,
            step=built[-1].steps[-1].uuid,
            commit=built[-1].commit,
            release=f"#{built[-1].build_number}",
            state=state,
            status=str(wish.get("status") or "SUCCESSFUL") if state == "COMPLETED" else "",
            deployer=actor.uuid,
            started_on=now,
            completed_on=now if state == "COMPLETED" else "",
        )
        contents.deployments.append(made)
        return made

    def _environment(self, place: P, name: str) -> Environment:
        for one in place.contents.environments:
            if one.name == name:
                return one
        made = Environment(identifier(self._stage.chance), name, "Test")
        place.contents.environments.append(made)
        return made
