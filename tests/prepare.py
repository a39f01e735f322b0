"""`python -m tests.prepare`: the migrated template is kept, so that not every worker makes it."""

from __future__ import annotations

import os

import django

from tests.plugin import ROOT  # which also says where `launcher` is
from tests.servers import Servers


def main() -> None:
    servers = Servers(ROOT)
    try:
        if not servers.kept_template().exists():
            os.environ.update(servers.environment())
            django.setup()
            servers.start_database()
    finally:
        servers.stop()


if __name__ == "__main__":
    main()
