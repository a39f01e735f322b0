"""Django's own start-up checks of the ground floor; they ask no database."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, register

from portal import keyring
from portal.keyfile import KeyringRefused


@register("keys")
def keyring_is_right(app_configs: Any = None, **options: Any) -> list[CheckMessage]:
    """The keyring file is there and holds exactly this process's keys."""
    try:
        keyring.load()
    except KeyringRefused as refused:
        return [Error(refused.problem.what, hint=refused.problem.remedy, id="portal.E001")]
    return []
