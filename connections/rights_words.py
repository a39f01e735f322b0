"""What a credential may do in which of the vendor's places, where that differs. No Django here.

`contracts` hands these words on: rooms import them from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from connections.calls import Answer, Api
from connections.methods import Method
from connections.records import WorkspaceRecord


@dataclass(frozen=True, slots=True)
class PlaceRights:
    """What the credential may do in one place; `scopes` are words of the method's vocabulary.

    `place` is the vendor's word for it. One that is a workspace names its `slug`; what is allowed
    in one without is allowed everywhere. `at_most`: the account may, the credential perhaps less.
    """

    place: str
    name: str
    scopes: frozenset[str]
    slug: str = ""
    at_most: bool = False


@runtime_checkable
class TellsRights(Protocol):
    """A connector whose vendor says what a credential may do where.

    A verification asks, with the workspaces it found; quiet looks do not. None: it does not say.
    """

    def rights(
        self,
        api: Api,
        fields: Mapping[str, str],
        method: Method,
        workspaces: Sequence[WorkspaceRecord],
    ) -> tuple[PlaceRights, ...] | None: ...


@runtime_checkable
class Proves(Protocol):
    """A connector that tries what no GET alone proves: capabilities with a `proof`.

    `prove` changes nothing and gives the answer that proves it, or raises what is in the way.
    """

    def prove(
        self, api: Api, fields: Mapping[str, str], method: Method, capability: str
    ) -> Answer: ...


@runtime_checkable
class EndsGrants(Protocol):
    """A connector through whose API a grant of OAuth ends itself, where there is no RFC 7009."""

    def end_grant(self, api: Api, fields: Mapping[str, str], method: Method) -> None: ...
