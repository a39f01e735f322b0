#!/usr/bin/env python
"""Runs management commands."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    os.environ.setdefault("PORTAL_PROCESS", "manage")
    execute_from_command_line(sys.argv)
