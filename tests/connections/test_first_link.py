"""From nothing to a synced workspace, through the flows and a worker, against the sandbox."""

from __future__ import annotations

from connections.flows import link, verify
from connections.models import Check, Connection, PendingLink, Repository, Workspace
from tests.vendor import Vendor
from tests.works import SESSION, Works, vendor_has

Stage = PendingLink.Stage


def test_an_api_token_becomes_a_verified_and_synced_connection(
    works: Works, vendor: Vendor
) -> None:
    pending = works.link_by_token(vendor.token("dana-full"))

    assert (pending.stage, pending.error) == (Stage.DONE, "")
    connection = works.connection(pending)
    assert connection.state == Connection.State.ACTIVE
    assert connection.account_name == "Dana Levi"
    assert works.verification(connection).outcome == "passed"

    run = works.sync(connection)
    assert run.state == "done"
    with works.inside():
        workspace = Workspace.objects.get(slug="acme")
        found = Repository.objects.filter(workspace=workspace, gone_at=None).count()
        assert found == vendor_has(vendor, "acme") == workspace.repository_count


def test_consent_at_the_vendor_becomes_a_connection(works: Works, vendor: Vendor) -> None:
    consumer = works.register(vendor.consumer("acme-portal"))
    pending = works.begin()
    with works.inside():
        link.prepare(
            actor=works.alice,
            pending=pending,
            method="oauth",
            name="Acme code",
            team_id=None,
            consumer_id=consumer.id,
            fields={},
            secret=None,
        )
        url = link.depart(actor=works.alice, pending=pending, session_key=SESSION)
    answer = works.consent(url)
    taken = link.receive_answer(
        connector="bitbucket-cloud",
        params=answer,
        session_key=SESSION,
        user_id=works.alice.id,  # type: ignore[arg-type]
    )
    assert taken is not None
    works.drain()

    pending = works.reloaded(pending)
    assert (pending.stage, pending.error) == (Stage.DONE, "")
    connection = works.connection(pending)
    assert connection.state == Connection.State.ACTIVE
    assert works.sync(connection, "acme").state == "done"


def test_a_narrow_token_names_what_is_missing(works: Works, vendor: Vendor) -> None:
    pending = works.link_by_token(
        vendor.token("dana-narrow"), capabilities=["repositories-read", "pullrequests-read"]
    )

    connection = works.connection(pending)
    verification = works.verification(connection)
    assert verification.outcome == "partly"
    with works.inside():
        missing = Check.objects.get(verification=verification, capability="pullrequests-read")
        assert missing.outcome == Check.Outcome.MISSING
        assert "read:pullrequest:bitbucket" in missing.detail


def test_a_withdrawn_token_is_suspect_first(works: Works, vendor: Vendor) -> None:
    connection = works.connection(works.link_by_token(vendor.token("dana-full")))
    vendor.order("/faults", match="GET /2.0/user", kind="status", status=401, times=50)
    with works.inside():
        verify.request(actor=works.alice, connection=connection)
    works.drain()

    with works.inside():
        connection.refresh_from_db()
    assert connection.state == Connection.State.ACTIVE
    assert connection.suspect_since is not None
