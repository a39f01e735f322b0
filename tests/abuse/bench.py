"""One linked connection that many bad answers are tried on, one after the other.

After each it must be as alive as before: that is what these tests are about.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.utils import timezone

from connections.flows import refresh, sync, verify
from connections.models import (
    Connection,
    Credential,
    SyncRun,
    Verification,
    Workspace,
    credential_of,
)
from portal import roles, tenancy
from portal.models import Job
from portal.secret import Secret
from tests.abuse.browsers import Browser
from tests.connections.ways import let_ask
from tests.vendor import Vendor
from tests.works import Works

TOKEN, ACCOUNT, LIST = (
    "POST /site/oauth2/access_token",
    "GET /2.0/user",
    "GET /2.0/user/workspaces*",
)


class Bench:
    """Acme's connection by OAuth, whose vendor answers as it is told."""

    def __init__(self, works: Works, vendor: Vendor) -> None:
        self.works, self.vendor = works, vendor
        consumer = self.works.register(vendor.consumer("acme-portal"))
        pending = Browser(self.works, self.works.alice).link(consumer)
        assert (pending.stage, pending.error) == ("done", "")
        self.id = self.works.connection(pending).id
        with self.works.inside():
            Workspace.objects.filter(slug="fjord-lab").update(selected=True)

    @contextmanager
    def answering(self, match: str, **fault: Any) -> Iterator[None]:
        """Inside, every such request is answered like this; afterwards the vendor is itself."""
        self.vendor.order("/faults", match=match, times=None, **fault)
        try:
            yield
        finally:
            self.vendor.order("/normal")

    # ── What the workers do ───────────────────────────────────────────────────────────────────

    def renew(self) -> Secret:
        """A worker needs a token, the one at hand has run out, and nobody else asks for one now."""
        long_ago = timezone.now() - timedelta(hours=1)
        with self.works.inside():
            Credential.objects.update(expires_at=long_ago)
            Credential.objects.exclude(lease_until=None).update(lease_until=long_ago)
            connection = Connection.objects.get(id=self.id)
        with roles.using_role("worker"), tenancy.acting_for(self.works.acme):
            return refresh.fresh(connection)

    def verify(self) -> Verification:
        """Ask for a verification (or go on with the one under way) and let the worker try."""
        with self.works.inside():
            asked = verify.start(Connection.objects.get(id=self.id), requested_by="")
        self.drain()
        with self.works.inside():
            return Verification.objects.get(id=asked.id)  # type: ignore[no-any-return]

    def sync(self) -> SyncRun:
        """The same for a reading of the chosen workspace, fjord-lab with its 60 repositories."""
        with self.works.inside():
            run = sync.start(Connection.objects.get(id=self.id), requested_by="Alice")
        self.drain()
        with self.works.inside():
            return SyncRun.objects.get(id=run.id)  # type: ignore[no-any-return]

    def drain(self) -> None:
        """Whatever waits is due now, and done."""
        let_ask(self.works)
        with roles.using_role("worker"), self.works.inside():
            Job.objects.filter(done_at=None).update(run_at=timezone.now())
        self.works.drain()

    # ── What is there ─────────────────────────────────────────────────────────────────────────

    @property
    def connection(self) -> Connection:
        with self.works.inside():
            return Connection.objects.get(id=self.id)  # type: ignore[no-any-return]

    @property
    def credential(self) -> Credential:
        with self.works.inside():
            return credential_of(Connection.objects.get(id=self.id))

    def errors_of_jobs(self) -> set[str]:
        with self.works.inside():
            found = Job.objects.exclude(last_error="").values_list("last_error", flat=True)
            return set(found)

    def is_well(self) -> None:
        """Active and unsuspected; what went wrong in a job has a name that people can read."""
        connection = self.connection
        assert (connection.state, connection.suspect_since) == (Connection.State.ACTIVE, None)
        assert connection.revoked_at is None
        for error in self.errors_of_jobs():
            assert error == error.lower(), f"a job ended with the exception {error}"
