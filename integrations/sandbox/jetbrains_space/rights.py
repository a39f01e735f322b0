"""Rights by their codes, and what a scope lets through: `context:Code`, or `**` for everything."""

from __future__ import annotations

from collections.abc import Iterable

GLOBAL = "global"
EVERYTHING = "**"
GRANTED, REQUESTED, NONE = "GRANTED", "REQUESTED", "NONE"

# code → what Space's screens call it, and the group it stands in
RIGHTS = {
    "Profile.View": ("View member profiles", "Member profiles"),
    "Profile.Memberships.View": ("View memberships", "Member profiles"),
    "Profile.PermanentTokens.Create": ("Create permanent tokens for yourself", "Member profiles"),
    "Profile.PermanentTokens.Edit": ("Manage permanent tokens", "Member profiles"),
    "Project.View": ("View project details", "Projects"),
    "Automation.Execution.View": ("View automation jobs", "Automation"),
    "Automation.Execution.Start": ("Start automation jobs", "Automation"),
    "VcsRepository.CommitStatus.Push": ("Report external status checks", "Git repositories"),
    "VcsRepository.Read": ("Read Git repositories", "Git repositories"),
    "Applications.View": ("View applications", "Applications"),
    "Applications.ViewSecrets": ("View application secrets", "Applications"),
    "Applications.Edit": ("Update applications", "Applications"),
}
OF_PROJECTS = frozenset(
    code for code in RIGHTS if code.startswith(("Project.", "Automation.", "VcsRepository."))
)
OF_EVERYBODY = frozenset(
    {
        "Profile.View",
        "Profile.Memberships.View",
        "Profile.PermanentTokens.Create",
        "Profile.PermanentTokens.Edit",
    }
)
OF_MEMBERS = OF_PROJECTS - {"VcsRepository.CommitStatus.Push"}


def in_project(key: str) -> str:
    """Return the context of a project."""
    return f"project:key:{key}"


def is_known(scope: str) -> bool:
    """Whether every word of a scope is one that Space knows."""
    words = scope.split()
    return bool(words) and all(
        word == EVERYTHING or (word.rpartition(":")[2] in RIGHTS and ":" in word) for word in words
    )


def covers(scope: Iterable[str], context: str, code: str) -> bool:
    """Whether a scope lets a right through there; one in the global context holds everywhere."""
    return not {EVERYTHING, f"{GLOBAL}:{code}", f"{context}:{code}"}.isdisjoint(scope)
