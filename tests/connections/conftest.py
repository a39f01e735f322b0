"""What tests of the first floor may ask for beside the database: the sandbox, keys, a cast."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal import keyfile, keyring
from tests import keys
from tests.vendor import vendor, vendor_process
from tests.works import Works

__all__ = ["vendor", "vendor_process"]


@pytest.fixture
def works(db: None, tmp_path: Path) -> Iterator[Works]:
    """An organization with people, and a way to do what waits for workers."""
    texts = keyring.generate()
    rings = {process: keyfile.parse(text, process) for process, text in texts.items()}
    worker_file = tmp_path / "worker.json"
    worker_file.write_text(texts["worker"])
    os.chmod(worker_file, 0o600)
    with keys.holding(keys.everything(rings)):
        yield Works(worker_file)
