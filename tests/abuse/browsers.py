"""A person's browser at the portal, and the walk to the vendor and back, step by step."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from django.http import HttpResponse
from django.test import Client

from connections.flows import link
from connections.models import Connection, Consumer, Credential, PendingLink
from portal import tenancy
from portal.models import AuditEvent, Organization, User
from portal.policy import Actor
from tests.vendor import Vendor
from tests.works import Works

CALLBACK = "/oauth/bitbucket-cloud/callback"
# What differs between two servings of the same page: form tokens, references, nonces.
CHANGING = re.compile(rb'(csrfmiddlewaretoken" value="|<code>)[\w]+')


class Browser:
    """One signed-in session of one person, acting for one organization."""

    def __init__(
        self, works: Works, actor: Actor, organization: Organization | None = None
    ) -> None:
        self.works, self.actor = works, actor
        self.organization = organization or works.acme
        self.client = Client(raise_request_exception=False)
        self.client.force_login(User.objects.get(id=actor.id))

    @property
    def user_id(self) -> UUID:
        assert self.actor.id is not None
        return self.actor.id

    @property
    def session_key(self) -> str:
        return str(self.client.session.session_key)

    def start(
        self, consumer: Consumer, *, name: str = "Acme code", relink: Connection | None = None
    ) -> tuple[PendingLink, str]:
        """A link whose person has just left for the vendor, and the address they went to."""
        with self.works.inside(self.organization):
            pending = link.begin(
                actor=self.actor,
                connector="bitbucket-cloud",
                user_id=self.user_id,
                session_key=self.session_key,
                relink=relink,
            )
            link.prepare(
                actor=self.actor,
                pending=pending,
                method="oauth",
                name=name,
                team_id=None,
                consumer_id=consumer.id,
                fields={},
                secret=None,
            )
            url = link.depart(actor=self.actor, pending=pending, session_key=self.session_key)
        return pending, url

    def answer(self, url: str, **chosen: Any) -> dict[str, str]:
        """The query with which the vendor sends this browser back."""
        return {name: values[0] for name, values in self.works.consent(url, **chosen).items()}

    def back(self, query: dict[str, Any] | str, path: str = CALLBACK) -> HttpResponse:
        """Arrive at the callback with this query."""
        if isinstance(query, str):
            return self.client.get(f"{path}?{query}")  # type: ignore[return-value]
        return self.client.get(path, query)  # type: ignore[return-value]

    def link(self, consumer: Consumer, **chosen: Any) -> PendingLink:
        """The whole way; the pending link as the worker left it."""
        name = chosen.pop("name", "Acme code")
        pending, url = self.start(consumer, name=name, relink=chosen.pop("relink", None))
        assert self.back(self.answer(url, **chosen)).status_code == 303
        self.works.drain()
        return self.reloaded(pending)

    def reloaded(self, pending: PendingLink) -> PendingLink:
        with self.works.inside(self.organization):
            found: PendingLink = PendingLink.objects.get(id=pending.id)
            return found


def refusals(organization: Organization | UUID = tenancy.PLATFORM) -> list[str]:
    """The reasons of refusals on this record, oldest first."""
    with tenancy.acting_for(organization), tenancy.transaction():
        found = AuditEvent.objects.filter(action="access.refused").order_by("sequence")
        return [str(details["reason"]) for details in found.values_list("details", flat=True)]


def plain(response: HttpResponse) -> bytes:
    """The page without what changes from one serving to the next."""
    return CHANGING.sub(rb"\1", response.content)


def exchanges(vendor: Vendor) -> int:
    return sum(r["path"].endswith("/access_token") for r in vendor.requests())


def nothing_linked(works: Works, vendor: Vendor) -> None:
    """After the worker has had its turn there is no connection, and no code was spent."""
    works.drain()
    with works.inside():
        assert not Connection.objects.exists()
        assert not Credential.objects.exists()
    assert exchanges(vendor) == 0


def ended(works: Works) -> list[str]:
    """How links were refused, as Acme's own record says."""
    with works.inside():
        found = AuditEvent.objects.filter(action="link.refused").order_by("sequence")
        return [str(details["error"]) for details in found.values_list("details", flat=True)]


def state_of(url: str) -> str:
    return parse_qs(urlsplit(url).query)["state"][0]
