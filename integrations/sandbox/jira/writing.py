"""What Jira's platform API lets one write at an issue: links, comments, worklogs, transitions."""

from __future__ import annotations

import re
from typing import Any

from integrations.sandbox.atlassian.errors import jira
from integrations.sandbox.http import Response, json_response
from integrations.sandbox.jira import render
from integrations.sandbox.jira.place import Place
from integrations.sandbox.jira.render import API
from integrations.sandbox.jira.world import Issue

Json = dict[str, Any]
LONGEST_LINK_ID, LONGEST_COMMENT = 255, 32_767


def nothing() -> Response:
    return Response(204)


PERIOD = re.compile(r"(\d+(?:\.\d+)?)\s*([wdhm])")
SECONDS = {"w": 5 * 8 * 3600, "d": 8 * 3600, "h": 3600, "m": 60}


# ── remote links ──────────────────────────────────────────────────────────────────────────────


def links(place: Place) -> Response:
    """List an issue's remote links, or show the one with a global id."""
    issue, wanted = place.issue(), place.call.first("globalId")
    if wanted:
        return json_response(shown(place, issue, link_by_global_id(issue, wanted)))
    return json_response([shown(place, issue, each) for each in issue.links])


def link(place: Place) -> Response:
    issue = place.issue()
    return json_response(shown(place, issue, link_by_id(place, issue)))


def make_link(place: Place) -> Response:
    """Make a remote link, or update the one with the same global id."""
    issue, wish = place.issue(), checked_link(place.call.object())
    place.person()
    same = wish["globalId"]
    old = next((each for each in issue.links if same and each["globalId"] == same), None)
    if old is None:
        old = {"id": int(place.data.next_id())}
        issue.links.append(old)
        status = 201
    else:
        status = 200
    old |= wish
    place.touch(issue)
    address = f"{place.call.base}{API}/issue/{issue.key}/remotelink/{old['id']}"
    return json_response({"id": old["id"], "self": address}, status)


def change_link(place: Place) -> Response:
    issue, wish = place.issue(), checked_link(place.call.object())
    old = link_by_id(place, issue)
    old |= wish
    place.touch(issue)
    return nothing()


def remove_link(place: Place) -> Response:
    """Remove a link by its id, or by the global id in the query."""
    issue = place.issue()
    if "link" in place.call.ids:
        found = link_by_id(place, issue)
    elif wanted := place.call.first("globalId"):
        found = link_by_global_id(issue, wanted)
    else:
        raise jira(400, fields={"globalId": "globalId is required."})
    issue.links.remove(found)
    place.touch(issue)
    return nothing()


def checked_link(wish: Json) -> Json:
    """Return the parts of a link that are kept. Raises ApiError 400 for one that Jira refuses."""
    thing, wrong = wish.get("object"), {}
    if not isinstance(thing, dict) or not thing.get("title"):
        wrong["title"] = "'title' is required."
    if not isinstance(thing, dict) or not str(thing.get("url", "")).startswith(
        ("http://", "https://")
    ):
        wrong["url"] = "'url' is required."
    if len(str(wish.get("globalId") or "")) > LONGEST_LINK_ID:
        wrong["globalId"] = f"'globalId' is longer than {LONGEST_LINK_ID} characters."
    if wrong:
        raise jira(400, fields=wrong)
    return {
        "globalId": str(wish.get("globalId") or ""),
        "application": wish.get("application") or {},
        "relationship": wish.get("relationship") or "",
        "object": thing,
    }


def shown(place: Place, issue: Issue, one: Json) -> Json:
    address = f"{place.call.base}{API}/issue/{issue.key}/remotelink/{one['id']}"
    return {"self": address, **{name: value for name, value in one.items() if value != ""}}


def link_by_id(place: Place, issue: Issue) -> Json:
    for one in issue.links:
        if str(one["id"]) == place.call.ids["link"]:
            return one
    raise jira(404, f"The remote link with id '{place.call.ids['link']}' does not exist.")


def link_by_global_id(issue: Issue, wanted: str) -> Json:
    for one in issue.links:
        if one["globalId"] == wanted:
            return one
    raise jira(404, f"The remote link with global id '{wanted}' does not exist.")


# ── comments and worklogs ─────────────────────────────────────────────────────────────────────


def comments(place: Place) -> Response:
    call, found = place.call, place.issue().comments
    start, most = call.number("startAt", 0, 10**9), call.number("maxResults", 100, 100)
    return json_response(
        {
            "startAt": start,
            "maxResults": most,
            "total": len(found),
            "comments": found[start : start + most],
        }
    )


def add_comment(place: Place) -> Response:
    issue, body = place.issue(), place.call.object().get("body")
    text = checked_document(body, "comment", "Comment body can not be empty!")
    if len(text) > LONGEST_COMMENT:
        raise jira(400, fields={"comment": "The entered text is too long."})
    made = {**signed(place, issue, "comment"), "body": body, "jsdPublic": True}
    issue.comments.append(made)
    return json_response(made, 201)


def worklogs(place: Place) -> Response:
    found = place.issue().worklogs
    return json_response({"startAt": 0, "maxResults": 5000, "total": len(found), "worklogs": found})


def add_worklog(place: Place) -> Response:
    """Log work by `timeSpent` ("2d 5h") or seconds; the remaining estimate is not kept here."""
    issue, wish = place.issue(), place.call.object()
    seconds = spent(wish)
    if wish.get("comment") is not None:
        checked_document(wish["comment"], "comment", "")
    started = wish.get("started") or render.moment(place.call.now)
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d{4}", str(started)):
        raise jira(400, "Invalid format of 'started': yyyy-MM-dd'T'HH:mm:ss.SSSZ is expected.")
    made = {
        **signed(place, issue, "worklog"),
        "started": started,
        "timeSpent": period(seconds),
        "timeSpentSeconds": seconds,
        "issueId": issue.id,
    }
    if wish.get("comment") is not None:
        made["comment"] = wish["comment"]
    issue.worklogs.append(made)
    issue.seconds_spent += seconds
    return json_response(made, 201)


def spent(wish: Json) -> int:
    given, text = wish.get("timeSpentSeconds"), wish.get("timeSpent")
    if given is not None and text is not None:
        raise jira(400, fields={"timeLogged": "Give timeSpent or timeSpentSeconds, not both."})
    if isinstance(given, int) and not isinstance(given, bool) and given >= 60:
        return given
    found = PERIOD.findall(text) if isinstance(text, str) else []
    if not found or PERIOD.sub("", str(text)).strip():
        raise jira(400, fields={"timeLogged": "Invalid time duration entered."})
    return int(sum(float(number) * SECONDS[unit] for number, unit in found))


def period(seconds: int) -> str:
    words = []
    for unit, length in SECONDS.items():
        number, seconds = divmod(seconds, length)
        words += [f"{number}{unit}"] if number else []
    return " ".join(words) or "0m"


def signed(place: Place, issue: Issue, kind: str) -> Json:
    """Return the parts that a comment and a worklog share, and mark the issue as changed."""
    person, number = place.person(), place.data.next_id()
    place.touch(issue)
    author = render.short_user(place.call, person.account_id)
    return {
        "self": f"{place.call.base}{API}/issue/{issue.id}/{kind}/{number}",
        "id": number,
        "author": author,
        "updateAuthor": author,
        "created": render.moment(place.call.now),
        "updated": render.moment(place.call.now),
    }


def checked_document(body: object, field: str, empty: str) -> str:
    """Return the text of an Atlassian document. Raises ApiError 400: version 3 takes no text."""
    if not isinstance(body, dict) or body.get("type") != "doc" or body.get("version") != 1:
        words = "Comment body is not valid!" if field == "comment" else "The document is not valid."
        raise jira(400, words, fields={field: "INVALID_INPUT"})
    text = render.plain(body)
    if empty and not text.strip():
        raise jira(400, fields={field: empty})
    return text


# ── transitions ───────────────────────────────────────────────────────────────────────────────


def transitions(place: Place) -> Response:
    issue = place.issue()
    open_now = issue.project.workflow.open_to(issue.status, admin=place.is_admin)
    found = [render.transition(place.call, each, issue.project) for each in open_now]
    return json_response({"expand": "transitions", "transitions": found})


def transit(place: Place) -> Response:
    """Take a transition that is open, with a comment where one is given as `update`."""
    issue, wish, person = place.issue(), place.call.object(), place.person()
    asked = wish.get("transition")
    identifier = str(asked.get("id", "")) if isinstance(asked, dict) else ""
    if not identifier:
        raise jira(400, "Missing 'transition' identifier")
    open_now = issue.project.workflow.open_to(issue.status, admin=place.is_admin)
    found = next((each for each in open_now if each.id == identifier), None)
    if found is None:
        raise jira(400, "It is not on the appropriate workflow of issue or is not valid for it.")
    for order in (wish.get("update") or {}).get("comment", ()):
        body = order.get("add", {}).get("body")
        checked_document(body, "comment", "Comment body can not be empty!")
        made = {**signed(place, issue, "comment"), "body": body, "jsdPublic": True}
        issue.comments.append(made)
    issue.history.append(
        {
            "by": person.account_id,
            "name": found.name,
            "since": issue.status,
            "to": found.to,
            "at": render.moment(place.call.now),
        }
    )
    issue.status = found.to
    place.touch(issue)
    return nothing()
