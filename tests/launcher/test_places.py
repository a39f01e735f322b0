"""Folders, ports and packages: what bin/run decides before anything starts."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from launcher import layout, packages, programs


@pytest.fixture
def deep() -> Iterator[Path]:
    base = layout.temporary()
    path = base.joinpath(*["a-long-name-for-a-folder"] * 5)
    path.mkdir(parents=True)
    yield path
    shutil.rmtree((path / "run").resolve(), ignore_errors=True)
    shutil.rmtree(base)


class TestSockets:
    def test_a_deep_checkout_has_them_elsewhere(self, deep):
        run = layout.sockets(deep, layout.unprivileged(deep))

        assert len(str(run)) < layout.LONGEST_SOCKET_PATH
        assert run.stat().st_mode & 0o777 == 0o700
        assert (deep / "run").resolve() == run

    def test_the_same_folder_serves_the_next_start(self, deep):
        account = layout.unprivileged(deep)

        assert layout.sockets(deep, account) == layout.sockets(deep, account)

    def test_a_folder_that_was_emptied_away_is_replaced(self, deep):
        account = layout.unprivileged(deep)
        first = layout.sockets(deep, account)
        first.rmdir()

        assert layout.sockets(deep, account).is_dir()

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
    def test_a_folder_of_somebody_else_is_not_used(self, deep):
        account = layout.unprivileged(deep)
        first = layout.sockets(deep, account)
        os.chown(first, 12345, 12345)

        assert layout.sockets(deep, account) != first
        first.rmdir()


def quiet_port() -> int:
    """One that is free, and the next one too, where the system gives out none by itself."""
    free = (port for port in range(20_000, 30_000) if programs.is_free("127.0.0.1", port))
    return next(port for port in free if programs.is_free("127.0.0.1", port + 1))


class TestPorts:
    def test_a_named_port_that_is_taken_is_refused(self):
        with socket.socket() as door:
            door.bind(("127.0.0.1", 0))
            door.listen()

            with pytest.raises(SystemExit, match="is taken"):
                programs.addresses("127.0.0.1", door.getsockname()[1])

    def test_a_named_port_leaves_the_usual_ones_to_others(self):
        at = programs.addresses("127.0.0.1", programs.free_port())

        assert {at.sandbox, at.control}.isdisjoint(programs.SANDBOX_PORTS)
        assert len({at.web, at.api, at.ingest, at.sandbox, at.control}) == 5

    def test_the_api_has_the_next_port(self):
        port = quiet_port()

        at = programs.addresses("127.0.0.1", port)

        assert (at.web, at.api) == (port, port + 1)
        assert at.api_url == f"http://localhost:{port + 1}"

    def test_the_api_goes_elsewhere_when_the_next_port_is_taken(self):
        with socket.socket() as door:
            taken = quiet_port() + 1
            door.bind(("127.0.0.1", taken))
            door.listen()

            at = programs.addresses("127.0.0.1", taken - 1)

            assert at.api not in (taken, at.web)
            with pytest.raises(SystemExit, match="--api-port"):
                programs.addresses("127.0.0.1", None, taken)


class TestPackages:
    def test_what_is_installed_is_left_alone(self, tmp_path):
        (tmp_path / ".venv").mkdir()
        (tmp_path / "lock.txt").write_text("nothing==1\n")
        digest = hashlib.sha256((tmp_path / "lock.txt").read_bytes()).hexdigest()
        (tmp_path / ".venv" / "lock.txt.sha256").write_text(digest)

        packages.install(tmp_path, tmp_path / "no-python", "lock.txt")  # would fail if it ran

    @pytest.mark.parametrize("lock", ["requirements.txt", "requirements-dev.txt"])
    def test_every_requirement_is_pinned_by_hash(self, lock):
        root = Path(__file__).resolve().parents[2]
        entries = (root / lock).read_text().replace("\\\n", " ").splitlines()
        pinned = [line for line in entries if line and not line.lstrip().startswith("#")]

        assert pinned
        assert all("==" in line and "--hash=sha256:" in line for line in pinned)

    def test_the_tests_run_on_the_pins_of_production(self):
        root = Path(__file__).resolve().parents[2]

        def pins(lock: str) -> set[str]:
            lines = (root / lock).read_text().splitlines()
            return {line.split(" ")[0] for line in lines if "==" in line and line[0].isalnum()}

        assert pins("requirements.txt") <= pins("requirements-dev.txt")
