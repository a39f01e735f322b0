"""Data keys wrapped by AWS KMS, with organization, domain and version as encryption context.

https://docs.aws.amazon.com/kms/latest/APIReference/API_Encrypt.html. Needs requirements-aws.txt;
imported only when the settings name it. KMS rotates a key inside: the same identifier goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings

from portal.key_providers import AWS, WrapContext, aws_number, sealed_of, stored
from portal.keyfile import KeyMissing
from portal.keys import KEY_BYTES, KeysUnavailable, SealBroken
from portal.problem import Problem

log = logging.getLogger(__name__)

_BROKEN: Final = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})
_WAYS: Final = Config(
    connect_timeout=2, read_timeout=5, retries={"max_attempts": 2, "mode": "standard"}
)


class AwsKms:
    """Wraps under the key that KMS_KEYS names for the domain, and opens former keys too."""

    @cached_property
    def _kms(self) -> Any:
        """One client; credentials are the machine's own, found by boto3 (role, profile, file)."""
        region, endpoint = settings.KMS_REGION or None, settings.KMS_ENDPOINT or None
        return boto3.client("kms", region_name=region, endpoint_url=endpoint, config=_WAYS)

    def target(self, domain: str) -> int:
        return aws_number(_key_of(domain))

    def wrap(self, domain: str, key: bytes, context: WrapContext) -> bytes:
        key_id = _key_of(domain)
        try:
            sealed = self._kms.encrypt(
                KeyId=key_id, Plaintext=key, EncryptionContext=_bound(context)
            )["CiphertextBlob"]
        except (BotoCoreError, ClientError) as error:
            raise _unavailable(error) from None
        return stored(AWS, aws_number(key_id), key_id, sealed)

    def unwrap(self, domain: str, wrapped: bytes, context: WrapContext) -> bytes:
        key_id, sealed = sealed_of(AWS, wrapped, _allowed(domain))
        try:
            found: bytes = self._kms.decrypt(
                KeyId=key_id, CiphertextBlob=sealed, EncryptionContext=_bound(context)
            )["Plaintext"]
        except ClientError as error:
            if _code(error) in _BROKEN:
                raise SealBroken("KMS does not open it") from None
            raise _unavailable(error) from None
        except BotoCoreError as error:
            raise _unavailable(error) from None
        if len(found) != KEY_BYTES:
            raise SealBroken("of another length")
        return found

    def wrap_many(self, domain: str, keys: Sequence[tuple[bytes, WrapContext]]) -> list[bytes]:
        return [self.wrap(domain, key, context) for key, context in keys]

    def unwrap_many(
        self, domain: str, wraps: Sequence[tuple[bytes, WrapContext]]
    ) -> list[bytes | None]:
        found: list[bytes | None] = []
        for wrapped, context in wraps:
            try:
                found.append(self.unwrap(domain, wrapped, context))
            except SealBroken:
                found.append(None)
        return found

    def health(self, domain: str) -> Iterator[Problem]:
        try:
            told = self._kms.describe_key(KeyId=_key_of(domain))["KeyMetadata"]
        except (BotoCoreError, ClientError, KeyMissing) as error:
            yield Problem(
                f"AWS KMS does not answer for the domain {domain} ({_code(error)}).",
                "Look at KMS_KEYS, KMS_REGION, and what this machine's role may do.",
            )
            return
        if not told.get("Enabled"):
            yield Problem(
                f"The AWS KMS key of the domain {domain} is {told.get('KeyState')}.", "Enable it."
            )


def provider() -> AwsKms:
    """The provider as the settings have it."""
    return AwsKms()


def _key_of(domain: str) -> str:
    key_id = settings.KMS_KEYS.get(domain)
    if not key_id:
        raise KeyMissing(domain, None)
    return str(key_id)


def _allowed(domain: str) -> list[str]:
    current = settings.KMS_KEYS.get(domain)
    return [*([current] if current else []), *settings.KMS_FORMER_KEYS]


def _bound(context: WrapContext) -> dict[str, str]:
    """CloudTrail shows it in clear: it says whose key was opened, and nothing secret."""
    return {
        "organization": str(context.organization_id),
        "domain": context.domain,
        "version": str(context.version),
    }


def _code(error: Exception) -> str:
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "unknown"))
    return type(error).__name__


def _unavailable(error: Exception) -> KeysUnavailable:
    log.error("keys.unavailable", extra={"provider": AWS, "reason": _code(error)})
    return KeysUnavailable(_code(error))
