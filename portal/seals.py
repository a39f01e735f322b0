"""What a sealed blob looks like, and the place it belongs to; opens nothing by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from portal.keys import SealBroken, lp

# A blob is its magic, the suite, the key's version in four bytes, and what the suite made.
FIELD: Final = b"P1"  # a secret under a data key
WRAPPED: Final = b"K1"  # a data key under a key of the keyring
HANDED_IN: Final = b"H1"  # a secret on its way in, under the intake's public key
AES_256_GCM: Final = 1
HPKE_X25519: Final = 1
_HEAD: Final = 7


@dataclass(frozen=True, slots=True)
class Place:
    """Where a secret belongs; it opens nowhere else. `domain` says under which keys it lies."""

    organization_id: UUID
    table: str
    row_id: UUID
    field: str
    domain: str = "grant"

    def context(self, label: str, suite: int, version: int) -> bytes:
        """The associated data: every part of the place, so that a moved blob does not open."""
        place = (self.organization_id, self.table, self.row_id, self.field)
        return lp(label, bytes([suite]), *place, version)

    def named(self) -> dict[str, str]:
        """The place for a log line."""
        return {"table": self.table, "row": str(self.row_id), "field": self.field}


def head(magic: bytes, suite: int, version: int) -> bytes:
    """What a blob begins with."""
    return magic + bytes([suite]) + version.to_bytes(4, "big")


def parts(blob: bytes, magic: bytes, suite: int) -> tuple[int, bytes]:
    """Key version and sealed bytes; raises SealBroken for another magic or suite."""
    if len(blob) < _HEAD or blob[:2] != magic or blob[2] != suite:
        raise SealBroken("unknown form")
    return int.from_bytes(blob[3:_HEAD], "big"), blob[_HEAD:]
