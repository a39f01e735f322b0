"""Ids that Jira takes for repositories, branches and all else that is sent to it."""

from __future__ import annotations

import hashlib
import re

from connections.contracts import RepositoryRecord

LONGEST_ID = 1024  # of a repository or a branch
LONGEST_NAME = 255  # of a pipeline or an environment

_VALID = re.compile(r"[A-Za-z0-9~.\-_]+")
_UUID = re.compile(r"\{?([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})\}?")
_ORIGIN = re.compile(r"https?://[^/?#]+", re.IGNORECASE)


def entity_id(name: str, longest: int = LONGEST_ID) -> str:
    """The name where its characters are allowed, else "~" and its bytes in hexadecimal.

    This is how Atlassian's own app for GitHub does it. What would be too long is hashed.
    """
    if _VALID.fullmatch(name) and len(name) <= longest:
        return name
    content = name.encode("utf-8", "surrogatepass")
    encoded = f"~{content.hex()}"
    return encoded if len(encoded) <= longest else f"~{hashlib.sha256(content).hexdigest()}"


def repository_id(repository: RepositoryRecord) -> str:
    """The id of a repository, which no other server's has: a bare number says which server's."""
    uuid = _UUID.fullmatch(repository.remote_id)
    if uuid:
        return uuid[1].lower()
    origin = _ORIGIN.match(repository.url)
    server = hashlib.sha256(origin[0].lower().encode()).hexdigest()[:8] if origin else ""
    return entity_id("-".join(filter(None, (server, repository.remote_id))), LONGEST_NAME)


def branch_id(key: str) -> str:
    """The id of a branch by its key, which is known when the branch is gone, too."""
    return entity_id(key.removeprefix("branch:"))


def composed(*parts: str) -> str:
    """The id of what hangs on several things; short enough for a pipeline or an environment."""
    return entity_id(".".join(parts), LONGEST_NAME)
