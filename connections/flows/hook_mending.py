"""One container's hooks at the vendor: seen, made, changed, removed. No database here.

What was seen a moment ago needs no second look; what was tried before does, because a worker may
have died, or an answer been lost, between the vendor's deed and our row.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from connections.contracts import Container, HookRecord, HookWish, ManagesHooks
from connections.errors import EndpointRemoved, RemoteGone, UnexpectedResponse
from connections.flows.hook_rounds import FIXABLE
from connections.hook_matching import FULL, MISSING, Expected, Found, matched
from connections.vendor_api import VendorApi
from portal.steps import step

MOST_PAGES: Final = 20


@dataclass(slots=True)
class Done:
    """What was done at the vendor, as far as it came."""

    made: int = 0
    changed: int = 0
    removed: int = 0


@dataclass(slots=True)
class AtVendor:
    """The way to one container's hooks, and how ours should be there."""

    connector: ManagesHooks
    api: VendorApi
    container: Container
    fields: dict[str, str]
    expected: Expected
    secret: str = field(repr=False)
    done: Done = field(default_factory=Done)

    def look(self) -> Found:
        """What there is; raises what `judge` names."""
        hooks: list[HookRecord] = []
        checkpoint, pages = None, 0
        while pages == 0 or checkpoint:
            page = self.connector.hooks(self.api, self.container, self.fields, checkpoint)
            hooks += [record for record in page.records if isinstance(record, HookRecord)]
            checkpoint, pages = page.checkpoint, pages + 1
            if pages > MOST_PAGES:
                raise UnexpectedResponse("The list of webhooks does not end.")
        return matched(hooks, self.expected)

    def mend(self, known: Found | None) -> Found:
        """Ours is there once, as it should be; nothing is made where there is no room."""
        found = known or self.look()
        if found.stand in FIXABLE:
            try:
                found = self._changed(found)
            except EndpointRemoved:
                raise
            except RemoteGone:  # somebody removed it meanwhile
                found = self.look()
        if found.stand == MISSING:
            found = self._made(found)
        for extra in found.extras:
            self._remove(extra)
        return replace(found, extras=())

    def remove(self, known: Found | None) -> Found:
        """None of ours is there any more."""
        found = known or self.look()
        for each in filter(None, (found.remote_id, *found.extras)):
            self._remove(each)
        gone = FULL if found.stand == FULL else MISSING
        return replace(found, stand=gone, remote_id="", extras=(), events=())

    def _made(self, found: Found) -> Found:
        record = self.connector.make_hook(self.api, self.container, self.fields, self._wish())
        step("hook.made")
        self.done.made += 1
        return self._after(found, record)

    def _changed(self, found: Found) -> Found:
        record = self.connector.change_hook(
            self.api, self.container, self.fields, found.remote_id, self._wish()
        )
        step("hook.changed")
        self.done.changed += 1
        return self._after(found, record)

    def _remove(self, remote_id: str) -> None:
        self.connector.remove_hook(self.api, self.container, self.fields, remote_id)
        step("hook.removed")
        self.done.removed += 1

    def _after(self, found: Found, record: HookRecord) -> Found:
        """What the vendor says it is now, which need not be what was wished."""
        told = replace(self.expected, known=record.remote_id, has_newest_secret=True)
        now = matched([record], told)
        return replace(
            found, stand=now.stand, remote_id=record.remote_id, events=tuple(record.events)
        )

    def _wish(self) -> HookWish:
        return HookWish(
            url=self.expected.address,
            events=tuple(sorted(self.expected.events)),
            title=self.expected.title,
            secret=self.secret,
        )
