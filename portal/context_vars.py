"""What tenancy, logs and records know about the request or job that runs now; loads no model."""

from __future__ import annotations

from contextvars import ContextVar
from uuid import UUID

request_id: ContextVar[str] = ContextVar("request_id", default="")
address: ContextVar[str] = ContextVar("address", default="")
job_kind: ContextVar[str] = ContextVar("job_kind", default="")
acting_for: ContextVar[UUID | None] = ContextVar("acting_for", default=None)
