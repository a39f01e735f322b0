"""JetBrains Space: organizations that still run it, by sign-in, service account or token."""

from integrations.jetbrains_space.connector import CONNECTOR

__all__ = ["CONNECTOR"]
