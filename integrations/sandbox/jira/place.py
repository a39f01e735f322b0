"""One call to a Jira site, and what it may see there."""

from __future__ import annotations

from dataclasses import dataclass

from integrations.sandbox.atlassian.call import Call
from integrations.sandbox.atlassian.errors import at_site, jira
from integrations.sandbox.atlassian.world import Account
from integrations.sandbox.http import ApiError
from integrations.sandbox.jira.world import Issue, JiraSite, Project

MISSING = "Issue does not exist or you do not have permission to see it."


@dataclass(frozen=True, slots=True)
class Place:
    """A call and the site's data."""

    call: Call
    data: JiraSite

    def person(self) -> Account:
        """Return who calls. Raises ApiError 401 for a stranger."""
        if self.call.account is None:
            raise at_site()
        return self.call.account

    @property
    def is_member(self) -> bool:
        """Whether the caller has an account at this site: others see nothing of it."""
        account = self.call.account
        return account is not None and account.account_id in self.call.site.members

    @property
    def is_admin(self) -> bool:
        account = self.call.account
        return account is not None and account.account_id in self.call.site.admins

    def issue(self) -> Issue:
        """Return the issue in the path. Raises ApiError 404."""
        found = self.data.issue(self.call.ids["issue"]) if self.is_member else None
        if found is None:
            raise jira(404, MISSING)
        return found

    def project(self) -> Project:
        """Return the project in the path. Raises ApiError 404."""
        identifier = self.call.ids["project"]
        for project in self.data.projects.values() if self.is_member else ():
            if identifier.upper() == project.key or identifier == project.id:
                return project
        raise self.no_project(identifier)

    def no_project(self, identifier: str) -> ApiError:
        return jira(404, f"No project could be found with key '{identifier}'.")

    def touch(self, issue: Issue) -> None:
        issue.updated = self.call.now
