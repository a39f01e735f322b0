"""Refs, commits, builds, deployments and hooks as the server writes them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from integrations.sandbox.bitbucket_data_center.place import BUILT_AT, Place
from integrations.sandbox.bitbucket_data_center.render import Writer
from integrations.sandbox.code.records import Commit, Deployment, Hook, Status, Tag

Json = dict[str, Any]
SHORT = 11
STATES = {"STOPPED": "CANCELLED"}
BUILT = {"COMPLETED": "SUCCESSFUL", "UNDEPLOYED": "ROLLED_BACK"}


def seconds(iso: str) -> float:
    return datetime.fromisoformat(iso).timestamp()


# ── refs and commits ──────────────────────────────────────────────────────────────────────────


def ref(kind: str, name: str) -> Json:
    """A ref as it is named in pushes."""
    folder = "heads" if kind == "branch" else "tags"
    return {"id": f"refs/{folder}/{name}", "displayId": name, "type": kind.upper()}


def branch(place: Place, name: str) -> Json:
    tip = place.contents.branches[name]
    return {
        **ref("branch", name),
        "latestCommit": tip,
        "latestChangeset": tip,
        "isDefault": name == place.repository.mainbranch,
    }


def tag(one: Tag) -> Json:
    """`hash` is that of the tag itself, where it is annotated."""
    shown = {**ref("tag", one.name), "latestCommit": one.target, "latestChangeset": one.target}
    return {**shown, "hash": one.target[::-1]} if one.message else shown


def commit(place: Place, one: Commit, *, parents: bool = True) -> Json:
    """A commit; its author is a user where the server knows the address."""
    name, _, address = one.raw.partition(" <")
    who = {"name": name, "emailAddress": address.rstrip(">")}
    author = place.person(one.author) if one.author else who
    at = place.write.moment(seconds(one.date))
    known = (place.contents.commits.get(mark) for mark in one.parents)
    return {
        **minimal(one.hash),
        "author": author,
        "authorTimestamp": at,
        "committer": author,
        "committerTimestamp": at,
        "message": one.message,
        "parents": [
            commit(place, each, parents=False) if parents else minimal(each.hash)
            for each in known
            if each is not None
        ],
    }


def minimal(mark: str) -> Json:
    return {"id": mark, "displayId": mark[:SHORT]}


# ── builds and deployments ────────────────────────────────────────────────────────────────────


def build(place: Place, one: Status) -> Json:
    url = one.url if one.url.startswith("https:") else BUILT_AT + one.url
    shown = {
        "key": one.key,
        "name": one.name,
        "state": STATES.get(one.state, one.state),
        "url": url,
        "description": one.description,
        "createdDate": place.write.moment(seconds(one.created_on)),
        "updatedDate": place.write.moment(seconds(one.updated_on)),
        "projectKey": place.project.key,
        "repositorySlug": place.repository.slug,
    }
    return {**shown, "ref": ref("branch", one.refname)["id"]} if one.refname else shown


def deployment(place: Place, one: Deployment) -> Json:
    named = {each.uuid: each for each in place.contents.environments}[one.environment]
    return {
        "deploymentSequenceNumber": one.number,
        "key": deployment_key(one),
        "displayName": one.release,
        "description": one.release,
        "state": one.status or "IN_PROGRESS",
        "environment": {"key": named.name.lower(), "displayName": named.name},
        "toCommit": minimal(one.commit),
        "repository": place.ours(),
        "lastUpdated": place.write.moment(seconds(one.completed_on or one.started_on)),
        "url": f"{BUILT_AT}deployments/{one.number}",
    }


def deployment_key(one: Deployment) -> str:
    return f"DEPLOY-{one.number}"


# ── hooks ─────────────────────────────────────────────────────────────────────────────────────


def hook(write: Writer, one: Hook, scope: str) -> Json:
    """A hook with its secret: the server tells it to whoever may administer it."""
    at = write.moment(seconds(one.created_at))
    return {
        "id": int(one.uuid),
        "name": one.description,
        "createdDate": at,
        "updatedDate": at,
        "events": list(one.events),
        "configuration": {"secret": one.secret} if one.secret else {},
        "url": one.url,
        "active": one.active,
        "scopeType": scope,
        "sslVerificationRequired": True,
    }
