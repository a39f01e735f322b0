"""Abuse cases T that lie beside the pages: job rows with foreign ids, races, and oracles.

Invitations, roles, support and sessions have theirs in tests/portal; addresses in test_urls.py.
"""

from __future__ import annotations

import inspect
from typing import Any
from uuid import uuid4

import pytest
from django.urls import reverse

from portal import roles, work
from portal.models import Job, Membership, Team
from tests.servers import Servers
from tests.town import Town, snapshot
from tests.works import Works

KINDS = sorted(work._kinds)


@pytest.fixture(scope="module")
def town(module_works: Works, servers: Servers) -> Town:
    return Town(module_works, servers)


@pytest.fixture(scope="module")
def globex(town: Town) -> Any:
    """What there is next door before any of the jobs, and after each of them."""
    return snapshot(town, town.globex.id)


def arguments(town: Town, kind: str, source: str) -> dict[str, Any]:
    """Ids for a job of this kind: next door's, unknown ones, or no ids at all."""
    wanted = inspect.signature(inspect.unwrap(work._kinds[kind].run)).parameters
    names = [name for name, each in wanted.items() if each.kind is each.KEYWORD_ONLY]
    also = {"pending_link_id": "link_id"}
    if source == "foreign":
        return {n: town.foreign.get(also.get(n, n), uuid4()) for n in names}
    return {name: uuid4() if source == "unknown" else "not-an-id" for name in names}


@pytest.mark.parametrize("source", ["foreign", "unknown", "malformed", "missing", "extra"])
@pytest.mark.parametrize("kind", KINDS)
def test_T02_a_job_with_ids_from_elsewhere_touches_nothing(
    kind: str, source: str, town: Town, globex: Any
) -> None:
    ids = {} if source == "missing" else arguments(town, kind, source)
    if source == "extra":
        ids = arguments(town, kind, "unknown") | {"organization_id": town.globex.id}
    with town.works.inside():
        others = set(Job.objects.filter(done_at=None).values_list("id", flat=True))
        work.later(kind, max_attempts=1, **ids)
    town.works.drain()
    assert snapshot(town, town.globex.id) == globex
    with roles.using_role("worker"), town.works.inside():
        assert not Job.objects.filter(done_at=None).exclude(id__in=others).exists()


def test_a_job_of_an_unknown_kind_does_nothing(town: Town) -> None:
    with town.works.inside():
        work.later("drop_everything", anything=uuid4())
    town.works.drain()
    with town.works.inside():
        assert Job.objects.get(kind="drop_everything").last_error == "unknown_kind"


def test_T04_a_name_taken_next_door_is_free_here(town: Town) -> None:
    with town.works.inside(town.globex):
        Team.objects.create(name="Oracle")
    client = town.client("owner")
    form = {"name": "Oracle", "parent": "", "key": str(uuid4())}
    assert client.post(reverse("team_create", args=["acme"]), form).status_code == 302


def test_T04_an_invitation_says_nothing_of_who_has_an_account(town: Town) -> None:
    """Known next door or to nobody: the inviting page reads the same."""
    client = town.client("owner")
    pages = []
    for email in ("mallory@people.example", "unknown@people.example"):
        form = {"email": email, "role": "member", "key": str(uuid4())}
        page = client.post(reverse("member_invite", args=["acme"]), form)
        assert page.status_code == 200
        pages.append(page.content.count(b"<form"))
        assert b"mallory Other" not in page.content
    assert pages[1] - pages[0] in (1, 2)  # the list has grown by the second invitation


def test_T19_work_asks_again_who_is_asking(town: Town) -> None:
    """What a page showed as allowed is refused by the flow once the role is gone."""
    client = town.client("admin")
    url = reverse("connection_pause", args=["acme", town.ids["connection_id"]])
    with town.works.inside():
        Membership.objects.filter(user=town.people["admin"]).update(role="auditor")
    assert client.post(url).status_code == 403
