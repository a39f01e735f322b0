"""What comes due is told in time, once for each mark, to the people who can do something."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest

from connections.flows import expiry, service_keys, told_kinds
from connections.models import ServiceKey
from portal import clock, roles
from portal.models import Notice, Receipt
from tests.works import Works


@pytest.fixture(autouse=True)
def _real_time() -> Iterator[None]:
    yield
    clock.reset()


def warn() -> None:
    with roles.using_role("worker"):
        expiry.warn_everybody()


def told(works: Works, kind: str) -> list[Notice]:
    with works.inside():
        return list(Notice.objects.filter(kind=kind).order_by("opened_at"))


def heard(works: Works, notice: Notice) -> set[str]:
    with works.inside():
        found = Receipt.objects.filter(notice_id=notice.id).select_related("user")
        return {one.user.name for one in found if one.user}


class TestServiceKeys:
    def make(self, works: Works, *, days: int) -> ServiceKey:
        limits = service_keys.Limits(
            scopes=["tokens:read"],
            connectors=["bitbucket-cloud"],
            connections=[],
            networks=[],
            distinct_per_hour=20,
            expires_at=clock.now() + timedelta(days=days),
        )
        with works.inside():
            return service_keys.create(
                actor=works.admin, name="Builds", limits=limits, key=uuid4()
            ).key

    def test_a_key_is_warned_of_four_times_to_who_may_make_another(self, works: Works) -> None:
        key = self.make(works, days=31)
        for _ in range(32):
            warn()
            clock.shift(timedelta(days=1))

        found = told(works, told_kinds.KEY_EXPIRES)
        assert [one.title for one in found] == [
            f"The service key Builds expires within {left}"
            for left in ("30 days", "14 days", "7 days", "a day")
        ]
        assert {one.url for one in found} == {f"/o/acme/keys/{key.id}/"}
        assert heard(works, found[0]) == {"Ada"}
        assert [one.resolved_at is None for one in found] == [False] * 4

    def test_a_revoked_key_is_warned_of_no_more(self, works: Works) -> None:
        key = self.make(works, days=5)
        warn()
        with works.inside():
            service_keys.revoke(actor=works.admin, key=key, typed_name="Builds")
        warn()

        [notice] = told(works, told_kinds.KEY_EXPIRES)
        assert notice.resolved_at is not None
