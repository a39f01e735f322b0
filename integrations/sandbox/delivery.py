"""Ways of putting an answer on the wire: late, cut off, reset, silent, drop by drop, endless."""

from __future__ import annotations

import asyncio
import socket
import struct
import zlib

from integrations.sandbox.http import Response, Sender, head_of, send_whole

MEBIBYTE = 1024 * 1024
FIFTY_GIGABYTES = 50_000_000_000
GZIP_HEAD = bytes.fromhex("1f8b0800000000000003")
ZLIB_HEAD = bytes.fromhex("789c")


def late(seconds: float) -> Sender:
    async def send(writer: asyncio.StreamWriter, response: Response) -> bool:
        await asyncio.sleep(seconds)
        return await send_whole(writer, response)

    return send


def cut(share: float) -> Sender:
    """Promise the whole body, send `share` of it, hang up."""

    async def send(writer: asyncio.StreamWriter, response: Response) -> bool:
        part = response.body[: int(len(response.body) * share)]
        writer.write(head_of(response, len(response.body)) + part)
        await writer.drain()
        return False

    return send


def reset(seconds: float) -> Sender:
    """Break the connection with RST, sending nothing."""

    async def send(writer: asyncio.StreamWriter, response: Response) -> bool:
        await asyncio.sleep(seconds)
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()
        return False

    return send


def silent(seconds: float) -> Sender:
    async def send(writer: asyncio.StreamWriter, response: Response) -> bool:
        await asyncio.sleep(seconds)
        return False

    return send


def drip(seconds: float) -> Sender:
    """Send one byte, wait, send the next."""

    async def send(writer: asyncio.StreamWriter, response: Response) -> bool:
        message = head_of(response, len(response.body)) + response.body
        for position in range(len(message)):
            writer.write(message[position : position + 1])
            await writer.drain()
            await asyncio.sleep(seconds)
        return True

    return send


def huge(*, chunked: bool) -> Sender:
    """Send JSON-looking bytes until the client hangs up, by Content-Length or in chunks."""

    async def send(writer: asyncio.StreamWriter, response: Response) -> bool:
        filler = b'{"values": [' + b'"x", ' * 12_000
        if chunked:
            response.headers["Transfer-Encoding"] = "chunked"
            filler = b"%x\r\n%s\r\n" % (len(filler), filler)
        writer.write(head_of(response, None if chunked else FIFTY_GIGABYTES))
        for _ in range(FIFTY_GIGABYTES // len(filler)):
            writer.write(filler)
            await writer.drain()
        return False

    return send


def bomb(encoding: str, mebibytes: int) -> Sender:
    """Send a small compressed body that unpacks to `mebibytes` of zeros (gzip or deflate).

    A fully flushed deflate block stands alone, so one compressed mebibyte is sent again and again.
    """

    async def send(writer: asyncio.StreamWriter, response: Response) -> bool:
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        block = packer.compress(bytes(MEBIBYTE)) + packer.flush(zlib.Z_FULL_FLUSH)
        start = GZIP_HEAD if encoding == "gzip" else ZLIB_HEAD
        response.headers["Content-Encoding"] = encoding
        writer.write(head_of(response, len(start) + len(block) * mebibytes) + start)
        for _ in range(mebibytes):
            writer.write(block)
            await writer.drain()
        return False

    return send
