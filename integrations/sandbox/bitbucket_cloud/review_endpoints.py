"""Pull requests, their commits, comments, statuses and activity over REST."""

from __future__ import annotations

import re
from typing import Any

from integrations.sandbox.bitbucket_cloud import render_code, render_reviews
from integrations.sandbox.bitbucket_cloud.call import Call
from integrations.sandbox.bitbucket_cloud.errors import not_found_text
from integrations.sandbox.bitbucket_cloud.paging import Listing, dotted
from integrations.sandbox.bitbucket_cloud.place import Place
from integrations.sandbox.code.records import Happening, PullRequest

Json = dict[str, Any]
MOST = 50  # items on a page; more is 400 (https://jira.atlassian.com/browse/BCLOUD-13229)
PLAIN = {"id", "title", "state", "draft", "created_on", "updated_on", "reason", "task_count"}
NAMES_STATE = re.compile(r"\bstate\b", re.IGNORECASE)


def pull_requests(call: Call) -> Listing:
    """Newest first; open ones unless states are named, in `state` or in `q`."""
    place = call.place()
    in_query = call.switches.q_replaces_state and NAMES_STATE.search(call.first("q"))
    wanted = set(call.parameters.get("state", ())) or (set() if in_query else {"OPEN"})
    found = [
        one
        for one in reversed(place.contents.pull_requests.values())
        if not wanted or one.state in wanted
    ]

    def value(one: PullRequest, name: str) -> Any:
        """Read what is asked for most without rendering the rest."""
        if name in PLAIN:
            return getattr(one, name)
        return dotted(render_reviews.pull_request(place, one), name)

    return Listing(
        found,
        lambda one: render_reviews.pull_request(place, one),
        value,
        max_pagelen=MOST,
        hidden=render_reviews.ON_ITS_OWN_PAGE,
    )


def found(call: Call) -> tuple[Place, PullRequest]:
    """Return the pull request in the path; a missing one is plain text."""
    place, number = call.place(), call.ids["pull_request_id"]
    if not number.isascii() or not number.isdigit():
        raise not_found_text()
    one = place.contents.pull_requests.get(int(number))
    if one is None:
        raise not_found_text()
    return place, one


def pull_request(call: Call) -> Json:
    return render_reviews.pull_request(*found(call))


def commits(call: Call) -> Listing:
    """Those of the source; an open pull request whose branch is gone has none."""
    place, one = found(call)
    marks = one.commits
    if one.state == "OPEN" and one.source not in place.contents.branches:
        marks = []
    return Listing(
        [place.contents.commits[mark] for mark in marks],
        lambda each: render_code.commit(place, each),
        counted=False,
        filterable=False,
    )


def comments(call: Call) -> Listing:
    place, one = found(call)
    return Listing([render_reviews.comment(place, one, said) for said in one.comments])


def statuses(call: Call) -> Listing:
    place, one = found(call)
    given = place.contents.statuses.get(one.source_hash, {})
    return Listing([render_code.status(place, each) for each in given.values()])


def activity(call: Call) -> Listing:
    """What happened to one pull request, newest first, without size or page."""
    place, one = found(call)
    return log(place, [(one, line) for line in reversed(one.activity)])


def all_activity(call: Call) -> Listing:
    place = call.place()
    lines = [(one, line) for one in place.contents.pull_requests.values() for line in one.activity]
    lines.sort(key=lambda pair: pair[1].date, reverse=True)
    return log(place, lines)


def log(place: Place, lines: list[tuple[PullRequest, Happening]]) -> Listing:
    return Listing(
        lines,
        lambda pair: render_reviews.happening(place, *pair),
        max_pagelen=MOST,
        counted=False,
        filterable=False,
    )
