"""The keyring file: which process may hold which keys, and what is refused before a start."""

from __future__ import annotations

import base64
import json
import os

import pytest
from django.core.checks import run_checks
from hypothesis import given, strategies as st

from portal import keyfile, keyring
from portal.keyfile import HOLDS, KeyMissing, KeyringRefused
from portal.keys import Cipher, IndexKey, IntakeOpener, IntakeSealer, SealBroken, lp

RAW = bytes(range(32))


def text_of(process):
    return keyring.generate()[process]


def changed(process, change):
    """The process's keyring after `change` on its content."""
    content = json.loads(text_of(process))
    change(content)
    return json.dumps(content)


def refusal(text, process="worker"):
    with pytest.raises(KeyringRefused) as refused:
        keyfile.parse(text, process)
    line = str(refused.value)
    assert "\n" not in line
    return line


class TestWhoHoldsWhat:
    def test_the_web_process_can_seal_for_the_workers_and_open_second_factors(self):
        ring = keyfile.parse(text_of("web"), "web")

        assert set(ring.domains) == {"intake_public", "mfa"}
        ring.find(IntakeSealer, "intake_public")
        with pytest.raises(KeyMissing):
            ring.find(IntakeOpener, "intake")
        with pytest.raises(KeyMissing):
            ring.find(Cipher, "grant")

    def test_the_worker_opens_credentials_and_no_second_factor(self):
        ring = keyfile.parse(text_of("worker"), "worker")

        assert set(ring.domains) == {"intake", "grant", "access", "webhook", "index"}
        ring.find(Cipher, "grant")
        ring.find(IndexKey, "index")

    def test_the_api_process_opens_access_tokens_and_nothing_else(self):
        ring = keyfile.parse(text_of("api"), "api")

        assert set(ring.domains) == {"access"}
        ring.find(Cipher, "access")
        with pytest.raises(KeyMissing):
            ring.find(Cipher, "grant")

    def test_the_ingest_process_opens_secrets_of_webhooks_and_nothing_else(self):
        assert set(keyfile.parse(text_of("ingest"), "ingest").domains) == {"webhook"}
        assert "must not hold" in refusal(text_of("worker"), "ingest")
        for process in ("web", "api"):
            assert "must not hold" in refusal(text_of("ingest"), process)

    def test_the_processes_that_open_something_hold_keys_and_nobody_else(self):
        assert set(keyring.generate()) == {"web", "api", "ingest", "worker"}
        assert not HOLDS["tick"] and not HOLDS["manage"]

    @pytest.mark.parametrize("domain", ["intake", "grant", "index", "mfa"])
    def test_c03_an_api_process_given_another_key_is_refused(self, domain):
        process = "web" if domain == "mfa" else "worker"
        stolen = json.loads(text_of(process))[domain]

        line = refusal(changed("api", lambda ring: ring.update({domain: stolen})), "api")

        assert f"must not hold keys of the domain {domain!r}" in line

    @pytest.mark.parametrize("domain", ["intake", "grant", "access", "index"])
    def test_c03_a_web_process_given_a_worker_key_is_refused(self, domain):
        stolen = json.loads(text_of("worker"))[domain]

        line = refusal(changed("web", lambda ring: ring.update({domain: stolen})), "web")

        assert f"must not hold keys of the domain {domain!r}" in line

    @pytest.mark.parametrize("process", ["tick", "manage"])
    def test_c03_a_process_without_keys_is_refused_any(self, process):
        assert "must not hold" in refusal(text_of("web"), process)

    def test_the_two_halves_of_the_intake_belong_together(self):
        rings = {p: keyfile.parse(t, p) for p, t in keyring.generate().items()}
        web, worker = rings["web"], rings["worker"]
        _, sealer = web.find(IntakeSealer, "intake_public")
        _, opener = worker.find(IntakeOpener, "intake")

        assert sealer.fingerprint == opener.fingerprint
        assert opener.open(sealer.seal(b"code", b"here"), b"here") == b"code"
        with pytest.raises(SealBroken):
            opener.open(sealer.seal(b"code", b"here"), b"there")


def put(domain, key):
    def change(ring):
        ring[domain]["keys"]["1"] = key

    return change


def encoded(raw):
    return base64.b64encode(raw).decode()


class TestC01ABadKeyStopsTheStart:
    @pytest.mark.parametrize(
        ("key", "says"),
        [
            (encoded(RAW[:31]), "grant/v1 has 31 bytes instead of 32"),
            (encoded(RAW + b"x"), "grant/v1 has 33 bytes instead of 32"),
            (encoded(bytes(32)), "grant/v1 is not random"),
            (encoded(RAW[:7] * 4 + RAW[:4]), "grant/v1 is not random"),
            (encoded(RAW) + "\n", "grant/v1 is not plain base64"),
            (encoded(RAW)[:20] + "\n" + encoded(RAW)[20:], "grant/v1 is not plain base64"),
            (base64.urlsafe_b64encode(b"\xfb\xff" * 16).decode(), "grant/v1 is not plain base64"),
            (encoded(RAW)[:-2] + "9=", "grant/v1 is not plain base64"),
            (RAW.hex(), "grant/v1 has 48 bytes"),
            ("", "grant/v1 has 0 bytes"),
            ("ключ", "grant/v1 is not plain base64"),
            (7, "grant/v1 is not plain base64"),
            (None, "grant/v1 is not plain base64"),
        ],
    )
    def test_the_line_names_the_key_and_never_shows_it(self, key, says):
        line = refusal(changed("worker", put("grant", key)))

        assert says in line
        assert not isinstance(key, str) or len(key) < 8 or key.strip() not in line

    def test_a_missing_domain_is_named(self):
        assert "lacks the domain 'grant'" in refusal(changed("worker", lambda r: r.pop("grant")))

    @pytest.mark.parametrize("active", [2, 0, -1, "1", 1.0, True, None])
    def test_an_active_version_that_is_not_there_is_named(self, active):
        def change(ring):
            ring["grant"]["active"] = active

        assert "'grant'" in refusal(changed("worker", change))

    @pytest.mark.parametrize("version", ["0", "01", "-1", "v1", "1 ", "٣", ""])
    def test_a_version_is_a_whole_number(self, version):
        def change(ring):
            ring["grant"]["keys"][version] = encoded(RAW)

        assert "whole numbers" in refusal(changed("worker", change))

    def test_one_key_does_not_serve_two_domains(self):
        def change(ring):
            ring["index"] = ring["grant"]

        assert "same as another" in refusal(changed("worker", change))

    def test_an_unknown_domain_is_refused_and_a_stray_key_not_quoted(self):
        stray = encoded(RAW)

        assert "'payment'" in refusal(changed("worker", lambda r: r.update(payment={})))
        assert stray not in refusal(changed("worker", lambda r: r.update({stray: {}})))

    @pytest.mark.parametrize(
        "text", ["", "[]", "7", "{", "null", '{"a": 1, "a": 2}', "[" * 100_000, "{}"]
    )
    def test_anything_but_a_keyring_is_refused(self, text):
        refusal(text)

    def test_no_key_shows_in_the_repr_of_a_keyring(self):
        text = text_of("worker")
        shown = repr(keyfile.parse(text, "worker"))

        for domain in json.loads(text).values():
            assert domain["keys"]["1"] not in shown
            assert base64.b64decode(domain["keys"]["1"]).hex() not in shown
            assert repr(base64.b64decode(domain["keys"]["1"])) not in shown


class TestReading:
    @pytest.fixture
    def path(self, tmp_path):
        path = tmp_path / "worker.json"
        path.write_text(text_of("worker"))
        path.chmod(0o400)
        return path

    @pytest.mark.parametrize("mode", [0o400, 0o600])
    def test_a_file_of_its_owner_alone_is_read(self, path, mode):
        path.chmod(mode)

        keyfile.parse(keyfile.read(path), "worker")

    @pytest.mark.parametrize("mode", [0o440, 0o644, 0o404, 0o420, 0o602])
    def test_a_file_that_others_can_read_or_write_is_refused(self, path, mode):
        path.chmod(mode)

        with pytest.raises(KeyringRefused, match="chmod 0400"):
            keyfile.read(path)

    def test_a_missing_file_is_named(self, tmp_path):
        with pytest.raises(KeyringRefused, match=r"no keyring at .*absent"):
            keyfile.read(tmp_path / "absent.json")

    def test_a_folder_is_no_keyring(self, tmp_path):
        with pytest.raises(KeyringRefused, match="cannot be read"):
            keyfile.read(tmp_path)

    def test_no_source_at_all_is_refused(self):
        with pytest.raises(KeyringRefused, match="KEYRING_FILE"):
            keyfile.read(None)

    def test_a_descriptor_comes_before_the_file_and_may_be_read_twice(self, path, tmp_path):
        with path.open() as file:
            first = keyfile.read(tmp_path / "absent", file.fileno())

            assert keyfile.read(None, file.fileno()) == first == path.read_text()

    def test_a_pipe_serves_as_descriptor(self):
        reading, writing = os.pipe()
        os.write(writing, b"{}")
        os.close(writing)

        assert keyfile.read(None, reading) == "{}"
        os.close(reading)

    def test_the_settings_name_the_keyring(self, path, settings):
        settings.KEYRING_FILE, settings.KEYRING_FD = str(path), -1
        settings.PROCESS = "worker"
        assert keyring.load().find(Cipher, "grant")

        settings.PROCESS = "web"
        with pytest.raises(KeyringRefused, match="must not hold"):
            keyring.load()

        settings.KEYRING_FILE, settings.PROCESS = "", "tick"
        assert keyring.load().domains == {}


parts = st.lists(st.one_of(st.text(max_size=6), st.binary(max_size=6)), max_size=6)


def as_bytes(part):
    return part.encode() if isinstance(part, str) else part


class TestAssociatedData:
    @given(parts, parts)
    def test_no_two_lists_of_parts_give_the_same_bytes(self, one, other):
        same = list(map(as_bytes, one)) == list(map(as_bytes, other))

        assert (lp(*one) == lp(*other)) is same

    def test_a_moved_boundary_is_seen(self):
        assert lp("a", "bc") != lp("ab", "c") != lp("abc", "")

    def test_an_old_version_is_found_by_number_only(self):
        ring = keyfile.parse(changed("worker", lambda r: None), "worker")

        with pytest.raises(KeyMissing, match="grant/v0"):
            ring.find(Cipher, "grant", 0)
        with pytest.raises(KeyMissing, match="grant/v7"):
            ring.find(Cipher, "grant", 7)


def test_djangos_own_checks_refuse_a_wrong_keyring(settings, tmp_path):
    settings.PROCESS, settings.KEYRING_FILE = "worker", str(tmp_path / "absent.json")

    (found,) = run_checks(tags=["keys"])

    assert found.id == "portal.E001"
    assert "no keyring at" in found.msg
