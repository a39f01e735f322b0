"""The scope matrix: for each capability what it needs, what was granted, what was proven."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from connections.contracts import Capability, Manifest
from connections.flows.placed import ALLOWED, RIGHT, RIGHTS, RIGHTS_IN
from connections.models import Check, CheckOutcome, Connection


@dataclass(frozen=True, slots=True)
class Words:
    """A capability's scopes as one of the vendor's vocabularies says them."""

    spoken_by: str
    scopes: tuple[str, ...]
    labels: tuple[str, ...]
    obstacle: str
    is_ours: bool


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """One capability. `granted` None: the vendor did not say."""

    key: str
    title: str
    why: str
    needed: bool
    granted: bool | None
    proven: str
    missing: tuple[str, ...]
    words: list[Words]
    checks: list[Check]
    unprovable: str
    probe: str


@dataclass(frozen=True, slots=True)
class PlaceRow:
    """What may be done in one of the vendor's places; `may` follows the order of `needed`."""

    place: str
    name: str
    words: str
    may: list[tuple[str, bool]]

    @property
    def refused(self) -> list[str]:
        """What is needed and not allowed here."""
        return [title for title, is_allowed in self.may if not is_allowed]

    @property
    def allowed(self) -> int:
        return len(self.may) - len(self.refused)


@dataclass(frozen=True, slots=True)
class Matrix:
    needed: list[MatrixRow]
    others: list[MatrixRow]
    missing: list[MatrixRow]
    excess: tuple[str, ...]
    scopes: tuple[str, ...] | None
    places: list[PlaceRow]


def matrix_of(
    *,
    manifest: Manifest,
    connection: Connection,
    vocabulary: str,
    scopes: Sequence[str] | None,
    checks: Sequence[Check],
) -> Matrix:
    """Scopes come from what the vendor said of the credential, never from what was asked."""
    held = None if scopes is None else manifest.closure(frozenset(scopes))
    rows = [
        _row(manifest, capability, connection, vocabulary, held, checks)
        for capability in manifest.capabilities
    ]
    needed = [row for row in rows if row.needed]
    return Matrix(
        needed=needed,
        others=sorted((row for row in rows if not row.needed), key=lambda row: not row.granted),
        missing=[row for row in needed if row.granted is False],
        excess=_excess(manifest, connection, vocabulary, scopes),
        scopes=None if scopes is None else tuple(scopes),
        places=_places(needed, checks),
    )


def checks_of(verification_id: UUID) -> list[Check]:
    return list(Check.objects.filter(verification_id=verification_id).order_by("position"))


def spoken_by(manifest: Manifest, vocabulary: str) -> str:
    """Who speaks this vocabulary: the titles of its methods."""
    return ", ".join(m.title for m in manifest.choices if m.vocabulary == vocabulary)


def vocabularies(manifest: Manifest) -> list[str]:
    """Every vocabulary of the vendor, in the order of its methods."""
    return list(dict.fromkeys(method.vocabulary for method in manifest.methods))


def words_of(manifest: Manifest, capability: Capability, ours: str = "") -> list[Words]:
    """The capability in each vocabulary."""
    return [
        Words(
            spoken_by=spoken_by(manifest, vocabulary),
            scopes=capability.scopes.get(vocabulary, ()),
            labels=capability.labels.get(vocabulary, ()),
            obstacle=""
            if vocabulary in capability.scopes
            else capability.unavailable.get(vocabulary, "Not possible this way."),
            is_ours=vocabulary == ours,
        )
        for vocabulary in vocabularies(manifest)
    ]


def _row(
    manifest: Manifest,
    capability: Capability,
    connection: Connection,
    vocabulary: str,
    held: frozenset[str] | None,
    checks: Sequence[Check],
) -> MatrixRow:
    wanted = capability.scopes.get(vocabulary)
    missing = tuple(s for s in wanted or () if held is not None and s not in held)
    mine = [c for c in checks if c.capability == capability.key and not is_of_place(c)]
    return MatrixRow(
        key=capability.key,
        title=capability.title,
        why=capability.why,
        needed=capability.key in connection.capabilities,
        granted=False if wanted is None else None if held is None else not missing,
        proven=_proven(capability, mine),
        missing=missing,
        words=words_of(manifest, capability, vocabulary),
        checks=mine,
        unprovable=capability.unprovable,
        probe=f"GET {capability.probe}" if capability.probe else capability.proof,
    )


def is_of_place(check: Check) -> bool:
    """Whether a line says what is allowed in one place: the table of places shows it."""
    return bool(check.key.startswith(RIGHT))


def _places(needed: Sequence[MatrixRow], checks: Sequence[Check]) -> list[PlaceRow]:
    """One row for each place whose rights were told, as the verification kept them."""
    allowed = {
        (check.workspace, check.capability): check.detail == ALLOWED
        for check in checks
        if is_of_place(check)
    }
    return [
        PlaceRow(
            place=told.workspace,
            name=told.title.removeprefix(RIGHTS_IN),
            words=told.detail,
            may=[(row.title, allowed.get((told.workspace, row.key), False)) for row in needed],
        )
        for told in checks
        if told.key == RIGHTS and told.workspace
    ]


def _proven(capability: Capability, checks: Sequence[Check]) -> str:
    outcomes = {check.outcome for check in checks}
    tried = {check.outcome for check in checks if check.status is not None}
    if CheckOutcome.REFUSED in outcomes or CheckOutcome.MISSING in tried:
        return "refused"
    if CheckOutcome.PROVEN in outcomes:
        return "proven"
    if CheckOutcome.UNPROVABLE in outcomes or not (capability.probe or capability.proof):
        return "unprovable"
    return "untried"


def _excess(
    manifest: Manifest, connection: Connection, vocabulary: str, scopes: Sequence[str] | None
) -> tuple[str, ...]:
    """Scopes of the credential that nothing we were asked to do needs, implied ones left out."""
    keys = connection.capabilities
    chosen = [c for c in manifest.capabilities if c.minimal or c.key in keys]
    needed = manifest.closure(
        frozenset(scope for c in chosen for scope in c.scopes.get(vocabulary, ()))
    )
    held = frozenset(scopes or ())
    implied = frozenset(s for scope in held & needed for s in manifest.closure(frozenset({scope})))
    return tuple(sorted(held - needed - implied))
