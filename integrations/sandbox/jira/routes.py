"""Jira's platform API: each path with its endpoint and the scopes it takes, classic or granular."""

from __future__ import annotations

from collections.abc import Callable

from integrations.sandbox.atlassian.call import Call, Route, Sets
from integrations.sandbox.http import Response
from integrations.sandbox.jira import reading, writing
from integrations.sandbox.jira.place import Place
from integrations.sandbox.jira.world import JiraSite

Worker = Callable[[Place], Response]
ISSUE = "/rest/api/3/issue/{issue}"
WORK_READ, WORK_WRITE, USER = "read:jira-work", "write:jira-work", "read:jira-user"
PEOPLE = ("read:user:jira", "read:avatar:jira", "read:group:jira", "read:application-role:jira")
ISSUES = ("read:issue:jira", "read:issue-meta:jira", "read:status:jira", "read:user:jira")
LINKS = ("write:issue:jira", "write:issue.remote-link:jira", "read:issue.remote-link:jira")

# method, path, what answers, classic scope, granular scopes, points
TABLE: tuple[tuple[str, str, Worker, str, tuple[str, ...], int], ...] = (
    ("GET", "/rest/api/3/myself", reading.myself, USER, PEOPLE, 1),
    ("GET", "/rest/api/3/serverInfo", reading.server_info, "", (), 1),
    ("GET", "/rest/api/3/mypermissions", reading.my_permissions, WORK_READ,
     ("read:permission:jira",), 1),
    ("GET", "/rest/api/3/project/search", reading.projects, WORK_READ, ("read:project:jira",), 5),
    ("GET", "/rest/api/3/project/{project}", reading.project, WORK_READ,
     ("read:project:jira",), 2),
    ("GET", "/rest/api/3/project/{project}/statuses", reading.project_statuses, WORK_READ,
     ("read:issue-status:jira", "read:issue-type:jira", "read:status:jira"), 2),
    ("GET", "/rest/api/3/search/jql", reading.search, WORK_READ,
     ("read:issue-details:jira", "read:issue-meta:jira"), 10),
    ("POST", "/rest/api/3/search/jql", reading.search, WORK_READ,
     ("read:issue-details:jira", "read:field:jira"), 10),
    ("GET", "/rest/api/3/search", reading.removed_search, WORK_READ, (), 1),
    ("POST", "/rest/api/3/search", reading.removed_search, WORK_READ, (), 1),
    ("POST", "/rest/api/3/issue/bulkfetch", reading.bulk_fetch, WORK_READ, ISSUES, 10),
    ("GET", "/rest/api/3/user/search", reading.people, USER, PEOPLE, 5),
    ("GET", "/rest/api/3/user", reading.person, USER, PEOPLE, 1),
    ("GET", ISSUE, reading.issue, WORK_READ, ISSUES, 2),
    ("GET", f"{ISSUE}/remotelink", writing.links, WORK_READ,
     ("read:issue.remote-link:jira", "read:status:jira"), 2),
    ("POST", f"{ISSUE}/remotelink", writing.make_link, WORK_WRITE, LINKS, 1),
    ("DELETE", f"{ISSUE}/remotelink", writing.remove_link, WORK_WRITE,
     ("delete:issue.remote-link:jira", "write:issue:jira"), 1),
    ("GET", f"{ISSUE}/remotelink/{{link}}", writing.link, WORK_READ,
     ("read:issue.remote-link:jira", "read:status:jira"), 1),
    ("PUT", f"{ISSUE}/remotelink/{{link}}", writing.change_link, WORK_WRITE, LINKS[:2], 1),
    ("DELETE", f"{ISSUE}/remotelink/{{link}}", writing.remove_link, WORK_WRITE,
     ("delete:issue.remote-link:jira", "write:issue:jira"), 1),
    ("GET", f"{ISSUE}/comment", writing.comments, WORK_READ,
     ("read:comment:jira", "read:user:jira"), 2),
    ("POST", f"{ISSUE}/comment", writing.add_comment, WORK_WRITE,
     ("write:comment:jira", "read:comment:jira", "read:user:jira"), 1),
    ("GET", f"{ISSUE}/worklog", writing.worklogs, WORK_READ,
     ("read:issue-worklog:jira", "read:user:jira"), 2),
    ("POST", f"{ISSUE}/worklog", writing.add_worklog, WORK_WRITE,
     ("write:issue-worklog:jira", "read:issue-worklog:jira", "read:user:jira"), 1),
    ("GET", f"{ISSUE}/transitions", writing.transitions, WORK_READ,
     ("read:issue.transition:jira", "read:status:jira"), 2),
    ("POST", f"{ISSUE}/transitions", writing.transit, WORK_WRITE,
     ("write:issue:jira", "write:issue.property:jira"), 1),
)  # fmt: skip


def routes(site_of: Callable[[Call], JiraSite]) -> tuple[Route, ...]:
    """Return the table bound to where each call's data lies."""

    def bound(worker: Worker) -> Callable[[Call], Response]:
        return lambda call: worker(Place(call, site_of(call)))

    return tuple(
        Route(method, path, bound(worker), sets(classic, granular), cost)
        for method, path, worker, classic, granular, cost in TABLE
    )


def sets(classic: str, granular: tuple[str, ...]) -> Sets:
    classics: Sets = ((classic,),) if classic else ()
    return (*classics, granular) if granular else classics
