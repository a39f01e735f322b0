"""`kill -9` at each step of a replacement: it ends as if nobody had died."""

from __future__ import annotations

from connections.flows import replacement
from connections.models import Connection, Credential, Replacement
from portal.models import AuditEvent
from portal.secret import Secret
from tests.connections.test_crashes import KILLED, recover
from tests.connections.test_replacement import DANA, another, in_use, linked, now
from tests.connections.ways import sealed_for
from tests.vendor import Vendor
from tests.works import Works

Stage = Replacement.Stage


def begun(works: Works, connection: Connection, token: str) -> Replacement:
    """Handed in; no worker has looked yet."""
    with works.inside():
        return replacement.hand_in(
            actor=works.alice,
            connection=connection,
            method="api-token",
            fields=DANA,
            secret=Secret(token),
        )


def dying(works: Works, step: str, deed: object, one: Replacement) -> Replacement:
    """The deed, a worker that dies at the step, and another one that goes on."""
    with works.inside():
        deed(actor=works.alice, replacement=now(works, one))  # type: ignore[operator]
    assert works.fork_and_die(step) == KILLED
    recover(works)
    return now(works, one)


def test_a_guided_replacement_survives(works: Works, vendor: Vendor) -> None:
    """There and back, and there again: a worker dies at every step of it."""
    connection = linked(works, vendor)
    old = in_use(works, connection)
    one = begun(works, connection, another(vendor))
    assert works.fork_and_die("replacement.identified") == KILLED
    assert in_use(works, connection).id == old.id
    recover(works)
    assert now(works, one).stage == Stage.CHECKED

    one = dying(works, "replacement.switched", replacement.switch, now(works, one))
    assert (one.stage, in_use(works, connection).id) == (Stage.SWITCHED, one.new_id)

    one = dying(works, "replacement.went_back", replacement.go_back, one)
    assert (one.stage, in_use(works, connection).id) == (Stage.WENT_BACK, old.id)
    assert (sealed_for(works, old.id), sealed_for(works, one.new_id)) == (["secret"], [])
    with works.inside():
        assert AuditEvent.objects.filter(action="credential.replaced").count() == 1
        assert AuditEvent.objects.filter(action="credential.went_back").count() == 1
        assert Credential.objects.count() == 2
