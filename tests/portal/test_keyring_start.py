"""A start needs the right keys: sentinels, living data keys, and the first keys of all."""

from __future__ import annotations

import base64
import io
import json
import resource
import stat
import threading
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from portal import keyfile, keyring, vault
from portal.keyfile import Keyring
from portal.models import DataKey, KeyCheck
from portal.roles import using_role
from portal.secret import Secret
from portal.tenancy import PLATFORM, acting_for, transaction
from portal.vault import Place
from tests import keys

pytestmark = pytest.mark.django_db

HOLDERS = ("web", "api", "ingest", "worker")


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "keys"


@pytest.fixture(autouse=True)
def _forgets_the_keyring():
    yield
    keyring.install(None)


def init_keys(directory, **options):
    out = io.StringIO()
    call_command("init_keys", directory=directory, stdout=out, **options)
    return out.getvalue()


def refusal(directory, **options):
    with pytest.raises(CommandError) as refused:
        init_keys(directory, **options)
    assert refused.value.returncode in (1, 78)
    return str(refused.value)


def ring(directory, process="worker"):
    return keyfile.parse((directory / f"{process}.json").read_text(), process)


def lines(found):
    with using_role("worker"):
        return [str(problem) for problem in keyring.prove(found)]


def use_a_data_key():
    with using_role("worker"), acting_for(PLATFORM), transaction():
        vault.seal(Secret("x"), Place(PLATFORM, "t", uuid4(), "f"))


class TestFirstKeys:
    def test_they_are_made_for_each_process_and_proved(self, directory):
        said = init_keys(directory)

        assert "Copy these files to a safe place" in said
        for process in HOLDERS:
            path = directory / f"{process}.json"
            assert stat.S_IMODE(path.stat().st_mode) == 0o400
            keyring.install(ring(directory, process))
            assert keyring.check_keyring() == []
            assert keyfile.read(path)
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700

    def test_no_key_is_said_or_stored(self, directory):
        said = init_keys(directory)

        with connections["owner"].cursor() as cursor:
            cursor.execute("SELECT blob, fingerprint FROM portal_keycheck")
            stored = cursor.fetchall()
        for process in HOLDERS:
            for domain in json.loads((directory / f"{process}.json").read_text()).values():
                key = domain["keys"]["1"]
                assert key not in said
                assert base64.b64decode(key) not in b"".join(bytes(blob) for blob, _ in stored)

    def test_a_second_time_makes_nothing(self, directory):
        init_keys(directory)
        before = (directory / "worker.json").read_bytes()

        assert "already" in refusal(directory)
        assert init_keys(directory, if_missing=True) == ""
        assert (directory / "worker.json").read_bytes() == before

    @pytest.mark.parametrize("options", [{}, {"if_missing": True}])
    def test_lost_files_are_restored_and_never_made_again(self, directory, tmp_path, options):
        init_keys(directory)

        assert "Restore the keyring from your backup" in refusal(tmp_path / "new", **options)
        (directory / "worker.json").unlink()
        assert "Restore the keyring from your backup" in refusal(directory, **options)
        assert not (tmp_path / "new").exists()

    def test_living_data_keys_alone_forbid_new_keys(self, directory, tmp_path):
        init_keys(directory)
        keyring.install(ring(directory))
        use_a_data_key()
        with using_role("owner"):
            KeyCheck.objects.all().delete()

        assert "Restore" in refusal(tmp_path / "new", if_missing=True)

    def test_a_start_that_stopped_half_way_goes_on(self, directory):
        init_keys(directory)
        with using_role("owner"):
            KeyCheck.objects.all().delete()

        assert "knows them now" in init_keys(directory, if_missing=True)
        assert lines(ring(directory)) == []

    def test_half_of_the_files_is_a_question_for_a_person(self, directory):
        directory.mkdir()
        (directory / "web.json").write_text("{}")

        assert "web.json but not worker.json" in refusal(directory, if_missing=True)

    def test_keys_of_another_database_are_refused(self, directory, tmp_path):
        init_keys(directory)
        foreign = tmp_path / "foreign"
        foreign.mkdir()
        for process, text in keyring.generate().items():
            (foreign / f"{process}.json").write_text(text)
            (foreign / f"{process}.json").chmod(0o400)

        assert "the database was made with" in refusal(foreign, if_missing=True)

    def test_two_at_once_leave_one_set_of_sentinels(self, tmp_path):
        outcomes, start = [], threading.Barrier(2)

        def run(name):
            start.wait(10)
            try:
                outcomes.append(bool(init_keys(tmp_path / name)))
            except CommandError:
                outcomes.append(False)
            connections["owner"].close()

        threads = [threading.Thread(target=run, args=(name,)) for name in ("one", "two")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)

        assert sorted(outcomes) == [False, True]
        assert KeyCheck.objects.count() == 6


class TestProof:
    @pytest.fixture(autouse=True)
    def _made(self, directory):
        init_keys(directory)

    def test_a_database_without_sentinels_stops_the_start(self, directory):
        with using_role("owner"):
            KeyCheck.objects.all().delete()

        assert "init_keys" in lines(ring(directory))[0]

    def test_foreign_keys_are_told_by_their_fingerprints(self, directory):
        found = keys.rings()["worker"]

        said = lines(found)

        assert len(said) == 5
        assert all("but the database was made with" in line for line in said)
        assert found.domains["grant"].keys[1].fingerprint in " ".join(said)

    def test_a_web_process_with_a_foreign_public_half_does_not_start(self, directory):
        mine, foreign = ring(directory, "web"), keys.rings()["web"]
        mixed = Keyring({**mine.domains, "intake_public": foreign.domains["intake_public"]})

        (line,) = lines(mixed)
        assert "intake_public/v1" in line

    def test_a_private_half_given_as_the_public_one_does_not_start(self, directory):
        private = json.loads((directory / "worker.json").read_text())["intake"]
        text = json.loads((directory / "web.json").read_text())
        text["intake_public"] = private

        (line,) = lines(keyfile.parse(json.dumps(text), "web"))
        assert "intake_public/v1" in line

    @pytest.mark.parametrize("domain", ["grant", "access", "index", "intake"])
    def test_a_changed_sentinel_is_seen_even_with_the_right_fingerprint(self, directory, domain):
        with using_role("owner"):
            row = KeyCheck.objects.get(domain=domain)
            row.blob = bytes(row.blob)[:-1] + bytes([bytes(row.blob)[-1] ^ 1])
            row.save()

        (line,) = lines(ring(directory))
        assert f"{domain}/v1" in line

    def test_a_version_the_database_does_not_know_stops_the_start(self, directory):
        content = json.loads((directory / "worker.json").read_text())
        key = keyring.generate()["worker"]
        content["grant"]["keys"]["2"] = json.loads(key)["grant"]["keys"]["1"]
        content["grant"]["active"] = 2

        (line,) = lines(keyfile.parse(json.dumps(content), "worker"))
        assert "grant/v2" in line and "not known" in line

    def test_a_key_that_wraps_living_data_keys_must_be_there(self, directory):
        content = json.loads((directory / "worker.json").read_text())
        keyring.install(ring(directory))
        use_a_data_key()
        fingerprint = ring(directory).domains["grant"].keys[1].fingerprint
        newer = json.loads(keyring.generate()["worker"])["grant"]["keys"]["1"]
        content["grant"] = {"active": 2, "keys": {"2": newer}}
        second = keyfile.parse(json.dumps(content), "worker")
        with using_role("owner"):
            keyring.plant([Keyring({"grant": second.domains["grant"]})])

        (line,) = lines(second)
        assert f"grant/v1 is missing (fingerprint {fingerprint}, it wraps 1 data keys)" in line

        with using_role("worker"), acting_for(PLATFORM), transaction():
            DataKey.objects.update(state=DataKey.State.DESTROYED)
        assert lines(second) == []


class TestRequire:
    @pytest.fixture(autouse=True)
    def _limits(self):
        before = resource.getrlimit(resource.RLIMIT_CORE)
        yield
        resource.setrlimit(resource.RLIMIT_CORE, before)

    def test_the_right_keys_let_the_process_start(self, directory, settings, monkeypatch):
        monkeypatch.setattr(
            resource, "setrlimit", lambda *_: None
        )  # a hard limit never rises again
        init_keys(directory)
        settings.KEYRING_FILE, settings.PROCESS = str(directory / "web.json"), "web"

        keyring.require()

        assert set(keyring.fingerprints()) == {"intake_public/v1", "mfa/v1"}
        assert resource.getrlimit(resource.RLIMIT_CORE)[0] == 0

    @pytest.mark.parametrize(
        ("process", "file", "says"),
        [
            ("web", "worker.json", "must not hold keys"),
            ("worker", "web.json", "must not hold keys"),
            ("api", "worker.json", "must not hold keys"),
            ("worker", "api.json", "lacks the domain"),
            ("api", "absent.json", "run `manage.py init_keys`"),
            ("worker", "absent.json", "no keyring at"),
            ("worker", "", "KEYRING_FILE"),
        ],
    )
    def test_the_wrong_ones_end_it_with_one_line_and_78(
        self, directory, settings, capsys, process, file, says
    ):
        init_keys(directory)
        settings.KEYRING_FILE = str(directory / file) if file else ""
        settings.PROCESS = process

        with pytest.raises(SystemExit) as ended:
            keyring.require()

        said = capsys.readouterr().err
        assert ended.value.code == 78
        assert said.count("\n") == 1
        assert said.startswith(f"keyring of {process}: ")
        assert says in said
