"""Refs, commits, builds and deployments over REST."""

from __future__ import annotations

from typing import Any

from integrations.sandbox.bitbucket_data_center import render_code, render_reviews
from integrations.sandbox.bitbucket_data_center.call import Call
from integrations.sandbox.bitbucket_data_center.errors import failure, invalid, no_commit, no_thing
from integrations.sandbox.bitbucket_data_center.place import Place
from integrations.sandbox.code.contents import Contents
from integrations.sandbox.code.records import Commit

Json = dict[str, Any]
HEADS, TAGS = "refs/heads/", "refs/tags/"
REPORTED = {"CANCELLED": "STOPPED"}


# ── refs ──────────────────────────────────────────────────────────────────────────────────────


def branches(call: Call) -> Json:
    """By name, or the one that moved last first."""
    place = call.place()
    names = sorted(name for name in place.contents.branches if fits(call, name))
    if call.first("orderBy") != "ALPHABETICAL":
        order = {mark: number for number, mark in enumerate(place.contents.commits)}
        names.sort(key=lambda name: -order[place.contents.branches[name]])
    return call.page(names, lambda name: render_code.branch(place, name))


def make_branch(call: Call) -> Json:
    """Make a branch where its start point is, a hash or the name of a ref."""
    who, wish = call.somebody(), call.body()
    name, start = wish.get("name"), wish.get("startPoint")
    if not isinstance(name, str) or not name or not isinstance(start, str):
        raise invalid("name and startPoint are required")
    place = call.place(changing=True)
    if name in place.contents.branches:
        message = f"Branch '{name}' already exists in repository '{place.repository.slug}'."
        raise failure(409, message, "repository.DuplicateRefException")
    begins = named(place.contents, start)
    if begins is None:
        raise no_commit(start, place.repository.slug)
    user = who.user or next(iter(call.world.users.values()))
    call.deeds.pushing.push(place, user, {"branch": name, "from": begins.hash, "commits": 0})
    return render_code.branch(place, name)


def tags(call: Call) -> Json:
    found = call.place().contents.tags
    names = sorted(name for name in found if fits(call, name))
    return call.page(names, lambda name: render_code.tag(found[name]))


def tag(call: Call) -> Json:
    found = call.place().contents.tags.get(call.ids["name"])
    if found is None:
        raise no_thing(f"Tag {call.ids['name']} does not exist.", "repository.NoSuchTag")
    return render_code.tag(found)


def default_branch(call: Call) -> Json:
    name = call.place().repository.mainbranch
    if name is None:
        raise no_thing("There is no default branch.", "repository.NoDefaultBranch")
    return render_code.ref("branch", name)


def fits(call: Call, name: str) -> bool:
    return call.first("filterText").lower() in name.lower()


# ── commits ───────────────────────────────────────────────────────────────────────────────────


def commits(call: Call) -> Json:
    """Ancestors of `until` (else the default branch) that are none of `since`'s, newest first."""
    place = call.place()
    if place.repository.mainbranch is None:
        raise no_thing("There is no default branch.", "repository.NoDefaultBranch")
    until = found(call, place, call.first("until") or place.repository.mainbranch)
    since = found(call, place, call.first("since")) if call.first("since") else None
    log = place.contents.log([until.hash], [since.hash] if since else []) if until else []
    return call.page(log, lambda one: render_code.commit(place, one))


def found(call: Call, place: Place, revision: str) -> Commit | None:
    """A commit by any name; None for one that is missing where such may be ignored."""
    one = named(place.contents, revision)
    if one is None and call.first("ignoreMissing") != "true":
        raise no_commit(revision, place.repository.slug)
    return one


def named(contents: Contents, revision: str) -> Commit | None:
    if revision.startswith(HEADS):
        return contents.commits.get(contents.branches.get(revision.removeprefix(HEADS), ""))
    if revision.startswith(TAGS):
        known = contents.tags.get(revision.removeprefix(TAGS))
        return contents.commits.get(known.target) if known else None
    return contents.find(revision)


def commit(call: Call) -> Json:
    place = call.place()
    return render_code.commit(place, in_path(call, place))


def in_path(call: Call, place: Place) -> Commit:
    """The commit of the path. Raises ApiError 404."""
    one = named(place.contents, call.ids["commitId"])
    if one is None:
        raise no_commit(call.ids["commitId"], place.repository.slug)
    return one


def commit_pulls(call: Call) -> Json:
    place = call.place()
    pulls = place.contents.reviewed_in(in_path(call, place).hash)
    return call.page(pulls, lambda one: render_reviews.pull_request(place, one))


# ── builds and deployments ────────────────────────────────────────────────────────────────────


def builds(call: Call) -> Json:
    """By the commit alone, whatever repository they are of; nothing for one that nobody knows."""
    call.somebody()
    home = call.scene.built.get(call.ids["commitId"])
    if home is None:
        return call.page(list[Json](), lambda row: row)
    place = call.scene.look(*home)
    keyed = place.contents.statuses.get(call.ids["commitId"], {})
    return call.page(list(keyed.values()), lambda one: render_code.build(place, one))


def build(call: Call) -> Json:
    place = call.place()
    keyed = place.contents.statuses.get(in_path(call, place).hash, {})
    if call.first("key") not in keyed:
        raise no_thing("There is no such build status.", "build.NoSuchBuildStatus")
    return render_code.build(place, keyed[call.first("key")])


def report(call: Call) -> None:
    """Somebody's build server says how it went."""
    who, wish = call.somebody(), call.body()
    for name in ("key", "state", "url"):
        if not isinstance(wish.get(name), str) or not wish[name]:
            raise invalid(f"{name} is required")
    place = call.place(changing=True)
    told = {**wish, "commit": in_path(call, place).hash}
    told["state"] = REPORTED.get(wish["state"], wish["state"])
    user = who.user or next(iter(call.world.users.values()))
    try:
        call.building.status(place, user, told)
    except ValueError as refused:
        raise invalid(str(refused)) from None


def deployment(call: Call) -> Json:
    """One, by its three keys: no list has them."""
    place = call.place()
    names = ("key", "environmentKey", "deploymentSequenceNumber")
    wanted = (in_path(call, place).hash, *(call.first(name) for name in names))
    for one in place.contents.deployments:
        shown = render_code.deployment(place, one)
        if wanted == (one.commit, shown["key"], shown["environment"]["key"], str(one.number)):
            return shown
    raise no_thing("There is no such deployment.", "deployment.NoSuchDeployment")
