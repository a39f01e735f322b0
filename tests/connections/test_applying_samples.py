"""Every recorded delivery of both products goes the whole way: signed, stored, read, marked."""

from __future__ import annotations

from uuid import uuid4

import pytest

from connections.contracts import Event
from connections.models import Connection, DirtyTarget, Repository, Workspace
from portal import clock, roles
from tests import ingesting
from tests.connections.hook_line import posted
from tests.ingesting import CLOUD, Sender
from tests.integrations.test_bitbucket_webhooks import CLOUDS_KEYS, CONNECTORS, SAMPLES
from tests.works import Works


@pytest.mark.skipif(not SAMPLES.exists(), reason="the recorded payloads are not here")
@pytest.mark.parametrize("product", CONNECTORS)
def test_what_each_names_is_marked_and_what_names_nothing_is_kept(
    product: str, works: Works
) -> None:
    vendor = ingesting.sender(works, connector=product)
    with works.inside():
        Connection.objects.update(paused_at=clock.now())  # nothing is asked of a vendor
    expected = {}
    for path in sorted((SAMPLES / product / "webhooks").glob("*.json")):
        name, body = path.stem.partition("_")[2], path.read_bytes()
        said = {"X-Event-Key": CLOUDS_KEYS.get(name, "repo:push")} if product == CLOUD else {}
        event = CONNECTORS[product].read_event(said, body)
        known(works, vendor, event)
        changed = {vendor.rules.event.replace("-", "_"): event.kind}
        headers = vendor.headers(body, **changed)
        expected[headers[vendor.rules.delivery]] = event
        assert posted(vendor.path, headers, body) == 202
    works.drain()

    found = {one.sender_id: one for one in vendor.deliveries()}
    assert len(found) == len(expected) > 15
    for sender_id, event in expected.items():
        delivery = found[sender_id]
        assert delivery.state == ("applied" if event.touches else "ignored"), event.kind
        assert (delivery.error, delivery.attempts) == ("", 1)
        touched = delivery.effect.get("touches", [])
        assert {tuple(one) for one in touched} == {(one.stream, one.key) for one in event.touches}
    with works.inside():
        marked = sum(DirtyTarget.objects.values_list("told", flat=True))
    assert marked == sum(len(event.touches) for event in expected.values())


def known(works: Works, vendor: Sender, event: Event) -> None:
    """The repository that it is about is one of this connection's."""
    home = event.workspace or "{elsewhere}"
    with roles.using_role("worker"), works.inside():
        workspace, _ = Workspace.objects.get_or_create(
            organization_id=works.acme.id,
            connection_id=vendor.connection.id,
            remote_id=home,
            defaults={"slug": home[:40], "name": home[:40], "selected": True},
        )
        if event.repository:
            Repository.objects.get_or_create(
                organization_id=works.acme.id,
                connection_id=vendor.connection.id,
                workspace=workspace,
                remote_id=event.repository,
                defaults={"slug": "r", "name": "r", "seen_run": uuid4(), "seen_at": clock.now()},
            )
