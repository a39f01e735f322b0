"""One call of a development provider to a site, and what its credentials let it do there."""

from __future__ import annotations

from dataclasses import dataclass

from integrations.sandbox.atlassian.call import Call
from integrations.sandbox.atlassian.errors import development, gateway
from integrations.sandbox.atlassian.limits import Limits
from integrations.sandbox.atlassian.world import Account
from integrations.sandbox.http import Response
from integrations.sandbox.jira.development import Development, Properties, Provider
from integrations.sandbox.jira.world import JiraSite

ACCEPTED = 202


@dataclass(frozen=True, slots=True)
class ProviderPlace:
    """A call, the site's issues, and what providers have submitted to it."""

    call: Call
    data: JiraSite
    development: Development
    limits: Limits

    @property
    def provider(self) -> Provider:
        return self.development.provider(self.call.identity.name)

    @property
    def members(self) -> list[Account]:
        """The people of this site."""
        known = self.call.world.accounts.values()
        return [each for each in known if each.account_id in self.call.site.members]

    def check_size(self) -> None:
        """Raises ApiError 413 for a body that is too long."""
        if len(self.call.request.body) > self.call.switches.most_bytes:
            raise development(413, "Data is too large. Submit fewer entities in each payload.")

    def draw(self, entities: int, *, backfill: bool) -> None:
        """Raises ApiError 429 when this provider has sent too much."""
        name = self.call.identity.name
        self.limits.bulk(name, entities, backfill=backfill, now=self.call.now)

    def properties(self, *ignored: str) -> Properties:
        """Return the properties in the query. Raises ApiError 400 for none, or one said twice."""
        given = self.call.request.parameters
        twice = [name for name, values in given.items() if len(values) > 1]
        if twice:
            raise development(400, f"Multiple values of the property '{twice[0]}' were specified")
        found = {name: values[0] for name, values in given.items() if name not in ignored}
        if not found:
            raise development(400, "No query properties were specified")
        return found

    def sequence(self, name: str) -> int | None:
        """Return the number below which something is meant, None for everything."""
        text = self.call.first(name)
        if not text:
            return None
        if not text.lstrip("-").isdecimal():
            raise development(400, f"'{name}' is not a numeric value")
        return int(text)

    def number(self, name: str) -> int:
        """Return a number in the path. Raises ApiError 404."""
        text = self.call.ids[name]
        if not text.isdecimal():
            raise gateway(404)
        return int(text)


def accepted() -> Response:
    return Response(ACCEPTED)
