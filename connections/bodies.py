"""What an answer may weigh: its headers counted, its body unpacked by us with a cap. No Django."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from connections.errors import UnexpectedResponse

MOST_HEADERS = 100
HEADER_BYTES = 64 * 1024
GZIP, ZLIB, RAW = 31, 15, -15  # zlib's names for RFC 1952, RFC 1950 and RFC 1951

Headers = Mapping[str, str]


def headers_of(fields: list[tuple[bytes, bytes]]) -> Headers:
    """The headers by lower-case name, repeated ones joined; Set-Cookie is dropped unread.

    UnexpectedResponse when they are too many, too long, or frame the body in two ways at once.
    """
    if len(fields) > MOST_HEADERS:
        raise UnexpectedResponse("The answer has too many headers.")
    if sum(len(name) + len(value) for name, value in fields) > HEADER_BYTES:
        raise UnexpectedResponse("The answer's headers are too long.")
    found: dict[str, str] = {}
    for raw_name, raw_value in fields:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    found.pop("set-cookie", None)
    if "content-length" in found and "transfer-encoding" in found:
        raise UnexpectedResponse("The answer states its length in two ways.")
    return MappingProxyType(found)


def body_of(chunks: Iterable[bytes], headers: Headers, most: int) -> bytes:
    """The unpacked body, at most `most` bytes; UnexpectedResponse for more or broken packing."""
    unpack = _unpacker(headers.get("content-encoding", ""))
    if headers.get("content-length", "").isdecimal() and int(headers["content-length"]) > most:
        raise _too_long(most)
    parts, size = [], 0
    for chunk in chunks:
        part = unpack.feed(chunk, most + 1 - size)
        size += len(part)
        if size > most:
            raise _too_long(most)
        parts.append(part)
    unpack.finish()
    return b"".join(parts)


class _Plain:
    """No packing at all."""

    def feed(self, chunk: bytes, most: int) -> bytes:
        return chunk

    def finish(self) -> None:
        return None


class _Packed:
    """gzip or deflate, whose format the first byte of a deflate body tells."""

    def __init__(self, window: int | None = None) -> None:
        self._window = window
        self._stream = zlib.decompressobj(GZIP)
        self._begun = False

    def feed(self, chunk: bytes, most: int) -> bytes:
        """What the chunk unpacks to, cut at `most` bytes, so that a bomb stays small."""
        if not self._begun:
            by_first_byte = ZLIB if chunk[0] & 0x0F == 8 else RAW
            self._stream = zlib.decompressobj(self._window or by_first_byte)
            self._begun = True
        elif self._stream.eof:
            raise UnexpectedResponse("Bytes follow the packed body.")
        try:
            part = self._stream.decompress(chunk, most)
        except zlib.error:
            raise UnexpectedResponse("The packed body is broken.") from None
        if self._stream.unused_data:
            raise UnexpectedResponse("Bytes follow the packed body.")
        return part

    def finish(self) -> None:
        """An empty body is not cut off: a 204 or 304 may name an encoding and have none."""
        if self._begun and not self._stream.eof:
            raise UnexpectedResponse("The packed body is cut off.")


def _unpacker(encoding: str) -> _Plain | _Packed:
    """Servers call RFC 1950 and RFC 1951 both deflate; what was not asked for is not taken."""
    match encoding.strip().lower():
        case "" | "identity":
            return _Plain()
        case "gzip" | "x-gzip":
            return _Packed(GZIP)
        case "deflate":
            return _Packed()
    raise UnexpectedResponse("The answer is packed in a way that was not asked for.")


def _too_long(most: int) -> UnexpectedResponse:
    return UnexpectedResponse(f"The answer is longer than {most // 1024} KiB.")
