"""Refuses every socket of the tests that leads beyond this machine.

An audit hook sees each connection and each name that Python is about to look up, whichever
library asks; libpq and browsers dial by themselves and are pointed at loopback instead.
"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Iterator
from contextlib import contextmanager

DIALS = ("socket.connect", "socket.sendto", "socket.sendmsg")
EVENTS = frozenset((*DIALS, "socket.getaddrinfo", "socket.gethostbyname"))
_refused: list[str] = []
_state = {"watching": False, "installed": False}


class BeyondLoopback(RuntimeError):
    """A test tried to reach another machine."""


def watch() -> None:
    """From now on; an audit hook cannot be taken out again, only told to look away."""
    if not _state["installed"]:
        sys.addaudithook(_look)
    _state.update(watching=True, installed=True)


@contextmanager
def lifted() -> Iterator[None]:
    """Inside, other machines may be reached: for live checks."""
    _state["watching"] = False
    try:
        yield
    finally:
        _state["watching"] = True


@contextmanager
def refusals() -> Iterator[list[str]]:
    """The hosts that are refused inside, filled as it happens."""
    _refused.clear()
    yield _refused


def stays_here(host: object) -> bool:
    """Whether this host is loopback; no name but localhost is, as looking it up already tells."""
    if host in (None, "", "localhost", b"localhost"):
        return True
    try:
        address = ipaddress.ip_address(str(host).partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _look(event: str, arguments: tuple[object, ...]) -> None:
    if event not in EVENTS or not _state["watching"]:  # nearly all are of something else
        return
    if event in DIALS:
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None
    else:
        host = None if _is_literal(arguments[0]) else arguments[0]
    if not stays_here(host):
        _refuse(str(host))


def _is_literal(host: object) -> bool:
    """Whether the host is an address already: then no resolver is asked."""
    try:
        ipaddress.ip_address(str(host).partition("%")[0])
    except ValueError:
        return False
    return True


def _refuse(host: str) -> None:
    _refused.append(host)
    raise BeyondLoopback(f"Tests stay on this machine: {host} was refused.")
