"""A backup is made and restored into a scratch database by the commands an operator types."""

from __future__ import annotations

import stat
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from portal import backups
from tests.vendor import Vendor
from tests.works import Works


def databases() -> set[str]:
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database")
        return {row[0] for row in cursor.fetchall()}


@pytest.mark.usefixtures("works")
class TestBackup:
    def test_the_file_is_its_owners_alone(self, tmp_path: Path) -> None:
        target = tmp_path / "backup"
        call_command("backup", str(target), stdout=StringIO())
        assert target.stat().st_size > 10_000
        assert stat.S_IMODE(target.stat().st_mode) == 0o600

    def test_an_older_backup_is_not_overwritten(self, tmp_path: Path) -> None:
        target = tmp_path / "backup"
        target.write_text("the only one")
        with pytest.raises(CommandError, match="is there already"):
            call_command("backup", str(target))
        assert target.read_text() == "the only one"

    def test_a_role_below_row_security_is_told_so(self, tmp_path: Path) -> None:
        with pytest.raises(CommandError, match=r"row-level security|peer|permission"):
            call_command("backup", str(tmp_path / "backup"), role="portal_app")

    def test_missing_tools_are_named_with_the_remedy(self, tmp_path: Path, settings: Any) -> None:
        settings.POSTGRES_TOOLS = str(tmp_path)
        with pytest.raises(CommandError, match="Set POSTGRES_TOOLS"):
            call_command("backup", str(tmp_path / "backup"))


def test_the_scratch_database_holds_the_same_and_is_gone_afterwards(
    works: Works, vendor: Vendor, tmp_path: Path
) -> None:
    works.link_by_token(vendor.token("dana-full"))
    at = backups.server("postgres")
    backups.dump(at, tmp_path / "backup")
    before = databases()
    with backups.scratch(at, tmp_path / "backup") as name:
        assert name in databases()
    assert databases() == before


def test_a_broken_file_fails_the_drill_and_leaves_nothing(works: Works, tmp_path: Path) -> None:
    broken = tmp_path / "backup"
    broken.write_bytes(b"PGDMP and no more")
    before = databases()
    with pytest.raises(CommandError, match="pg_restore"):
        call_command("restore_drill", file=broken, stdout=StringIO())
    assert databases() == before
