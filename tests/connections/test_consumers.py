"""OAuth consumers: registered, replaced, removed; the platform's serve every organization."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.core.exceptions import PermissionDenied

from connections import lookups
from connections.flows import consumers, lifecycle, verify
from connections.flows.problems import FlowProblem
from connections.models import Connection, Consumer, Credential
from portal import tenancy
from portal.policy import Actor
from portal.secret import Secret
from tests.connections.ways import again, link_by_consent, sealed_for
from tests.vendor import Vendor
from tests.works import Works

OPERATOR = Actor("operator", None, "Olga")


@contextmanager
def on_the_platform() -> Iterator[None]:
    with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
        yield


def platforms(works: Works, vendor: Vendor) -> Consumer:
    """A consumer that an operator registered for everybody."""
    known = vendor.consumer("acme-portal")
    with on_the_platform():
        made = consumers.create(
            actor=OPERATOR,
            connector="bitbucket-cloud",
            name="Everybody's",
            client_id=known["key"],
            secret=Secret(known["secret"]),
        )
    works.drain()
    return made


def test_an_organization_links_with_the_platforms(works: Works, vendor: Vendor) -> None:
    consumer = platforms(works, vendor)
    with works.inside():
        assert [each.id for each in consumers.available("bitbucket-cloud")] == [consumer.id]
    connection = works.connection(link_by_consent(works, vendor, consumer_id=consumer.id))

    assert connection.state == Connection.State.ACTIVE
    with works.inside():
        Credential.objects.update(expires_at=Credential.objects.get().created_at)
        verify.request(actor=works.alice, connection=connection)
    works.drain()
    assert works.verification(connection).outcome == "passed"


def test_the_platforms_is_not_removed_while_anybody_depends_on_it(
    works: Works, vendor: Vendor
) -> None:
    consumer = platforms(works, vendor)
    connection = works.connection(link_by_consent(works, vendor, consumer_id=consumer.id))
    with on_the_platform(), pytest.raises(FlowProblem) as problem:
        consumers.remove(actor=OPERATOR, consumer=consumer)
    assert (problem.value.code, problem.value.message[:2]) == ("in_use", "1 ")
    with works.inside():
        assert lookups.using_consumer(consumer.id) == 0  # it is not Acme's to know

    with works.inside():
        lifecycle.revoke(actor=works.alice, connection=connection, typed_name=connection.name)
    with on_the_platform():
        consumers.remove(actor=OPERATOR, consumer=consumer)


def test_a_new_secret_mends_what_a_wrong_one_broke(works: Works, vendor: Vendor) -> None:
    known = vendor.consumer("acme-portal")
    consumer = works.register(known)
    connection = works.connection(link_by_consent(works, vendor, consumer_id=consumer.id))
    for secret, error in (("a wrong one", "misconfigured"), (known["secret"], "")):
        with works.inside():
            consumers.replace_secret(
                actor=works.admin,
                consumer=Consumer.objects.get(id=consumer.id),
                client_id=known["key"],
                secret=Secret(secret),
            )
            Credential.objects.update(expires_at=Credential.objects.get().created_at)
            verify.request(actor=works.alice, connection=again_inside(connection))
        works.drain()
        now = again(works, connection)
        assert (now.state, now.last_error) == ("active", error)
    with works.inside():
        assert Consumer.objects.get().secret_last_four == known["secret"][-4:]


def again_inside(connection: Connection) -> Connection:
    found: Connection = Connection.objects.get(id=connection.id)
    return found


def test_a_removed_one_leaves_no_secret_and_frees_its_name(works: Works, vendor: Vendor) -> None:
    consumer = works.register(vendor.consumer("acme-portal"))
    assert sealed_for(works, consumer.id) == ["secret"]
    with works.inside():
        consumers.remove(actor=works.admin, consumer=consumer)
    works.drain()

    assert sealed_for(works, consumer.id) == []
    with works.inside():
        assert consumers.available("bitbucket-cloud") == []
        with pytest.raises(FlowProblem):
            consumers.replace_secret(
                actor=works.admin, consumer=consumer, client_id="k", secret=Secret("s")
            )
    works.register(vendor.consumer("acme-portal"))


def test_names_are_unique_and_inputs_are_checked(works: Works, vendor: Vendor) -> None:
    works.register(vendor.consumer("acme-portal"), name="Ours")
    for name, key, secret in (("ours", "k", "s"), ("", "k", "s"), ("N", " ", "s"), ("N", "k", " ")):
        with works.inside(), pytest.raises(FlowProblem):
            consumers.create(
                actor=works.admin,
                connector="bitbucket-cloud",
                name=name,
                client_id=key,
                secret=Secret(secret),
            )


def test_who_may_only_link_registers_none(works: Works, vendor: Vendor) -> None:
    with works.inside(), pytest.raises(PermissionDenied):
        consumers.create(
            actor=works.alice,
            connector="bitbucket-cloud",
            name="N",
            client_id="k",
            secret=Secret("s"),
        )
    with on_the_platform(), pytest.raises(PermissionDenied):
        consumers.create(
            actor=works.admin,
            connector="bitbucket-cloud",
            name="N",
            client_id="k",
            secret=Secret("s"),
        )
