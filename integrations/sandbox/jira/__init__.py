"""Jira Cloud: issues with workflows, and the development information that others submit."""
