"""Branches, tags, commits and commit statuses over REST."""

from __future__ import annotations

from typing import Any

from integrations.sandbox.bitbucket_cloud import render_code, render_reviews
from integrations.sandbox.bitbucket_cloud.call import Call
from integrations.sandbox.bitbucket_cloud.errors import failure, not_found
from integrations.sandbox.bitbucket_cloud.paging import Listing, dotted
from integrations.sandbox.bitbucket_cloud.switches import Switches
from integrations.sandbox.code.records import Commit
from integrations.sandbox.http import Response, json_response

Json = dict[str, Any]
STATES = ("FAILED", "INPROGRESS", "STOPPED", "SUCCESSFUL")


# ── refs ──────────────────────────────────────────────────────────────────────────────────────


def branches(call: Call) -> Listing:
    place = call.place()

    def value(name: str, field: str) -> Any:
        return name if field == "name" else dotted(render_code.branch(place, name), field)

    return Listing(list(place.contents.branches), lambda n: render_code.branch(place, n), value)


def branch(call: Call) -> Json:
    place = call.place()
    if call.ids["name"] not in place.contents.branches:
        raise not_found(f"Branch {call.ids['name']} not found")
    return render_code.branch(place, call.ids["name"])


def make_branch(call: Call) -> Response:
    """Make a branch where a commit is, named by its hash or by a branch."""
    wish, (workspace, repository) = call.json(), call.repository(needs="write")
    name, target = wish.get("name"), wish.get("target")
    revision = target.get("hash") if isinstance(target, dict) else None
    if not isinstance(name, str) or not name or not isinstance(revision, str):
        raise failure(400, "Bad request", fields={"name": ["name and target.hash are required."]})
    if name in call.contents().branches:
        data = {"key": "BRANCH_ALREADY_EXISTS"}
        raise failure(400, f'Branch "{name}" already exists.', data=data)
    actor = call.identity.user
    assert actor is not None
    call.deeds.branched(workspace, repository, actor, name, named(call, revision).hash)
    return json_response(render_code.branch(call.place(), name), 201)


def tags(call: Call) -> Listing:
    place = call.place()
    return Listing([render_code.tag(place, one) for one in place.contents.tags.values()])


def tag(call: Call) -> Json:
    place = call.place()
    if call.ids["name"] not in place.contents.tags:
        raise not_found(f"Tag {call.ids['name']} not found")
    return render_code.tag(place, place.contents.tags[call.ids["name"]])


def refs(call: Call) -> Listing:
    place = call.place()
    shown = [render_code.branch(place, name) for name in place.contents.branches]
    return Listing(shown + [render_code.tag(place, one) for one in place.contents.tags.values()])


# ── commits ───────────────────────────────────────────────────────────────────────────────────


def commits(call: Call) -> Listing:
    """Iterated without size or page, newest first; `include` and `exclude` may be repeated.

    A POST has them in its form. `path` is not known here: every commit touches every path.
    """
    place = call.place()
    given = {name: [*call.parameters.get(name, []), *call.form.get(name, [])]
             for name in ("include", "exclude")}  # fmt: skip
    if "revision" in call.ids:
        given["include"].append(call.ids["revision"])
    include = [named(call, revision).hash for revision in given["include"]]
    exclude = [named(call, revision).hash for revision in given["exclude"]]
    return Listing(
        place.contents.log(include or place.contents.heads(), exclude),
        lambda one: render_code.commit(place, one),
        counted=False,
        default_pagelen=30,
        filterable=False,
    )


def commit(call: Call) -> Json:
    return render_code.commit(call.place(), named(call, call.ids["commit"]))


def named(call: Call, revision: str) -> Commit:
    """Return the commit of a branch, tag or hash. Raises ApiError 404."""
    found = call.contents().find(revision)
    if found is None:
        raise failure(404, "Commit not found", data={"shas": [revision]})
    return found


def commit_pull_requests(call: Call) -> Listing:
    """The pull requests that brought a commit, once they are indexed: 202 before, 404 without.

    Unsourced is what starts the index: here the first question does, where the switch says so.
    """
    place, one = call.place(), named(call, call.ids["commit"])
    links = links_of(call.switches, place.contents.repository)
    if links == "absent":
        raise not_found(
            "Pull Request Commit Links app must be installed first before using this API."
        )
    return Listing(
        [] if links == "indexing" else place.contents.reviewed_in(one.hash),
        lambda each: render_reviews.short(place, each),
        default_pagelen=30,
        filterable=False,
        status=202 if links == "indexing" else 200,
    )


def links_of(switches: Switches, repository: str) -> str:
    """Return indexed, indexing or absent; `mixed` gives a tenth of the repositories each of the
    latter."""
    if switches.commit_links != "mixed":
        return switches.commit_links
    place = int(repository[1:9], 16) % 10
    return ("indexing", "absent")[place] if place < 2 else "indexed"


# ── statuses ──────────────────────────────────────────────────────────────────────────────────


def statuses(call: Call) -> Listing:
    place, one = call.place(), named(call, call.ids["commit"])
    found = list(place.contents.statuses.get(one.hash, {}).values())
    wanted = call.first("refname")
    return Listing(
        [render_code.status(place, each) for each in found if wanted in {"", each.refname}]
    )


def status(call: Call) -> Json:
    place, one = call.place(), named(call, call.ids["commit"])
    found = place.contents.statuses.get(one.hash, {}).get(call.ids["key"])
    if found is None:
        raise not_found(f"Build status {call.ids['key']} not found")
    return render_code.status(place, found)


def report_status(call: Call) -> Response:
    """Keep what a build server says; the same key overwrites."""
    one, wish = named(call, call.ids["commit"]), call.json()
    if not wish.get("key") or wish.get("state") not in STATES or not wish.get("url"):
        raise failure(400, "Bad request", fields={"key": ["key, state and url are required."]})
    workspace, repository = call.repository()
    actor = call.identity.user
    assert actor is not None
    made = call.deeds.reported(workspace, repository, actor, one, wish)
    return json_response(render_code.status(call.place(), made), 201)
