"""Commits, branches, tags and commit statuses in Bitbucket's JSON."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from integrations.sandbox.bitbucket_cloud import render
from integrations.sandbox.bitbucket_cloud.place import Place, rendered
from integrations.sandbox.code.records import Commit, Status, Tag

Json = dict[str, Any]
STRATEGIES = ("merge_commit", "squash", "fast_forward")


def author(place: Place, raw: str, uuid: str) -> Json:
    """Name an author; `user` is absent when no account has the address."""
    shown: Json = {"type": "author", "raw": raw}
    person = place.person(uuid)
    return shown if person is None else shown | {"user": person}


def commit(place: Place, one: Commit) -> Json:
    return bare_commit(place, one) | {"repository": place.ours()}


def bare_commit(place: Place, one: Commit) -> Json:
    """A commit as webhooks carry it: without its repository."""
    return {
        "type": "commit",
        "hash": one.hash,
        "date": one.date,
        "author": author(place, one.raw, one.author),
        "message": one.message,
        "summary": rendered(one.message),
        "links": {
            "self": render.link(f"{place.api}/commit/{one.hash}"),
            "html": render.link(f"{place.html}/commits/{one.hash}"),
            "diff": render.link(f"{place.api}/diff/{one.hash}"),
            "comments": render.link(f"{place.api}/commit/{one.hash}/comments"),
            "statuses": render.link(f"{place.api}/commit/{one.hash}/statuses"),
        },
        "parents": [
            {
                "type": "commit",
                "hash": parent,
                "links": {
                    "self": render.link(f"{place.api}/commit/{parent}"),
                    "html": render.link(f"{place.html}/commits/{parent}"),
                },
            }
            for parent in one.parents
        ],
    }


def branch(place: Place, name: str) -> Json:
    return {
        "type": "branch",
        "name": name,
        "target": commit(place, place.contents.commits[place.contents.branches[name]]),
        "links": ref_links(place, "branches", name),
        "merge_strategies": list(STRATEGIES),
        "default_merge_strategy": STRATEGIES[0],
    }


def tag(place: Place, one: Tag) -> Json:
    """A tag; a light one has null for message, date and tagger."""
    return {
        "type": "tag",
        "name": one.name,
        "target": commit(place, place.contents.commits[one.target]),
        "links": ref_links(place, "tags", one.name),
        **tag_words(place, one),
    }


def tag_words(place: Place, one: Tag) -> Json:
    person = place.world.user(one.tagger) if one.tagger else None
    raw = f"{person.display_name} <{person.email}>" if person else ""
    return {
        "message": one.message,
        "date": one.date,
        "tagger": author(place, raw, one.tagger) if person else None,
    }


def ref_links(place: Place, kind: str, name: str) -> Json:
    return {
        "self": render.link(f"{place.api}/refs/{kind}/{quote(name)}"),
        "commits": render.link(f"{place.api}/commits/{quote(name)}"),
        "html": render.link(
            f"{place.html}/branch/{quote(name)}" if kind == "branches"
            else f"{place.html}/commits/tag/{quote(name)}"
        ),
    }  # fmt: skip


def status(place: Place, one: Status) -> Json:
    """Pipelines' own statuses lead to a page of the repository, others where they say."""
    own = f"{place.api}/commit/{one.commit}"
    return {
        "type": "build",
        "key": one.key,
        "name": one.name,
        "description": one.description,
        "state": one.state,
        "refname": one.refname,
        "url": one.url if "://" in one.url else f"{place.html}/{one.url}",
        "created_on": one.created_on,
        "updated_on": one.updated_on,
        "repository": place.ours(),
        "commit": {
            "type": "commit",
            "hash": one.commit,
            "links": {
                "self": render.link(own),
                "html": render.link(f"{place.html}/commits/{one.commit}"),
            },
        },
        "links": {
            "commit": render.link(own),
            "self": render.link(f"{own}/statuses/build/{quote(one.key, safe='')}"),
        },
    }
