"""What a connector that reads repositories and manages hooks must pass beside the contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from connections.contracts import (
    Api,
    BranchRecord,
    BuildRecord,
    Container,
    HookWish,
    Level,
    ManagesHooks,
    PermissionRecord,
    Receives,
    Target,
)
from tests.contract import ConnectorContract, page_of, pages_of


class RepositoriesContract(ConnectorContract):
    """Subclassed like `ConnectorContract`; its sandbox has repositories with something in them."""

    def test_every_stream_of_a_repository_is_read_and_its_things_are_fetched(
        self, api, widest, workspace, fetch
    ):
        for repository in fetch(None).records[:2]:
            at, heads = Container(workspace, repository), ()
            for stream in self.readable(api, widest, Level.REPOSITORY):
                read = partial(page_of, stream, api(widest), at, widest.fields, commits=heads)
                pages = pages_of(read)
                records = [record for page in pages for record in page.records]
                assert all(isinstance(record, stream.record) for record in records), stream.key
                assert len({r.remote_id for r in records}) == len(records), stream.key
                assert not [page for page in pages if page.rejected], stream.key
                if stream.record is BranchRecord:
                    heads = tuple({record.target: None for record in records})
                if stream.record is not PermissionRecord:
                    self.is_fetched(api(widest), at, widest.fields, stream.key, records[:2])

    def is_fetched(
        self, api: Api, at: Container, fields: Mapping[str, str], stream: str, records: Any
    ) -> None:
        """Each of the records is found again by its id, a build by its commit."""
        assert isinstance(self.connector, Receives)
        for record in records:
            key = record.commit if isinstance(record, BuildRecord) else record.remote_id
            page = self.connector.fetch(api, at, fields, Target(stream, key))
            assert record.remote_id in {found.remote_id for found in page.records}, stream

    def test_a_hook_is_made_changed_and_removed(self, api, widest, workspace, fetch):
        assert isinstance(self.connector, ManagesHooks)
        rules = self.connector.manifest.hooks
        events = tuple(event.key for event in rules.events if event.default)
        asked: Any = (api(widest), Container(workspace, fetch(None).records[0]), widest.fields)
        wish = HookWish("https://portal.example/hooks/v1/x", events, "Portal", secret="s" * 32)

        made = self.connector.make_hook(*asked, wish)
        changed = self.connector.change_hook(
            *asked, made.remote_id, replace(wish, events=events[:1], active=False, secret=None)
        )
        listed = {one.remote_id: one for one in self.connector.hooks(*asked, None).records}
        self.connector.remove_hook(*asked, made.remote_id)
        self.connector.remove_hook(*asked, made.remote_id)

        assert (made.url, set(made.events), made.active) == (wish.url, set(events), True)
        assert listed[made.remote_id] == changed and changed.secret_set is not False
        assert (changed.events, changed.active) == (events[:1], False)
        left = {one.remote_id for one in self.connector.hooks(*asked, None).records}
        assert made.remote_id not in left
