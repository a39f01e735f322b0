"""What a connector from another package shows: the folder `static/` beside its code.

Ours come first, so that no package puts another file in the place of one of the portal's.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import FileSystemFinder
from django.core.files.storage import FileSystemStorage


class ConnectorFiles(FileSystemFinder):
    """Finds files of the packages that settings.CONNECTORS names; nothing of them is imported."""

    def __init__(self, app_names: Sequence[str] | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(app_names, *args, **kwargs)
        self.locations = [("", str(folder)) for folder in folders()]
        self.storages = {root: FileSystemStorage(location=root) for _, root in self.locations}
        for storage in self.storages.values():
            storage.prefix = ""

    def check(self, **kwargs: Any) -> list[Any]:
        return []


def folders() -> list[Path]:
    """The folders that are there, each once, as the settings list their connectors."""
    found: dict[Path, None] = {}
    for dotted in settings.CONNECTORS:
        spec = find_spec(dotted)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            if (folder := Path(place) / "static").is_dir():
                found[folder] = None
    return list(found)
