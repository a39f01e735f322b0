"""Spacelift's other side: accounts with spaces, API keys that become JWTs, one GraphQL endpoint."""
