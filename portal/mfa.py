"""Seals what allauth keeps for a second factor: TOTP seeds and the seed of recovery codes.

allauth stores both in clear unless these two methods say otherwise. They get a text and no row, so
the place is the same for all of them: someone who can write to the table could move a seed from one
person to another, but reads none. All belong to the platform, because people have no organization.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from uuid import UUID

from allauth.mfa.adapter import DefaultMFAAdapter

from portal import roles, tenancy, vault
from portal.keys import SealBroken
from portal.secret import Secret
from portal.vault import Place

PLACE: Final = Place(tenancy.PLATFORM, "mfa_authenticator", UUID(int=0), "data", "mfa")


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """allauth's adapter with sealed seeds."""

    def encrypt(self, text: str) -> str:
        """The sealed text, in letters because allauth stores JSON."""
        with _platform():
            return base64.b64encode(vault.seal(Secret(text), PLACE)).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """The text again; raises SealBroken, for a text that was never sealed too."""
        try:
            blob = base64.b64decode(encrypted_text, validate=True)
        except (binascii.Error, ValueError):
            raise SealBroken("not a sealed value") from None
        with _platform():
            return vault.unseal(blob, PLACE).reveal()


@contextmanager
def _platform() -> Iterator[None]:
    """The platform's rows, also inside the transactions that allauth opens around some calls."""
    inside = roles.connection().in_atomic_block
    scope = tenancy.borrowed_transaction if inside else tenancy.transaction
    with tenancy.elsewhere(tenancy.PLATFORM), scope():
        yield
