"""What Atlassian announced to change at Bitbucket Data Center, dated, and whom each change hits."""

from __future__ import annotations

from datetime import date

from connections.contracts import VendorChange

LIFECYCLE = "https://endoflife.date/bitbucket"
ISO_DATES = "https://issues.jenkins.io/browse/JENKINS-76457"
UPGRADE = "Upgrade the server to a line that still gets security fixes, 10 for example."

CHANGES = (
    VendorChange(
        key="data-center-8-19-ends",
        on=date(2026, 3, 12),
        title="Bitbucket Data Center 8.19 reached its end of life",
        breaks="There are no more security fixes for 8.19 and older. Nothing stops working.",
        remedy=UPGRADE,
        url=LIFECYCLE,
        before_version="9.0",
    ),
    VendorChange(
        key="data-center-9-0-ends",
        on=date(2026, 7, 23),
        title="Bitbucket Data Center 9.0 reached its end of life",
        breaks="There are no more security fixes for 9.0. Nothing stops working.",
        remedy=UPGRADE,
        url=LIFECYCLE,
        before_version="9.1",
    ),
    VendorChange(
        key="data-center-9-4-ends",
        on=date(2026, 12, 3),
        title="Bitbucket Data Center 9.4 reaches its end of life",
        breaks="There are no more security fixes for 9.4 and older. Nothing stops working.",
        remedy=UPGRADE,
        url=LIFECYCLE,
        before_version="9.5",
    ),
    VendorChange(
        key="data-center-iso-dates",
        on=date(2026, 5, 24),
        title="Dates are ISO 8601 texts from 10.3 on",
        breaks="Messages of servers from 10.3 on carry texts where milliseconds stood. This "
        "portal reads both.",
        remedy="Nothing needs doing here. Look at scripts of your own that read them.",
        url=ISO_DATES,
    ),
)
