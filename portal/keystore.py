"""Writes keyring files: whole or not at all, for their owner alone, one command at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from portal.keyfile import HOLDS, KeyringRefused
from portal.steps import step


def files(directory: Path) -> dict[str, Path]:
    """Where each process that holds keys has its file."""
    return {process: directory / f"{process}.json" for process in HOLDS if HOLDS[process]}


@contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Nobody else changes the files in this folder meanwhile; raises KeyringRefused (C10).

    The lock is the kernel's: it ends with the process that holds it, however that dies.
    """
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise KeyringRefused(
            f"The folder {directory} cannot be read ({error.strerror}).",
            "Name the folder with all keyring files by --directory.",
        ) from None
    try:
        _lock(descriptor, directory)
        for half in leftovers(directory):
            half.unlink(missing_ok=True)
        yield
    finally:
        os.close(descriptor)


def leftovers(directory: Path) -> list[Path]:
    """Copies of key files that a killed command has left; the next one deletes them."""
    return sorted(
        half for path in files(directory).values() for half in path.parent.glob(f".{path.name}.*")
    )


def _lock(descriptor: int, directory: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise KeyringRefused(
            f"Another command is changing the keys in {directory}.", "Wait until it has ended."
        ) from None


def put(path: Path, text: str) -> None:
    """The file has this text, whole or not at all, on disk, for its owner alone.

    One that was there keeps its owner and mode; a new one never takes the place of another.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    before = path.stat() if path.exists() else None
    half = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            if before:
                os.fchmod(descriptor, before.st_mode & 0o700)
                if os.geteuid() == 0:
                    os.fchown(descriptor, before.st_uid, before.st_gid)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        step("keys.half_written")
        if before:
            half.replace(path)
        else:
            os.link(half, path)
    finally:
        with suppress(FileNotFoundError):
            half.unlink()
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """The names in this folder are on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
