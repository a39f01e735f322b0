"""The portal for other services: facts of connections and leases of tokens, under /api/v1."""
