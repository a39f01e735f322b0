"""Which headers of a delivery are kept beside it: what people look at, and nothing that opens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

MOST: Final = 30
LONGEST: Final = 500
_PLAIN: Final = {"HTTP_USER_AGENT", "HTTP_TRACEPARENT", "HTTP_CONTENT_ENCODING", "CONTENT_TYPE"}
# Words of a name that may bring a secret, or say where a proxy of ours stands.
_NEVER: Final = frozenset(
    {
        *("SIGNATURE", "AUTHORIZATION", "AUTH", "COOKIE", "TOKEN", "SECRET", "PASSWORD"),
        *("CREDENTIAL", "APIKEY", "CSRF", "FORWARDED", "IP", "SSL", "CLIENT", "AMZN", "VAULT"),
    }
)
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")


def kept(environ: Mapping[str, Any], signature: str, token: str) -> dict[str, str]:
    """Names in lower case; `signature` is the header that carries it, whatever its name.

    `token` is the secret part of the address: proxies repeat that in headers of their own.
    """
    found: dict[str, str] = {}
    for name, value in environ.items():
        title = _title(name)
        if not title or title == signature or not isinstance(value, str) or token in value:
            continue
        found[title] = _CONTROL.sub("", value[:LONGEST])
        if len(found) == MOST:
            break
    return found


def value(environ: Mapping[str, Any], title: str) -> str:
    """A header by its lower-case name; empty when it is not there."""
    return str(environ.get(_name(title), "")) if title else ""


@lru_cache(maxsize=64)
def _name(title: str) -> str:
    return "HTTP_" + title.upper().replace("-", "_")


@lru_cache(maxsize=2048)
def _title(name: str) -> str:
    """The name of a header that is kept; empty for what is none, or is not."""
    if name not in _PLAIN and not name.startswith("HTTP_X_"):
        return ""
    words = name.removeprefix("HTTP_").split("_")
    if _NEVER.intersection(words) or ("API" in words and "KEY" in words):
        return ""
    return "-".join(words).lower()
