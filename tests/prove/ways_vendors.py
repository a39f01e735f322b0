"""What a person does at the sandboxes: make a credential, withdraw it, look whether it works."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol, cast
from uuid import uuid4

from tests.live import LivePortal

Rows = list[dict[str, Any]]
# What the page lists for everything that an application can be given.
RIGHTS = (
    *("Project.View", "Profile.View", "Profile.Memberships.View", "Automation.Execution.View"),
    *("Automation.Execution.Start", "VcsRepository.CommitStatus.Push"),
    *("Applications.Edit", "Applications.ViewSecrets"),
)
SPACE = "https://acme.jetbrains.space"
ACCOUNT = "https://acme.app.spacelift.io"
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Made:
    """A credential as its vendor shows it once: the answers to the portal's form, the secret's
    field among them, and the name by which it is found there again."""

    name: str
    fields: dict[str, str] = field(repr=False)
    secret: str = field(repr=False)


class Source(Protocol):
    """Where a way's credentials come from."""

    def make(self, portal: LivePortal) -> Made:
        """A new credential of the same account."""
        ...

    def withdraw(self, portal: LivePortal, made: Made) -> None:
        """What the person does whom the page has sent to the vendor."""
        ...

    def works(self, portal: LivePortal, made: Made) -> bool: ...


def order(portal: LivePortal, path: str, **wish: object) -> dict[str, Any]:
    return cast(dict[str, Any], portal.order(path, **wish))


def rows(portal: LivePortal, vendor: str, kind: str) -> Rows:
    state = cast(dict[str, Any], portal.ask("/state"))
    return cast(Rows, state["vendors"][vendor][kind])


def new_name() -> str:
    return f"proof {next(_numbers)} {uuid4().hex[:6]}"


# ── Atlassian ─────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class AtlassianToken:
    """An API token of this kind, of a person or of the service account."""

    kind: str
    user: str
    scopes: tuple[str, ...] = ()
    email: str = ""

    def make(self, portal: LivePortal) -> Made:
        name = new_name()
        wish = {"kind": self.kind, "user": self.user, "scopes": list(self.scopes), "days": 90}
        token = str(order(portal, "/atlassian/tokens", name=name, **wish)["token"])
        fields = {"site": "acme", "token": token}
        return Made(name, fields | ({"email": self.email} if self.email else {}), token)

    def withdraw(self, portal: LivePortal, made: Made) -> None:
        order(portal, "/atlassian/tokens/revoke", name=made.name)

    def works(self, portal: LivePortal, made: Made) -> bool:
        mark = hashlib.sha256(made.secret.encode()).hexdigest()
        looked = order(portal, "/atlassian/tokens/look", digests=[mark])
        return bool(looked[mark]["works"])


@dataclass(frozen=True, slots=True)
class AtlassianClient:
    """A client like the one of this name, which is exchanged for tokens."""

    like: str
    kind: str

    def make(self, portal: LivePortal) -> Made:
        client = order(portal, "/atlassian/credentials", name=new_name(), like=self.like)
        secret = str(client["secret"])
        fields = {"site": "acme", "client_id": str(client["client_id"]), "token": secret}
        return Made(str(client["name"]), fields, secret)

    def withdraw(self, portal: LivePortal, made: Made) -> None:
        order(portal, "/atlassian/credentials/revoke", name=made.name)

    def works(self, portal: LivePortal, made: Made) -> bool:
        known = rows(portal, "atlassian", self.kind)
        return any(each["name"] == made.name and not each["revoked"] for each in known)


# ── Spacelift ─────────────────────────────────────────────────────────────────────────────────


class SpaceliftKey:
    """One API key of the account whose secret is reset: another key would be another user."""

    def __init__(self) -> None:
        self._key: dict[str, Any] = {}

    def make(self, portal: LivePortal) -> Made:
        if not self._key:
            self._key = order(portal, "/spacelift/keys", name=new_name(), rules={"root": "ADMIN"})
        secret = hashlib.sha256(uuid4().bytes).hexdigest()
        order(portal, "/spacelift/keys/reset", name=self._key["id"], secret=secret)
        fields = {"base_url": ACCOUNT, "key_id": str(self._key["id"]), "secret": secret}
        return Made(str(self._key["id"]), fields, secret)

    def withdraw(self, portal: LivePortal, made: Made) -> None:
        """The former secret ended when it was reset; the last one ends with the key."""
        if self.works(portal, made):
            order(portal, "/spacelift/keys/end", name=made.name)

    def works(self, portal: LivePortal, made: Made) -> bool:
        known = rows(portal, "spacelift", "keys")
        key = next(each for each in known if each["id"] == made.name)
        return bool(key["secret"] == made.secret and not key["deleted"])


# ── Space ─────────────────────────────────────────────────────────────────────────────────────


def give_rights(portal: LivePortal, client_id: str) -> None:
    """As its administrator does by the page's list, globally."""
    wish = {"context": "global", "rights": list(RIGHTS)}
    order(portal, "/jetbrains-space/apps", client_id=client_id, **wish)


@dataclass(frozen=True, slots=True)
class SpaceToken:
    """A permanent token of a person (`user`) or of an application (`app`)."""

    holder: dict[str, str]

    def make(self, portal: LivePortal) -> Made:
        name = new_name()
        if "app" in self.holder:
            give_rights(portal, self.holder["app"])
        made = order(portal, "/jetbrains-space/tokens", name=name, days=90, **self.holder)
        return Made(name, {"base_url": SPACE, "token": str(made["token"])}, str(made["token"]))

    def withdraw(self, portal: LivePortal, made: Made) -> None:
        order(portal, "/jetbrains-space/tokens/end", name=made.name)

    def works(self, portal: LivePortal, made: Made) -> bool:
        known = rows(portal, "jetbrains-space", "tokens")
        return any(each["token"] == made.secret and not each["revoked"] for each in known)

    def living(self, portal: LivePortal) -> set[str]:
        """The ids of all tokens of this holder that were not withdrawn."""
        field, whose = (("username", "user"), ("client_id", "app"))["app" in self.holder]
        known = rows(portal, "jetbrains-space", "tokens")
        mine = (e for e in known if e["origin"] == SPACE and e[field] == self.holder[whose])
        return {str(each["id"]) for each in mine if not each["revoked"]}


@dataclass(frozen=True, slots=True)
class SpaceApp:
    """The application whose client secret is regenerated."""

    client_id: str

    def make(self, portal: LivePortal) -> Made:
        give_rights(portal, self.client_id)
        app = order(portal, "/jetbrains-space/apps", client_id=self.client_id, secret="")
        secret = str(app["secret"])
        fields = {"base_url": SPACE, "client_id": self.client_id, "secret": secret}
        return Made(self.client_id, fields, secret)

    def withdraw(self, portal: LivePortal, made: Made) -> None:
        if self.works(portal, made):
            order(portal, "/jetbrains-space/apps", client_id=self.client_id, secret="")

    def works(self, portal: LivePortal, made: Made) -> bool:
        known = rows(portal, "jetbrains-space", "apps")
        return any(each["origin"] == SPACE and each["secret"] == made.secret for each in known)
