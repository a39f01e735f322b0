"""The network allow-list: two operators, a narrow entry, and what nobody may ever list."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.test import Client
from django.utils import timezone

from connections import allow_list, origins, own_places
from connections.errors import Blocked
from connections.flows import allow_list as listing
from connections.flows.problems import FlowProblem
from connections.models import AllowListEntry, AllowState, Connection
from portal import approvals, audit, notice_kinds, roles, tenancy
from portal.models import Approval, AuditEvent, Notice, Receipt, User
from portal.policy import Actor
from portal.refused import Impossible
from tests.connections.pages import text
from tests.works import Works

WHY = "Acme runs its Data Center on its own network."
TERMS: dict[str, Any] = {
    "host": "git.corp.example",
    "networks": ["10.20.30.0/24"],
    "ports": [443],
    "http": False,
    "ca_pem": "",
    "organizations": [],
    "why": WHY,
}


def operator(name: str) -> Actor:
    user = User.objects.create_user(f"{name}@portal.example", None, name=name.title())
    User.objects.filter(id=user.id).update(is_operator=True)
    return Actor("operator", user.id, name.title())


@pytest.fixture
def olga(works: Works) -> Actor:
    return operator("olga")


@pytest.fixture
def otto(works: Works) -> Actor:
    return operator("otto")


def asked(who: Actor, **terms: Any) -> AllowListEntry:
    with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
        return listing.ask(actor=who, **TERMS | terms)


def answered(who: Actor, entry: AllowListEntry, *, yes: bool = True, why: str = "") -> Approval:
    with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
        approval = approvals.latest(listing.KIND, entry.id)
        assert approval is not None
        return approvals.decide(actor=who, approval=approval, yes=yes, why=why)


def withdrawn(who: Actor, entry: AllowListEntry) -> None:
    with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
        listing.withdraw(actor=who, entry=entry)


def certificate(
    *, name: str = "Acme CA", ca: bool | None = True, days: int = 30, begins: int = -1
) -> tuple[str, str]:
    """A certificate and its private key, both in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=min(begins, days - 1)))
        .not_valid_after(now + timedelta(days=days))
    )
    if ca is not None:
        made = made.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    pem = made.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return pem, private


class TestTwoOperators:
    def test_nothing_is_listed_before_another_operator_agrees(
        self, works: Works, olga: Actor, otto: Actor
    ) -> None:
        entry = asked(olga)
        assert allow_list.entries(works.acme.id) == ()

        with pytest.raises(PermissionDenied, match="yourself"):
            answered(olga, entry)
        answered(otto, entry)

        (found,) = allow_list.entries(works.acme.id)
        assert (found.host, list(map(str, found.networks)), found.ports) == (
            "git.corp.example", ["10.20.30.0/24"], frozenset({443}),
        )  # fmt: skip
        assert str(origins.parse("https://git.corp.example/bitbucket", allow=(found,)))

    def test_the_database_refuses_the_asker_too(self, olga: Actor, otto: Actor) -> None:
        entry = asked(olga)
        with (
            pytest.raises(IntegrityError),
            tenancy.acting_for(tenancy.PLATFORM),
            tenancy.transaction(),
        ):
            Approval.objects.filter(subject_id=entry.id).update(
                state="approved", decided_by_id=olga.id
            )

    def test_the_other_operators_are_told_and_the_asker_of_the_answer(
        self, olga: Actor, otto: Actor
    ) -> None:
        entry = asked(olga)
        with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
            waits = Notice.objects.get(kind=notice_kinds.WAITS_OPERATORS)
            told = set(Receipt.objects.filter(notice=waits).values_list("user_id", flat=True))
        assert told == {otto.id} and waits.url == f"/platform/network/{entry.id}/"

        answered(otto, entry, yes=False, why="That network holds the payroll.")

        with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
            assert Notice.objects.get(id=waits.id).resolved_at
            answer = Notice.objects.get(kind=notice_kinds.ANSWERED_OPERATORS)
            assert set(Receipt.objects.filter(notice=answer).values_list("user_id", flat=True)) == {
                olga.id
            }
            assert "payroll" in answer.body
            assert AllowListEntry.objects.get(id=entry.id).state == AllowState.REFUSED

    def test_who_is_alone_cannot_ask(self, olga: Actor) -> None:
        with pytest.raises(FlowProblem, match="Nobody else"):
            asked(olga)
        with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
            assert not AllowListEntry.objects.exists()

    @pytest.mark.parametrize("change", ["left", "expired", "decided"])
    def test_an_answer_counts_only_while_the_question_stands(
        self, olga: Actor, otto: Actor, change: str
    ) -> None:
        entry = asked(olga)
        if change == "left":
            User.objects.filter(email="otto@portal.example").update(is_operator=False)
        if change == "expired":
            with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
                Approval.objects.update(expires_at=timezone.now())
        if change == "decided":
            answered(otto, entry)
        with pytest.raises((PermissionDenied, Impossible)):
            answered(otto, entry)

    def test_a_refusal_needs_its_reason(self, olga: Actor, otto: Actor) -> None:
        with pytest.raises(Impossible, match="why"):
            answered(otto, asked(olga), yes=False)

    def test_all_of_it_is_on_the_platforms_record(self, olga: Actor, otto: Actor) -> None:
        pem, _ = certificate()
        entry = asked(olga, ca_pem=pem)
        answered(otto, entry)
        withdrawn(olga, entry)

        with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
            events = AuditEvent.objects.order_by("sequence")
            assert [(each.action, each.actor_name) for each in events] == [
                ("allow_list.asked", "Olga"), ("approval.asked", "Olga"),
                ("approval.given", "Otto"), ("allow_list.approved", "Otto"),
                ("allow_list.withdrawn", "Olga"),
            ]  # fmt: skip
            assert "BEGIN CERTIFICATE" not in str([each.details for each in events])
            assert audit.verify()[1] is None

    def test_nobody_but_an_operator_asks(self, works: Works, otto: Actor) -> None:
        for who in (works.admin, Actor("operator", works.admin.id, "Ada")):
            with pytest.raises(PermissionDenied):
                asked(who)


class TestWhatItAppliesTo:
    def test_I09_an_entry_of_one_organization_is_nobody_elses(
        self, works: Works, olga: Actor, otto: Actor
    ) -> None:
        globex = works.organization("globex")
        answered(otto, asked(olga, organizations=[globex.id]))

        assert len(allow_list.entries(globex.id)) == 1
        assert allow_list.entries(works.acme.id) == ()
        with roles.using_role("worker"), pytest.raises(Blocked):
            origins.parse("https://10.20.30.4/", allow=allow_list.entries(works.acme.id))

    def test_no_tenant_reads_why_and_for_whom(self, works: Works, olga: Actor, otto: Actor) -> None:
        answered(otto, asked(olga, organizations=[works.acme.id]))
        with works.inside():
            assert not AllowListEntry.everywhere.exists()
            assert not Approval.everywhere.exists()

    def test_a_withdrawal_holds_from_the_next_call_on(
        self, works: Works, olga: Actor, otto: Actor
    ) -> None:
        entry = asked(olga)
        answered(otto, entry)
        with works.inside():
            for name, host in (("One", "git.corp.example"), ("Two", "other.example")):
                Connection.objects.create(
                    name=name, connector=name, account_id=name,
                    fields={"base_url": f"https://{host}:7990/bitbucket"},
                )  # fmt: skip
        with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
            assert [(each.slug, each.live) for each in listing.touched(olga, entry)] == [
                ("acme", 1)
            ]
            assert listing.touched(works.admin, entry) == []

        withdrawn(olga, entry)

        assert allow_list.entries(works.acme.id) == ()

    def test_a_new_entry_takes_the_place_of_the_old_one(
        self, works: Works, olga: Actor, otto: Actor
    ) -> None:
        answered(otto, asked(olga))
        pem, _ = certificate()
        newer = asked(otto, ca_pem=pem)
        with pytest.raises(FlowProblem, match="waits"):
            asked(olga)
        answered(olga, newer)

        (found,) = allow_list.entries(works.acme.id)
        assert found.ca_pem == pem


class TestWhatIsNeverListed:
    @pytest.mark.parametrize(
        "network",
        [
            *("0.0.0.0/0", "127.0.0.0/8", "127.1.2.3/32", "169.254.169.254/32", "169.254.0.0/16"),
            *("100.64.0.0/10", "168.63.129.16/32", "224.0.0.0/4", "240.0.0.0/8", "::/0", "::1/128"),
            *("fe80::/64", "ff02::/16", "fd00::/8", "fd00:ec2::254/128", "::ffff:10.0.0.0/104"),
            *("64:ff9b::/96", "2002:7f00::/24", "64:ff9b::7f00:1/128"),
        ],
    )
    def test_hard_networks(self, olga: Actor, otto: Actor, network: str) -> None:
        with pytest.raises(FlowProblem, match="cannot be listed") as refusal:
            asked(olga, networks=["10.0.0.0/24", network])
        assert refusal.value.field == "networks"

    @pytest.mark.parametrize(
        "host",
        [
            *(
                "127.0.0.1",
                "[::1]",
                "::1",
                "169.254.169.254",
                "localhost",
                "git.localhost",
                "127.1",
            ),
            *("0x7f000001", "https://git.corp", "git.corp:443", "git corp", "", "fe80::1", "a/b"),
            *("testserver", "0.0.0.0"),
        ],
    )
    def test_hard_and_odd_hosts(self, olga: Actor, otto: Actor, host: str) -> None:
        with pytest.raises(FlowProblem) as refusal:
            asked(olga, host=host, networks=["10.0.0.0/24"])
        assert refusal.value.field == "host"

    def test_an_address_of_the_portal_itself(
        self, olga: Actor, otto: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The machine's own address stands in for a database on a private network."""
        own = frozenset({"10.9.8.7", "fd12::7"})
        monkeypatch.setattr(own_places, "addresses", lambda: own)
        for network in ("10.9.0.0/16", "fd12::/32"):
            with pytest.raises(FlowProblem, match="portal itself"):
                asked(olga, networks=[network])

    def test_terms_that_do_not_hold_together(self, olga: Actor, otto: Actor) -> None:
        for field, terms in (
            ("networks", {"networks": ["10.20.30.1/24"]}),
            ("networks", {"networks": ["nonsense"]}),
            ("networks", {"networks": [], "http": True}),
            ("networks", {"host": "10.1.1.1"}),
            ("ports", {"ports": []}),
            ("ports", {"ports": [0]}),
            ("why", {"why": "short"}),
        ):
            with pytest.raises(FlowProblem) as refusal:
                asked(olga, **terms)
            assert refusal.value.field == field, terms

    @pytest.mark.parametrize(
        ("made", "words"),
        [
            (lambda: certificate(days=-1)[0], "expired on"),
            (lambda: certificate(ca=False)[0], "is no CA"),
            (lambda: certificate(ca=None)[0], "is no CA"),
            (lambda: certificate(begins=5)[0], "not valid before"),
            (lambda: "".join(certificate()), "private key"),
            (lambda: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "no certifi"),
            (lambda: "hello", "no certificate"),
        ],
    )
    def test_a_bundle_that_is_none_is_named(
        self, olga: Actor, otto: Actor, made: Callable[[], str], words: str
    ) -> None:
        with pytest.raises(FlowProblem, match=words) as refusal:
            asked(olga, ca_pem=made())
        assert refusal.value.field == "ca_pem"


class TestPages:
    def client(self, who: Actor, settings: Any) -> Client:
        settings.REQUIRE_MFA_FOR_STAFF = False
        settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 3600
        client = Client()
        client.force_login(User.objects.get(name=who.name))
        return client

    def test_asked_by_one_and_approved_by_another(
        self, works: Works, olga: Actor, otto: Actor, settings: Any
    ) -> None:
        mine, theirs = self.client(olga, settings), self.client(otto, settings)
        form = {
            "host": "Git.Corp.Example.", "networks": "10.20.30.0/24\n10.20.31.0/24",
            "ports": "443, 7990", "organizations": "acme", "why": WHY,
        }  # fmt: skip
        refused = mine.post("/platform/network/new", form | {"organizations": "nobody"})
        assert refused.status_code == 400 and b"has the address nobody" in refused.content
        place = mine.post("/platform/network/new", form)["Location"]

        page = text(mine.get(place))
        assert "waits for another operator" in page and "Approve</button>" not in page
        assert mine.post(f"{place}decide", {"answer": "yes"}).status_code == 400
        assert "git.corp.example" in text(theirs.get("/platform/network/"))
        assert "You are the second operator" in text(theirs.get(place))
        assert theirs.post(f"{place}decide", {"answer": "no"}).status_code == 400
        assert theirs.post(f"{place}decide", {"answer": "yes"}).status_code == 303
        assert len(allow_list.entries(works.acme.id)) == 1

        mine.post(f"{place}withdraw", {"confirm_name": "something else"})
        assert len(allow_list.entries(works.acme.id)) == 1
        mine.post(f"{place}withdraw", {"confirm_name": "git.corp.example"})
        assert allow_list.entries(works.acme.id) == ()
        assert "Withdrawn" in text(theirs.get(place))

    def test_a_private_key_is_not_shown_again(
        self, olga: Actor, otto: Actor, settings: Any
    ) -> None:
        pem, private = certificate()
        form = {"host": "git.corp.example", "ports": "443", "why": WHY, "ca_pem": pem + private}
        answer = self.client(olga, settings).post("/platform/network/new", form)

        assert answer.status_code == 400
        assert "private key" in answer.content.decode()
        assert private.splitlines()[1] not in answer.content.decode()
