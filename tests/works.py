"""A small cast on a fresh database, and its workers: what flow tests begin with."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.db import connections

from connections import access
from connections.flows import consumers, link, renewals, verify, workspaces
from connections.models import (
    Connection,
    Consumer,
    PendingLink,
    RequestBudget,
    SyncRun,
    SyncSettings,
    Verification,
    Workspace,
)
from portal import roles, tenancy, work
from portal.models import Membership, Organization, User
from portal.policy import Actor, Role
from portal.secret import Secret
from tests.vendor import ROOT, Vendor

SESSION = "session-of-alice"
READ = ["repositories-read", "workspaces-read"]
OF_WORKSPACES = ["projects", "members", "groups", "repositories"]


class QuickArgon2(Argon2PasswordHasher):
    """The same algorithm with next to no work, for people who live for one test."""

    time_cost = 1
    memory_cost = 8
    parallelism = 1


class Works:
    """Acme with Alice, who manages; `drain` does what waits, as a worker does."""

    def __init__(self, worker_keys: Path) -> None:
        self.worker_keys = worker_keys
        self.acme = self.organization("acme")
        self.alice = self.person("alice@acme.example", "Alice", Role.MANAGER)
        self.admin = self.person("ada@acme.example", "Ada", Role.ADMIN)

    def organization(self, slug: str) -> Organization:
        made = Organization(slug=slug, name=slug.title())
        with tenancy.acting_for(made), tenancy.transaction():
            made.save(force_insert=True)
        return made

    def person(
        self, email: str, name: str, role: Role, organization: Organization | None = None
    ) -> Actor:
        user = User.objects.create_user(email, "a long enough password", name=name)
        with self.inside(organization):
            Membership.objects.create(user=user, role=role)
        return Actor("person", user.id, name, role)

    @contextmanager
    def inside(self, organization: Organization | None = None) -> Iterator[None]:
        """As a request does: this organization, one transaction."""
        with tenancy.acting_for(organization or self.acme), tenancy.transaction():
            yield

    def allow(self, per_hour: int) -> None:
        """So many requests an hour are what the vendor gives each account that is known so far."""
        platform = Organization(id=tenancy.PLATFORM)
        with roles.using_role("worker"), self.inside(platform):
            RequestBudget.objects.update(per_hour=per_hour)

    def drain(self) -> int:
        """Do all due work as the worker's role does it."""
        with roles.using_role("worker"):
            return work.drain()

    def environment(self, vendor: Vendor) -> dict[str, str]:
        """What a worker process needs to work for this test: its database, keys and vendor."""
        database = connections["default"].settings_dict
        return os.environ | {
            "PORTAL_PROCESS": "worker",
            "DATABASE_URL": re.sub(
                r"/[^/?]*\?", f"/{database['NAME']}?", os.environ["DATABASE_URL"]
            ),
            "KEYRING_FILE": str(self.worker_keys),
            "SANDBOX_ORIGINS": ",".join(vendor.sandboxes),
            "CONNECTOR_ORIGINS": json.dumps(vendor.origins),
            "LEASE_SECONDS": "2",
            "REFRESH_LEASE_SECONDS": "2",
        }

    def drain_and_die(self, step: str, vendor: Vendor) -> int:
        """A real worker process that dies by SIGKILL at this step; its exit code."""
        environment = self.environment(vendor) | {"DIE_AT_STEP": step}
        command = [sys.executable, "manage.py", "drain"]
        return subprocess.run(command, cwd=ROOT, env=environment, timeout=60).returncode

    def fork_and_die(self, step: str, deed: Callable[[], object] | None = None) -> int:
        """The same in a copy of this process, which begins at once; or another deed of a worker's.
        Nothing open is shared, and the copy begins threads of its own."""
        connections.close_all()
        access.door.cache_clear()
        pid = os.fork()
        if pid == 0:
            signal.alarm(60)  # one that hangs ends too
            renewals.threads.cache_clear()
            settings.DIE_AT_STEP, settings.LEASE_SECONDS = step, 2
            with suppress(BaseException), roles.using_role("worker"):
                (deed or work.drain)()
                os._exit(0)
            os._exit(1)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    # ── Linking ───────────────────────────────────────────────────────────────────────────────

    def begin(self, **chosen: Any) -> PendingLink:
        with self.inside():
            pending = link.begin(
                actor=self.alice,
                connector="bitbucket-cloud",
                user_id=self.alice.id,  # type: ignore[arg-type]
                session_key=SESSION,
                relink=chosen.get("relink"),
            )
            if chosen.get("capabilities"):
                link.choose(
                    actor=self.alice,
                    pending=pending,
                    capabilities=chosen["capabilities"],
                    reason=chosen.get("reason", ""),
                )
        return pending

    def link_by_token(
        self, token: str, *, method: str = "api-token", name: str = "Acme code", **rest: Any
    ) -> PendingLink:
        """Paste a token and let the worker settle it; the pending link as it stands then."""
        pending = self.begin(**rest)
        with self.inside():
            link.prepare(
                actor=self.alice,
                pending=pending,
                method=method,
                name=name,
                team_id=rest.get("team_id"),
                consumer_id=None,
                fields=rest.get("fields", {"email": "dana@acme.example"}),
                secret=Secret(token),
            )
        self.drain()
        return self.reloaded(pending)

    def register(self, known: dict[str, Any], *, name: str = "Acme") -> Consumer:
        """One of the sandbox's consumers, registered for Acme and sealed by the worker."""
        with self.inside():
            admin = Actor("person", self.admin.id, "Ada", Role.ADMIN)
            made = consumers.create(
                actor=admin,
                connector="bitbucket-cloud",
                name=name,
                client_id=known["key"],
                secret=Secret(known["secret"]),
            )
        self.drain()
        return made

    def reloaded(self, pending: PendingLink) -> PendingLink:
        with self.inside():
            found: PendingLink = PendingLink.objects.select_related("connection").get(id=pending.id)
            return found

    def consent(self, url: str, *, user: str = "dana", decision: str = "grant") -> dict[str, Any]:
        """Go through the sandbox's consent page; the query it sends the browser back with."""
        parts = urlsplit(url)
        form = {k: v[0] for k, v in parse_qs(parts.query).items()}
        form |= {"user": user, "decision": decision}
        request = Request(
            f"{parts.scheme}://{parts.netloc}{parts.path}", urlencode(form).encode(), method="POST"
        )
        with build_opener(_NoRedirect()).open(request, timeout=10) as answer:
            return parse_qs(urlsplit(answer.headers["Location"]).query)

    def connection(self, pending: PendingLink, *, streams: list[str] | None = None) -> Connection:
        """What was linked; it syncs these streams, without any those of workspaces alone."""
        with self.inside():
            found: Connection = Connection.objects.get(id=pending.connection_id)
            if not SyncSettings.objects.filter(connection=found).exists():
                chosen = OF_WORKSPACES if streams is None else streams
                SyncSettings.objects.create(connection=found, chosen=chosen)
            return found

    def verification(self, connection: Connection) -> Verification:
        with self.inside():
            found = Verification.objects.filter(connection_id=connection.id)
            return found.order_by("-started_at")[0]  # type: ignore[no-any-return]

    def verify(self, connection: Connection) -> Verification:
        """Ask for a verification and let the worker make it; the verification as it left it."""
        with self.inside():
            verify.request(actor=self.alice, connection=connection)
        self.drain()
        return self.verification(connection)

    def sync(self, connection: Connection, *slugs: str) -> SyncRun:
        """Choose these workspaces (all without any) and let the worker read them."""
        with self.inside():
            known = Workspace.objects.filter(connection_id=connection.id)
            chosen = known.filter(slug__in=slugs) if slugs else known
            workspaces.choose(
                actor=self.alice,
                connection=connection,
                workspace_ids=list(chosen.values_list("id", flat=True)),
            )
        self.drain()
        with self.inside():
            return SyncRun.objects.order_by("-created_at")[0]  # type: ignore[no-any-return]


class _NoRedirect(HTTPRedirectHandler):
    def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        return fp

    http_error_301 = http_error_303 = http_error_302


def vendor_has(vendor: Vendor, workspace: str) -> int:
    """How many repositories the sandbox has in this workspace."""
    return int(
        next(w["repositories"] for w in vendor.state()["workspaces"] if w["slug"] == workspace)
    )
