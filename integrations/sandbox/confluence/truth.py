"""Everything at a Confluence site in short."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from integrations.sandbox.confluence.world import ConfluenceSite


def truth(site: ConfluenceSite) -> dict[str, Any]:
    return {
        "spaces": [asdict(space) for space in site.spaces.values()],
        "pages": [asdict(page) for page in site.pages.values()],
    }
