"""What can be read: the organization, people, projects, jobs, applications and their rights."""

from __future__ import annotations

from typing import Any

from integrations.sandbox.jetbrains_space import render
from integrations.sandbox.jetbrains_space.call import Call
from integrations.sandbox.jetbrains_space.errors import denied, invalid, no
from integrations.sandbox.jetbrains_space.identity import Principal
from integrations.sandbox.jetbrains_space.rights import RIGHTS
from integrations.sandbox.jetbrains_space.world import JOBS, Project

Json = dict[str, Any]


def organization(call: Call) -> Json:
    return render.organization(call.world)


def profiles(call: Call) -> Json:
    call.require("Profile.View")
    return call.batch(list(call.world.people.values()), render.profile)


def profile(call: Call) -> Json:
    found = call.profile()
    call.require("Profile.View")
    return render.profile(found)


def memberships(call: Call) -> Json:
    call.require("Profile.Memberships.View")
    return call.batch(list(call.world.people.values()), render.membership)


def projects(call: Call) -> Json:
    term = call.first("term").lower()
    seen = [one for one in call.seen("Project.View") if term in one.name.lower()]
    return call.batch(seen, render.project)


def project(call: Call) -> Json:
    return render.project(call.project())


def jobs(call: Call) -> Json:
    """Both filters must be there, be they empty."""
    for name in ("repoFilter", "branchFilter"):
        if name not in call.request.parameters:
            raise invalid(f"Parameter {name} is missing")
    one = call.project()
    call.require("Automation.Execution.View", one)
    return call.batch(JOBS, lambda name: render.job(one, name))


# ── applications ──────────────────────────────────────────────────────────────────────────────


def application(call: Call) -> Json:
    return render.app(call.app())


def contexts(call: Call) -> list[Json]:
    app = call.app()
    _require_telling(call)
    return [render.context(where, call.world) for where in app.rights]


def rights(call: Call) -> list[Json]:
    """All rights that this application has, or asked for, in a context."""
    app = call.app()
    _require_telling(call)
    where = call.first("contextIdentifier")
    if not where:
        raise invalid("Parameter contextIdentifier is missing")
    return [render.right(code, status) for code, status in app.rights.get(where, {}).items()]


def _require_telling(call: Call) -> None:
    if not call.switches.applications_tell_rights:
        raise denied("Applications.View")


# ── rights of anybody ─────────────────────────────────────────────────────────────────────────


def check_permission(call: Call) -> bool:
    """Whether a principal has a right at a target; of others, administrators may ask."""
    if not call.switches.checks_permissions:
        raise denied("Applications.View")
    asked = call.body()
    code = asked.get("uniqueRightCode")
    if code not in RIGHTS:
        raise invalid(f"Unknown right: {code}")
    return _principal(call, str(asked.get("principal"))).holds(str(code), _target(call, asked))


def _principal(call: Call, wanted: str) -> Principal:
    kind, _, rest = wanted.partition(":")
    own = {"profile": call.who.profile, "application": call.who.app}.get(kind)
    if rest != "me" or own is None:
        raise no("Principal", wanted)
    return call.who


def _target(call: Call, asked: Json) -> Project | None:
    target = asked.get("target")
    kind = target.get("className") if isinstance(target, dict) else None
    if kind == "GlobalPermissionTarget":
        return None
    if kind != "ProjectPermissionTarget" or not isinstance(target, dict):
        raise invalid(f"Unknown target: {kind}")
    found = call.world.project(str(target.get("project")))
    if found is None:
        raise no("Project", str(target.get("project")))
    return found
