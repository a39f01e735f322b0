"""What a person may want from Spacelift, and the level that a key needs for it in a space."""

from __future__ import annotations

from connections.contracts import Capability

LEVEL = "space-level"  # the one vocabulary: what `accessLevel` of a space says
READ, WRITE, ADMIN = "READ", "WRITE", "ADMIN"
LABELS = {READ: "Space Reader", WRITE: "Space Writer", ADMIN: "Space Admin"}

# https://docs.spacelift.io/concepts/spaces/access-control: each role has what the one before has.
IMPLIES: dict[str, tuple[str, ...]] = {ADMIN: (WRITE,), WRITE: (READ,)}

_NOT_BY_READING = (
    "Only doing it would prove it, and verification changes nothing. The key's level in each space "
    "says where it is allowed."
)


def _words(level: str) -> dict[str, tuple[str, ...]]:
    return {LEVEL: (level,)}


def _labels(level: str) -> dict[str, tuple[str, ...]]:
    return {LEVEL: (LABELS[level],)}


CAPABILITIES = (
    Capability(
        key="spaces-read",
        title="See who the key is and its spaces",
        why="Shows whose key this is, which spaces it reaches and what it may do in each.",
        scopes=_words(READ),
        labels=_labels(READ),
        proof="query spaces",
        minimal=True,
    ),
    Capability(
        key="stacks-read",
        title="See stacks and what they build",
        why="Finds the stacks whose repository and branch belong to yours.",
        scopes=_words(READ),
        labels=_labels(READ),
        proof="query searchStacks",
    ),
    Capability(
        key="integrations-read",
        title="See how code hosts are joined",
        why="Finds the integrations through which Spacelift reads your repositories.",
        scopes=_words(READ),
        labels=_labels(READ),
        proof="query vcsIntegrations",
    ),
    Capability(
        key="runs-write",
        title="Start runs",
        why="Lets a push or a merge start a run of the stack that it is about.",
        scopes=_words(WRITE),
        labels=_labels(WRITE),
        unprovable=_NOT_BY_READING,
        writes=True,
    ),
    Capability(
        key="webhooks-write",
        title="Manage webhooks",
        why="Creates and mends the webhooks that tell of runs.",
        scopes=_words(ADMIN),
        labels=_labels(ADMIN),
        unprovable=_NOT_BY_READING,
        writes=True,
    ),
    Capability(
        key="integrations-write",
        title="Keep integrations with code hosts in order",
        why="Creates integrations with your code hosts and gives them new credentials in time.",
        scopes=_words(ADMIN),
        labels=_labels(ADMIN),
        unprovable=_NOT_BY_READING,
        writes=True,
    ),
)
