"""Pull requests, their participants, comments and activity in Bitbucket's JSON."""

from __future__ import annotations

from typing import Any

from integrations.sandbox.bitbucket_cloud import render
from integrations.sandbox.bitbucket_cloud.place import Place, rendered
from integrations.sandbox.code.records import (
    Comment,
    Happening,
    Participant,
    PullRequest,
)

Json = dict[str, Any]
# Left out of lists unless `fields` asks for them ("for performance reasons", says the document).
ON_ITS_OWN_PAGE = ("reviewers", "participants", "rendered")


def pull_request(place: Place, one: PullRequest) -> Json:
    return {
        "type": "pullrequest",
        "id": one.id,
        "title": one.title,
        "description": one.description,
        "summary": rendered(one.description),
        "rendered": {
            "title": rendered(one.title),
            "description": rendered(one.description),
            "reason": rendered(one.reason),
        },
        "state": one.state,
        "draft": one.draft,
        "queued": False,
        "author": place.person(one.author),
        "source": endpoint(place, one.source, one.source_hash),
        "destination": endpoint(place, one.destination, one.destination_hash),
        "merge_commit": {"hash": one.merge_commit[:12]} if one.merge_commit else None,
        "closed_by": place.person(one.closed_by),
        "reason": one.reason,
        "close_source_branch": one.close_source_branch,
        "comment_count": len(one.comments),
        "task_count": one.task_count,
        "created_on": one.created_on,
        "updated_on": one.updated_on,
        "reviewers": [place.person(each) for each in one.reviewers],
        "participants": [participant(place, each) for each in one.participants],
        "links": links(place, one),
    }


def links(place: Place, one: PullRequest) -> Json:
    own = f"{place.api}/pullrequests/{one.id}"
    inner = ("commits", "approve", "diff", "diffstat", "comments", "activity", "merge", "decline")
    return {
        "self": render.link(own),
        "html": render.link(f"{place.html}/pull-requests/{one.id}"),
        **{name: render.link(f"{own}/{name}") for name in inner},
    }


def endpoint(place: Place, branch: str, mark: str) -> Json:
    """One end of a pull request; its hash has twelve digits."""
    return {
        "repository": place.ours(),
        "branch": {"name": branch},
        "commit": {"hash": mark[:12]},
    }


def participant(place: Place, one: Participant) -> Json:
    return {
        "type": "participant",
        "user": place.person(one.user),
        "role": one.role,
        "approved": one.approved,
        "state": one.state,
        "participated_on": one.participated_on,
    }


def short(place: Place, one: PullRequest) -> Json:
    """A pull request inside something else."""
    return {
        "type": "pullrequest",
        "id": one.id,
        "title": one.title,
        "draft": one.draft,
        "links": {
            "self": render.link(f"{place.api}/pullrequests/{one.id}"),
            "html": render.link(f"{place.html}/pull-requests/{one.id}"),
        },
    }


def comment(place: Place, one: PullRequest, said: Comment) -> Json:
    own = f"{place.api}/pullrequests/{one.id}/comments/{said.id}"
    shown = f"{place.html}/pull-requests/{one.id}/_/diff#comment-{said.id}"
    return {
        "type": "pullrequest_comment",
        "id": said.id,
        "created_on": said.created_on,
        "updated_on": said.updated_on,
        "content": rendered(said.raw),
        "user": place.person(said.user),
        "deleted": False,
        "pending": False,
        "pullrequest": short(place, one),
        "links": {"self": render.link(own), "html": render.link(shown)},
    }


def happening(place: Place, one: PullRequest, line: Happening) -> Json:
    """One line of activity: `pull_request`, and one of update, approval, comment and so on."""
    return {"pull_request": short(place, one), line.kind: said(place, one, line)}


def said(place: Place, one: PullRequest, line: Happening) -> Json:
    if line.kind == "comment":
        found = next(each for each in one.comments if each.id == line.comment)
        return comment(place, one, found)
    if line.kind == "update":
        return {
            "state": line.state,
            "draft": one.draft,
            "title": line.title,
            "description": one.description,
            "reason": line.reason,
            "author": place.person(line.user),
            "date": line.date,
            "source": endpoint(place, one.source, line.source_hash),
            "destination": endpoint(place, one.destination, one.destination_hash),
            "reviewers": [place.person(each) for each in one.reviewers],
            "changes": {},
        }
    return {
        "date": line.date,
        "user": place.person(line.user),
        "pullrequest": short(place, one),
    }
