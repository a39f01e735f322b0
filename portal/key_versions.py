"""Keyring files with one more version of a key, another active one, or one version less.

Works on the texts of all files at once, so that every file that holds a domain holds the same key.
Nothing here reads or writes a file, and only `staged` makes a key.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

from portal.keyfile import HOLDS, KeyringRefused
from portal.keys import IntakeOpener, new_key

# What can be replaced. Fingerprints and look-ups lie under `index`: with another key they would
# match nothing, so that one stays as long as the installation.
REPLACEABLE: Final = ("grant", "access", "webhook", "mfa", "intake")
# The public half goes wherever the private one goes.
_HALVES: Final = {"intake": ("intake", "intake_public")}

Texts = Mapping[str, str]


def domains_of(domain: str) -> tuple[str, ...]:
    """The names under which the files hold this domain's keys."""
    return _HALVES.get(domain, (domain,))


def holders(domain: str) -> list[str]:
    """The processes whose files hold a key of this domain."""
    return [process for process in HOLDS if HOLDS[process] & set(domains_of(domain))]


def held(texts: Texts, domain: str, version: int) -> dict[str, str]:
    """The key of that version as each process's file has it, in base64; no entry where it lacks."""
    found = {}
    for process, name, entry in _entries(_contents(texts), domain):
        if str(version) in entry["keys"] and name == domain:
            found[process] = entry["keys"][str(version)]
    return found


def lacking(texts: Texts, domain: str, version: int) -> list[str]:
    """The processes whose file should have this version and has not."""
    entries = _entries(_contents(texts), domain)
    return [process for process, _, entry in entries if str(version) not in entry["keys"]]


def active(texts: Texts, domain: str) -> int:
    """The version that new seals use; raises KeyringRefused when the files do not agree."""
    named = {int(entry["active"]) for _, _, entry in _entries(_contents(texts), domain)}
    if len(named) != 1:
        raise KeyringRefused(
            f"The keyring files name different active versions of {domain!r}.",
            f"Run `manage.py keys activate {domain}` again.",
        )
    return named.pop()


def versions(texts: Texts, domain: str) -> list[int]:
    """Every version that some file has, the oldest first."""
    entries = _entries(_contents(texts), domain)
    return sorted({int(number) for _, _, entry in entries for number in entry["keys"]})


def staged(texts: Texts, domain: str, version: int) -> dict[str, str]:
    """The files with this version, which opens and does not seal yet; its key is new if need be.

    Raises KeyringRefused when two files have different keys of that version.
    """
    there = set(held(texts, domain, version).values())
    if len(there) > 1:
        raise KeyringRefused(f"Two keyring files have different keys {domain}/v{version}.")
    raw = base64.b64decode(there.pop()) if there else new_key()
    contents = _contents(texts)
    for _, name, entry in _entries(contents, domain):
        own = IntakeOpener(raw).public_bytes() if name == "intake_public" else raw
        entry["keys"][str(version)] = base64.b64encode(own).decode()
    return _changed(texts, contents)


def activated(texts: Texts, domain: str, version: int) -> dict[str, str]:
    """The files that change when this version seals from now on."""
    contents = _contents(texts)
    for _, _, entry in _entries(contents, domain):
        entry["active"] = version
    return _changed(texts, contents)


def without(texts: Texts, domain: str, version: int) -> dict[str, str]:
    """The files that change when this version goes."""
    contents = _contents(texts)
    for _, _, entry in _entries(contents, domain):
        entry["keys"].pop(str(version), None)
    return _changed(texts, contents)


Content = dict[str, dict[str, Any]]


def _contents(texts: Texts) -> dict[str, Content]:
    return {process: json.loads(text) for process, text in texts.items()}


def _entries(contents: dict[str, Content], domain: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Process, name in its file, and the entry, wherever the domain's keys are held."""
    return [
        (process, name, content[name])
        for process, content in contents.items()
        for name in domains_of(domain)
        if name in content
    ]


def _changed(texts: Texts, contents: dict[str, Content]) -> dict[str, str]:
    new = {p: json.dumps(one, indent=2, sort_keys=True) + "\n" for p, one in contents.items()}
    return {process: text for process, text in new.items() if text != texts[process]}
