"""`manage.py record_bounce < mail`: a bounce of a notice stops further mail to that address.

For the mail server to pipe into: see docs/operations.md. It exits with 1 when the mail on standard
input is no report about a message of ours, and then changes nothing.
"""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal import bounces, dsn, roles


class Command(BaseCommand):
    help = "Reads a delivery status notification (RFC 3464) and notes the address that failed."

    def handle(self, *args: Any, **options: Any) -> None:
        """Prints one line for each address, without the address."""
        try:
            reports = dsn.read(sys.stdin.buffer.read(dsn.LARGEST + 1))
        except dsn.NotAReport as error:
            raise CommandError(str(error)) from None
        with roles.using_role("worker"):
            for report in reports:
                self.stdout.write(bounces.record(report))
