"""Jira and Confluence are linked, verified, linked again, refreshed, replaced and revoked by each
of their ways; over sockets, by the flows that serve every product."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connections import registry
from connections.contracts import MethodKind
from connections.flows import lifecycle, link, replacement
from connections.models import (
    Check,
    Connection,
    Credential,
    PendingLink,
    Replacement,
    Workspace,
)
from portal import clock
from tests.connections.atlassian_life import Life
from tests.connections.pages import base_of, signed_in, text
from tests.connections.ways import a_team, again, sealed_for
from tests.vendor import Vendor
from tests.works import Works

Stage = Replacement.Stage
WAYS = [
    (slug, method.key)
    for slug in ("jira", "confluence")
    for method in registry.get(slug).manifest.methods
]
PASTED = [
    (slug, key) for slug, key in WAYS if registry.get(slug).manifest.method(key).kind.is_pasted
]
EXCHANGED = [
    (slug, key)
    for slug, key in WAYS
    if registry.get(slug).manifest.method(key).kind is MethodKind.EXCHANGED
]
IDS = [f"{slug}-{key}" for slug, key in WAYS]


def sealed_by(life: Life, method: str) -> list[str]:
    """What is sealed for a credential of this kind."""
    kinds = {
        MethodKind.AUTHORIZATION_CODE: ["access", "refresh"],
        MethodKind.SECRET: ["secret"],
        MethodKind.EXCHANGED: ["access", "secret"],
    }
    return kinds[life.manifest.method(method).kind]


@pytest.mark.parametrize(("connector", "method"), WAYS, ids=IDS)
def test_each_way_is_linked_verified_linked_again_refreshed_and_revoked(
    connector: str, method: str, works: Works, vendor: Vendor
) -> None:
    life = Life(works, vendor, connector)

    pending = life.link(method)

    assert (pending.stage, pending.error, pending.error_detail) == (PendingLink.Stage.DONE, "", "")
    connection = life.connection(pending)
    verification = works.verification(connection)
    assert (connection.state, verification.outcome) == (Connection.State.ACTIVE, "passed")
    with works.inside():
        of_each = Check.objects.filter(verification=verification).exclude(capability="")
        proven = {each.capability for each in of_each if each.outcome == Check.Outcome.PROVEN}
        sites = set(Workspace.objects.values_list("slug", flat=True))
    provable = {c.key for c in life.manifest.capabilities if c.proof}
    assert proven == provable & set(connection.capabilities)
    assert "acme" in sites
    credential = life.in_use(connection)
    assert sealed_for(works, credential.id) == sealed_by(life, method)
    assert credential.refreshable == life.renews_itself(method)

    relinked = life.link(method, relink=connection)
    assert (relinked.stage, relinked.connection_id) == (PendingLink.Stage.DONE, connection.id)
    assert sealed_for(works, credential.id) == []
    credential = life.in_use(connection)

    if credential.refreshable:
        life.grow_stale(connection)
        life.sweep()
        renewed = life.in_use(connection)
        assert renewed.version == 2 and renewed.fingerprint != credential.fingerprint
        assert renewed.expires_at is not None and renewed.expires_at > clock.now()
        assert sealed_for(works, credential.id) == sealed_by(life, method)
        assert works.verify(connection).outcome == "passed"

    with works.inside():
        lifecycle.revoke(actor=works.alice, connection=connection, typed_name=connection.name)
    works.drain()
    assert again(works, connection).state == Connection.State.REVOKED
    assert sealed_for(works, credential.id) == []


@pytest.mark.parametrize(("connector", "method"), PASTED, ids=[f"{s}-{k}" for s, k in PASTED])
def test_each_pasted_one_is_replaced_in_two_phases(
    connector: str, method: str, works: Works, vendor: Vendor
) -> None:
    life = Life(works, vendor, connector)
    connection = life.connection(life.link(method))
    old = life.in_use(connection)
    fields, secret = life.given(method)

    with works.inside():
        one = replacement.hand_in(
            actor=works.alice,
            connection=connection,
            method=method,
            fields=fields | {"ends_on": f"{clock.now() + timedelta(days=200):%Y-%m-%d}"},
            secret=secret,
        )
    works.drain()
    with works.inside():
        one = Replacement.objects.get(id=one.id)
        assert (one.stage, one.error) == (Stage.CHECKED, "")
        if (
            old.refreshable
        ):  # its vendor does not answer: an exchange is in doubt, and spends nothing
            later = clock.now() + timedelta(minutes=2)
            Credential.objects.filter(id=old.id).update(lease_until=later, intent_version=1)
        replacement.switch(actor=works.alice, replacement=one)
    works.drain()

    new = life.in_use(connection)
    assert new.id == one.new_id and new.refreshable == life.renews_itself(method)
    assert sealed_for(works, new.id) == sealed_by(life, method)
    told = new.rotate_by if new.refreshable else new.expires_at
    assert told is not None and told > clock.now() + timedelta(days=190)
    assert again(works, connection).fields["cloud_id"] == connection.fields["cloud_id"]
    assert works.verification(connection).outcome == "passed"
    with works.inside():
        replacement.withdrawn(actor=works.alice, replacement=Replacement.objects.get(id=one.id))
    works.drain()
    assert sealed_for(works, old.id) == []
    if new.refreshable:
        life.grow_stale(connection)
        life.sweep()
        assert life.in_use(connection).version == 2


def test_another_site_of_the_same_person_does_not_come_by_itself(
    works: Works, vendor: Vendor
) -> None:
    """Keys of issues are the same at many sites: what is sent to one may not land at another."""
    life, ada = Life(works, vendor, "jira"), signed_in(works.admin)
    connection = life.connection(life.link("scoped-token"))
    fields, secret = life.given("scoped-token")

    with works.inside():
        one = replacement.hand_in(
            actor=works.alice,
            connection=connection,
            method="scoped-token",
            fields=fields | {"site": "fjord"},
            secret=secret,
        )
    works.drain()
    with works.inside():
        one = Replacement.objects.get(id=one.id)
        assert (one.stage, one.error) == (Stage.ENTERING, "other_place")
    shown = text(ada.get(base_of(connection) + "replace"))
    assert "This leads to another place" in shown

    pending = life.link("scoped-token", relink=connection, fields={"site": "fjord"})
    assert pending.stage == PendingLink.Stage.CONFIRM_ACCOUNT
    found = pending.found_account
    assert [len(found[each]) for each in ("gained", "lost")] == [1, 1]
    assert again(works, connection).fields["site"] == "acme"
    with works.inside():
        link.confirm_account(actor=works.alice, pending=pending)
    works.drain()
    after = again(works, connection)
    assert (after.fields["site"], after.account_id) == ("fjord", connection.account_id)


def test_what_is_said_of_the_limits_of_each_way_is_shown(works: Works, vendor: Vendor) -> None:
    """The hour's points of a consent are told by each answer; a token has bursts alone."""
    life, ada = Life(works, vendor, "jira"), signed_in(works.admin)
    granted = life.connection(life.link("oauth"))
    other = life.link("scoped-token", "tomas-jira", called="Token", team_id=a_team(works))
    by_token = life.connection(other)
    vendor.order("/atlassian/switches", burst_per_second=0)
    works.verify(by_token)

    of_grant = text(ada.get(base_of(granted) + "credential"))
    of_token = text(ada.get(base_of(by_token) + "credential"))

    assert "65,000 points an hour" in of_grant and "of 65,000, as Jira said" in of_grant
    assert "Limited by the second only" in of_token and "Left of the hour" not in of_token
    assert "Jira asked for it; we ask again" in of_token
