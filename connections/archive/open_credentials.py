"""Make the key for an export's credentials, and open them, on your own computer.

    pip install "cryptography>=50"
    python open_credentials.py keygen my.key           writes the private key, prints the public one
    python open_credentials.py open my.key [folder]    prints one line of JSON for each credential

The private key never leaves your computer. Each value is HPKE (RFC 9180: DHKEM X25519 HKDF-SHA256,
HKDF-SHA256, AES-256-GCM), base mode, base64. Its `info` is a label and four ids, each after its
length in four bytes: "portal/v1/export", the ids of export, connection and credential (sixteen
bytes each), and the field's name.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sys
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

LABEL = b"portal/v1/export"
SUITE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


def keygen(file: Path) -> None:
    """The private key in a file that only you can read; its public half on the screen."""
    private = X25519PrivateKey.generate()
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
        target.write(base64.b64encode(private.private_bytes_raw()))
    public = private.public_key().public_bytes_raw()
    say(f"public key:  {base64.b64encode(public).decode()}")
    say(f"fingerprint: {fingerprint(public)}")


def fingerprint(public: bytes) -> str:
    """SHA-256 of the public key, in groups of four: what the portal shows to be compared."""
    text = hashlib.sha256(public).hexdigest()[:32]
    return " ".join(text[place : place + 4] for place in range(0, len(text), 4))


def open_all(file: Path, folder: Path) -> None:
    private = X25519PrivateKey.from_private_bytes(base64.b64decode(file.read_bytes()))
    export = UUID(json.loads((folder / "manifest.json").read_text("utf-8"))["export"])
    with (folder / "credentials.sealed.jsonl").open(encoding="utf-8") as sealed:
        for line in sealed:
            one = json.loads(line)
            ids = (export, UUID(one["connection_id"]), UUID(one["credential_id"]))
            context = info(*(each.bytes for each in ids), one["field"].encode())
            opened = SUITE.decrypt(base64.b64decode(one.pop("sealed")), private, info=context)
            say(json.dumps(one | {"value": opened.decode()}))


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def info(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in (LABEL, *parts))


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in {"keygen", "open"}:
        sys.exit(__doc__)
    if sys.argv[1] == "keygen":
        keygen(Path(sys.argv[2]))
    else:
        open_all(Path(sys.argv[2]), Path(sys.argv[3] if len(sys.argv) > 3 else "."))
