"""What the control port may change: grants, consumers, tokens, people, repositories."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from integrations.sandbox.bitbucket_cloud.credentials import (
    TOKEN_KINDS,
    Consumer,
    StaticToken,
    static_text,
)
from integrations.sandbox.bitbucket_cloud.scopes import GRANULAR, OAUTH, SELECTABLE
from integrations.sandbox.bitbucket_cloud.seed import crowd, founded, populate
from integrations.sandbox.bitbucket_cloud.truth import Truth
from integrations.sandbox.bitbucket_cloud.vendor import BitbucketCloud
from integrations.sandbox.bitbucket_cloud.world import Repository, User, Workspace
from integrations.sandbox.code.random_deeds import RandomDeeds
from integrations.sandbox.oauth import digest

Json = dict[str, Any]
DAY = 86400.0
LONGEST_LIFE_DAYS = 365


class CommandRefused(Exception):
    """The control request names something that does not exist or cannot be."""


class Commands:
    """One method per control path; each takes the JSON body and returns what it did."""

    def __init__(self, vendor: BitbucketCloud) -> None:
        self._vendor = vendor
        self.by_path: dict[str, Callable[[Json], Json]] = {
            "/switches": self.switches,
            "/consumers": self.consumer,
            "/tokens": self.token,
            "/tokens/revoke": self.revoke_token,
            "/members": self.member,
            "/workspaces": self.workspace,
            "/repositories": self.repositories,
            "/people": self.people,
            **{path: ordered(vendor, path) for path in vendor.deeds.by_path},
            "/activity": lambda wish: RandomDeeds(vendor.deeds).activity(wish),
        }
        self.questions: dict[str, Callable[[Mapping[str, list[str]]], object]] = {
            "/truth": lambda query: Truth(vendor.deeds.scene).answer(query)
        }

    def describe(self) -> Json:
        """Return everything there is to know for somebody who rehearses."""
        world, registry = self._vendor.world, self._vendor.registry
        return {
            "seed": world.seed,
            "users": [
                asdict(user)
                | {"workspaces": {w.slug: p for w, p in world.workspaces_of(user.uuid)}}
                for user in world.users.values()
                if user.about
            ],
            "workspaces": [
                {
                    "slug": w.slug, "name": w.name, "uuid": w.uuid, "is_personal": w.is_personal,
                    "repositories": len(w.repositories), "projects": len(w.projects),
                    "members": len(w.members), "suspended": w.slug in world.suspended,
                }
                for w in world.workspaces.values()
            ],
            "consumers": [asdict(consumer) for consumer in registry.consumers.values()],
            "tokens": [asdict(token) for token in registry.static.values()],
            "grants": [asdict(grant) for grant in registry.grants.values()],
            "deactivated": registry.deactivated,
            "switches": self._vendor.switches.describe(),
            "budgets": self._vendor.api.limits.describe(),
        }  # fmt: skip

    def switches(self, wish: Json) -> Json:
        for name, value in wish.items():
            try:
                self._vendor.switches.set(name, value)
            except ValueError as error:
                raise CommandRefused(str(error)) from error
        return self._vendor.switches.describe()

    # ── consumers and tokens ──────────────────────────────────────────────────────────────────

    def consumer(self, wish: Json) -> Json:
        """Register a consumer, or change the one with this key (or `delete` it)."""
        consumers = self._vendor.registry.consumers
        old = consumers.get(self._consumer_key(wish.get("key", "")) or "")
        if wish.get("delete"):
            return {"deleted": consumers.pop(old.key, None) is not None if old else False}
        base = asdict(old) if old else {
            "key": wish.get("key") or secrets.token_hex(9),
            "secret": secrets.token_urlsafe(24),
            "name": "a consumer",
            "workspace": "acme",
            "callbacks": [],
            "scopes": ["account"],
        }  # fmt: skip
        given = {name: wish[name] for name in Consumer.__slots__ if name in wish and name != "key"}
        unknown = set(given.get("scopes", ())) - OAUTH.keys()
        if unknown:
            raise CommandRefused(f"unknown scopes: {', '.join(sorted(unknown))}")
        made = Consumer(**{**base, **given})
        consumers[made.key] = made
        return asdict(made)

    def token(self, wish: Json) -> Json:
        """Make an API token or an access token; the answer is the only place its text appears."""
        kind = wish.get("kind", "api_token")
        if kind not in TOKEN_KINDS:
            raise CommandRefused(f"kind is one of {', '.join(TOKEN_KINDS)}")
        scopes = list(wish.get("scopes", ()))
        self._check_scopes(kind, scopes)
        days = wish.get("expires_in_days", LONGEST_LIFE_DAYS)
        if kind == "api_token" and (days is None or days > LONGEST_LIFE_DAYS):
            raise CommandRefused("an API token lives for a year at most")
        user = self._vendor.world.user(wish.get("user", "dana"))
        owned = kind in {"api_token", "app_password"}
        if owned and user is None:
            raise CommandRefused(f"no user {wish.get('user')!r}")
        made = StaticToken(
            kind=kind,
            token=wish.get("token") or static_text(kind, secrets.token_hex(16)),
            scopes=scopes,
            expires_at=None if days is None else self._vendor.clock.now() + days * DAY,
            user_uuid=user.uuid if owned and user else "",
            email=user.email if owned and user else "",
            workspace=wish.get("workspace", "" if owned else "acme"),
            project=wish.get("project", ""),
            repository=self._repository_uuid(wish),
            about=wish.get("about", "made at the control port"),
        )
        self._vendor.registry.keep_static(made)
        return asdict(made)

    def _check_scopes(self, kind: str, scopes: list[str]) -> None:
        allowed = GRANULAR if kind == "api_token" else SELECTABLE.get(kind, OAUTH.keys())
        unknown = set(scopes) - allowed
        if unknown:
            raise CommandRefused(f"not for {kind}: {', '.join(sorted(unknown))}")

    def revoke_token(self, wish: Json) -> Json:
        """Revoke by the token's text, or by the name its `about` begins with."""
        registry = self._vendor.registry
        name = str(wish.get("name", ""))
        found = [
            token
            for mark, token in registry.static.items()
            if mark == digest(str(wish.get("token", ""))) or (name and about(token) == name)
        ]
        for token in found:
            token.revoked = not wish.get("restore", False)
        return {"revoked": len(found)}

    # ── the world ─────────────────────────────────────────────────────────────────────────────

    def member(self, wish: Json) -> Json:
        """Give `user` a `permission` in `workspace`; null takes the membership away."""
        workspace, user_uuid = self._workspace(wish), self._user_uuid(wish["user"])
        if wish.get("permission") is None:
            workspace.members.pop(user_uuid, None)
            for granted in workspace.granted.values():
                granted.pop(user_uuid, None)
        else:
            workspace.members[user_uuid] = wish["permission"]
        workspace.views.clear()
        return {"workspace": workspace.slug, "permission": wish.get("permission")}

    def people(self, wish: Json) -> Json:
        """Deactivate `user` or take it back; or enter `count` more people, into a `workspace`."""
        if "count" in wish:
            made = crowd(self._vendor.world, int(wish["count"]))
            if wish.get("workspace"):
                members = self._workspace(wish).members
                members |= {user.uuid: "member" for user in made}
            return {"people": [asdict(user) for user in made]}
        gone = self._vendor.registry.deactivated
        user_uuid = self._user_uuid(wish["user"])
        if wish.get("deactivated", True) and user_uuid not in gone:
            gone.append(user_uuid)
        elif not wish.get("deactivated", True) and user_uuid in gone:
            gone.remove(user_uuid)
        return {"deactivated": user_uuid in gone}

    def workspace(self, wish: Json) -> Json:
        """Rename a workspace, `delete` it, `create` one of `user`, or mark its owner as spam
        (`suspended`, answers 410)."""
        world = self._vendor.world
        if wish.get("create"):
            owner = self._user_uuid(wish.get("user", "dana"))
            return {"workspace": founded(world, str(wish["create"]), owner).slug}
        workspace = self._workspace(wish)
        if wish.get("delete"):
            del world.workspaces[workspace.slug]
        if "suspended" in wish:
            (world.suspended.add if wish["suspended"] else world.suspended.discard)(workspace.slug)
        if wish.get("new_slug"):
            del world.workspaces[workspace.slug]
            workspace.slug = wish["new_slug"]
            world.workspaces[workspace.slug] = workspace
        workspace.name = wish.get("name", workspace.name)
        return {"workspace": workspace.slug, "name": workspace.name}

    def repositories(self, wish: Json) -> Json:
        """Grow or shrink to `count`, or `touch` some (updated now), and nobody is told.

        `create` one, `delete` slugs, `rename` one, `transfer` one `to` a workspace: hooks are told.
        """
        workspace, deeds = self._workspace(wish), self._vendor.deeds
        if "count" in wish:
            for extra in workspace.repositories[int(wish["count"]) :]:
                workspace.remove(extra)
            mark = f"{self._vendor.world.seed}:{workspace.slug}:{len(workspace.repositories)}"
            populate(workspace, int(wish["count"]), random.Random(mark))
        for slug in wish.get("touch", ()):
            self._repository(workspace, slug).updated_on = self._vendor.clock.iso()
        if {"create", "delete", "rename", "transfer"} & wish.keys():
            self._administer(workspace, deeds.actor(workspace, wish), wish)
        return {"workspace": workspace.slug, "repositories": len(workspace.repositories)}

    def _administer(self, workspace: Workspace, actor: User, wish: Json) -> None:
        administering = self._vendor.deeds.administering
        if wish.get("create"):
            administering.create(workspace, actor, {"slug": wish["create"], **wish})
        for slug in wish.get("delete", ()):
            administering.delete(workspace, actor, self._repository(workspace, slug))
        if wish.get("rename"):
            found = self._repository(workspace, wish["rename"])
            slug = wish.get("new_slug", found.slug)
            administering.rename(workspace, actor, found, slug, wish.get("name", slug))
        if wish.get("transfer"):
            found = self._repository(workspace, wish["transfer"])
            target = self._workspace({"workspace": wish["to"]})
            administering.transfer(workspace, actor, found, target)

    # ── finding things ────────────────────────────────────────────────────────────────────────

    def _user_uuid(self, identifier: str) -> str:
        user = self._vendor.world.user(identifier)
        if user is None:
            raise CommandRefused(f"no user {identifier!r}")
        return user.uuid

    def _consumer_key(self, identifier: str) -> str:
        """Return the key of the consumer with this name; other words stand for themselves."""
        named = [c.key for c in self._vendor.registry.consumers.values() if c.name == identifier]
        return named[0] if named else identifier

    def _workspace(self, wish: Json) -> Workspace:
        found = self._vendor.world.workspace(wish.get("workspace", "acme"))
        if found is None:
            raise CommandRefused(f"no workspace {wish.get('workspace')!r}")
        return found

    def _repository(self, workspace: Workspace, identifier: str) -> Repository:
        found = workspace.repository(identifier)
        if found is None:
            raise CommandRefused(f"no repository {identifier!r} in {workspace.slug}")
        return found

    def _repository_uuid(self, wish: Json) -> str:
        if not wish.get("repository"):
            return ""
        return self._repository(self._workspace(wish), wish["repository"]).uuid


def about(token: StaticToken) -> str:
    return token.about.partition(":")[0]


def ordered(vendor: BitbucketCloud, path: str) -> Callable[[Json], Json]:
    """Return the deed of a control path in the world of the moment; a reset makes another."""
    return lambda wish: vendor.deeds.by_path[path](wish)
