"""What happens often at connections, and is chained to the record in batches."""

from __future__ import annotations

from typing import Final

from portal import ledgers

LEASES: Final = (
    *("id", "organization_id", "service_key_id", "connection_id", "asked", "at", "reason"),
    *("min_ttl_seconds", "outcome", "version", "expires_at", "address", "request_id", "takes_back"),
)
ATTEMPTS: Final = (
    *("id", "organization_id", "connection_id", "credential_id", "at", "caller", "worker"),
    *("parent_version", "received_version", "spent", "received", "latency_ms", "answer"),
    *("decision", "reference"),
)

ledgers.register("leases", "connections_lease", LEASES)
ledgers.register("renewals", "connections_refreshattempt", ATTEMPTS)
