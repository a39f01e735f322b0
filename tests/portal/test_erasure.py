"""An organization is erased: asked, confirmed, taken back or not; in a backup as well."""

from __future__ import annotations

from datetime import timedelta
from threading import Thread
from uuid import uuid4

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.db import connections as databases

from connections import places
from connections.models import Connection, Credential
from portal import (
    clock,
    erasing,
    erasure,
    key_rotation,
    roles,
    startup,
    tenancy,
    tombstones,
    vault,
    work,
)
from portal.keys import SealBroken
from portal.models import (
    AuditEvent,
    DataKey,
    Erasure,
    Intake,
    Job,
    Membership,
    Organization,
    Tombstone,
    User,
)
from portal.policy import Actor, Role
from portal.refused import Impossible
from portal.secret import Secret
from tests import catalogue
from tests.leasing import service, with_token
from tests.servers import Servers, pointing_at
from tests.works import Works


@pytest.fixture(autouse=True)
def _own_file(settings, tmp_path):
    settings.TOMBSTONE_FILE = str(tmp_path / "marks" / "tombstones.sqlite3")


@pytest.fixture
def owner(works: Works) -> Actor:
    return works.person("owen@acme.example", "Owen", Role.OWNER)


@pytest.fixture
def olga(works: Works) -> Actor:
    user = User.objects.create_user("olga@portal.example", name="Olga", is_operator=True)
    return Actor("operator", user.id, "Olga")


def ask(works: Works, owner: Actor) -> Erasure:
    with works.inside():
        return erasure.ask(actor=owner, typed_name="Acme", because="We close.")


def erased(works: Works, owner: Actor, olga: Actor) -> None:
    """Asked, confirmed, the grace over, and everything done."""
    ask(works, owner)
    erasure.confirm(actor=olga, organization_id=works.acme.id, typed_name="Acme")
    with clock.shifted(timedelta(days=7, hours=1)):
        works.drain()


def place_of(works: Works, connection: Connection) -> vault.Place:
    with works.inside():
        credential = Credential.objects.get(connection_id=connection.id)
    return places.of_credential(credential, places.ACCESS)


def opens(works: Works, place: vault.Place) -> bool:
    with roles.using_role("worker"), works.inside():
        try:
            return bool(vault.open(place).reveal())
        except (SealBroken, LookupError):
            return False


def is_gone(works: Works) -> bool:
    with works.inside():
        return not Organization.objects.filter(id=works.acme.id).exists()


class TestTheWish:
    def test_needs_the_owner_the_name_and_an_operator(self, works, owner, olga) -> None:
        with works.inside(), pytest.raises(Impossible, match="does not match"):
            erasure.ask(actor=owner, typed_name="Acm")
        with works.inside(), pytest.raises(PermissionDenied, match="role"):
            erasure.ask(actor=works.admin, typed_name="Acme")
        asked = ask(works, owner)
        assert asked.counted["members"] == 3
        [wish] = erasure.all_open(olga.id)
        assert (wish.name, wish.because) == ("Acme", "We close.")
        assert erasure.all_open(works.alice.id) == []

        with pytest.raises(Impossible, match="Only an operator"):
            erasure.confirm(
                actor=Actor("operator", works.alice.id, "Alice"),
                organization_id=works.acme.id,
                typed_name="Acme",
            )
        with works.inside():
            assert not Job.objects.filter(kind=erasure.KIND).exists(), "nothing begins by a wish"

    def test_is_not_confirmed_by_who_asked(self, works, owner) -> None:
        User.objects.filter(id=owner.id).update(is_operator=True)
        ask(works, owner)
        with pytest.raises(Impossible, match="Another operator"):
            erasure.confirm(
                actor=Actor("operator", owner.id, "Owen"),
                organization_id=works.acme.id,
                typed_name="Acme",
            )

    @pytest.mark.parametrize("by", ["owner", "olga"])
    def test_is_taken_back_in_time(self, works, owner, olga, by) -> None:
        connection = with_token(works)
        ask(works, owner)
        erasure.confirm(actor=olga, organization_id=works.acme.id, typed_name="Acme")
        erasure.take_back(actor={"owner": owner, "olga": olga}[by], organization_id=works.acme.id)
        with clock.shifted(timedelta(days=8)):
            works.drain()
        assert opens(works, place_of(works, connection))
        with works.inside():
            told = set(AuditEvent.objects.values_list("action", flat=True))
            assert erasure.open_one() is None
        assert told >= {
            "organization.erasure_asked",
            "organization.erasure_confirmed",
            "organization.erasure_ended",
        }


class TestTheErasure:
    def test_leaves_a_tombstone_and_no_row(self, works, owner, olga) -> None:
        connection = with_token(works)
        service(works)
        place = place_of(works, connection)
        erased(works, owner, olga)

        assert not opens(works, place)
        assert is_gone(works)
        stone = Tombstone.objects.get()
        assert stone.erased_id == works.acme.id
        assert {"domain": "access", "version": 1} in stone.keys
        assert tombstones.verify() == (1, "")
        assert [one.erased_id for one in tombstones.standing()] == [works.acme.id]
        assert User.objects.filter(id=works.alice.id).exists(), "people have accounts of their own"
        with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
            event = AuditEvent.objects.get(action="organization.erased")
        assert (event.subject_name, event.subject_id) == ("Acme", works.acme.id)

    def test_T11_whoever_has_work_in_hand_stops_at_the_next_step(self, works) -> None:
        with_token(works)
        with works.inside():
            work.later("verify_connection", connection_id=uuid4())
            vault.take_in(
                vault.Place(works.acme.id, "t", uuid4(), "secret"),
                Secret("on its way in"),
                expires_at=clock.now() + timedelta(hours=1),
            )
        with roles.using_role("worker"):
            (claim,) = work.claim()
            with works.inside():
                erasing.destroy()
            with works.inside(), pytest.raises(work.LeaseLost):
                claim.hold()
            with works.inside():
                assert not DataKey.objects.exclude(state="destroyed").exists()
                assert not DataKey.objects.exclude(wrapped=b"").exists()
                assert not Intake.objects.exists()
                assert not Membership.objects.exists()
                assert set(Job.objects.filter(done_at=None).values_list("kind", flat=True)) == {
                    erasing.CLEAR
                }
                with pytest.raises(SealBroken):
                    vault.seal(Secret("x"), vault.Place(works.acme.id, "t", uuid4(), "secret"))

    def test_no_data_key_that_is_made_meanwhile_survives(self, works) -> None:
        with_token(works)

        def destroy() -> None:
            with roles.using_role("worker"), works.inside():
                erasing.destroy()
            databases.close_all()

        destroying = Thread(target=destroy)
        with roles.using_role("worker"), works.inside():
            assert key_rotation.demote("access", clock.now())
            destroying.start()
            destroying.join(0.5)
            assert destroying.is_alive(), "it waits for the new key"
        destroying.join()
        with roles.using_role("worker"), works.inside():
            assert DataKey.objects.filter(domain="access").count() == 2
            assert not DataKey.objects.exclude(state="destroyed").exists()

    def test_a_vendor_that_does_not_answer_is_waited_for_a_day(
        self, works, owner, olga, monkeypatch
    ) -> None:
        connection = with_token(works)
        place = place_of(works, connection)
        asked: list[work.Claim] = []
        monkeypatch.setattr(erasing, "_partings", [lambda claim, _: bool(asked.append(claim))])
        erased(works, owner, olga)
        assert opens(works, place)
        assert len(asked) == 1
        with clock.shifted(timedelta(days=9, hours=1)):
            works.drain()
        assert not opens(works, place)
        assert len(asked) == 1, "the day is over, so nobody is asked"

    def test_a_second_stone_is_chained_and_a_changed_one_is_noticed(self, works, servers) -> None:
        both = [works.organization(slug) for slug in ("one", "two")]
        with roles.using_role("worker"):
            for one in both:
                with works.inside(one):
                    erasing.destroy()
            assert tombstones.verify() == (2, "")
            name = databases["default"].settings_dict["NAME"]
            with servers.postgres.connect(name) as superuser:
                superuser.execute("SET session_replication_role = replica")
                superuser.execute("UPDATE portal_tombstone SET keys = '[1]' WHERE sequence = 2")
            assert tombstones.verify() == (1, "a tombstone was changed")


class TestARestoredBackup:
    def test_opens_nothing_of_it(self, works, owner, olga, servers: Servers) -> None:
        """The same database as it was before, and the file that was not restored with it."""
        connection = with_token(works)
        place = place_of(works, connection)
        name = databases["default"].settings_dict["NAME"]
        for alias in databases:
            databases[alias].close()
        servers.clone("older", template=name)
        erased(works, owner, olga)

        with pointing_at("older"):
            assert opens(works, place), "the backup has the wrapped keys"
            (problem,) = tombstones.unapplied()
            assert "restored from before 1 organizations were erased" in str(problem)
            with roles.using_role("worker"):
                assert len(erasing.apply_tombstones()) == 1
            assert not opens(works, place)
            assert list(tombstones.unapplied()) == []
            works.drain()
            assert is_gone(works)
        servers.drop("older")

    def test_is_not_deceived_by_a_false_stone(self, works, settings) -> None:
        connection, other = with_token(works), works.organization("gone")
        with roles.using_role("worker"):
            with works.inside(other):
                erasing.destroy()
            tombstones.write_down()
            file = tombstones._opened()
            file.execute("UPDATE tombstone SET erased = ?", [str(works.acme.id)])
            file.commit()
            with pytest.raises(tombstones.Forged):
                erasing.apply_tombstones()
        assert opens(works, place_of(works, connection))


class TestAMissingFile:
    def test_begins_with_the_first_keys_and_then_only_by_command(
        self, works, tmp_path, capsys
    ) -> None:
        call_command("init_keys", directory=tmp_path / "keys")
        assert not list(tombstones.missing()) and not list(tombstones.standing())

        tombstones.path().unlink()
        call_command("init_keys", directory=tmp_path / "keys", if_missing=True)
        (problem,) = tombstones.missing()
        assert str(tombstones.path()) in str(problem) and "keys adopt_tombstones" in str(problem)

        gone = works.organization("gone")
        with roles.using_role("worker"), works.inside(gone):
            erasing.destroy()
        call_command("keys", "adopt_tombstones")
        assert "with 1 erased organization." in capsys.readouterr().out
        assert not list(tombstones.missing()) and len(list(tombstones.standing())) == 1
        with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
            event = AuditEvent.objects.get(action="tombstones.adopted")
        assert event.details == {"erased_organizations": 1, "file_was_missing": True}

    def test_stops_a_start_in_production(self, settings, capsys) -> None:
        assert tombstones.missing in startup.DEMANDED
        with pytest.raises(SystemExit) as ended:
            startup.demand([tombstones.missing])
        assert ended.value.code == 78
        assert settings.TOMBSTONE_FILE in capsys.readouterr().err


def test_no_table_is_forgotten(works: Works, servers: Servers) -> None:
    """A row of every tenant table goes with its organization."""
    with servers.postgres.connect(databases["default"].settings_dict["NAME"]) as admin:
        catalogue.relax(admin)
        found = catalogue.tables(admin).tenant
        for table in found.keys() - {"portal_organization"}:
            row = catalogue.row_of(admin, table, "organization_id", works.acme.id)
            row = {name: None if name == "done_at" else value for name, value in row.items()}
            admin.execute(catalogue.insertion(table, row), row)
        admin.execute("SET session_replication_role = origin")
        with roles.using_role("worker"):
            with works.inside():
                erasing.destroy()
            work.drain()
        left = [
            table
            for table, column in found.items()
            if admin.execute(
                f"SELECT 1 FROM {table} WHERE {column} = %s", [works.acme.id]
            ).fetchone()
        ]
    assert left == []
