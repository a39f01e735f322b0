"""The api process with stored tokens taken as they are: the baseline of benchmark B9."""

from __future__ import annotations

from importlib import import_module

from portal.secret import Secret
from tests.bench.api_site import application

__all__ = ["application"]

PLAIN = b"t" * 900  # as long as the tokens of benchmark B6


def as_it_is(find: object, blob: bytes, place: object) -> Secret:
    """What a table of plain tokens would give."""
    return Secret(PLAIN)


# By name, for Django is set up by the site above.
import_module("portal.vault").unseal_under = as_it_is
