"""What people will see at a target.

`contracts` hands these words on: rooms import them from there. No Django here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from connections.relay_events import RelayKind


@dataclass(frozen=True, slots=True)
class PanelRow:
    """One line; `state` is the target's word, `tone` plain, good, warning or danger."""

    kind: RelayKind
    name: str
    title: str
    url: str = ""
    state: str = ""
    tone: str = "plain"
    who: str = ""
    at: datetime | None = None
    repository: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PanelSection:
    """What the target shows closed, such as "2 commits", and open: its rows, newest first."""

    kind: RelayKind
    summary: str
    rows: tuple[PanelRow, ...]
    note: str = ""  # beside the summary: a state, or how many failed
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SubjectPanel:
    """One subject with all that would show there; `new_branch` begins a branch for it."""

    subject: str
    url: str
    sections: tuple[PanelSection, ...]
    new_branch: str = ""
