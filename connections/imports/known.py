"""What a row is judged against, and what comes out of it. No Django here."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from connections.contracts import Manifest
from connections.imports.findings import Finding, Level
from portal.secret import Secret


@dataclass(frozen=True, slots=True)
class KnownConsumer:
    """An OAuth consumer that rows may name, by its name or its key, in lower case.

    `base_url` is the self-hosted server that it belongs to, and the only one it is sent to.
    """

    id: UUID
    connector: str
    names: frozenset[str]
    name: str = ""
    base_url: str = ""


@dataclass(slots=True)
class Known:
    """What rows are judged against, and what the rows before have taken.

    `base_url` gives the canonical form or raises ValueError with the remedy. `teams` and `taken`
    are in lower case; `defaults` are the products whose connection for everybody is taken.
    `forbids_personal` says by a name in lower case how the rotation policy stands to a credential
    that acts as a person: not at all, or an error, or a warning where it is decided by the account.
    `consumer_id` was chosen for the rows of its product that name none.
    """

    manifests: Mapping[str, Manifest]
    teams: Mapping[str, UUID]
    consumers: Sequence[KnownConsumer]
    default_team: UUID | None
    replaces: bool
    good_name: re.Pattern[str]
    looks_secret: Callable[[str], bool]
    is_token: Callable[[str], bool]
    base_url: Callable[[Manifest, str], str]
    now: datetime
    forbids_personal: Callable[[str], Level | None] = lambda name: None
    consumer_id: UUID | None = None
    taken: set[str] = field(default_factory=set)
    defaults: set[str] = field(default_factory=set)
    names_before: dict[str, int] = field(default_factory=dict)
    secrets_before: dict[bytes, int] = field(default_factory=dict)
    _random: frozenset[str] | None = None
    _key: bytes = field(default_factory=lambda: os.urandom(32), repr=False)

    def random_fields(self) -> frozenset[str]:
        """The columns whose own values look like a secret and are none."""
        if self._random is None:
            methods = [method for one in self.manifests.values() for method in one.methods]
            found = {asked.name for each in methods for asked in each.fields if asked.random}
            self._random = frozenset(found)
        return self._random

    def names_consumer(self, text: str) -> bool:
        """Whether a consumer has this name or key; a key looks like a secret and is none."""
        return any(text.lower() in each.names for each in self.consumers)

    def fingerprint(self, text: str) -> bytes:
        """Tells the secrets of one file apart; the key is forgotten with it."""
        return hashlib.blake2b(text.encode(), key=self._key, digest_size=16).digest()


@dataclass(slots=True)
class Judged:
    """One row as it would be imported. `secrets` are there only when it can be."""

    number: int
    connector: str = ""
    method: str = ""
    name: str = ""
    team_id: UUID | None = None
    consumer_id: UUID | None = None
    fields: dict[str, str] = field(default_factory=dict)
    capabilities: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    description: str = ""
    expires_at: datetime | None = None
    refreshable: bool = False
    last_four: str = ""
    findings: list[Finding] = field(default_factory=list)
    secrets: dict[str, Secret] = field(default_factory=dict, repr=False)

    @property
    def level(self) -> str:
        levels = {finding.level for finding in self.findings}
        worst = next((level for level in (Level.ERROR, Level.WARNING) if level in levels), None)
        return worst.value if worst else "ok"

    @property
    def can_be_imported(self) -> bool:
        return self.level != Level.ERROR
