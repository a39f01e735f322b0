"""A server in a private network with a certificate authority of its own, and another one nearby."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from connections import access, base_urls
from connections.flows import allow_list as listing, hosts
from connections.flows.problems import FlowProblem
from connections.http import Door
from connections.models import PendingLink
from integrations.sandbox.running import Sandbox
from portal import tenancy
from portal.policy import Actor
from tests.connections.hostile import authority, loopback_is_public
from tests.connections.test_allow_list import answered, asked, operator
from tests.connections.test_self_hosted import prepare
from tests.works import Works

HOST = "bitbucket.corp.acme.example"


class Names:
    def resolve(self, host: str) -> tuple[str, ...]:
        return ("127.0.0.1",)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """It answers by TLS on loopback, the only place where tests can listen."""
    with Sandbox(tls=authority().server_context(HOST)) as running:
        door = Door(resolver=Names(), classify=loopback_is_public)
        monkeypatch.setattr(hosts, "FLOOR_SECONDS", 0.0)
        with monkeypatch.context() as led:
            led.setattr(base_urls, "door", lambda: door)
            led.setattr(access, "door", lambda: door)
            yield running
        door.close()


@pytest.fixture
def operators(works: Works) -> tuple[Actor, Actor]:
    return operator("olga"), operator("otto")


def base_url(server: Sandbox) -> str:
    return f"https://{HOST}:{urlsplit(server.url).port}/bitbucket"


def token(server: Sandbox) -> str:
    tokens = server.data_center.registry.tokens.values()
    return next(each.token for each in tokens if each.name == "dana-read")


def outcome(works: Works, server: Sandbox, **rest: str) -> tuple[str, str]:
    pending = prepare(works, base_url(server), token(server), **rest)
    works.drain()
    pending = works.reloaded(pending)
    return pending.stage, pending.error


def test_I09_a_private_server_is_linked_where_two_operators_allowed_it(
    works: Works, server: Sandbox, operators: tuple[Actor, Actor]
) -> None:
    port, (olga, otto) = urlsplit(server.url).port, operators
    with pytest.raises(FlowProblem) as problem:
        prepare(works, base_url(server), token(server))
    assert problem.value.code == hosts.NOT_REACHED

    entry = asked(
        olga, host=HOST, ports=[port], ca_pem=authority().pem, organizations=[works.acme.id]
    )
    answered(otto, entry)
    assert outcome(works, server) == (PendingLink.Stage.DONE, "")

    globex = works.organization("globex")
    with tenancy.acting_for(globex), tenancy.transaction():
        place = base_urls.place_of(access.registry.get("bitbucket-data-center").manifest, "")
        assert place.allow == ()  # an entry is for those it names

    with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
        listing.withdraw(actor=olga, entry=entry)
    with pytest.raises(FlowProblem):
        prepare(works, base_url(server), token(server), name="Too late")


def test_without_its_authority_the_certificate_is_said_to_be_the_trouble(
    works: Works, server: Sandbox, operators: tuple[Actor, Actor]
) -> None:
    olga, otto = operators
    entry = asked(olga, host=HOST, ports=[urlsplit(server.url).port])
    answered(otto, entry)

    stage, error = outcome(works, server)

    assert (stage, error) != (PendingLink.Stage.DONE, "")
    assert error in ("tls_failed", "")  # tried again, as a company's proxy comes and goes
