"""Which login roles a process may log in as: one PostgreSQL, one role for each duty."""

from __future__ import annotations

from typing import Any, Final

from portal import env

_OWN: Final = {"web": "default", "api": "api", "ingest": "ingest", "tick": "sweeper"}
_ALONE: Final = ("api", "ingest")  # nobody else's password is needed there
# A sender waits ten seconds and then tries again: whoever takes in says no before that.
_SOON: Final = {"connect_timeout": "2", "tcp_user_timeout": "5000"}


def role_of(process: str) -> str:
    """The alias that this process's queries use."""
    return _OWN.get(process, "worker")


def databases(process: str, *, production: bool) -> dict[str, dict[str, Any]]:
    """Django's DATABASES: every alias is the same database, entered as another role."""
    roles = {"default": "app"}
    roles |= {name: name for name in (*_ALONE, "worker", "sweeper", "support", "owner")}
    if process in _ALONE:
        roles = {process: process}
    elif production and process != "manage":  # nor theirs anywhere else
        roles = {alias: role for alias, role in roles.items() if alias not in _ALONE}
    found = {alias: env.database(role, application_name=process) for alias, role in roles.items()}
    if process == "ingest":
        found[process]["OPTIONS"] |= _SOON
    return {"default": {}} | found  # Django wants a default one, if only empty
