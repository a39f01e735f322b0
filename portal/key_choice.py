"""Finds the provider that wraps a domain's new data keys, and the one that opens a stored key.

A provider's module is read when the settings name it: nobody needs boto3 who does not use AWS.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from functools import cache
from typing import Final, cast

from django.conf import settings

from portal import key_providers, keyring
from portal.key_local import LocalKeyring
from portal.key_providers import AWS, KEYRING, VAULT, KeyProvider
from portal.keyfile import KeyMissing
from portal.keys import SealBroken
from portal.problem import Problem

_MODULES: Final = {VAULT: "portal.kms_vault", AWS: "portal.kms_aws"}


def wrapping(domain: str) -> KeyProvider:
    """What wraps this domain's new data keys. Raises KeyMissing where the process has no such
    domain: what it may not open with its own keys it does not ask another machine for."""
    return _held(domain, key_providers.name_for(domain))


def opening(domain: str, wrapped: bytes) -> KeyProvider:
    """What opens this stored key; raises SealBroken and KeyMissing."""
    name = key_providers.provider_of(wrapped)
    if not key_providers.is_configured(name):
        raise SealBroken(f"wrapped by {key_providers.TITLES[name]}, which is not configured")
    return _held(domain, name)


def _held(domain: str, name: str) -> KeyProvider:
    if name != KEYRING and domain not in keyring.current().domains:
        raise KeyMissing(domain, None)
    return named(name)


@cache
def named(name: str) -> KeyProvider:
    """The provider of that name, one for the process."""
    if name == KEYRING:
        return LocalKeyring()
    return cast(KeyProvider, importlib.import_module(_MODULES[name]).provider())


def problems() -> Iterator[Problem]:
    """What keeps the provider that the settings name from doing its work now."""
    if settings.KEY_PROVIDER == KEYRING:
        return
    for domain in settings.KEY_PROVIDER_DOMAINS:
        yield from named(settings.KEY_PROVIDER).health(domain)
