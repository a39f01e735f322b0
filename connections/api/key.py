"""The text of a service key, `ptl_<id>_<secret>_<checksum>`: made, recognised, and told apart.

The checksum lets a mistyped key be refused without asking the database, and lets scanners of
source code report a real one. It guards nothing: the secret does. No Django here.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib
from dataclasses import dataclass
from typing import Final

from portal.secret import Secret

ALPHABET: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
ID_LETTERS: Final = 10
SECRET_LETTERS: Final = 43  # 256 bits
CHECKSUM_LETTERS: Final = 6

SHAPE: Final = re.compile(
    rf"(ptl_[0-9A-Za-z]{{{ID_LETTERS}}})_[0-9A-Za-z]{{{SECRET_LETTERS}}}"
    rf"_([0-9A-Za-z]{{{CHECKSUM_LETTERS}}})",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Minted:
    """A new key: what may be shown, the whole for its holder, and the hash that is kept."""

    prefix: str
    whole: Secret
    hash: bytes


def mint() -> Minted:
    """A key that nobody has."""
    prefix = f"ptl_{_random(ID_LETTERS)}"
    body = f"{prefix}_{_random(SECRET_LETTERS)}"
    text = f"{body}_{_checksum(body)}"
    return Minted(prefix=prefix, whole=Secret(text), hash=hash_of(text))


def is_whole(text: str) -> bool:
    """Whether this is a key's text, letter by letter; only then is it worth looking up."""
    found = SHAPE.fullmatch(text)
    return found is not None and found[2] == _checksum(text[: -CHECKSUM_LETTERS - 1])


def hash_of(text: str) -> bytes:
    """By what a key is found. A secret of 256 bits needs no salt and no slow hash."""
    return hashlib.sha256(text.encode("ascii")).digest()


def keys_in(text: str) -> list[str]:
    """The whole keys that stand somewhere in a text, such as an address."""
    return [found[0] for found in SHAPE.finditer(text) if is_whole(found[0])]


def _random(letters: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(letters))


def _checksum(body: str) -> str:
    number, letters = zlib.crc32(body.encode("ascii")), ""
    for _ in range(CHECKSUM_LETTERS):
        number, place = divmod(number, len(ALPHABET))
        letters = ALPHABET[place] + letters
    return letters
