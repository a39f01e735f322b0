"""What a spent refresh token may still do: grace, strict one-time use, or the worst of both.

Bitbucket's grace is about ten minutes after first use; what a second use does to the pair issued at
the first is not documented. https://github.com/git-ecosystem/git-credential-manager/pull/2433
"""

from __future__ import annotations

from integrations.sandbox.bitbucket_cloud.credentials import Grant, RefreshToken, Registry
from integrations.sandbox.bitbucket_cloud.switches import Switches
from integrations.sandbox.oauth import digest


def is_usable(
    token: RefreshToken, grant: Grant, registry: Registry, switches: Switches, now: float
) -> bool:
    """Whether a refresh with this token would succeed now; nothing changes by asking."""
    if token.dead or not registry.stands(grant):
        return False
    if now - token.issued_at > switches.refresh_idle_seconds:
        return False
    if token.first_used_at is None:
        return True
    if switches.refresh_reuse == "revokes_family":
        return False
    return now - token.first_used_at <= switches.refresh_grace_seconds


def punish(token: RefreshToken | None, grant: Grant, switches: Switches) -> None:
    """Revoke the family when a strict provider sees a spent token again."""
    if token is None or token.first_used_at is None:
        return
    if switches.refresh_reuse == "revokes_family":
        grant.revoke("reuse")


def spend(
    token: RefreshToken, serial: int, registry: Registry, switches: Switches, now: float
) -> None:
    """Note the use that issues the pair of this serial, with what it does to earlier pairs."""
    if token.first_used_at is None:
        token.first_used_at = now
    elif switches.refresh_reuse == "kills_child" and token.successor is not None:
        kill(token.successor, registry, switches)
    token.successor = serial
    end_access(token, registry, switches, now)


def end_access(token: RefreshToken, registry: Registry, switches: Switches, now: float) -> None:
    """Let the access token that came with this one live for the grace at most, where so switched.

    Atlassian's staff said so of 3LO in 2024; of Bitbucket nobody said either.
    """
    access = registry.access.get(token.access)
    if switches.refresh_ends_access and access is not None:
        access.expires_at = min(access.expires_at, now + switches.refresh_grace_seconds)


def kill(serial: int, registry: Registry, switches: Switches) -> None:
    """Both tokens of the pair of this serial are dead."""
    length = switches.token_length
    refresh = registry.refresh.get(digest(registry.token_text("refresh", serial, length)))
    if refresh is not None:
        refresh.dead = True
    registry.access.pop(digest(registry.token_text("access", serial, length)), None)


def rotates(serial: int, switches: Switches) -> bool:
    """Whether this refresh brings a new refresh token."""
    if switches.rotation == "sometimes":
        return serial % 2 == 0
    return switches.rotation == "rotate"
