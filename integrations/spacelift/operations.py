"""Every GraphQL operation that is sent, whole; what they ask is held to the vendor's in a test."""

from __future__ import annotations

from typing import Final

# A missing or wrong key is `apiKeyUser: null`, and no error.
EXCHANGE: Final = """
mutation Exchange($id: ID!, $secret: String!) {
  apiKeyUser(id: $id, secret: $secret) { jwt validUntil }
}
"""

# `apiKey` is for those who administer a space; for others it is null beside an error.
IDENTITY: Final = """
query Identity($key: ID!) {
  viewer { id name }
  apiKey(id: $key) { id expiresAt }
}
"""

VIEWER: Final = "query Viewer { viewer { id } }"

SPACES: Final = """
query Spaces($input: SearchInput!) {
  searchSpaces(input: $input) {
    edges { node { id name accessLevel } }
    pageInfo { hasNextPage endCursor }
  }
}
"""

# Installations from before searchSpaces list all of them at once.
ALL_SPACES: Final = "query AllSpaces { spaces { id name accessLevel } }"

ONE_STACK: Final = """
query OneStack($input: SearchInput!) {
  searchStacks(input: $input) { edges { node { id } } pageInfo { hasNextPage } }
}
"""

INTEGRATIONS: Final = "query Integrations { vcsIntegrations { id provider } }"

ALL: Final = (
    EXCHANGE,
    IDENTITY,
    VIEWER,
    SPACES,
    ALL_SPACES,
    ONE_STACK,
    INTEGRATIONS,
)
