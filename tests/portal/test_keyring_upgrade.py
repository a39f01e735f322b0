"""An installation made before a key domain existed: `init_keys`, run again, adds it and no more."""

from __future__ import annotations

import io
import json
import stat
import threading

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from portal import doctor, keyfile, keyring
from portal.keyfile import ADDED
from portal.models import KeyCheck
from portal.roles import using_role

pytestmark = pytest.mark.django_db

NEW = ("api", "ingest")  # files that an upgrade brings


def init_keys(directory, **options):
    out = io.StringIO()
    call_command("init_keys", directory=directory, stdout=out, **options)
    return out.getvalue()


def refusal(directory, **options):
    with pytest.raises(CommandError) as refused:
        init_keys(directory, **options)
    return str(refused.value)


def content(directory, process):
    return json.loads((directory / f"{process}.json").read_text())


def rewrite(path, change):
    """The file after `change` on its content, as its owner left it."""
    found = json.loads(path.read_text())
    change(found)
    mode = stat.S_IMODE(path.stat().st_mode)
    path.chmod(0o600)
    path.write_text(json.dumps(found))
    path.chmod(mode)


def without_added(found):
    for domain in ADDED:
        found.pop(domain, None)


@pytest.fixture
def directory(tmp_path):
    """Keys as the first version made them: two files, no domain that came later."""
    folder = tmp_path / "keys"
    init_keys(folder)
    for process in NEW:
        (folder / f"{process}.json").unlink()
    for process in ("web", "worker"):
        rewrite(folder / f"{process}.json", without_added)
    with using_role("owner"):
        KeyCheck.objects.filter(domain__in=ADDED).delete()
    yield folder
    keyring.install(None)


def assert_proved(directory):
    with using_role("worker"):
        for process in keyring.generate():
            ring = keyfile.parse((directory / f"{process}.json").read_text(), process)
            assert keyring.prove(ring) == []


@pytest.mark.parametrize("options", [{}, {"if_missing": True}])
def test_the_new_domain_is_added_and_no_key_changes(directory, options):
    before = {process: content(directory, process) for process in ("web", "worker")}
    sentinels = set(KeyCheck.objects.values_list("domain", "blob"))

    said = init_keys(directory, **options)

    assert "api.json" in said and "worker.json" in said and "web.json" not in said
    assert "Copy these files to a safe place" in said
    after = content(directory, "worker")
    assert {name: after[name] for name in before["worker"]} == before["worker"]
    assert after.keys() - before["worker"].keys() == ADDED
    assert content(directory, "web") == before["web"]
    assert content(directory, "api") == {"access": after["access"]}
    assert content(directory, "ingest") == {"webhook": after["webhook"]}
    assert set(KeyCheck.objects.values_list("domain", "blob")) > sentinels
    assert_proved(directory)


@pytest.mark.parametrize("mode", [0o400, 0o600])
def test_a_file_keeps_its_mode_and_no_half_is_left(directory, mode):
    (directory / "worker.json").chmod(mode)

    init_keys(directory)

    assert stat.S_IMODE((directory / "worker.json").stat().st_mode) == mode
    assert stat.S_IMODE((directory / "api.json").stat().st_mode) == 0o400
    assert {path.name for path in directory.iterdir()} == {
        *("web.json", "api.json", "ingest.json", "worker.json")
    }


def test_a_second_time_adds_nothing(directory):
    init_keys(directory)
    before = {path.name: path.read_bytes() for path in directory.iterdir()}

    assert init_keys(directory, if_missing=True) == ""
    assert "already" in refusal(directory)
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


@pytest.mark.parametrize("written", [("worker",), ("worker", "api")])
def test_an_addition_that_stopped_half_way_goes_on_with_the_same_key(directory, written):
    """The files come before the commit, so a crash leaves keys that the database does not know."""
    old = (directory / "worker.json").read_bytes()
    init_keys(directory)
    key = content(directory, "worker")["access"]
    with using_role("owner"):
        KeyCheck.objects.filter(domain__in=ADDED).delete()
    if "api" not in written:
        (directory / "api.json").unlink()
    assert old != (directory / "worker.json").read_bytes()

    init_keys(directory, if_missing=True)

    assert content(directory, "worker")["access"] == content(directory, "api")["access"] == key
    assert_proved(directory)


def test_a_domain_that_is_known_is_restored_and_never_made_again(directory):
    """An old backup of the files, while tokens are already sealed under the lost key."""
    old = (directory / "worker.json").read_bytes()
    init_keys(directory)
    (directory / "api.json").unlink()
    assert "Restore the keyring from your backup" in refusal(directory, if_missing=True)

    (directory / "worker.json").chmod(0o600)
    (directory / "worker.json").write_bytes(old)
    assert "Restore" in refusal(directory, if_missing=True)
    assert not (directory / "api.json").exists()


def test_two_files_with_different_new_keys_are_a_question_for_a_person(directory):
    other = json.loads(keyring.generate()["api"])
    init_keys(directory)
    with using_role("owner"):
        KeyCheck.objects.filter(domain="access").delete()
    rewrite(directory / "api.json", lambda found: found.update(other))

    assert "different keys of the domain 'access'" in refusal(directory, if_missing=True)


def test_a_folder_that_cannot_be_written_leaves_no_sentinel(directory, monkeypatch):
    """A full disk, in short: the file fails, so the database is told nothing."""
    monkeypatch.setattr("os.fsync", full_disk)

    assert "cannot be written" in refusal(directory)
    assert not KeyCheck.objects.filter(domain="access").exists()
    assert not (directory / "api.json").exists()


def full_disk(descriptor):
    raise OSError(28, "No space left on device")


def test_two_at_once_add_one_key(directory):
    outcomes, start = [], threading.Barrier(2)

    def run():
        start.wait(10)
        try:
            outcomes.append(init_keys(directory, if_missing=True))
        except CommandError as refused:
            outcomes.append(str(refused))
        connections["owner"].close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert sum("New keys" in outcome for outcome in outcomes) == 1
    assert_proved(directory)


class TestBefore:
    """What a process that was upgraded says until the key is there."""

    @pytest.mark.parametrize(
        ("process", "says"), [("worker", "lacks the domain 'access'"), ("api", "no keyring at")]
    )
    def test_it_does_not_start_and_says_what_to_do(
        self, directory, settings, capsys, process, says
    ):
        settings.PROCESS = process
        settings.KEYRING_FILE = str(directory / f"{process}.json")

        with pytest.raises(SystemExit) as ended:
            keyring.require()

        said = capsys.readouterr().err
        assert ended.value.code == 78
        assert said.count("\n") == 1
        assert says in said and "manage.py init_keys" in said

    def test_the_doctor_says_it_for_each_file(self, directory, settings):
        settings.PROCESS, settings.KEYRING_FILE = "manage", str(directory / "web.json")

        with using_role("worker"):
            said = list(map(str, doctor.keys()))

        assert len(said) == 3
        assert all("init_keys" in line for line in said)
