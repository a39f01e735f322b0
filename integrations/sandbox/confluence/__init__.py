"""Confluence Cloud: spaces, pages, labels, properties, comments and search."""
