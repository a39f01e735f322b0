"""The keys of Vault and AWS KMS: what lies under each, which of them wraps, and whether it answers.

Only a process that holds a domain may use the domain's key there, so only it can say how that is.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from django.conf import settings

from portal import key_choice, key_providers, key_stand, keyring
from portal.key_providers import AWS, BASES, KEYRING, TITLES, VAULT
from portal.kms_vault import key_name

ANSWERS, TROUBLE, UNKNOWN = "answers", "trouble", "unknown"
ACTIVE, OLD, LOST = "active", "old", "lost"
NONE_YET: Final = 0
DOMAINS: Final = ("access", "grant", "mfa")  # what may lie under a provider's key
REMEMBERED_SECONDS: Final = 15.0  # a page that looks again asks nobody each time

_asked: dict[tuple[str, str], tuple[float, str]] = {}


class Lying(NamedTuple):
    """So many data keys of a domain lie under this key of a provider; NONE_YET under none."""

    domain: str
    provider: str
    number: int
    data_keys: int


@dataclass(frozen=True, slots=True)
class AwayLine:
    """One version of one domain's key elsewhere; no `version` where the provider shows none.

    `stage` is active, old (it only opens), or lost: data keys lie under it and the settings do not
    name it. `health` is answers, trouble (`trouble` says which), or unknown to this process.
    """

    domain: str
    title: str
    key_name: str
    version: int | None
    stage: str
    data_keys: int
    health: str
    trouble: str

    def __str__(self) -> str:
        version = f", v{self.version}" if self.version else ""
        health = {ANSWERS: "answers", UNKNOWN: "health not known by this process"}
        return (
            f"{self.domain}: {self.data_keys:,} data keys under {self.title}{version}"
            f" ({self.key_name or 'not in the settings'}), {self.stage},"
            f" {health.get(self.health, self.trouble)}"
        )


def lines() -> list[AwayLine]:
    """Every key elsewhere under which data keys lie, or will; by domain, the newest first."""
    away = key_stand.away()
    found = [Lying(d, key_providers.name_of(n), n, count) for d, n, count in away]
    numbers = {domain: [n for d, n, _ in away if d == domain] for domain in DOMAINS}
    latest = {domain: newest(domain, numbers[domain]) for domain in DOMAINS}
    for domain in DOMAINS:
        name = key_providers.name_for(domain)
        if name != KEYRING and latest[domain] is None:
            found.append(Lying(domain, name, NONE_YET, 0))
    found.sort(key=lambda one: (one.domain, -one.number))
    return [_line(one, latest.get(one.domain)) for one in found]


def newest(domain: str, numbers: Iterable[int]) -> int | None:
    """The one of these numbers under which the domain's provider wraps; None if it is not there.

    Vault counts its versions. A key of AWS KMS has none: it is the one that the settings name.
    """
    name = key_providers.name_for(domain)
    own = [number for number in numbers if key_providers.name_of(number) == name]
    if name == AWS:
        named = key_providers.aws_number(settings.KMS_KEYS.get(domain, ""))
        return named if named in own else None
    return max(own, default=None)


def _line(one: Lying, latest: int | None) -> AwayLine:
    named = _named(one)
    health, trouble = _health(one.provider, one.domain) if named else (UNKNOWN, "")
    is_counted = one.provider == VAULT and one.number != NONE_YET
    return AwayLine(
        domain=one.domain,
        title=TITLES[one.provider],
        key_name=named,
        version=one.number - BASES[VAULT] if is_counted else None,
        stage=_stage(one, latest) if named else LOST,
        data_keys=one.data_keys,
        health=health,
        trouble=trouble,
    )


def _named(one: Lying) -> str:
    """What its provider calls the key; empty when the settings do not name it."""
    if not key_providers.is_configured(one.provider):
        return ""
    if one.provider == VAULT:
        return f"{settings.VAULT_TRANSIT_MOUNT}/{key_name(one.domain)}"
    current = settings.KMS_KEYS.get(one.domain, "")
    known = [key for key in (current, *settings.KMS_FORMER_KEYS) if key]
    if one.number == NONE_YET:
        return str(current)
    return next((key for key in known if key_providers.aws_number(key) == one.number), "")


def _stage(one: Lying, latest: int | None) -> str:
    is_own = one.provider == key_providers.name_for(one.domain)
    return ACTIVE if is_own and one.number in (NONE_YET, latest) else OLD


def _health(name: str, domain: str) -> tuple[str, str]:
    """Whether it answers this process, as of the last quarter of a minute."""
    if domain not in keyring.current().domains:
        return UNKNOWN, ""
    since, trouble = _asked.get((name, domain), (-REMEMBERED_SECONDS, ""))
    if time.monotonic() - since >= REMEMBERED_SECONDS:
        trouble = " ".join(str(one) for one in key_choice.named(name).health(domain))
        _asked[name, domain] = time.monotonic(), trouble
    return (TROUBLE, trouble) if trouble else (ANSWERS, "")
