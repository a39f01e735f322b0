"""What the server's webhooks carry, after captured deliveries: the samples of each event.

A push names at most five commits, newest first; a deletion none. `date` is when it was sent, with
an offset; all other dates are as REST writes them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from integrations.sandbox.bitbucket_data_center import render_code, render_reviews
from integrations.sandbox.bitbucket_data_center.place import Place
from integrations.sandbox.bitbucket_data_center.world import User
from integrations.sandbox.code.records import PullRequest
from integrations.sandbox.code.stage import Change, Deed

Json = dict[str, Any]
MOST_COMMITS = 5
NOWHERE = "0" * 40


def about(place: Place, event: str, actor: User, now: float, **what: Any) -> Json:
    """A whole payload; people and repositories in it have no links."""
    date = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")
    return {
        "eventKey": event,
        "date": date,
        "actor": bare(place.write.user(actor)),
        **{name: bare(value) for name, value in what.items()},
    }


def bare(value: Any) -> Any:
    """The same without links."""
    if isinstance(value, dict):
        return {name: bare(inner) for name, inner in value.items() if name != "links"}
    return [bare(inner) for inner in value] if isinstance(value, list) else value


# ── pushes ────────────────────────────────────────────────────────────────────────────────────


def push(place: Place, changes: list[Change]) -> Json:
    """The refs that moved, and the newest commits of the one that is there."""
    shown: Json = {"repository": place.ours(), "changes": [change(one) for one in changes]}
    tips = [place.contents.commits[one.new] for one in changes if one.new]
    if not tips:
        return shown
    fresh = [each for one in changes for each in one.commits][:MOST_COMMITS]
    shown["commits"] = [render_code.commit(place, one) for one in fresh]
    return {**shown, "toCommit": render_code.commit(place, tips[0])}


def change(one: Change) -> Json:
    kind = "ADD" if one.old is None else "DELETE" if one.new is None else "UPDATE"
    named = render_code.ref(one.kind, one.name)
    return {
        "ref": named,
        "refId": named["id"],
        "fromHash": one.old or NOWHERE,
        "toHash": one.new or NOWHERE,
        "type": kind,
    }


def mirrored(place: Place, is_too_much: bool) -> Json:
    """What a mirror tells once it has what was pushed here."""
    main = str(place.repository.mainbranch)
    tip = place.contents.commits[place.contents.branches[main]]
    moved = Change("branch", main, (tip.parents or (None,))[0], tip.hash)
    return {
        "mirrorServer": {"id": "ABCD-1234-EFGH-5678", "name": "Mirror in Tromsø"},
        "syncType": "INCREMENTAL",
        "refLimitExceeded": is_too_much,
        "repository": place.ours(),
        "changes": [] if is_too_much else [change(moved)],
    }


# ── pull requests ─────────────────────────────────────────────────────────────────────────────


def reviewed(place: Place, actor: User, one: PullRequest, deed: Deed) -> Json:
    """The pull request, and beside it what the deed was."""
    shown: Json = {"pullRequest": render_reviews.pull_request(place, one)}
    if deed.do == "comment":
        shown["comment"] = render_reviews.comment(place, one, deed.comment)
    elif deed.do == "update":
        shown |= differing(place, one, deed.before)
    elif deed.do not in ("create", "merge", "decline"):
        shown["participant"] = verdict(place, one, actor)
        shown["previousStatus"] = verdict(place, deed.before, actor)["status"]
    return shown


def verdict(place: Place, one: PullRequest, actor: User) -> Json:
    for each in shown_in(place, one):
        if each["user"]["id"] == actor.id:
            return each
    return {"user": place.write.user(actor), "role": "REVIEWER", "status": "UNAPPROVED"}


def shown_in(place: Place, one: PullRequest) -> list[Json]:
    named = (*render_reviews.reviewers(one), *render_reviews.others(one))
    return [render_reviews.participant(place, each) for each in named]


def differing(place: Place, one: PullRequest, before: PullRequest) -> Json:
    """How it was before, or who was asked to review anew."""
    added = [name for name in one.reviewers if name not in before.reviewers]
    if added and (one.title, one.description) == (before.title, before.description):
        return {"addedReviewers": [place.person(name) for name in added], "removedReviewers": []}
    target, tip = render_code.ref("branch", before.destination), before.destination_hash
    return {
        "previousTitle": before.title,
        "previousDescription": before.description,
        "previousTarget": {**target, "latestCommit": tip, "latestChangeset": tip},
    }
