"""The embedded servers start from whatever state a crash left them in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from launcher import children, layout
from launcher.layout import Layout
from launcher.postgres import Postgres

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def place() -> Iterator[Layout]:
    found = layout.plan(ROOT, layout.temporary())
    yield found
    shutil.rmtree(found.var)


def sleeper(**environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "60"], env={"PATH": os.environ["PATH"]} | environment)


class TestPostgres:
    def test_it_starts_beside_a_stranger_with_the_old_number(self, place):
        server = Postgres(place, for_tests=True)
        server.prepare()
        stranger = sleeper()
        (server.folder / "postmaster.pid").write_text(f"{stranger.pid}\n{server.folder}\n")

        server.prepare()
        child = server.spawn(place.var / "log")

        assert children.wait_until(server.is_ready, child, 20)
        assert stranger.poll() is None
        stranger.kill()
        children.stop(child, server.stop_signal, 10)

    def test_a_half_made_folder_is_made_anew(self, place):
        server = Postgres(place, for_tests=True)
        (server.folder / "base").mkdir()

        server.prepare()

        assert (server.folder / "PG_VERSION").exists()

    def test_a_folder_of_another_version_is_not_touched(self, place):
        server = Postgres(place, for_tests=True)
        (server.folder / "PG_VERSION").write_text("9\n")

        with pytest.raises(SystemExit, match="was made by PostgreSQL 9"):
            server.prepare()

    def test_its_log_shows_no_value_of_a_failing_statement(self, place):
        server = Postgres(place, for_tests=True)
        server.prepare()
        child = server.spawn(place.var / "log")
        assert children.wait_until(server.is_ready, child, 20)
        with server.connect() as connection:
            connection.execute("CREATE TABLE t (a text UNIQUE)")
            for _ in range(2):
                try:
                    connection.execute("INSERT INTO t VALUES (%s)", ["canary-in-a-parameter"])
                    connection.execute("INSERT INTO t VALUES ('canary-in-a-text')")
                except Exception as error:
                    assert "t_a_key" in str(error)
        children.stop(child, server.stop_signal, 10)

        log = (place.var / "log").read_text()
        assert "t_a_key" in log
        assert "canary" not in log


class TestLeftovers:
    def test_a_marked_process_is_ended(self, place):
        left = sleeper(**{children.MARK: str(place.var)})
        other = sleeper(**{children.MARK: "/another/var"})

        ended = children.end_leftovers(place.folder("pids"), place.var)

        assert ended == 1
        assert left.wait(5) != 0
        assert other.poll() is None
        other.kill()

    def test_a_number_that_was_given_again_is_spared(self, place):
        stranger = sleeper()
        (place.folder("pids") / "web").write_text(f"{stranger.pid} 12345")

        assert children.end_leftovers(place.folder("pids"), place.var) == 0
        assert stranger.poll() is None
        stranger.kill()

    def test_a_child_ends_with_its_parent(self, place):
        program = (
            f"import sys; sys.path.insert(0, {str(ROOT / 'bin')!r})\n"
            "from pathlib import Path; from launcher import children, layout\n"
            "import os, signal\n"
            f"child = children.spawn(['sleep', '60'], log=Path({str(place.var / 'log')!r}),\n"
            "    account=layout.account_of(os.geteuid()), environment={'PATH': '/bin:/usr/bin'},\n"
            "    cwd=Path('/'))\n"
            "print(child.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)\n"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

        deadline = time.monotonic() + 5
        while children.started(int(done.stdout)):
            assert time.monotonic() < deadline
            time.sleep(0.02)
