"""An example file to begin with; what it names is made up. No Django here."""

from __future__ import annotations

import csv
import io
from typing import Final

COLUMNS: Final = (
    *("connector", "method", "name", "team", "base_url", "email", "username"),
    *("workspace", "project", "repository", "labels", "expires_at", "token"),
)
ROWS: Final = (
    {
        "connector": "bitbucket-cloud",
        "name": "Shop code",
        "team": "Payments",
        "email": "you@example.com",
        "labels": "shop; production",
        "expires_at": "2027-01-31",
        "token": "paste the API token here",
    },
    {
        "connector": "bitbucket-cloud",
        "method": "repository-token",
        "name": "Payments API",
        "team": "Payments",
        "workspace": "acme-engineering",
        "repository": "payments-api",
        "token": "paste the repository access token here",
    },
)


def csv_text() -> str:
    """The example as CSV, with the mark by which spreadsheets know UTF-8."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="")
    writer.writeheader()
    writer.writerows(ROWS)
    return "\ufeff" + text.getvalue()
