"""Reads a keyring file strictly: which process may hold which keys, and what a right key is.

    {"grant": {"active": 1, "keys": {"1": "<base64 of 32 bytes>"}}, "index": {…}}

A file that is wrong in any way is refused whole, in one line that names domain and version and
never the key. Nothing here makes a key or talks to the database.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import stat
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from portal.keys import KEY_BYTES, Cipher, IndexKey, IntakeOpener, IntakeSealer, Key
from portal.problem import Problem

K = TypeVar("K", Cipher, IndexKey, IntakeOpener, IntakeSealer)

# What a key of each domain becomes.
DOMAINS: Final[Mapping[str, Callable[[bytes], Key]]] = {
    "intake": IntakeOpener,  # opens what people and vendors brought in
    "intake_public": IntakeSealer,  # seals it
    "grant": Cipher,  # wraps the data keys of stored credentials
    "access": Cipher,  # wraps those of access tokens, which live an hour or two
    "webhook": Cipher,  # wraps those of webhooks' secrets
    "index": IndexKey,  # fingerprints and keyed look-ups
    "mfa": Cipher,  # wraps the data key of TOTP seeds and recovery codes
}

# Which process holds which domains: exactly these, none missing and none more.
HOLDS: Final[Mapping[str, frozenset[str]]] = {
    "web": frozenset({"intake_public", "mfa"}),
    "api": frozenset({"access"}),
    "ingest": frozenset({"webhook"}),
    "worker": frozenset({"intake", "grant", "access", "webhook", "index"}),
    "tick": frozenset(),
    "manage": frozenset(),
}

# What came after the first version, so an older installation may lack it: `init_keys` adds it.
ADDED: Final = frozenset({"access", "webhook"})
# Where values of such a domain lay before: they stay there until they are stored again.
BEFORE: Final[Mapping[str, str]] = {"access": "grant"}

_DIFFERENT_BYTES: Final = 8  # of 32; a random key has fewer once in 10^27 draws
_MOST_BYTES: Final = 64 * 1024
_VERSION: Final = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_WORD: Final = re.compile(r"[a-z_]{1,16}", re.ASCII)
_RESTORE: Final = "Restore the file from your backup."
_ADD: Final = "After an upgrade run `manage.py init_keys` again: it adds what is new, nothing else."
ADD: Final = (
    "After an upgrade run `manage.py init_keys` again: it adds it and changes no other key."
)


class KeyringRefused(Exception):
    """The keyring cannot be used; `problem` is the one line to show."""

    def __init__(self, what: str, remedy: str = _RESTORE) -> None:
        self.problem = Problem(what, remedy)
        super().__init__(str(self.problem))


class KeyMissing(LookupError):
    """The keyring has no such key: another domain's, or a version that was taken away."""

    def __init__(self, domain: str, version: int | None) -> None:
        self.name = domain if version is None else f"{domain}/v{version}"
        super().__init__(f"missing key {self.name}")


@dataclass(frozen=True, slots=True)
class Versions:
    """The keys of one domain: `active` makes new seals, the others only open old ones."""

    active: int
    keys: Mapping[int, Key]


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys of one process, by domain and version."""

    domains: Mapping[str, Versions]

    def find(self, kind: type[K], domain: str, version: int | None = None) -> tuple[int, K]:
        """A key and its version, the active one unless told; raises KeyMissing."""
        held = self.domains.get(domain)
        number = version if version is not None or held is None else held.active
        key = held.keys.get(number) if held and number is not None else None
        if number is None or not isinstance(key, kind):
            raise KeyMissing(domain, version)
        return number, key


def read(path: Path | None, descriptor: int = -1) -> str:
    """The keyring's text, from an inherited descriptor first; raises KeyringRefused.

    A descriptor of a pipe can be read by one process only; several processes need a file.
    """
    name = f"descriptor {descriptor}" if descriptor >= 0 else str(path)
    if descriptor < 0 and path is None:
        raise KeyringRefused("No keyring is given.", "Set KEYRING_FILE to its path.")
    try:
        opened = descriptor if descriptor >= 0 else os.open(str(path), os.O_RDONLY | os.O_CLOEXEC)
        with open(opened, "rb", closefd=descriptor < 0) as source:
            found = os.fstat(opened)
            _require_owner_only(found, name)
            # Processes that share a descriptor share its position: read a file by place.
            is_file = stat.S_ISREG(found.st_mode)
            raw = os.pread(opened, _MOST_BYTES, 0) if is_file else source.read(_MOST_BYTES)
            return raw.decode()
    except FileNotFoundError:
        raise KeyringRefused(
            f"There is no keyring at {name}.",
            "Restore it from your backup; on a first start, or when an upgrade brought this"
            " process, run `manage.py init_keys`.",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise KeyringRefused(f"The keyring {name} cannot be read ({_reason(error)}).") from None


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or "input error") if isinstance(error, OSError) else "it is not text"


def _require_owner_only(found: os.stat_result, name: str) -> None:
    if stat.S_ISREG(found.st_mode) and found.st_mode & 0o077:
        mode = stat.S_IMODE(found.st_mode)
        raise KeyringRefused(
            f"The keyring {name} can be read by others (mode {mode:04o}).",
            f"Run `chmod 0400 {name}`.",
        )


def parse(text: str, process: str, *, may_lack: Set[str] = frozenset()) -> Keyring:
    """The keyring of this process; raises KeyringRefused for anything unusual in the text."""
    try:
        content = json.loads(text, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError):
        raise KeyringRefused("The keyring is not the JSON that `init_keys` wrote.") from None
    if not isinstance(content, dict):
        raise KeyringRefused("The keyring is not a JSON object.")
    _require_domains(content.keys(), process, may_lack)
    seen: set[bytes] = set()
    return Keyring({name: _versions(name, content[name], seen) for name in sorted(content)})


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name appears twice")
    return found


def _require_domains(names: Set[str], process: str, may_lack: Set[str]) -> None:
    allowed = HOLDS[process]
    for name in sorted(names):
        if name not in DOMAINS:
            shown = f" {name!r}" if _WORD.fullmatch(name) else ""  # it might be a stray key
            raise KeyringRefused(f"The keyring has an unknown domain{shown}.")
        if name not in allowed:
            raise KeyringRefused(
                f"The {process} process must not hold keys of the domain {name!r}.",
                f"Give it the keyring file of the {process} process.",
            )
    for name in sorted(allowed - names - may_lack):
        raise KeyringRefused(
            f"The keyring lacks the domain {name!r} of the {process} process.",
            _ADD if name in ADDED else _RESTORE,
        )


def _versions(domain: str, content: Any, seen: set[bytes]) -> Versions:
    if not isinstance(content, dict) or set(content) != {"active", "keys"}:
        raise KeyringRefused(f"The domain {domain!r} must have exactly 'active' and 'keys'.")
    active, texts = content["active"], content["keys"]
    if not isinstance(texts, dict) or not all(map(_VERSION.fullmatch, texts)):
        raise KeyringRefused(f"The versions of {domain!r} must be whole numbers from 1.")
    if type(active) is not int or str(active) not in texts:
        named = f"v{active}" if type(active) is int and 0 <= active < 10**9 else "no version"
        raise KeyringRefused(f"The domain {domain!r} names {named} as active, which is missing.")
    keys = {int(v): _key(domain, f"{domain}/v{v}", text, seen) for v, text in texts.items()}
    return Versions(active, keys)


def _key(domain: str, name: str, text: Any, seen: set[bytes]) -> Key:
    raw = _base64(name, text)
    if len(raw) != KEY_BYTES:
        raise KeyringRefused(f"The key {name} has {len(raw)} bytes instead of {KEY_BYTES}.")
    if len(set(raw)) < _DIFFERENT_BYTES:
        raise KeyringRefused(f"The key {name} is not random.")
    if raw in seen:
        raise KeyringRefused(f"The key {name} is the same as another one.")
    seen.add(raw)
    return DOMAINS[domain](raw)


def _base64(name: str, text: Any) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        raw = b""
    # Only the one spelling of these bytes: no newline, no loose padding bits.
    if not isinstance(text, str) or base64.b64encode(raw).decode() != text:
        raise KeyringRefused(f"The key {name} is not plain base64 on one line.")
    return raw
