"""Confluence Cloud: sites by consent and by tokens."""

from integrations.confluence.connector import CONNECTOR

__all__ = ["CONNECTOR"]
