"""A user endpoint that costs next to nothing: whoever asks is somebody, told by their user name.

`python -m tests.bench.lean_accounts PORT MILLISECONDS`; each e-mail address is an account.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import uuid


def account(head: bytes) -> bytes:
    """The account of the Basic credential in these headers, as Bitbucket tells it."""
    _, _, rest = head.lower().partition(b"authorization: basic ")
    start = head.lower().index(b"authorization: basic ") + 21 if rest else 0
    pair = base64.b64decode(head[start:].partition(b"\r\n")[0]) if rest else b"nobody:"
    email = pair.partition(b":")[0].decode()
    found = {
        "type": "user",
        "uuid": f"{{{uuid.uuid5(uuid.NAMESPACE_DNS, email)}}}",
        "nickname": email,
        "display_name": email,
        "account_status": "active",
        "links": {"html": {"href": "https://bitbucket.org/somebody/"}},
    }
    return json.dumps(found).encode()


async def serve(port: int, seconds: float) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await asyncio.sleep(seconds)
                body = account(head)
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                    b"x-credential-type: api_token\r\n"
                    b"x-oauth-scopes: read:user:bitbucket, read:repository:bitbucket\r\n"
                    b"Content-Length: %d\r\n\r\n" % len(body) + body
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", port, backlog=1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]) / 1000))
