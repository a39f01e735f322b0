"""Check an export without the portal: every file's hash, and the chain of the record.

    python verify.py [folder]

Needs nothing but Python 3.9 or newer. Unpack the archive first; `folder` is where it was unpacked.
The exit code is 0 when everything fits, and 1 with one line for each thing that does not.

A line of record.jsonl has `row`, `hash` and `previous`. The hash is SHA-256 over the 32 bytes of
the hash before (32 zero bytes for the first row) and the row's JSON: keys sorted, no spaces, UTF-8.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

GENESIS = bytes(32)


def main(folder: Path) -> int:
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    troubles = [*files(folder, manifest), *chain(folder, manifest)]
    for trouble in troubles:
        say(trouble)
    if not troubles:
        entries = manifest["record"]["last_sequence"]
        say(f"Everything fits: {len(manifest['files'])} files, {entries} entries of the record.")
    return 1 if troubles else 0


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def files(folder: Path, manifest: dict) -> Iterator[str]:  # type: ignore[type-arg]
    """What is wrong with the files that the manifest names, or is there beside them."""
    named = {each["name"]: each for each in manifest["files"]}
    for name, about in named.items():
        path = folder / name
        if not path.is_file():
            yield f"{name}: missing"
        elif digest(path) != about["sha256"]:
            yield f"{name}: its content was changed"
    for path in folder.iterdir():
        if path.is_file() and path.name not in named and path.name != "manifest.json":
            yield f"{path.name}: not part of the export"


def digest(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        for part in iter(lambda: file.read(1 << 20), b""):
            found.update(part)
    return found.hexdigest()


def chain(folder: Path, manifest: dict) -> Iterator[str]:  # type: ignore[type-arg]
    """What is wrong with the record: a row missing, changed, or out of its place."""
    previous, expected = GENESIS, 1
    with (folder / "record.jsonl").open(encoding="utf-8") as record:
        for line in record:
            entry = json.loads(line)
            if entry["row"]["sequence"] != expected:
                yield f"record: entry {expected} is missing or out of order"
                return
            follows = entry["previous"] == previous.hex()
            if not follows or hashed(previous, entry["row"]) != entry["hash"]:
                yield f"record: entry {expected} was changed, or does not follow the one before"
                return
            previous, expected = bytes.fromhex(entry["hash"]), expected + 1
    if manifest["record"] != {"last_sequence": expected - 1, "last_hash": previous.hex()}:
        yield "record: entries at the end are missing"


def hashed(previous: bytes, row: dict) -> str:  # type: ignore[type-arg]
    text = json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(previous + text.encode()).hexdigest()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
