"""The only reader of the environment: a missing or malformed value stops start-up by its name."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from django.core.exceptions import ImproperlyConfigured

from portal import version

_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}


def text(name: str, default: str | None = None) -> str:
    """The variable's text; without a default its absence stops start-up."""
    value = os.environ.get(name, default)
    if value is None:
        raise ImproperlyConfigured(f"{name} is not set.")
    return value


def boolean(name: str, default: bool = False) -> bool:
    value = os.environ.get(name, str(default)).strip().lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise ImproperlyConfigured(f"{name} must be yes or no, not {value!r}.")


def integer(name: str, default: int) -> int:
    value = os.environ.get(name, str(default))
    try:
        return int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.") from None


def listed(name: str, default: str = "") -> list[str]:
    """A comma-separated list without blanks."""
    return [part.strip() for part in os.environ.get(name, default).split(",") if part.strip()]


def mapping(name: str) -> dict[str, str]:
    """A JSON object of strings."""
    try:
        value = json.loads(os.environ.get(name) or "{}")
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a JSON object.") from None
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise ImproperlyConfigured(f"{name} must be a JSON object of texts.")
    return value


def choice(name: str, allowed: tuple[str, ...], default: str) -> str:
    value = os.environ.get(name, default)
    if value not in allowed:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(allowed)}, not {value!r}.")
    return value


def secret(name: str, default: str | None = None) -> str:
    """The text of the file that NAME_FILE names, else of NAME; `default` serves development."""
    path = os.environ.get(f"{name}_FILE")
    if path:
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE cannot be read: {error.strerror}.") from None
    value = os.environ.get(name, default)
    if not value:
        raise ImproperlyConfigured(f"Set {name}_FILE to the path of a file that holds {name}.")
    return value


def for_child(**changes: str) -> dict[str, str]:
    """This process's environment with these changes, for a tool that it starts."""
    return {**os.environ, **changes}


def beside(database: str) -> dict[str, str]:
    """Every DATABASE_URL that is set, naming another database of the same server."""
    return {
        name: urlunsplit(urlsplit(value)._replace(path=f"/{database}"))
        for name, value in os.environ.items()
        if name.startswith("DATABASE_URL")
    }


def database(role: str, *, application_name: str) -> dict[str, Any]:
    """Django's settings of one login role, from DATABASE_URL or DATABASE_URL_<ROLE>.

    DATABASE_URL names the place; another role's URL differs by its user name unless it is given.
    """
    url = os.environ.get(f"DATABASE_URL_{role.upper()}") or text("DATABASE_URL")
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured("DATABASE_URL must start with postgresql://.")
    given = f"DATABASE_URL_{role.upper()}" in os.environ
    query = dict(pair.partition("=")[::2] for pair in parts.query.split("&") if pair)
    session = f"{application_name} {version.schema()}"  # `preflight` reads which versions run
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or "") if given else f"portal_{role}",
        "PASSWORD": _password(role, unquote(parts.password or "")),
        "HOST": unquote(query.pop("host", "")) or parts.hostname or "",
        "PORT": str(parts.port or query.pop("port", "")),
        "OPTIONS": query | {"server_side_binding": True, "application_name": session},
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        # PgBouncer in transaction mode keeps no server-side cursor.
        "DISABLE_SERVER_SIDE_CURSORS": True,
    }


def _password(role: str, in_url: str) -> str:
    name = f"DATABASE_PASSWORD_{role.upper()}"
    return secret(name) if f"{name}_FILE" in os.environ else in_url
