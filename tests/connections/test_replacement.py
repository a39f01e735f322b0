"""A credential is replaced in two phases: checked beside the old one, switched, withdrawn, or back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from connections.flows import lifecycle, replacement, verify
from connections.flows.problems import FlowProblem
from connections.models import Connection, Credential, Replacement, SyncRun, Verification
from portal import audit
from portal.models import AuditEvent, Notice
from portal.policy import Role
from portal.secret import Secret
from tests.connections.ways import again, hurry, sealed_for
from tests.vendor import Vendor
from tests.works import Works

Stage = Replacement.Stage
DANA = {"email": "dana@acme.example"}
READ = ["read:user:bitbucket", "read:workspace:bitbucket", "read:repository:bitbucket"]


def another(vendor: Vendor, **wish: Any) -> str:
    """A token made at the vendor for this test; Dana's, unless somebody else is named."""
    wish = {"kind": "api_token", "user": "dana", "scopes": READ} | wish
    return str(vendor.order("/tokens", **wish)["token"])


def hand_in(
    works: Works, connection: Connection, token: str, method: str = "api-token", **fields: str
) -> Replacement:
    """Entered by Alice, and whatever a worker makes of it."""
    with works.inside():
        one = replacement.hand_in(
            actor=works.alice,
            connection=again(works, connection) if False else connection,
            method=method,
            fields=fields or DANA,
            secret=Secret(token),
        )
    works.drain()
    return now(works, one)


def now(works: Works, one: Replacement) -> Replacement:
    with works.inside():
        found: Replacement = Replacement.objects.select_related("connection").get(id=one.id)
        return found


def do(works: Works, deed: Any, one: Replacement) -> Replacement:
    """One of the deeds of the flow by Alice, and the worker's part of it."""
    with works.inside():
        deed(actor=works.alice, replacement=now(works, one))
    works.drain()
    return now(works, one)


def linked(works: Works, vendor: Vendor) -> Connection:
    return works.connection(works.link_by_token(vendor.token("dana-full")))


def in_use(works: Works, connection: Connection) -> Credential:
    with works.inside():
        found: Credential = Credential.objects.get(connection_id=connection.id, replaced_at=None)
        return found


class TestTwoPhases:
    def test_the_new_one_is_checked_beside_the_old_one(self, works: Works, vendor: Vendor) -> None:
        connection = linked(works, vendor)
        old = in_use(works, connection)

        one = hand_in(works, connection, another(vendor))

        assert (one.stage, one.error) == (Stage.CHECKED, "")
        assert one.found["account"] == connection.account_name
        assert "Read pull requests" in one.found["loses"] and one.found["gains"] == []
        assert "read:pullrequest:bitbucket" in one.found["lost_scopes"]
        assert one.found["missing"] == []
        assert in_use(works, connection).id == old.id
        assert works.verify(connection).outcome == Verification.Outcome.PASSED
