"""Pull requests, who takes part in them, and what happened, as the server writes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from integrations.sandbox.bitbucket_data_center import render_code
from integrations.sandbox.bitbucket_data_center.place import Place
from integrations.sandbox.code.records import Happening, Participant, PullRequest

Json = dict[str, Any]
STATUSES = {"approved": "APPROVED", "changes_requested": "NEEDS_WORK"}
ACTIONS = {"approval": "APPROVED", "changes_requested": "REVIEWED", "comment": "COMMENTED"}


def pull_request(place: Place, one: PullRequest) -> Json:
    moment = place.write.moment
    shown = {
        "id": one.id,
        "version": version(one),
        "title": one.title,
        "description": one.description,
        "state": one.state,
        "open": one.state == "OPEN",
        "closed": one.state != "OPEN",
        "draft": one.draft,
        "createdDate": moment(render_code.seconds(one.created_on)),
        "updatedDate": moment(render_code.seconds(one.updated_on)),
        "fromRef": end(place, one.source, one.source_hash),
        "toRef": end(place, one.destination, one.destination_hash),
        "locked": False,
        "author": participant(place, Participant(one.author, "AUTHOR")),
        "reviewers": [participant(place, each) for each in reviewers(one)],
        "participants": [participant(place, each) for each in others(one)],
        "links": {"self": [{"href": f"{place.html}/pull-requests/{one.id}"}]},
    }
    if one.state != "OPEN":
        shown["closedDate"] = moment(render_code.seconds(closed_on(one)))
    counted: Json = {"commentCount": len(one.comments)} if one.comments else {}
    if one.merge_commit:
        counted["mergeCommit"] = render_code.minimal(one.merge_commit)
    return shown | ({"properties": counted} if counted else {})


def version(one: PullRequest) -> int:
    """How often it was changed: reviews and comments do not count."""
    return max(0, sum(line.kind == "update" for line in one.activity) - 1)


def closed_on(one: PullRequest) -> str:
    """When it was merged or declined."""
    ends = [line.date for line in one.activity if line.kind == "update" and line.state != "OPEN"]
    return ends[-1] if ends else one.updated_on


def end(place: Place, name: str, mark: str) -> Json:
    return {**render_code.ref("branch", name), "latestCommit": mark, "repository": place.ours()}


def reviewers(one: PullRequest) -> Iterator[Participant]:
    """Who was asked, and who said something without being asked: that makes a reviewer."""
    said = {each.user: each for each in one.participants}
    for name in one.reviewers:
        yield said.get(name) or Participant(name, "REVIEWER")
    for each in one.participants:
        if each.user not in one.reviewers and each.state:
            yield each


def others(one: PullRequest) -> Iterator[Participant]:
    named = {each.user for each in reviewers(one)} | {one.author}
    return (each for each in one.participants if each.user not in named)


def participant(place: Place, one: Participant) -> Json:
    role = one.role if one.role == "AUTHOR" or not one.state else "REVIEWER"
    return {
        "user": place.person(one.user),
        "role": role,
        "approved": one.approved,
        "status": STATUSES.get(one.state or "", "UNAPPROVED"),
    }


def comment(place: Place, one: PullRequest, number: int) -> Json:
    found = next(each for each in one.comments if each.id == number)
    return {
        "properties": {"repositoryId": place.repository.id},
        "id": found.id,
        "version": 0,
        "text": found.raw,
        "author": place.person(found.user),
        "createdDate": place.write.moment(render_code.seconds(found.created_on)),
        "updatedDate": place.write.moment(render_code.seconds(found.updated_on)),
        "comments": [],
        "tasks": [],
    }


def activities(place: Place, one: PullRequest) -> list[Json]:
    """What happened, newest first."""
    lines = []
    for number, line in enumerate(one.activity, start=1):
        former = one.activity[number - 2] if number > 1 else None
        shown = {
            "id": one.id * 1000 + number,
            "createdDate": place.write.moment(render_code.seconds(line.date)),
            "user": place.person(line.user),
            "action": action(line, former),
        }
        if line.kind == "comment":
            shown["comment"] = comment(place, one, line.comment)
        lines.append(shown)
    return lines[::-1]


def action(line: Happening, former: Happening | None) -> str:
    if line.kind != "update":
        return ACTIONS[line.kind]
    if line.state != "OPEN":
        return line.state
    if former is None:
        return "OPENED"
    return "RESCOPED" if former.source_hash not in ("", line.source_hash) else "UPDATED"
