"""Two accounts at two addresses, and what the control port may change about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, ClassVar
from urllib.parse import urlsplit

from integrations.sandbox.clock import Clock
from integrations.sandbox.http import Request, Response
from integrations.sandbox.spacelift import world
from integrations.sandbox.spacelift.api import Api
from integrations.sandbox.spacelift.keys import DAY, Key, Keys, cast
from integrations.sandbox.spacelift.switches import Switches
from integrations.sandbox.vendor import Callbacks, Vendor

Json = dict[str, Any]


class Spacelift(Vendor):
    """Answers at the address of each account."""

    slug: ClassVar[str] = "spacelift"
    HOSTS: ClassVar[Mapping[str, str]] = {
        "https://acme.app.spacelift.io": "127.0.0.21",
        "https://fjord.app.spacelift.io": "127.0.0.22",
    }

    def __init__(self, clock: Clock, callbacks: Callbacks, seed: int = 7) -> None:
        super().__init__(clock, callbacks, seed)
        self.by_path = {
            "/spacelift/switches": self._switch,
            "/spacelift/keys": self._key,
            "/spacelift/keys/end": self._end,
            "/spacelift/keys/reset": self._renew,
            "/spacelift/keys/rules": self._rules,
            "/spacelift/spaces": self._space,
        }

    def reset(self) -> None:
        self.accounts = world.build()
        self.switches = Switches()
        self.keys = cast(self.clock.now())
        self._connect()

    def _connect(self) -> None:
        self.api = Api(keys=self.keys, switches=self.switches, now=self.clock.now)

    def answer(self, request: Request, origin: str) -> Response:
        name = (urlsplit(origin).hostname or "").partition(".")[0]
        return self.api.answer(request, self.accounts[name])

    def describe(self) -> Json:
        return {
            "keys": [asdict(key) for key in self.keys.keys.values()],
            "spaces": [
                {"account": name, **asdict(space)}
                for name, account in self.accounts.items()
                for space in account.spaces.values()
            ],
            "switches": self.switches.describe(),
        }

    def announce(self) -> Iterable[str]:
        for key in self.keys.keys.values():
            yield f"API key {key.about} of {key.account}\n    {key.id}  {key.secret}"

    # ── what outlives a restart ───────────────────────────────────────────────────────────────

    def keep(self) -> Json:
        return {"keys": self.keys.dump()}

    def restore(self, kept: Json) -> None:
        self.keys = Keys()
        self.keys.load(kept["keys"])
        self._connect()

    def mark(self) -> tuple[float, ...]:
        return (self.keys.changes,)

    # ── what the control port may do ──────────────────────────────────────────────────────────

    def _switch(self, wish: Json) -> Json:
        for name, value in wish.items():
            self.switches.set(name, value)
        return self.switches.describe()

    def _key(self, wish: Json) -> Json:
        """Make a key with its `rules`, of an `account`, for so many `days`."""
        number, now, days = len(self.keys.keys) + 1, self.clock.now(), wish.get("days")
        made = Key(
            id=f"01J8MADE{number:018}",
            name=str(wish["name"]),
            account=str(wish.get("account", world.ACME)),
            secret=str(wish.get("secret") or f"{number:064x}"),
            rules=dict(wish.get("rules", {world.ROOT: "READ"})),
            about=str(wish["name"]),
            created_at=int(now),
            expires_at=None if days is None else int(now + float(days) * DAY),
        )
        return asdict(self.keys.add(made))

    def _end(self, wish: Json) -> Json:
        """Delete a key, take it back with `restore`, or let it expire."""
        key = self._named(wish)
        key.deleted = not wish.get("restore", False)
        if wish.get("expired"):
            key.deleted, key.expires_at = False, int(self.clock.now())
        self.keys.changes += 1
        return asdict(key)

    def _renew(self, wish: Json) -> Json:
        """Give a key another secret; the one it had and the JWTs made from it are over."""
        key = self._named(wish)
        key.secret = str(wish["secret"])
        self.keys.changes += 1
        return asdict(key)

    def _rules(self, wish: Json) -> Json:
        """Let a key have these levels by space, and no others."""
        key = self._named(wish)
        key.rules = dict(wish["rules"])
        self.keys.changes += 1
        return asdict(key)

    def _space(self, wish: Json) -> Json:
        """Make a space, or `remove` one."""
        account = self.accounts[str(wish.get("account", world.ACME))]
        identifier = str(wish["id"])
        if wish.get("remove"):
            return asdict(account.spaces.pop(identifier))
        return asdict(
            account.add(identifier, str(wish.get("name", identifier)), wish.get("parent", "root"))
        )

    def _named(self, wish: Json) -> Key:
        """The key of this `name` or id. Raises LookupError."""
        for key in self.keys.keys.values():
            if wish["name"] in (key.about, key.id):
                return key
        raise LookupError(f"no key {wish['name']!r}")
