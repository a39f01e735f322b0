"""Where the portal itself lives: names and addresses that no connection may ever lead to."""

from __future__ import annotations

import logging
import socket
from functools import cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from django.conf import settings

log = logging.getLogger(__name__)


def hosts() -> frozenset[str]:
    """The portal's own public names."""
    told = [settings.PORTAL_URL, settings.API_URL, settings.HOOKS_URL]
    named = {urlsplit(text).hostname or "" for text in told}
    return frozenset(named | {host.strip(".[]").lower() for host in settings.ALLOWED_HOSTS} - {""})


@cache
def addresses() -> frozenset[str]:
    """The addresses of the portal, its databases and its broker, as the settings name them.

    Looked up once for each process; a name that gives none adds none.
    """
    found: set[str] = set()
    for name in _names():
        found |= _looked_up(name)
    return frozenset(found)


def _names() -> set[str]:
    urls = [settings.PORTAL_URL, settings.API_URL, settings.HOOKS_URL, settings.REDIS_URL]
    databases = [str(each.get("HOST", "")) for each in settings.DATABASES.values()]
    named = {*databases, *(urlsplit(url).hostname or "" for url in urls)}
    return {name for name in named if name and not name.startswith("/")}


def _looked_up(name: str) -> set[str]:
    try:
        answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError:
        log.warning("own_places.not_found", extra={"host": name})
        return set()
    texts = {str(answer[4][0]).partition("%")[0] for answer in answers}
    return {text for text in texts if not ip_address(text).is_loopback}
