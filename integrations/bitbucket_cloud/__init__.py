"""Bitbucket Cloud: bitbucket.org workspaces by OAuth, API token or access token."""

from integrations.bitbucket_cloud.connector import CONNECTOR

__all__ = ["CONNECTOR"]
