"""One JSON line per event: a fixed past-tense name, then fields; secrets are cut out.

Nothing in the portal logs a secret on purpose. The patterns below are the last net: vendor token
shapes, Authorization values, the query strings of callbacks, and addresses that are a secret.
"""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime

from portal import context_vars

_SECRETS = re.compile(
    r"AT(?:ATT|CTT|STT|OA)[\w\-=.]{8,}|ATBB\w{8,}|BBDC-[\w\-+/=]{8,}|ptl_\w{20,}"
    r"|(?i:bearer|basic)\s+[\w\-+/=.~]{8,}"
    r"|(?i:code|state|access_token|refresh_token|client_secret)=[^&\s\"']+"
    r"|(?<=/invitations/)[\w\-]{20,}|(?<=/connect/)[\w\-]{20,}|(?<=/hooks/v1/)[\w\-]{20,}|(?<=/calendar/)[\w\-]{20,}"
    r"|(?<=/password/reset/key/)[\w\-]{12,}|(?<=/confirm-email/)[\w\-:.]{12,}"
)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def redact(text: str) -> str:
    """The text with everything that looks like a credential replaced."""
    return _SECRETS.sub("[redacted]", text)


class JsonFormatter(logging.Formatter):
    """Renders a record as one line; control characters are escaped by JSON itself."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "logger": record.name,
        }
        line |= {k: v for k, v in vars(record).items() if k not in _STANDARD and k != "request"}
        line |= _context()
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return redact(json.dumps(line, default=str, ensure_ascii=True))


def _context() -> dict[str, str]:
    found = {
        "request_id": context_vars.request_id.get(),
        "job": context_vars.job_kind.get(),
        "organization_id": str(context_vars.acting_for.get() or ""),
    }
    return {name: value for name, value in found.items() if value}
