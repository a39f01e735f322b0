"""What bin/run --check leaves behind, and where it refuses to run."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from launcher import check, run
from launcher.supervisor import Supervisor

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_logs_of_a_failed_check_stay_and_their_place_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(check.CheckFailed), run.throw_away(ROOT) as place:
        nobody = {"PORTAL_URL": "http://127.0.0.1:1", "MAIL_DIR": str(place.var)}
        check.walk_through(nobody, Supervisor(place, print))

    said = capsys.readouterr().out
    assert "FAILED  sign up" in said
    assert str(place.var / "log") in said
    assert place.var.is_dir()
    shutil.rmtree(place.var)


def test_nothing_stays_of_a_check_that_passed() -> None:
    with run.throw_away(ROOT) as place:
        assert place.var.is_dir()

    assert not place.var.exists()


def test_a_check_makes_nobody_in_a_database_that_is_in_use() -> None:
    found = subprocess.run(
        [ROOT / "bin" / "run", "--check"],
        env=os.environ | {"DATABASE_URL": "postgresql://portal_owner@db.example/portal"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert found.returncode == 2
    assert "Unset DATABASE_URL" in found.stderr
