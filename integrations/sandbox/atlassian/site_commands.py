"""What the control port may change at a site, and what it tells of one: issues, panels, pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from integrations.sandbox.atlassian.places import Places
from integrations.sandbox.atlassian.world import Site
from integrations.sandbox.confluence import truth as confluence_truth
from integrations.sandbox.jira import panel
from integrations.sandbox.jira.seed import grow
from integrations.sandbox.jira.world import Issue, Project
from integrations.sandbox.vendor import Json, Query


class SiteCommands:
    """One method per control path; `site` is acme where none is named."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self.by_path: dict[str, Callable[[Json], Json]] = {
            "/atlassian/sites": self.site,
            "/atlassian/members": self.member,
            "/atlassian/issues": self.issues,
            "/atlassian/issues/delete": self.delete_issue,
            "/atlassian/issues/move": self.move_issue,
            "/atlassian/issues/status": self.set_status,
        }
        self.questions: dict[str, Callable[[Query], object]] = {
            "/atlassian/truth": self.truth,
            "/atlassian/panel": self.panel,
        }

    def site(self, wish: Json) -> Json:
        """Give a site another `title` or other `products`, suspend it, or take it back."""
        site = self._site(wish)
        site.title = str(wish.get("title", site.title))
        site.products = list(wish.get("products", site.products))
        site.suspended = bool(wish.get("suspended", site.suspended))
        return asdict(site)

    def member(self, wish: Json) -> Json:
        """Let a `user` join a site, or leave with `remove`; `admin` makes an administrator."""
        site, account = self._site(wish), self._places.world.account(str(wish["user"]))
        if account is None:
            raise LookupError(f"no account {wish['user']!r}")
        for names, wanted in (
            (site.members, not wish.get("remove")),
            (site.admins, bool(wish.get("admin")) and not wish.get("remove")),
        ):
            if account.account_id in names:
                names.remove(account.account_id)
            if wanted:
                names.append(account.account_id)
        return {"site": site.name, "members": len(site.members), "admins": len(site.admins)}

    def issues(self, wish: Json) -> Json:
        """Make an issue with a `summary`, or let a `project` have `count` of them."""
        site = self._site(wish)
        data, project = self._places.jira[site.name], self._project(site, wish)
        if "count" in wish:
            grow(data, project, site.members, int(wish["count"]))
            return {"project": project.key, "issues": project.last_number}
        made = data.add(project, str(wish.get("summary", "Made by order")), site.members[0])
        return {"key": made.key, "id": made.id}

    def delete_issue(self, wish: Json) -> Json:
        site = self._site(wish)
        issue = self._issue(site, str(wish["key"]))
        del self._places.jira[site.name].issues[issue.key]
        return {"deleted": issue.key}

    def move_issue(self, wish: Json) -> Json:
        """Move the issue of this `key` to another `project`; the former key leads to it."""
        site = self._site(wish)
        issue = self._issue(site, str(wish["key"]))
        self._places.jira[site.name].move(issue, self._project(site, wish))
        return {"key": issue.key, "former": issue.former_keys}

    def set_status(self, wish: Json) -> Json:
        """Put the issue of this `key` into a `status` by its name, whatever the workflow says."""
        issue = self._issue(self._site(wish), str(wish["key"]))
        for status in issue.project.workflow.statuses:
            if status.name == wish["status"]:
                issue.status = status.id
                return {"key": issue.key, "status": status.name}
        raise LookupError(f"no status {wish['status']!r}")

    def truth(self, query: Query) -> object:
        site = self._site({name: values[-1] for name, values in query.items()})
        development = self._places.development[site.name]
        development.settle()
        whole = panel.truth(self._places.jira[site.name], development)
        pages = self._places.confluence[site.name]
        return {**whole, "confluence": confluence_truth.truth(pages)}

    def panel(self, query: Query) -> object:
        """What one issue shows, as Jira's own panel would."""
        wish = {name: values[-1] for name, values in query.items()}
        site = self._site(wish)
        development = self._places.development[site.name]
        development.settle()
        issue = self._issue(site, wish["issue"])
        return panel.panel(self._places.jira[site.name], development, issue)

    def _site(self, wish: Json | dict[str, str]) -> Site:
        name = str(wish.get("site", "acme"))
        if name not in self._places.world.sites:
            raise LookupError(f"no site {name!r}")
        return self._places.world.sites[name]

    def _project(self, site: Site, wish: Json) -> Project:
        key = str(wish.get("project", "PAY"))
        projects = self._places.jira[site.name].projects
        if key not in projects:
            raise LookupError(f"no project {key!r}")
        return projects[key]

    def _issue(self, site: Site, key: str) -> Issue:
        found = self._places.jira[site.name].issue(key)
        if found is None:
            raise LookupError(f"no issue {key!r}")
        return found
