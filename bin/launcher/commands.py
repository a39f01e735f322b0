"""Runs several management commands in one Django process: each further one would cost seconds.

python bin/launcher/commands.py '[["migrate", "--database", "owner"], ["prepare"]]'
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import django
from django.core.management import CommandError, call_command, get_commands


def main() -> int:
    django.setup()
    for name, *arguments in json.loads(sys.argv[1]):
        if name not in get_commands():
            continue
        try:
            call_command(name, *arguments)
        except CommandError as error:
            print(f"{name}: {error}", file=sys.stderr)
            return error.returncode
    return 0


if __name__ == "__main__":
    sys.path[0] = str(Path.cwd())
    sys.exit(main())
