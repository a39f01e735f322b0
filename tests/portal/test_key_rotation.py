"""Keys are replaced without a pause: staged, activated, rewrapped, retired; data keys as well."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from uuid import uuid4

import pytest
from allauth.mfa.models import Authenticator
from django.core.management import CommandError, call_command
from django.utils import timezone

from portal import (
    clock,
    key_ceremony,
    key_rewrap,
    key_rotation,
    key_stand,
    keyfile,
    keyring,
    keystore,
    mfa_keys,
    tenancy,
    vault,
    work,
)
from portal.keyfile import HOLDS, KeyringRefused
from portal.keys import SealBroken
from portal.mfa import MFAAdapter
from portal.models import (
    AuditEvent,
    DataKey,
    Heartbeat,
    KeyCheck,
    Organization,
    SealedValue,
    User,
)
from portal.roles import using_role
from portal.secret import Secret
from portal.vault import Place
from tests.keys import everything

pytestmark = pytest.mark.django_db


@pytest.fixture
def directory(tmp_path):
    folder = tmp_path / "keys"
    call_command("init_keys", directory=folder, stdout=io.StringIO())
    reread(folder)
    yield folder
    keyring.install(None)


def rings(folder):
    files = keystore.files(folder)
    return {process: keyfile.parse(keyfile.read(path), process) for process, path in files.items()}


def reread(folder):
    """This process holds what all files have now."""
    keyring.install(everything(rings(folder)))


def alive(kind, folder=None):
    """A process that reports what its file had when it was last read."""
    ring = rings(folder)[kind]
    domains = ring.domains.items()
    with using_role("worker"):
        return Heartbeat.objects.create(
            kind=kind,
            host="here",
            pid=1,
            keys={f"{d}/v{v}": k.fingerprint for d, vs in domains for v, k in vs.keys.items()},
            active={d: vs.active for d, vs in domains},
        )


def keys(folder, *words, **options):
    out = io.StringIO()
    with using_role("worker"):
        call_command("keys", *words, directory=folder, stdout=out, wait=0, **options)
    reread(folder)
    return out.getvalue()


def rotate(folder):
    for step in ("stage", "activate", "rewrap"):
        keys(folder, step, "grant")


def refusal(folder, *words, **options):
    with pytest.raises(CommandError) as refused:
        keys(folder, *words, **options)
    assert refused.value.returncode == 78
    return str(refused.value)


def organization(slug):
    made = Organization(slug=slug, name=slug.title())
    with tenancy.acting_for(made), tenancy.transaction():
        made.save(force_insert=True)
    return made


def places_of(made, count=3, domain="grant"):
    return [
        Place(made.id, "connections_credential", uuid4(), "secret", domain) for _ in range(count)
    ]


def keep(places):
    for place in places:
        with using_role("worker"), tenancy.acting_for(place.organization_id), tenancy.transaction():
            vault.keep(place, Secret(f"secret {place.row_id}"))


def opened(places):
    found = []
    for place in places:
        with using_role("worker"), tenancy.acting_for(place.organization_id), tenancy.transaction():
            found.append(vault.open(place).reveal() == f"secret {place.row_id}")
    return all(found)


def versions(folder, process, domain):
    content = json.loads((folder / f"{process}.json").read_text())[domain]
    return content["active"], sorted(content["keys"])


class TestAKeyEncryptionKey:
    def test_is_replaced_step_by_step_and_every_secret_opens_at_every_moment(self, directory):
        places = [p for slug in ("acme", "globex") for p in places_of(organization(slug))]
        keep(places)

        assert "grant/v2" in keys(directory, "stage", "grant")
        assert versions(directory, "worker", "grant") == (1, ["1", "2"])
        assert opened(places)

        keys(directory, "activate", "grant")
        assert versions(directory, "worker", "grant") == (2, ["1", "2"])
        assert opened(places)
        assert "still under grant/v1" in refusal(directory, "retire", "grant", "1")

        said = keys(directory, "rewrap", "grant")
        assert "2 data keys wrapped anew" in said and "0 of 2" in said
        assert opened(places)

        assert "2 data keys under it" in keys(directory, "status")
        assert "--backups-gone" in refusal(directory, "retire", "grant", "1")
        keys(directory, "retire", "grant", "1", backups_gone=True)
        assert versions(directory, "worker", "grant") == (2, ["2"])
        assert opened(places), "the old key is provably unused"
        assert not KeyCheck.objects.filter(domain="grant", version=1).exists()
        with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
            told = list(AuditEvent.objects.order_by("sequence").values_list("action", flat=True))
        assert told == ["key.staged", "key.activated", "key.retired"]

    def test_C12_it_is_kept_for_as_long_as_a_backup_may_need_it(self, directory, settings):
        keep(places_of(organization("acme")))
        rotate(directory)
        assert "A backup from before" in refusal(directory, "retire", "grant", "1")

        with clock.shifted(timedelta(days=settings.BACKUP_DAYS, minutes=1)):
            keys(directory, "retire", "grant", "1")
        assert versions(directory, "worker", "grant") == (2, ["2"])

    def test_C12_a_backup_from_before_the_rotation_is_served_after_adopt(self, directory):
        places = places_of(organization("acme"))
        keep(places)
        rotate(directory)
        with using_role("owner"):  # what the older backup did not know
            KeyCheck.objects.filter(domain="grant", version=2).delete()
        assert any("not known" in str(p) for p in keyring.prove(rings(directory)["worker"]))

        assert "grant/v2" in keys(directory, "adopt")
        assert keyring.prove(rings(directory)["worker"]) == []
        assert opened(places)

    def test_every_holder_gets_the_same_one_and_both_halves_of_the_intake_go_together(
        self, directory
    ):
        keys(directory, "stage", "access")
        keys(directory, "stage", "intake")

        found = rings(directory)
        assert versions(directory, "api", "access") == (1, ["1", "2"])
        access = [found[p].domains["access"].keys[2].fingerprint for p in ("api", "worker")]
        halves = [
            found["web"].domains["intake_public"].keys[2].fingerprint,
            found["worker"].domains["intake"].keys[2].fingerprint,
        ]
        assert access[0] == access[1] and halves[0] == halves[1]

    def test_is_activated_only_when_every_living_process_holds_it(self, directory):
        before = alive("worker", directory)
        assert "worker on here" in refusal(directory, "stage", "grant"), "the wait names who lacks"
        assert "is not held by worker on here" in refusal(directory, "activate", "grant")

        with using_role("worker"):
            Heartbeat.objects.filter(id=before.id).update(keys=alive("worker", directory).keys)
        said = refusal(directory, "activate", "grant")
        assert "do not seal with grant/v2 yet" in said, "it was activated and is waited for"
        assert "still seals in worker on here" in refusal(directory, "retire", "grant", "1")

    def test_one_that_is_gone_for_a_while_is_not_waited_for(self, directory):
        gone = alive("worker", directory)
        with using_role("worker"):
            Heartbeat.objects.filter(id=gone.id).update(
                seen_at=timezone.now() - timedelta(minutes=5)
            )
        keys(directory, "stage", "grant")
        keys(directory, "activate", "grant")

    def test_the_index_stays(self, directory):
        with pytest.raises(key_ceremony.Refused, match="no key to replace"):
            key_ceremony.stage(directory, "index")

    def test_a_file_that_is_missing_stops_everything(self, directory):
        (directory / "api.json").unlink()
        assert "api.json" in refusal(directory, "stage", "access")
        assert versions(directory, "worker", "access") == (1, ["1"])

    def test_C10_two_at_once_are_one_and_a_refusal(self, directory):
        with keystore.exclusive(directory), pytest.raises(KeyringRefused) as refused:
            key_ceremony.stage(directory, "grant")
        assert "Another command" in str(refused.value)
        assert versions(directory, "worker", "grant") == (1, ["1"])

    def test_two_rewraps_at_once_share_the_work(self, directory, monkeypatch):
        places = [p for n in range(6) for p in places_of(organization(f"org-{n}"), 1)]
        keep(places)
        keys(directory, "stage", "grant")
        keys(directory, "activate", "grant")
        monkeypatch.setattr(key_rewrap, "BATCH", 2)
        with using_role("worker"):
            # The second one begins when the first has done a batch.
            nested = []
            done = key_rewrap.rewrap(
                "grant", progress=lambda _: nested or nested.append(key_rewrap.rewrap("grant"))
            )
        assert done + sum(nested) == 6
        assert key_stand.left("grant") == (0, 6)
        assert opened(places)

    def test_a_process_takes_up_a_changed_file_and_no_false_one(self, directory, settings):
        settings.KEYRING_FILE, settings.PROCESS = str(directory / "worker.json"), "worker"
        keyring.install(None)
        assert keyring.active_versions()["grant"] == 1
        with using_role("worker"):
            key_ceremony.stage(directory, "grant")
            key_ceremony.activate(directory, "grant")
            assert keyring.refresh()
            assert keyring.active_versions()["grant"] == 2

            text = json.loads((directory / "worker.json").read_text())
            text["grant"]["keys"]["3"] = json.loads(keyring.generate()["worker"])["grant"]["keys"][
                "1"
            ]
            keystore.put(directory / "worker.json", json.dumps(text))
            assert not keyring.refresh()
        assert "grant/v3" not in keyring.fingerprints()


class TestADataKey:
    def rotate(self, made, now):
        with using_role("worker"):
            key_rotation.ask([made.id], now)
            work.drain()

    def test_is_replaced_and_the_old_one_destroyed(self, directory):
        made = organization("acme")
        places = places_of(made) + places_of(made, 2, "access")
        keep(places)
        with using_role("worker"), tenancy.acting_for(made), tenancy.transaction():
            before = dict(SealedValue.objects.values_list("id", "blob"))

        self.rotate(made, clock.now())
        assert opened(places)
        states = self.states(made)
        assert states == {("grant", 1, "decrypt_only"), ("grant", 2, "active"),
                          ("access", 1, "decrypt_only"), ("access", 2, "active")}  # fmt: skip
        with clock.shifted(key_rotation.SETTLED + timedelta(minutes=1)), using_role("worker"):
            work.drain()

        assert {(d, v) for d, v, s in self.states(made) if s == "destroyed"} == {
            ("grant", 1), ("access", 1)
        }  # fmt: skip
        assert opened(places)
        with using_role("worker"), tenancy.acting_for(made), tenancy.transaction():
            assert not any(key_rotation.under(d, 1) for d in ("grant", "access"))
            old = DataKey.objects.get(domain="grant", version=1)
            assert bytes(old.wrapped) == b""
            value = SealedValue.objects.filter(domain="grant").first()
            place = Place(made.id, value.table_name, value.row_id, value.field)
            with pytest.raises(SealBroken):
                vault.unseal(bytes(before[value.id]), place)

    def states(self, made):
        with using_role("worker"), tenancy.acting_for(made), tenancy.transaction():
            return set(DataKey.objects.values_list("domain", "version", "state"))

    def test_is_replaced_only_by_a_worker_that_has_read_its_file(self, directory):
        """Else the new data key would lie under the key that leaked."""
        made = organization("acme")
        keep(places_of(made))
        before = everything(rings(directory))
        for step in ("stage", "activate"):
            keys(directory, step, "grant")
        keyring.install(before)
        self.rotate(made, clock.now())
        assert self.states(made) == {("grant", 1, "active")}
        reread(directory)
        with clock.shifted(timedelta(minutes=2)), using_role("worker"):
            work.drain()
        assert ("grant", 2, "active") in self.states(made)

    def test_is_replaced_by_age_in_organizations_where_it_is_old(self, directory, settings):
        made = organization("acme")
        places = places_of(made)
        keep(places)
        with using_role("worker"):
            key_rotation.start_due()
            assert work.drain() == 0
            with clock.shifted(timedelta(days=settings.DATA_KEY_DAYS, hours=1)):
                key_rotation.start_due()
                key_rotation.start_due()
                assert work.drain() == 1
        assert ("grant", 2, "active") in self.states(made)
        assert opened(places)

    def test_a_secret_that_does_not_open_keeps_its_key(self, directory, servers):
        made = organization("acme")
        places = places_of(made)
        keep(places)
        with using_role("worker"), tenancy.acting_for(made), tenancy.transaction():
            broken = SealedValue.objects.get(row_id=places[0].row_id)
            broken.blob = bytes(broken.blob)[:-1] + bytes([bytes(broken.blob)[-1] ^ 1])
            broken.save()
        self.rotate(made, clock.now())
        with clock.shifted(timedelta(hours=1)), using_role("worker"):
            work.drain()
        assert ("grant", 1, "decrypt_only") in self.states(made)
        assert opened(places[1:])

    def test_C10_two_at_once_make_one_new_key(self, directory):
        made = organization("acme")
        keep(places_of(made))
        moment = clock.now()
        with using_role("worker"), tenancy.acting_for(made):
            assert key_rotation.demote("grant", moment)
            assert not key_rotation.demote("grant", moment)
        assert self.states(made) == {("grant", 1, "decrypt_only"), ("grant", 2, "active")}


def test_every_process_kind_that_holds_keys_is_asked():
    assert {kind for kind, held in HOLDS.items() if held} == {"web", "api", "ingest", "worker"}


class TestSecondFactors:
    """The web process wraps and replaces its one key itself."""

    def seeds(self):
        user = User.objects.create_user("olga@portal.example", name="Olga")
        totp = Authenticator.objects.create(
            user=user, type="totp", data={"secret": MFAAdapter().encrypt("a seed")}
        )
        codes = Authenticator.objects.create(
            user=user,
            type="recovery_codes",
            data={"seed": MFAAdapter().encrypt("of codes"), "used_mask": 1},
        )
        return totp, codes

    def opened(self, *rows):
        found = []
        for row in rows:
            row.refresh_from_db()
            found.append(MFAAdapter().decrypt(row.data.get("secret") or row.data["seed"]))
        return found

    def test_are_wrapped_anew_and_their_key_is_replaced(self, directory):
        rows = self.seeds()
        keys(directory, "stage", "mfa")
        keys(directory, "activate", "mfa")
        assert mfa_keys.rewrap() == 1
        assert key_stand.uses("mfa", 1) == 0
        assert self.opened(*rows) == ["a seed", "of codes"]

        before = rows[0].data["secret"]
        assert mfa_keys.replace(clock.now()) > timedelta()
        with clock.shifted(key_rotation.SETTLED + timedelta(minutes=1)):
            assert mfa_keys.replace(clock.now() - timedelta(days=90)) == timedelta()
        assert self.opened(*rows) == ["a seed", "of codes"]
        assert rows[1].data["used_mask"] == 1
        with pytest.raises(SealBroken):
            MFAAdapter().decrypt(before)
