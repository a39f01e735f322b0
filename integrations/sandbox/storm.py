"""An incident at the vendor: its token endpoint refuses grants that are in order."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

ERRORS = ("", "invalid_grant", "invalid_request", "unauthorized_client", "invalid_client")
CLIENT_ERRORS = ("unauthorized_client", "invalid_client")
WHOLE = 2**32


@dataclass(slots=True)
class Storm:
    """`error` for every refresh of a `share` of the grants; no storm while it is empty.

    The errors about the client strike every call, whatever grant it is about.
    """

    error: str = ""
    share: float = 1.0

    def rise(self, error: str, share: float) -> None:
        """Raises ValueError for an error that no token endpoint gives."""
        if error not in ERRORS:
            raise ValueError(f"error is one of {', '.join(map(repr, ERRORS))}")
        self.error, self.share = error, share

    def meets_everybody(self) -> bool:
        return self.error in CLIENT_ERRORS

    def meets(self, grant_id: str) -> bool:
        """Whether it strikes this grant: always the same ones for the same share."""
        place = int.from_bytes(hashlib.sha256(grant_id.encode()).digest()[:4])
        return bool(self.error) and place < self.share * WHOLE

    def describe(self) -> dict[str, Any]:
        return asdict(self)
