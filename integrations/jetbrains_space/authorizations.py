"""What a credential may do in which context: told of applications, asked about for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import urlencode

from connections.contracts import Api, PlaceRights, WorkspaceRecord
from connections.errors import AccessDenied, Refused, RemoteGone
from integrations import answers
from integrations.answers import BadItem, Json
from integrations.jetbrains_space import reading
from integrations.jetbrains_space.scopes import CODES, GLOBAL

AUTHORIZATIONS = "applications/me/authorizations"
CHECK = "permissions/check-permission"
EVERYWHERE = "the whole organization"
GRANTED = "GRANTED"
MOST_CONTEXTS = 50
MOST_PROJECTS = 10  # of a person: each costs a request for each right


def of_application(api: Api) -> tuple[PlaceRights, ...] | None:
    """The rights of the application that asks, in each context where it has some.

    None where it may not read them.
    """
    try:
        told = api.get(
            f"{AUTHORIZATIONS}/authorized-contexts?$fields=className,project(id,key,name)"
        )
        if not isinstance(told.body, list):
            raise answers.unexpected(told, "The contexts are no list.")
        found = [place for place in map(_context, told.body) if place is not None]
        return tuple(_granted(api, place) for place in found[:MOST_CONTEXTS])
    except (AccessDenied, RemoteGone):
        return None


def _context(item: object) -> PlaceRights | None:
    """A context that counts here: everywhere, or a project; channels and packages do not."""
    if not isinstance(item, dict):
        return None
    if item.get("className") == "GlobalPermissionContext":
        return PlaceRights(GLOBAL, EVERYWHERE, frozenset())
    try:
        project = reading.project(answers.object_or_empty(item, "project"))
    except BadItem:
        return None
    return _in_project(project, frozenset())


def _in_project(project: WorkspaceRecord, scopes: frozenset[str]) -> PlaceRights:
    return PlaceRights(f"project:key:{project.slug}", project.name, scopes, slug=project.slug)


def _granted(api: Api, place: PlaceRights) -> PlaceRights:
    query = urlencode({"contextIdentifier": place.place, "$fields": "rightCode,status"})
    told = api.get(f"{AUTHORIZATIONS}/authorized-rights?{query}")
    if not isinstance(told.body, list):
        raise answers.unexpected(told, "The rights are no list.")
    codes = frozenset(filter(None, map(_code, told.body)))
    return PlaceRights(place.place, place.name, codes, slug=place.slug)


def _code(item: object) -> str:
    if not isinstance(item, dict) or item.get("status") != GRANTED:
        return ""
    return answers.text(item, "rightCode")[:100]


# ── People ────────────────────────────────────────────────────────────────────────────────────


def of_person(api: Api, workspaces: Sequence[WorkspaceRecord]) -> tuple[PlaceRights, ...] | None:
    """Which rights the person has everywhere and in the first projects; the token may reach less.

    None where the installation answers no such question.
    """
    try:
        return tuple(_held(api, workspaces))
    except (AccessDenied, RemoteGone, Refused):
        return None


def _held(api: Api, workspaces: Sequence[WorkspaceRecord]) -> Iterator[PlaceRights]:
    everywhere = _asked(api, {"className": "GlobalPermissionTarget"})
    yield PlaceRights(GLOBAL, EVERYWHERE, everywhere, at_most=True)
    for each in workspaces[:MOST_PROJECTS]:
        target = {"className": "ProjectPermissionTarget", "project": f"key:{each.slug}"}
        place = _in_project(each, _asked(api, target))
        yield PlaceRights(place.place, place.name, place.scopes, slug=place.slug, at_most=True)


def _asked(api: Api, target: Json) -> frozenset[str]:
    return frozenset(f"{GLOBAL}:{code}" for code in CODES if _has(api, code, target))


def _has(api: Api, code: str, target: Json) -> bool:
    asked = {"principal": "profile:me", "uniqueRightCode": code, "target": target}
    told = api.send("POST", CHECK, asked)
    if not isinstance(told.body, bool):
        raise answers.unexpected(told, "Neither yes nor no.")
    return told.body
