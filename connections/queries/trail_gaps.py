"""What a trail does not know, and why: nobody asked, not allowed, not read, not kept, not told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from connections import registry
from connections.contracts import PullsSaid
from connections.explain import explain
from connections.models import HookMode, StreamStand
from connections.queries import products
from connections.queries.trail_rows import Rows
from connections.queries.trail_search import COMMIT
from portal import clock


@dataclass(frozen=True, slots=True)
class Gap:
    """One thing that is not known; `at` is since or until when that is so. `tone` as on pages."""

    says: str
    at: datetime | None = None
    tone: str = "plain"


TITLES: Final = {
    "commits": "commits",
    "pull-requests": "pull requests",
    "statuses": "build results",
    "pipelines": "pipelines",
    "deployments": "deployments",
}


def of_subject(rows: Rows) -> Iterator[Gap]:
    """Why the commit or pull request itself is not here, or is only as it was."""
    subject = rows.subject
    if subject.repository.gone_at is not None:
        says = f"{subject.repository.full_name} is not listed any more: this is what was read."
        yield Gap(says, subject.repository.gone_at, "warning")
    if not rows.connection.is_live:
        yield Gap("This connection is paused or revoked: this is what was read before.", None)
    kept = rows.commit or rows.pull
    if kept is not None and kept.gone_at is not None:
        yield Gap("The vendor does not have it any more: this is what was read.", kept.gone_at)
    if kept is None:
        is_commit = subject.kind == COMMIT
        what = "This commit" if is_commit else "This pull request"
        yield Gap(f"{what} itself is not kept here, and what is known comes from elsewhere.")
        yield from reading(rows, "commits" if is_commit else "pull-requests")


def pushing(rows: Rows) -> Gap:
    """Why nobody is named who pushed."""
    first = "Who pushed is not known. No vendor tells it later; webhooks do when it happens, and"
    endpoint = rows.endpoint
    if endpoint is None or rows.settings is None or rows.settings.mode != HookMode.HOOKS:
        return Gap(f"{first} this connection receives none.")
    if endpoint.disabled_at is not None:
        return Gap(f"{first} the address for them is switched off.", endpoint.disabled_at)
    when = rows.commit.committed_at if rows.commit else None
    if when is not None and when < endpoint.created_at:
        return Gap(f"{first} this is older than the address for them.", endpoint.created_at)
    return Gap(f"{first} none that came here named it.")


def reviewing(rows: Rows) -> Iterator[Gap]:
    """Which pull requests brought a commit, in words where the vendor gives no list."""
    commit, product = rows.commit, _product(rows)
    if rows.subject.kind == COMMIT and commit is not None:
        if commit.pulls_said == PullsSaid.INDEXING:
            says = f"{product} is still indexing which pull requests brought this commit."
            yield Gap(f"{says} Ask again in some minutes.", commit.pulls_at)
        elif commit.pulls_said == PullsSaid.ABSENT:
            says = f"{product} keeps no index of commits and pull requests for this repository;"
            yield Gap(f"{says} somebody has to install its commit links.", commit.pulls_at)
        elif commit.pulls_said == PullsSaid.KNOWN and not commit.pulls:
            says = f"{product} knows of no pull request with this commit: it was pushed past review"
            yield Gap(f"{says}, or its pull request was deleted.", commit.pulls_at, "warning")
        elif commit.pulls_said == PullsSaid.KNOWN:
            yield from _unread(rows, commit.pulls or [])
        else:
            yield Gap(f"{product} was not asked yet which pull requests brought this commit.")
    if not rows.pulls:
        yield from reading(rows, "pull-requests")


def _unread(rows: Rows, numbers: list[int]) -> Iterator[Gap]:
    missing = sorted(set(numbers) - {pull.number for pull in rows.pulls})
    if missing:
        named = ", ".join(f"#{number}" for number in missing[:20])
        yield Gap(f"It came by {named} too, which is not kept here yet.")


def building(rows: Rows) -> Iterator[Gap]:
    """Why no build is named."""
    if not rows.builds:
        is_read = list(reading(rows, "statuses"))
        yield from is_read
        if not is_read:
            says = "No build result is kept. They are read of the newest commits of the main branch"
            says = f"{says} and of open pull requests; for this one, ask"
            yield Gap(f"{says} {_product(rows)} now.")
    if not rows.pipelines:
        yield from reading(rows, "pipelines")
    elif bare := [run.number for run in rows.pipelines if not run.steps]:
        named = ", ".join(str(number) for number in bare[:5])
        says = f"The steps of pipeline {named} were not asked for"
        yield Gap(f"{says}: ask {_product(rows)} now to read them.")


def deploying(rows: Rows) -> Iterator[Gap]:
    """Why no deployment is named."""
    if rows.deployments:
        return
    why = list(reading(rows, "deployments"))
    yield from why
    if not why:
        says = "No deployment of it was known when they were read."
        yield Gap(says, _read_at(rows, "deployments"))


def reading(rows: Rows, key: str) -> Iterator[Gap]:
    """Why a list says nothing: the product has none, no scope, not chosen, not read, not kept."""
    product, what = _product(rows), TITLES[key]
    connector = registry.connectors().get(rows.connection.connector)
    offered = {stream.key for stream in connector.streams} if connector else set()
    if key not in offered:
        yield Gap(f"{product} lists no {what}.")
    elif key not in rows.linked:
        says = f"This connection was not linked for reading {what}: the scope is missing."
        yield Gap(f"{says} Link it again with that capability.", None, "warning")
    elif key not in rows.chosen:
        yield Gap(f"Reading {what} is switched off in the settings of this connection.")
    else:
        yield from _standing(rows, key)


def _standing(rows: Rows, key: str) -> Iterator[Gap]:
    state, what = rows.states.get(key), TITLES[key]
    if state is not None and state.stand == StreamStand.FAILING:
        cause = explain(state.error, product=_product(rows))
        says = f"The {what} of this repository cannot be read: {cause.title}. {cause.who_acts}"
        yield Gap(says, state.failing_since, "danger")
    elif state is None or state.last_success_at is None:
        yield Gap(f"The {what} of this repository were not read yet.")
    elif (days := _too_old(rows, key)) is not None:
        says = f"It is older than what is kept: {what} that ended {days} days ago are dropped."
        yield Gap(says)


def _too_old(rows: Rows, key: str) -> int | None:
    """After how many days rows of this list go, where the commit is older than that."""
    days = rows.settings.keep_days if rows.settings else None
    when = rows.commit.committed_at if rows.commit else None
    if key not in ("statuses", "pipelines", "deployments") or days is None or when is None:
        return None
    return days if when < clock.now() - timedelta(days=days) else None


def _read_at(rows: Rows, key: str) -> datetime | None:
    state = rows.states.get(key)
    return state.last_success_at if state else None


def _product(rows: Rows) -> str:
    return products.name_of(rows.connection.connector)
