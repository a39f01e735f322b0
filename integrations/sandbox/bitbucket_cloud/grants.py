"""What the control port may do to grants and ask of them: withdraw, make, count, look at tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from integrations.sandbox.bitbucket_cloud import rotation
from integrations.sandbox.bitbucket_cloud.credentials import Consumer, Grant
from integrations.sandbox.bitbucket_cloud.vendor import BitbucketCloud

Json = dict[str, Any]
Query = Mapping[str, list[str]]


class GrantCommands:
    """One method per control path. Who is named but does not exist is a LookupError."""

    def __init__(self, vendor: BitbucketCloud) -> None:
        self._vendor = vendor
        self.by_path: dict[str, Callable[[Json], Json]] = {
            "/grants": self.make,
            "/grants/revoke": self.revoke,
            "/grants/reassign": self.reassign,
            "/grants/scopes": self.change_scopes,
            "/storm": self.storm,
            "/tokens/look": self.look,
        }
        self.questions: dict[str, Callable[[Query], object]] = {
            "/grants": self.counted,
            "/calls": lambda query: vendor.tokens.counts.describe(),
        }

    def forget_calls(self) -> None:
        """Count from nought again, in all and for each grant."""
        self._vendor.tokens.counts.forget()
        for grant in self._vendor.registry.grants.values():
            grant.calls = grant.issued = grant.refused = 0

    def make(self, wish: Json) -> Json:
        """Let each of `users` consent to a `consumer`, as a short cut; the tokens they yield."""
        consumer = self._consumer(wish["consumer"])
        issue = self._vendor.tokens.consented
        return {"grants": [issue(consumer, self._user_uuid(user)) for user in wish["users"]]}

    def revoke(self, wish: Json) -> Json:
        """Withdraw consent: a `grant`, of a `user`, for a `consumer`, both, or everybody's."""
        grants = self._chosen(wish)
        for grant in grants:
            grant.revoke(str(wish.get("by", "account")))
        return {"revoked": len(grants)}

    def reassign(self, wish: Json) -> Json:
        """Make the tokens of `user` belong to `to`, as a provider never should."""
        grants = self._chosen(wish)
        for grant in grants:
            grant.user_uuid = self._user_uuid(wish["to"])
        return {"reassigned": len(grants)}

    def change_scopes(self, wish: Json) -> Json:
        """Give live grants other `scopes`, so that two verifications differ."""
        grants = self._chosen(wish)
        for grant in grants:
            grant.scopes = list(wish["scopes"])
        return {"changed": len(grants)}

    def storm(self, wish: Json) -> Json:
        """Refuse refreshes with this `error`, of a `share` of the grants; an empty one ends it."""
        storm = self._vendor.tokens.storm
        storm.rise(str(wish["error"]), float(wish.get("share", 1.0)))
        return storm.describe()

    def counted(self, query: Query) -> object:
        """Each grant with its calls and outcomes, and how many of its tokens live now."""
        wish = {name: values[-1] for name, values in query.items()}
        now, registry, switches = self._now, self._vendor.registry, self._vendor.switches
        stands = registry.stands
        live = Counter(
            token.grant_id for token in registry.access.values() if token.expires_at > now
        )
        usable = Counter(
            token.grant_id
            for token in registry.refresh.values()
            if rotation.is_usable(token, registry.grants[token.grant_id], registry, switches, now)
        )
        return [
            asdict(grant)
            | {"live_access": live[grant.id] * stands(grant), "live_refresh": usable[grant.id]}
            for grant in self._chosen(wish)
        ]

    def look(self, wish: Json) -> Json:
        """What each token of these SHA-256 `digests` is, of which grant, and whether it would work.

        A refresh token is not spent by being looked at.
        """
        return {str(mark): self._looked_at(str(mark)) for mark in wish["digests"]}

    def _looked_at(self, mark: str) -> Json:
        registry, switches, now = self._vendor.registry, self._vendor.switches, self._now
        access, refresh = registry.access.get(mark), registry.refresh.get(mark)
        if refresh is not None:
            grant = registry.grants[refresh.grant_id]
            works = rotation.is_usable(refresh, grant, registry, switches, now)
            return {"kind": "refresh", "grant": grant.id, "works": works}
        if access is not None:
            grant = registry.grants[access.grant_id]
            works = registry.stands(grant) and access.expires_at > now
            return {"kind": "access", "grant": grant.id, "works": works}
        return {"kind": "unknown", "grant": "", "works": False}

    @property
    def _now(self) -> float:
        return self._vendor.clock.now()

    def _chosen(self, wish: Mapping[str, Any]) -> list[Grant]:
        registry = self._vendor.registry
        if wish.get("grant"):
            return [registry.grants[str(wish["grant"])]]
        user_uuid = self._user_uuid(wish["user"]) if wish.get("user") else ""
        name = str(wish.get("consumer", ""))
        key = self._consumer(name).key if name else ""
        return registry.grants_of(user_uuid=user_uuid, consumer_key=key)

    def _user_uuid(self, identifier: str) -> str:
        user = self._vendor.world.user(identifier)
        if user is None:
            raise LookupError(f"no user {identifier!r}")
        return user.uuid

    def _consumer(self, identifier: str) -> Consumer:
        """Return the consumer with this name or key."""
        consumers = self._vendor.registry.consumers
        for consumer in consumers.values():
            if identifier in (consumer.name, consumer.key):
                return consumer
        raise LookupError(f"no consumer {identifier!r}")
