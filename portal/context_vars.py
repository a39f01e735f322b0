"""What logs and records know about the request or job that runs now."""

from __future__ import annotations

from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
address: ContextVar[str] = ContextVar("address", default="")
job_kind: ContextVar[str] = ContextVar("job_kind", default="")
