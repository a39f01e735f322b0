"""The outbound proxy of the settings: whom it serves, and what it does not see."""

from __future__ import annotations

import base64
import socket
import threading

import pytest

from connections import origins
from connections.errors import Blocked, Unavailable
from connections.http import Door
from tests.connections.hostile import CLOSE, HOST, Names, Visit, answer, authority, saying, serving

BITBUCKET = "https://api.bitbucket.org"
CANARY = "Kq7vX2mPz9"


def test_a_vendor_is_reached_through_the_outbound_proxy_which_knows_the_name() -> None:
    with serving(saying(answer())) as server:

        def tunnel(visit: Visit) -> object:
            visit.say(b"HTTP/1.1 502 No\r\n\r\n")
            return CLOSE

        with serving(tunnel) as proxy:
            names = Names({"127.0.0.1": ("127.0.0.1",)})
            door = Door(resolver=names, proxy=f"http://us%40er:{CANARY}@127.0.0.1:{proxy.port}")
            base = door.vendor(BITBUCKET)

            with pytest.raises(Unavailable, match="proxy answered 502"):
                door.send("GET", f"{base}/user", origin=base.origin)

    pair = base64.b64encode(f"us@er:{CANARY}".encode()).decode()
    assert proxy.visits[0].line == "CONNECT api.bitbucket.org:443 HTTP/1.1"
    assert proxy.visits[0].headers["proxy-authorization"] == f"Basic {pair}"
    assert names.asked == ["127.0.0.1"]
    assert server.accepted == 0


def test_tls_runs_inside_the_tunnel_and_the_proxy_sees_no_header() -> None:
    """The certificate is refused, as no test authority is a system root: so TLS was spoken."""
    with serving(saying(answer()), tls=authority().server_context("api.bitbucket.org")) as server:

        def tunnel(visit: Visit) -> object:
            visit.say(b"HTTP/1.1 200 Connected\r\n\r\n")
            with socket.create_connection(("127.0.0.1", server.port)) as other:
                back = threading.Thread(target=pump, args=(other, visit.sock), daemon=True)
                back.start()
                pump(visit.sock, other)
            return CLOSE

        with serving(tunnel) as proxy:
            door = Door(
                resolver=Names({"127.0.0.1": ("127.0.0.1",)}),
                proxy=f"http://127.0.0.1:{proxy.port}",
            )
            base = door.vendor(BITBUCKET)

            with pytest.raises(Unavailable, match="certificate"):
                door.send("GET", f"{base}/user", origin=base.origin)

    assert "proxy-authorization" not in proxy.visits[0].headers
    assert server.visits == []


def pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while chunk := source.recv(65536):
            sink.sendall(chunk)
    except OSError:
        return


def test_a_typed_address_is_dialled_by_us_even_when_there_is_a_proxy() -> None:
    with serving(saying(answer())) as proxy:
        door = Door(resolver=Names({HOST: ("10.0.0.1",)}), proxy=f"http://127.0.0.1:{proxy.port}")

        with pytest.raises(Blocked):
            door.send("GET", f"https://{HOST}/", origin=origins.parse(f"https://{HOST}").origin)

    assert proxy.accepted == 0


@pytest.mark.parametrize(
    "proxy",
    ["socks5://p:1", "https://p:1", "p:3128", "http://p", f"http://u:{CANARY}@p:x", "http://[x"],
)
def test_a_proxy_that_is_not_understood_stops_start_up_without_its_password(proxy: str) -> None:
    with pytest.raises(ValueError, match="outbound proxy") as error:
        Door(proxy=proxy)

    assert CANARY not in str(error.value)
