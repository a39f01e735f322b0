"""Which vendors have an address of their own on the vendors' port: a folder and a line for each."""

from __future__ import annotations

from urllib.parse import urlsplit

from integrations.sandbox.atlassian.vendor import Atlassian
from integrations.sandbox.jetbrains_space.vendor import JetBrainsSpace
from integrations.sandbox.spacelift.vendor import Spacelift
from integrations.sandbox.vendor import Vendor

VENDORS: tuple[type[Vendor], ...] = (Atlassian, JetBrainsSpace, Spacelift)
# Both of Bitbucket's hosts, and the Data Center below its context path.
FIRST = "127.0.0.1"
BITBUCKET = ("https://api.bitbucket.org", "https://bitbucket.org")


def origins(url: str) -> dict[str, str]:
    """Return each real origin with the one that stands in for it beside this sandbox's `url`."""
    parts = urlsplit(url)
    hosts = dict.fromkeys(BITBUCKET, FIRST)
    for vendor in VENDORS:
        hosts |= vendor.HOSTS
    return {real: f"{parts.scheme}://{at}:{parts.port}" for real, at in hosts.items()}
