"""The restore drill, as an operator types it, on a portal that has been used."""

from __future__ import annotations

from tests.live import LivePortal


def test_the_drill_opens_what_a_backup_holds(live_portal: LivePortal) -> None:
    said = live_portal.manage("restore_drill")
    for line in ("dump", "restore", "stored secrets open", "the record is unbroken"):
        assert f"right  {line}" in said
    assert "WRONG" not in said
    assert "nothing is behind" in said
    assert "grant: 0 secrets" not in said
