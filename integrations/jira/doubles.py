"""The vendors' own link of Bitbucket and Jira, which a hook at a repository or workspace betrays.

Jira's connector for Git servers has itself called at /rest/bitbucket/1.0/repository/<number>/sync
of its site (jira-dvcs-connector, BitbucketCommunicator). A second writer shows everything twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from connections.contracts import HookRecord, WorkspaceRecord

_OWN: Final = re.compile(r"(?:/[^/]+)?/rest/(?:bitbucket|dvcs)/[0-9.]+/", re.IGNORECASE)


def doubles(destination: WorkspaceRecord, hooks: Iterable[HookRecord]) -> tuple[HookRecord, ...]:
    """The hooks by which the same arrives at this site already."""
    here = _host(destination.url)
    return tuple(hook for hook in hooks if hook.active and here and _is_own(hook.url, here))


def _is_own(url: str, here: str) -> bool:
    return _host(url) == here and bool(_OWN.match(urlsplit(url).path))


def _host(url: str) -> str:
    """The host of an address in lower case; empty for what is none."""
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""
