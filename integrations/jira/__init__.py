"""Jira Cloud: sites by consent, by tokens, and by a site's own OAuth credentials."""

from integrations.jira.connector import CONNECTOR

__all__ = ["CONNECTOR"]
