"""Pull requests and what happened in them over REST."""

from __future__ import annotations

from typing import Any

from integrations.sandbox.bitbucket_data_center import render_reviews
from integrations.sandbox.bitbucket_data_center.call import Call
from integrations.sandbox.bitbucket_data_center.errors import invalid, no_thing
from integrations.sandbox.bitbucket_data_center.place import Place
from integrations.sandbox.code.records import PullRequest

Json = dict[str, Any]
STATES = ("OPEN", "MERGED", "DECLINED")


def pull_requests(call: Call) -> Json:
    """Those into this repository; by which date the newest come first is a switch."""
    place, state = call.place(), call.first("state") or "OPEN"
    if state not in (*STATES, "ALL"):
        raise invalid(f"{state} is not a state")
    found = [one for one in place.contents.pull_requests.values() if state in ("ALL", one.state)]
    if call.first("direction") == "OUTGOING":
        found = []
    if (call.first("order") or "NEWEST") == "NEWEST":
        newest = call.switches.newest_pull_requests
        found.sort(key=lambda one: (moved(one, newest), one.id), reverse=True)
    return call.page(found, lambda one: render_reviews.pull_request(place, one))


def moved(one: PullRequest, newest: str) -> str:
    return one.updated_on if newest == "updated" else one.created_on


def pull_request(call: Call) -> Json:
    place = call.place()
    return render_reviews.pull_request(place, in_path(call, place))


def activities(call: Call) -> Json:
    place = call.place()
    return call.page(render_reviews.activities(place, in_path(call, place)), lambda line: line)


def in_path(call: Call, place: Place) -> PullRequest:
    """The pull request of the path. Raises ApiError 404."""
    number = call.ids["pullRequestId"]
    found = place.contents.pull_requests.get(int(number)) if number.isdigit() else None
    if found is None:
        name = f"{place.project.key}/{place.repository.slug}"
        raise no_thing(f"Pull request {number} does not exist in {name}.", "pull.NoSuchPullRequest")
    return found
