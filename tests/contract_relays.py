"""What every target must keep when it packs events, whatever it is: nothing is lost or doubled.

`class TestJiraRelays(RelaysContract)` names the connector and events of every kind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from connections.contracts import (
    CommandKind,
    FindsDoubles,
    HookRecord,
    Packing,
    RelayEvent,
    Relays,
    RelayWay,
    RunsCommands,
    WorkspaceRecord,
)

MARK = "0b8f4a52-7f0e-4b8d-9a3c-0f6b7e21ac01"
HERE = WorkspaceRecord("site-1", "acme", "Acme", url="https://acme.example")


class RelaysContract:
    """Subclasses set `connector` and `events`: some of each kind, each naming a subject."""

    connector: ClassVar[Relays]
    events: ClassVar[Sequence[RelayEvent]]

    def test_a_target_says_by_which_ways_and_what_each_loses(self):
        manifest = self.connector.manifest  # type: ignore[attr-defined]
        rules = manifest.relay
        assert rules is not None and rules.ways
        for way in rules.ways:
            assert manifest.capability(way.capability).writes
            assert way.kinds and rules.way(way.key) is way
        assert all(way.loses for way in rules.ways[1:])
        assert len({option.key for option in rules.options}) == len(rules.options)
        assert not rules.commands or manifest.capability(rules.commands)
        assert not rules.commands_option or rules.commands_option in {
            option.key for option in rules.options
        }

    def test_everything_that_names_a_subject_travels_once(self):
        for way in self._ways():
            wanted = [each for each in self.events if each.kind in way.kinds]
            sent = Counter(_id(event) for event in _sent(self._packed(way, wanted)))
            assert sent == Counter(_id(event) for event in wanted)

    def test_packing_is_pure(self):
        for way in self._ways():
            assert self._packed(way, self.events) == self._packed(way, self.events)

    def test_the_later_of_two_states_counts_whatever_their_order(self):
        for way in self._ways():
            for event in self.events:
                later = replace(event, sequence=event.sequence + 1)
                for pair in ([event, later], [later, event]):
                    packing = self._packed(way, pair)
                    assert [each.sequence for each in _sent(packing)] == [later.sequence]

    def test_what_is_gone_and_was_sent_is_taken_back(self):
        for way in self._ways():
            for event in self.events:
                former = self.connector.subjects(event)
                nameless = replace(event, commits=(), mentions=(), former=former)
                gone = replace(nameless, record=None)
                assert self.connector.subjects(gone) == ()
                packing = self._packed(way, [gone])
                assert packing.requests + len(packing.idle) == 1

    def test_what_was_never_sent_and_names_nothing_costs_nothing(self):
        for way in self._ways():
            gone = [replace(event, record=None, former=()) for event in self.events]
            packing = self._packed(way, gone)
            assert packing.requests == 0 and len(packing.idle) == len(gone)

    def test_each_subject_has_a_panel_with_all_that_names_it(self):
        panels = self.connector.preview(self.events, destination=HERE)
        named = {key for event in self.events for key in self.connector.subjects(event)}
        assert {panel.subject for panel in panels} == named
        for panel in panels:
            here = [e for e in self.events if panel.subject in self.connector.subjects(e)]
            assert sum(len(section.rows) for section in panel.sections) == len(here)

    def test_commands_are_numbered_and_read_again_the_same(self):
        if not isinstance(self.connector, RunsCommands):
            return
        found = self.connector.commands("PAY-1 #comment a #time 1h #done")
        assert [command.index for command in found] == list(range(len(found)))
        assert {command.kind for command in found} <= set(CommandKind)

    def test_nobody_elses_hook_is_taken_for_a_double(self):
        if not isinstance(self.connector, FindsDoubles):
            return
        foreign = [
            HookRecord(str(number), url, True, ("repo:push",))
            for number, url in enumerate(
                ("https://ci.example/hook", "https://acme.example.evil.example/", "", "http://[")
            )
        ]
        assert self.connector.doubles(HERE, foreign) == ()

    def _packed(self, way: RelayWay, events: Sequence[RelayEvent]) -> Packing:
        return self.connector.pack(events, way=way.key, mark=MARK)

    def _ways(self) -> Sequence[RelayWay]:
        manifest = self.connector.manifest  # type: ignore[attr-defined]
        return manifest.relay.ways  # type: ignore[no-any-return]


def _sent(packing: Packing) -> list[RelayEvent]:
    return [event for parcel in packing.parcels for event in parcel.events]


def _id(event: RelayEvent) -> tuple[str, str, str]:
    return event.repository.remote_id, event.kind, event.key
