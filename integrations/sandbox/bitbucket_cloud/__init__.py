"""Bitbucket Cloud as it behaves in November 2026, for as far as the portal meets it."""
