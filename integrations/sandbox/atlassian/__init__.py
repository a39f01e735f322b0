"""Atlassian accounts: sign-in, consent, tokens, sites; Jira and Confluence answer behind it."""
