"""Webhook subscriptions over REST, and the catalogue of events."""

from __future__ import annotations

from typing import Any

from integrations.sandbox.bitbucket_cloud import render
from integrations.sandbox.bitbucket_cloud.call import Call
from integrations.sandbox.bitbucket_cloud.errors import (
    forbidden,
    not_found,
    scope_missing,
)
from integrations.sandbox.bitbucket_cloud.paging import Listing
from integrations.sandbox.bitbucket_cloud.subscriptions import (
    OF_REPOSITORIES,
    OF_WORKSPACES,
    READS,
    Subject,
    shown,
)
from integrations.sandbox.bitbucket_cloud.world import ADMINISTRATORS
from integrations.sandbox.code.records import Hook
from integrations.sandbox.http import Response, json_response

Json = dict[str, Any]
CATALOGUE = {"repository": OF_REPOSITORIES, "workspace": OF_WORKSPACES}


def hooks(call: Call) -> Listing:
    subject = watched(call)
    known = [*call.subscriptions.of(subject), *call.subscriptions.also(subject)]
    return Listing(known, lambda one: rendered(call, one))


def hook(call: Call) -> Json:
    return rendered(call, found(call, watched(call)))


def create(call: Call) -> Response:
    subject = watched(call)
    wish = call.json()
    check_reach(call, wish)
    answer = rendered(call, call.subscriptions.create(subject, wish))
    return json_response(answer, 201, {"Location": answer["links"]["self"]["href"]})


def update(call: Call) -> Json:
    subject = watched(call)
    one, wish = found(call, subject), call.json()
    check_reach(call, wish)
    call.subscriptions.update(subject, one, wish)
    return rendered(call, one)


def delete(call: Call) -> Response:
    subject = watched(call)
    call.subscriptions.delete(subject, found(call, subject))
    return Response(204)


def watched(call: Call) -> Subject:
    """Return what the hooks in the path watch. Owners and administrators only: others get 403."""
    if "repo_slug" in call.ids:
        return call.repository(needs="admin")[1]
    workspace = call.workspace()
    if call.identity.membership(workspace) not in ADMINISTRATORS and not call.identity.acts:
        raise forbidden()
    return workspace


def found(call: Call, subject: Subject) -> Hook:
    wanted = call.ids["uid"].strip("{}")
    for one in call.subscriptions.of(subject):
        if one.uuid.strip("{}") == wanted:
            return one
    raise not_found(f"Hook {call.ids['uid']} not found")


def check_reach(call: Call, wish: Json) -> None:
    """Ask for the read scope of everything that the events speak of. Raises ApiError 403."""
    place = 1 if call.identity.vocabulary == "granular" else 0
    events = wish.get("events")
    kinds = {str(event).partition(":")[0] for event in events} if isinstance(events, list) else ()
    required = {READS[kind][place] for kind in kinds if kind in READS}
    if not required <= call.identity.effective:
        raise scope_missing(required, call.identity.granted)


def rendered(call: Call, one: Hook) -> Json:
    if "repo_slug" in call.ids:
        workspace, repository = call.repository()
        subject = render.repository_short(repository, workspace, call.origin)
        path = f"repositories/{workspace.slug}/{repository.slug}"
        return shown(one, "repository", subject, f"{call.origin}/2.0/{path}/hooks")
    workspace = call.workspace()
    subject = render.workspace_short(workspace, call.origin)
    address = f"{call.origin}/2.0/workspaces/{workspace.slug}/hooks"
    return shown(one, "workspace", subject, address)


# ── the catalogue of events ───────────────────────────────────────────────────────────────────


def hook_events(call: Call) -> Json:
    return {
        subject: {"events": render.link(f"{call.origin}/2.0/hook_events/{subject}")}
        for subject in CATALOGUE
    }


def hook_events_of(call: Call) -> Listing:
    if call.ids["subject_type"] not in CATALOGUE:
        raise not_found(f"{call.ids['subject_type']} is not a valid subject type")
    return Listing(
        [
            {
                "event": event,
                "category": event.partition(":")[0].capitalize(),
                "label": event.partition(":")[2].replace("_", " ").capitalize(),
                "description": f"When {event} happens",
            }
            for event in CATALOGUE[call.ids["subject_type"]]
        ],
        default_pagelen=30,
    )
