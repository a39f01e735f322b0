"""Trouble to tell of, and a clock that goes on until it is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest
from django.core import mail

from portal import clock, inbox, notices, roles, tenancy, work
from portal.inbox import Filter
from portal.models import Notice, Organization, Receipt
from portal.notices import Kind, Severity
from portal.policy import Permission
from tests.cases import Cast

KIND, QUIET, WELL, URGENT = "test_broken", "test_quiet", "test_well", "test_urgent"
SPACE = UUID(int=7)

notices.register(
    Kind(
        KIND, "Something is broken", "{subject} is broken", "It is {subject}.", "Mend it",
        severity=Severity.BROKEN, email=True,
    ),
    Kind(
        URGENT, "Something leaks", "{subject} leaks", "", "Stop it",
        severity=Severity.BROKEN, email=True, urgent=True,
    ),
    Kind(QUIET, "Something is odd", "{subject} is odd", "", "Look at it", chat=False),
    Kind(
        WELL, "Something is well", "{subject} works again", "", "Look at it",
        severity=Severity.NEWS, email=True,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Thing:
    """What is broken."""

    name: str

    @property
    def id(self) -> UUID:
        return uuid5(SPACE, self.name)

    def __str__(self) -> str:
        return self.name.capitalize() if self.name == "code" else self.name


@dataclass
class Bells:
    """Acme's people and what they are told."""

    cast: Cast

    def tell(self, name: str = "code", *, kind: str = KIND, **given: Any) -> Notice:
        """Inside a transaction: this thing is broken."""
        team_id, granted_by = given.pop("team_id", None), given.pop("granted_by", None)
        who = given.pop("audience", None) or notices.who_may(
            Permission.CONNECTION_MEND, team_id=team_id, granted_by=granted_by
        )
        return notices.tell(
            kind, subject=Thing(name), audience=who, dedupe=name, url="/o/acme/members/",
            team_id=team_id, **given,
        )  # fmt: skip

    def trouble(self, name: str = "code", **given: Any) -> Notice:
        with self.cast.inside():
            return self.tell(name, **given)

    def recovered(self, name: str = "code") -> None:
        with self.cast.inside():
            notices.recovered(name, kind=WELL)

    def wait(self, *, seconds: int = 61, minutes: int = 0) -> None:
        """Let time pass, and workers do what is due meanwhile."""
        clock.shift(timedelta(minutes=minutes, seconds=0 if minutes else seconds))
        self.drain()

    def drain(self) -> None:
        with roles.using_role("worker"):
            work.drain()

    @contextmanager
    def works(self, organization: Organization | None = None) -> Iterator[None]:
        """As a worker, inside Acme."""
        with roles.using_role("worker"), self.cast.inside(organization):
            yield

    def notices(self, kind: str = KIND) -> list[Notice]:
        with self.cast.inside():
            return list(Notice.objects.filter(kind=kind).order_by("opened_at"))

    def platforms(self, kind: str) -> list[Notice]:
        """The platform's own, for its operators."""
        with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
            return list(Notice.objects.filter(kind=kind).order_by("opened_at"))

    def names(self, dedupe: str = "code") -> set[str]:
        """Who has a copy."""
        with self.cast.inside():
            found = Receipt.objects.filter(notice__dedupe=dedupe).select_related("user")
            return {one.user.email.partition("@")[0] for one in found if one.user}

    def mailed(self) -> set[str]:
        """To whom something was sent."""
        return {address.partition("@")[0] for letter in mail.outbox for address in letter.to}

    def unread(self, name: str) -> int:
        with self.cast.inside():
            return inbox.unread(self.cast[name].id)

    def read(self, name: str) -> None:
        with self.cast.inside():
            inbox.read_all(self.cast[name].id, Filter())


@pytest.fixture
def bells(cast: Cast) -> Iterator[Bells]:
    mail.outbox = []
    yield Bells(cast)
    clock.reset()
