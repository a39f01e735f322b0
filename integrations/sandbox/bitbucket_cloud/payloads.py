"""What Bitbucket's webhooks carry: the repository, the actor, and what happened.

Shaped after captured deliveries: a push names at most five commits of a change, newest first, and
says that it is `truncated`; a deletion has `new: null`, without links or commits.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from integrations.sandbox.bitbucket_cloud import render, render_code, render_reviews
from integrations.sandbox.bitbucket_cloud.place import Place
from integrations.sandbox.bitbucket_cloud.world import User, Workspace
from integrations.sandbox.code.records import Commit, PullRequest, Status, Tag
from integrations.sandbox.code.stage import Change

Json = dict[str, Any]
MOST_COMMITS = 5


def about(place: Place, actor: User, **what: Any) -> Json:
    """Return a whole payload."""
    return {"repository": repository(place), "actor": render.user(actor, place.origin), **what}


def repository(place: Place) -> Json:
    workspace, one = place.workspace, place.repository
    project = render.project_short(one.project, workspace, place.origin)
    own = f"{place.origin}/2.0/workspaces/{workspace.slug}/projects/{one.project.key}"
    project["links"]["self"] = render.link(own)
    return place.ours() | {
        "scm": "git",
        "website": None,
        "is_private": one.is_private,
        "owner": render.owner(workspace, place.origin),
        "workspace": render.workspace_short(workspace, place.origin),
        "project": project,
        "parent": None,
    }


# ── pushes ────────────────────────────────────────────────────────────────────────────────────


def push(place: Place, actor: User, changes: list[Change]) -> Json:
    return about(place, actor, push={"changes": [change(place, one) for one in changes]})


def change(place: Place, one: Change) -> Json:
    shown: Json = {
        "old": ref(place, one, one.old, one.old_tag),
        "new": ref(place, one, one.new, one.new_tag),
        "created": one.old is None,
        "closed": one.new is None,
        "forced": one.forced,
        "truncated": len(one.commits) > MOST_COMMITS,
    }
    if one.new is None:
        return shown
    shown["links"] = change_links(place, one)
    if one.kind == "branch":
        shown["commits"] = [commit(place, each) for each in one.commits[:MOST_COMMITS]]
    return shown


def change_links(place: Place, one: Change) -> Json:
    if one.old is None:
        commits = f"{place.api}/commits?include={one.new}"
        shown = f"{place.html}/branch/{one.name}"
        links = {"commits": render.link(commits), "html": render.link(shown)}
        return links if one.kind == "branch" else {"commits": links["commits"]}
    return {
        "commits": render.link(f"{place.api}/commits?include={one.new}&exclude={one.old}"),
        "diff": render.link(f"{place.api}/diff/{one.new}..{one.old}"),
        "html": render.link(f"{place.html}/branches/compare/{one.new}..{one.old}"),
    }


def ref(place: Place, one: Change, mark: str | None, tag: Tag | None) -> Json | None:
    """One side of a change, with the commit that it points at."""
    if mark is None:
        return None
    kind = "branches" if one.kind == "branch" else "tags"
    shown: Json = {
        "type": one.kind,
        "name": one.name,
        "target": target(place, place.contents.commits[mark]),
        "links": render_code.ref_links(place, kind, one.name),
    }
    if one.kind == "tag":
        return shown | render_code.tag_words(place, tag or Tag(one.name, mark))
    create = f"{place.html}/pull-requests/new?source={quote(one.name)}&t=1"
    shown["links"]["pullrequest_create"] = render.link(create)
    return shown | {
        "merge_strategies": list(render_code.STRATEGIES),
        "sync_strategies": ["merge_commit", "rebase"],
        "default_merge_strategy": render_code.STRATEGIES[0],
    }


def commit(place: Place, one: Commit) -> Json:
    """A new commit of a push, with everything one may do to it."""
    shown = target(place, one)
    own = f"{place.api}/commit/{one.hash}"
    shown["links"] = render_code.bare_commit(place, one)["links"] | {
        "approve": render.link(f"{own}/approve"),
        "patch": render.link(f"{place.api}/patch/{one.hash}"),
    }
    return shown


def target(place: Place, one: Commit) -> Json:
    """The commit that a ref points at."""
    shown = render_code.bare_commit(place, one)
    shown["summary"] |= {"type": "rendered"}
    shown["links"] = {name: shown["links"][name] for name in ("self", "html")}
    return shown | {"committer": {}, "rendered": {}, "properties": {}}


# ── pull requests, statuses ───────────────────────────────────────────────────────────────────


def pull_request(place: Place, actor: User, one: PullRequest, **what: Any) -> Json:
    """A pull request's event; `what` adds approval, changes_request or comment."""
    shown = render_reviews.pull_request(place, one)
    ends = (shown["source"]["commit"], shown["destination"]["commit"], shown["merge_commit"])
    for end in ends:
        if end is not None:
            end |= {"type": "commit", "links": commit_links(place, end["hash"])}
    own = shown["links"]["self"]["href"]
    for name in ("statuses", "request-changes"):
        shown["links"][name] = render.link(f"{own}/{name}")
    shown["source"]["branch"] |= {"links": {}, "sync_strategies": ["merge_commit", "rebase"]}
    for text in (shown["summary"], *shown["rendered"].values()):
        text["type"] = "rendered"
    return about(place, actor, pullrequest=shown, **what)


def commit_links(place: Place, mark: str) -> Json:
    return {
        "self": render.link(f"{place.api}/commit/{mark}"),
        "html": render.link(f"{place.html}/commits/{mark}"),
    }


def said(place: Place, user: User, date: str) -> Json:
    """An approval, or a request for changes."""
    return {"date": date, "user": render.user(user, place.origin)}


def comment(place: Place, one: PullRequest, number: int) -> Json:
    found = next(each for each in one.comments if each.id == number)
    return render_reviews.comment(place, one, found)


def commit_status(place: Place, actor: User, one: Status) -> Json:
    return about(place, actor, commit_status=render_code.status(place, one))


# ── repositories ──────────────────────────────────────────────────────────────────────────────


def updated(place: Place, actor: User, before: Json) -> Json:
    """`before` is the repository as it was; every field that differs is named."""
    after = repository(place)
    differing = [name for name in ("name", "full_name", "links") if before[name] != after[name]]
    changes = {name: {"new": after[name], "old": before[name]} for name in differing}
    return about(place, actor, changes=changes)


def transferred(place: Place, actor: User, previous: Workspace) -> Json:
    shown = render.workspace_short(previous, place.origin)
    return about(place, actor, previous_workspace=shown)
