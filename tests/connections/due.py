"""What the tests of policies, campaigns and the calendar begin with: connections of an age."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from connections.flows import expiry
from connections.models import Connection, Credential
from portal import clock, roles
from portal.models import Notice, Receipt
from tests.works import Works


def make(
    works: Works,
    name: str = "Acme code",
    *,
    method: str = "workspace-token",
    age: int = 0,
    ends_in: float | None = None,
    credential: dict[str, Any] | None = None,
    **facts: Any,
) -> Connection:
    """A connection whose credential is `age` days old and ends in so many days."""
    now = clock.now()
    values: dict[str, Any] = {"kind": method.replace("-", "_"), "vocabulary": "access_token"}
    values |= {"created_at": now - timedelta(days=age)} | (credential or {})
    if ends_in is not None:
        values["expires_at"] = now + timedelta(days=ends_in)
    with roles.using_role("worker"), works.inside():
        made: Connection = Connection.objects.create(
            connector=facts.pop("connector", "bitbucket-cloud"),
            method=method,
            name=name,
            account_id=name,
            account_name="Dana",
            state="active",
            granted_by_name="Alice",
            team_id=facts.pop("team_id", None),
            **facts,
        )
        Credential.objects.create(connection=made, **values)
    return made


def warn() -> None:
    """What comes due is told, as a worker does it each hour."""
    with roles.using_role("worker"):
        expiry.warn_everybody()


def told(works: Works, *kinds: str) -> list[Notice]:
    with works.inside():
        return list(Notice.objects.filter(kind__in=kinds).order_by("opened_at", "title"))


def heard(works: Works, notice: Notice) -> set[str]:
    """Who has it in the inbox."""
    with works.inside():
        found = Receipt.objects.filter(notice_id=notice.id).select_related("user")
        return {one.user.name for one in found if one.user}
