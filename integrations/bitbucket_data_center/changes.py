"""What Atlassian announced to change at Bitbucket Data Center, dated, and whom each change hits."""

from __future__ import annotations

from datetime import date

from connections.contracts import VendorChange

LIFECYCLE = "https://endoflife.date/bitbucket"
ISO_DATES = "https://issues.jenkins.io/browse/JENKINS-76457"
TOKENS = "https://confluence.atlassian.com/bitbucketserver/http-access-tokens-939515499.html"
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
        from_versions=("10.3",),
    ),
    VendorChange(
        key="data-center-tokens-limited",
        on=date(2025, 1, 31),
        title="HTTP access tokens reach REST and Git only",
        breaks="On servers from 8.9.22, 8.19.12 and 9.3.2 on, an HTTP access token is refused at"
        " every address but those under /rest and /scm: pages and downloads of plugins, for"
        " example.",
        remedy="Nothing needs doing here: this portal asks under /rest alone. Look at scripts of"
        " your own that use the same token elsewhere.",
        url=TOKENS,
        from_versions=("8.9.22", "8.19.12", "9.3.2"),
    ),
)
