"""A zip that is written once, from front to back, in pieces; what was handed on is not kept."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

PIECE_BYTES: Final = 256 * 1024
MOMENT: Final = (1980, 1, 1, 0, 0, 0)  # when it was made stands in the manifest


class Pieces(io.RawIOBase):
    """A file that cannot be read or turned back: full pieces go to `hand_on`."""

    def __init__(self, hand_on: Callable[[bytes], None]) -> None:
        self._hand_on = hand_on
        self._waiting = bytearray()
        self._hash = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        raw = bytes(content)
        self._waiting += raw
        while len(self._waiting) >= PIECE_BYTES:
            self._give(PIECE_BYTES)
        return len(raw)

    def finish(self) -> str:
        """The rest is handed on; the SHA-256 of everything, in hex."""
        if self._waiting:
            self._give(len(self._waiting))
        return self._hash.hexdigest()

    def _give(self, count: int) -> None:
        piece = bytes(self._waiting[:count])
        del self._waiting[:count]
        self._hash.update(piece)
        self.size += len(piece)
        self._hand_on(piece)


@dataclass(slots=True)
class Archive:
    """The zip under way, with what its manifest will say of each file."""

    zip: zipfile.ZipFile
    files: list[dict[str, Any]] = field(default_factory=list)

    def text(self, name: str, content: str) -> None:
        """A whole small file."""
        self._add(name, [content.encode()], counts=False)

    def lines(self, name: str, rows: Iterable[Any]) -> int:
        """A file with a line of JSON for each row; how many there were."""
        return self._add(name, (_line(row) for row in rows), counts=True)

    def finish(self, manifest: dict[str, Any]) -> None:
        """The manifest comes last: it has the hashes of all others."""
        text = json.dumps(manifest | {"files": self.files}, indent=2, ensure_ascii=False)
        self.zip.writestr(_named("manifest.json"), text + "\n")
        self.zip.close()

    def _add(self, name: str, parts: Iterable[bytes], *, counts: bool) -> int:
        digest, size, count = hashlib.sha256(), 0, 0
        with self.zip.open(_named(name), "w", force_zip64=True) as file:
            for part in parts:
                file.write(part)
                digest.update(part)
                size, count = size + len(part), count + 1
        about: dict[str, Any] = {"name": name, "sha256": digest.hexdigest(), "bytes": size}
        self.files.append(about | ({"lines": count} if counts else {}))
        return count


def begun(pieces: Pieces) -> Archive:
    return Archive(zipfile.ZipFile(pieces, "w", zipfile.ZIP_DEFLATED))


def _named(name: str) -> zipfile.ZipInfo:
    found = zipfile.ZipInfo(name, MOMENT)
    found.compress_type = zipfile.ZIP_DEFLATED
    found.external_attr = 0o600 << 16
    return found


def _line(row: Any) -> bytes:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
