"""A service that leases tokens, uses them at the vendor, and says when the vendor refused one."""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import dataclass
from uuid import UUID, uuid4

from connections.api import key as key_text
from connections.flows import leases, service_keys
from connections.flows.leases import Ask, Granted, NotGranted
from connections.flows.service_keys import Limits
from portal import roles
from tests.prove.stage import Stage

MIN_TTL = 300
ASKS = ["tokens:read", "tokens:write"]


@dataclass(frozen=True, slots=True)
class Service:
    """Its key, by the hash that the api process knows it by."""

    stage: Stage
    key_hash: bytes

    def lease(self, connection_id: UUID, *, wait: float = 5.0) -> Granted | None:
        """A token with at least five minutes of life, or none."""
        return self._taken(Ask(self.key_hash, connection_id, "the proof", MIN_TTL, wait))

    def report(self, connection_id: UUID, granted: Granted) -> None:
        """The vendor refused the token of this lease."""
        lease = granted.answer.lease_id
        assert lease is not None
        self._taken(Ask(self.key_hash, connection_id, "the proof", MIN_TTL, 5.0, lease))

    def use(self, connection_id: UUID) -> bool:
        """Lease a token and read with it; a refusal is reported. Whether the vendor took it."""
        granted = self.lease(connection_id)
        if granted is None:
            return False
        if self._is_taken(granted):
            return True
        self.report(connection_id, granted)
        return False

    def _taken(self, ask: Ask) -> Granted | None:
        with roles.using_role("api"):
            try:
                return leases.take(ask)
            except NotGranted:
                return None

    def _is_taken(self, granted: Granted) -> bool:
        request = urllib.request.Request(f"{self.stage.vendor.url}/2.0/user")
        request.add_header("Authorization", f"Bearer {granted.token.reveal()}")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError as refused:
            return refused.code != 401


def service(stage: Stage) -> Service:
    """A new service of Acme's that may read every token."""
    limits = Limits(
        scopes=ASKS,
        connectors=["bitbucket-cloud"],
        connections=[],
        networks=[],
        distinct_per_hour=5000,
        expires_at=None,
    )
    with stage.works.inside():
        made = service_keys.create(
            actor=stage.works.admin, name="The proof", limits=limits, key=uuid4()
        )
    assert made.whole is not None
    return Service(stage, key_text.hash_of(made.whole.reveal()))
