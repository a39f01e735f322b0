"""Bitbucket Data Center: servers that companies run themselves, by OAuth, token or password."""

from integrations.bitbucket_data_center.connector import CONNECTOR

__all__ = ["CONNECTOR"]
