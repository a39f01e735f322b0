"""The keyring as a provider of wraps: the default, without network, and what stays of old wraps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from portal import keyring
from portal.key_providers import WrapContext
from portal.keyfile import KeyMissing
from portal.keys import Cipher, SealBroken, lp
from portal.problem import Problem
from portal.seals import AES_256_GCM, WRAPPED, head, parts


class LocalKeyring:
    """Wraps under the active key of the domain in this process's keyring."""

    def target(self, domain: str) -> int:
        return keyring.current().find(Cipher, domain)[0]

    def wrap(self, domain: str, key: bytes, context: WrapContext) -> bytes:
        kek_version, kek = keyring.current().find(Cipher, domain)
        sealed = kek.seal(key, _bound(context, kek_version))
        return head(WRAPPED, AES_256_GCM, kek_version) + sealed

    def unwrap(self, domain: str, wrapped: bytes, context: WrapContext) -> bytes:
        kek_version, sealed = parts(wrapped, WRAPPED, AES_256_GCM)
        _, kek = keyring.current().find(Cipher, domain, kek_version)
        return kek.open(sealed, _bound(context, kek_version))

    def wrap_many(self, domain: str, keys: Sequence[tuple[bytes, WrapContext]]) -> list[bytes]:
        return [self.wrap(domain, key, context) for key, context in keys]

    def unwrap_many(
        self, domain: str, wraps: Sequence[tuple[bytes, WrapContext]]
    ) -> list[bytes | None]:
        found: list[bytes | None] = []
        for wrapped, context in wraps:
            try:
                found.append(self.unwrap(domain, wrapped, context))
            except (SealBroken, KeyMissing):
                found.append(None)
        return found

    def health(self, domain: str) -> Iterable[Problem]:
        return ()  # the keyring proves itself at start


def _bound(context: WrapContext, kek_version: int) -> bytes:
    place = (context.organization_id, context.domain, context.version)
    return lp("portal/v1/data-key", *place, kek_version)
