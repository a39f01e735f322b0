"""What a person may want from Space, and the rights that it costs.

A token of a person names them with their context (`global:Project.View`); an application is given
them in each context, and a right may be there in one project and not in the next.
"""

from __future__ import annotations

from connections.contracts import Capability

SCOPE = "scope"  # words of a token's scope
RIGHT = "right"  # codes of rights, as an application is given them
GLOBAL = "global"
EVERYTHING = "**"

_NOT_BY_READING = "Only doing it would prove it, and verification changes nothing at Space."
_PROJECT = "projects/key:{workspace}"


def _words(*codes: str) -> dict[str, tuple[str, ...]]:
    return {SCOPE: tuple(f"{GLOBAL}:{code}" for code in codes), RIGHT: codes}


def _boxes(*labels: str) -> dict[str, tuple[str, ...]]:
    return {SCOPE: labels, RIGHT: labels}


CAPABILITIES = (
    Capability(
        key="account-read",
        title="See who is linked and to which organization",
        why="Shows as whom the portal acts, so that people recognise the link.",
        scopes={SCOPE: (f"{GLOBAL}:Profile.View",), RIGHT: ()},
        labels={SCOPE: ("View member profiles",), RIGHT: ()},
        probe="organization?$fields=id,name",
        minimal=True,
    ),
    Capability(
        key="projects-read",
        title="See projects",
        why="Lists the projects that this credential reaches, so that you can choose.",
        scopes=_words("Project.View"),
        labels=_boxes("View project details"),
        probe=f"{_PROJECT}?$fields=id,key",
        minimal=True,
    ),
    Capability(
        key="jobs-read",
        title="See automation jobs",
        why="Lists the jobs of a project, so that one can be chosen to be started.",
        scopes=_words("Automation.Execution.View"),
        labels=_boxes("View automation jobs"),
        probe=f"{_PROJECT}/automation/jobs?repoFilter=&branchFilter=&$top=1&$fields=totalCount",
    ),
    Capability(
        key="jobs-start",
        title="Start automation jobs",
        why="Starts a job when something happened in a repository.",
        scopes=_words("Automation.Execution.Start"),
        labels=_boxes("Start automation jobs"),
        unprovable=_NOT_BY_READING,
        writes=True,
    ),
    Capability(
        key="checks-report",
        title="Report external checks",
        why="Shows results of builds beside commits.",
        scopes=_words("VcsRepository.CommitStatus.Push"),
        labels=_boxes("Report external status checks"),
        unprovable=_NOT_BY_READING,
        writes=True,
    ),
    Capability(
        key="people-read",
        title="See teams and their members",
        why="Matches people of both sides, and groups to teams.",
        scopes=_words("Profile.Memberships.View"),
        labels=_boxes("View memberships"),
        probe="team-directory/memberships?$top=1&$fields=totalCount",
    ),
)

CODES = tuple(
    dict.fromkeys(
        word.removeprefix(f"{GLOBAL}:") for each in CAPABILITIES for word in each.scopes[SCOPE]
    )
)
