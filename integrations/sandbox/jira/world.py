"""Projects, workflows, issues with what hangs on them, and stored development information."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
CATEGORIES = {
    "new": (2, "To Do", "blue-gray"),
    "indeterminate": (4, "In Progress", "yellow"),
    "done": (3, "Done", "green"),
}


@dataclass(frozen=True, slots=True)
class Status:
    id: str
    name: str
    category: str


@dataclass(frozen=True, slots=True)
class Transition:
    """`since` are the statuses it leaves, none for all; `admins` says who alone sees it."""

    id: str
    name: str
    to: str
    since: tuple[str, ...] = ()
    admins: bool = False


@dataclass(frozen=True, slots=True)
class Workflow:
    statuses: tuple[Status, ...]
    transitions: tuple[Transition, ...]

    def status(self, identifier: str) -> Status:
        return next(status for status in self.statuses if status.id == identifier)

    def open_to(self, status: str, *, admin: bool) -> list[Transition]:
        """Return what may be done from this status."""
        return [
            each
            for each in self.transitions
            if status in (each.since or (status,)) and (admin or not each.admins)
        ]


@dataclass(slots=True)
class Project:
    id: str
    key: str
    name: str
    workflow: Workflow
    lead: str
    style: str = "classic"
    last_number: int = 0


@dataclass(slots=True)
class Issue:
    id: str
    project: Project
    number: int
    summary: str
    status: str
    reporter: str
    created: float
    updated: float
    assignee: str = ""
    seconds_spent: int = 0
    comments: list[Json] = field(default_factory=list)
    worklogs: list[Json] = field(default_factory=list)
    links: list[Json] = field(default_factory=list)
    history: list[Json] = field(default_factory=list)
    former_keys: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        return f"{self.project.key}-{self.number}"


class JiraSite:
    """What one site holds; ids are counted up as Jira's are."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.projects: dict[str, Project] = {}
        self.issues: dict[str, Issue] = {}  # by key
        self.last_id = 10_000
        self._now = now

    def next_id(self) -> str:
        self.last_id += 1
        return str(self.last_id)

    def issue(self, identifier: str) -> Issue | None:
        """Find an issue by key in any case, by a key it had before a move, or by id."""
        found = self.issues.get(identifier.upper())
        if found is not None:
            return found
        for issue in self.issues.values():
            if identifier == issue.id or identifier.upper() in issue.former_keys:
                return issue
        return None

    def add(self, project: Project, summary: str, reporter: str, number: int = 0) -> Issue:
        project.last_number = number or project.last_number + 1
        now = self._now()
        issue = Issue(
            self.next_id(), project, project.last_number, summary,
            project.workflow.statuses[0].id, reporter, now, now,
        )  # fmt: skip
        self.issues[issue.key] = issue
        return issue

    def move(self, issue: Issue, project: Project) -> None:
        """Give an issue another key; the former one still leads to it."""
        issue.former_keys.append(issue.key)
        del self.issues[issue.key]
        project.last_number += 1
        issue.project, issue.number = project, project.last_number
        self.issues[issue.key] = issue
