"""Spacelift: accounts with spaces and stacks, asked by GraphQL with an API key's JWT."""

from integrations.spacelift.connector import CONNECTOR

__all__ = ["CONNECTOR"]
