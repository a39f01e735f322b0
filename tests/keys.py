"""Keyrings for tests: what `init_keys` would write, held as one process or as both at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from portal import keyfile, keyring
from portal.keyfile import Keyring


def rings() -> dict[str, Keyring]:
    """New keys of one installation, by the process that holds them."""
    texts = keyring.generate()
    return {process: keyfile.parse(text, process) for process, text in texts.items()}


def everything(found: dict[str, Keyring]) -> Keyring:
    """All of an installation's keys in one hand, which no real process has."""
    return Keyring({name: keys for ring in found.values() for name, keys in ring.domains.items()})


@contextmanager
def holding(ring: Keyring) -> Iterator[None]:
    """Inside, this is the keyring of the process."""
    keyring.install(ring)
    try:
        yield
    finally:
        keyring.install(None)
