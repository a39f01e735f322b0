"""Where a repository's things are shown: its addresses, and the people named in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from integrations.sandbox.bitbucket_cloud import render
from integrations.sandbox.bitbucket_cloud.world import Repository, Workspace, World
from integrations.sandbox.code.contents import Contents

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """One repository with its contents, as one origin shows it."""

    world: World
    workspace: Workspace
    repository: Repository
    contents: Contents
    origin: str

    @property
    def api(self) -> str:
        return f"{self.origin}/2.0/repositories/{self.workspace.slug}/{self.repository.slug}"

    @property
    def html(self) -> str:
        return f"{self.origin}/{self.workspace.slug}/{self.repository.slug}"

    def ours(self) -> Json:
        return render.repository_short(self.repository, self.workspace, self.origin)

    def person(self, uuid: str) -> Json | None:
        """Return an account as it stands inside other things; null when there is none."""
        found = self.world.user(uuid) if uuid else None
        return None if found is None else render.user(found, self.origin)


def rendered(text: str) -> Json:
    return {"raw": text, "markup": "markdown", "html": f"<p>{escaped(text.strip())}</p>"}


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
