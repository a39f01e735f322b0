"""What the credential may do in each of the vendor's places: lines of a verification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from connections.contracts import Capability, Identity, PlaceRights, TellsRights, WorkspaceRecord
from connections.errors import VendorError
from connections.flows.look import Look, failure
from connections.models import Check, credential_of
from connections.vendor_api import VendorApi
from portal import tenancy

RIGHTS, RIGHT, RIGHTS_IN, ALLOWED = "rights", "right:", "Rights in ", "Allowed here"
MOST = 20  # places with lines of their own; the others are counted
T = TypeVar("T")
_ENOUGH = {False: "Enough for: ", True: "Enough, as far as the credential reaches, for: "}
_PROVES = {False: "Said by the vendor.", True: "Said by the vendor of the account."}


@dataclass(frozen=True, slots=True)
class Rights:
    """What was told; of nothing told, nothing is known to be missing anywhere."""

    places: tuple[PlaceRights, ...] = ()

    def completed(self, look: Look, identity: Identity) -> Identity:
        """With what is allowed somewhere, or was told with the tokens, where nothing else was."""
        if identity.scopes is not None:
            return identity
        if self.places and not any(place.at_most for place in self.places):
            return replace(identity, scopes=frozenset().union(*(p.scopes for p in self.places)))
        with tenancy.transaction():
            held = credential_of(look.connection)
        if not held.refreshable or held.vocabulary != identity.vocabulary or held.scopes is None:
            return identity
        return replace(identity, scopes=frozenset(held.scopes))

    def where(self, look: Look, key: str, samples: dict[str, T]) -> dict[str, T]:
        """Those samples, by their workspaces' slugs, in which the capability is allowed."""
        capability = next((c for c in look.way.manifest.capabilities if c.key == key), None)
        if not self.places or capability is None:
            return samples
        allowed = [each.slug for each in self.places if _allows(look, each, capability)]
        if "" in allowed:
            return samples
        return {slug: sample for slug, sample in samples.items() if slug in allowed}


def are_told(look: Look) -> bool:
    """Whether this vendor says what the credential may do where."""
    return isinstance(look.way.connector, TellsRights)


def lines(look: Look, api: VendorApi, workspaces: Sequence[WorkspaceRecord]) -> Rights:
    """What may be done where, kept as lines of its own and below each capability that is wanted."""
    connector = look.way.connector
    if not isinstance(connector, TellsRights):
        return Rights()
    try:
        told = connector.rights(api, look.connection.fields, look.way.method, workspaces)
    except VendorError as error:
        if look.may_wait(error):
            raise
        if not look.had("rights"):
            look.keep("rights", title="Rights by place", **failure(error))
        return Rights()
    for place in (told or ())[:MOST]:
        _lines_of(look, place)
    if told and len(told) > MOST and not look.had("rights"):
        look.keep(
            "rights",
            title="Rights in other places",
            outcome=Check.Outcome.NOTED,
            detail=f"{len(told) - MOST} more places",
            proves="They are not listed one by one.",
        )
    return Rights(told or ())


def _lines_of(look: Look, place: PlaceRights) -> None:
    where, manifest = place.place[:200], look.way.manifest
    if not look.had(RIGHTS, where):
        able = ", ".join(c.title for c in manifest.capabilities if _allows(look, place, c))
        look.keep(
            RIGHTS,
            workspace=where,
            title=f"{RIGHTS_IN}{place.name}"[:200],
            outcome=Check.Outcome.NOTED,
            detail=", ".join(sorted(place.scopes))[:300],
            proves=(_ENOUGH[place.at_most] + (able or "nothing that is done here") + ".")[:300],
            **look.asked(),
        )
    for key in look.connection.capabilities:
        capability = next((c for c in manifest.capabilities if c.key == key), None)
        if capability is None or look.had(f"{RIGHT}{key}"[:60], where):
            continue
        look.keep(
            f"{RIGHT}{key}"[:60],
            workspace=where,
            capability=key,
            title=f"{capability.title}: {place.name}"[:200],
            outcome=Check.Outcome.NOTED,
            detail=ALLOWED if _allows(look, place, capability) else "Not allowed here",
            proves=_PROVES[place.at_most],
        )


def _allows(look: Look, place: PlaceRights, capability: Capability) -> bool:
    needed = capability.scopes.get(look.way.method.vocabulary)
    return needed is not None and look.way.manifest.closure(place.scopes).issuperset(needed)
