"""The api process: what it is made of, what it refuses and how, and what its memory holds."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

from portal import keyring

ROOT = Path(__file__).resolve().parents[2]

# A process of its own, because settings differ by process: prints what each request is answered.
ASKING = """
import django, json, sys
django.setup()
from django.test import Client
client = Client(raise_request_exception=False)
for method, path, headers in json.loads(sys.argv[1]):
    answer = client.generic(method, path, headers=headers)
    print(json.dumps([answer.status_code, dict(answer.headers), answer.content.decode()]))
"""
# Reads its keys and waits, as it would for requests.
WAITING = """
import django, sys, time
django.setup()
from portal import keyring
print(sorted(keyring.fingerprints()), flush=True)
time.sleep(60)
"""


def environment(**settings: str) -> dict[str, str]:
    return os.environ | {"PORTAL_PROCESS": "api", "LOG_LEVEL": "CRITICAL"} | settings


def answers(*asked: tuple[str, str, dict[str, str]], **settings: str) -> list[list[object]]:
    command = [sys.executable, "-c", ASKING, json.dumps(asked)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(**settings), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def told(script: str, **settings: str) -> str:
    command = [sys.executable, "-c", f"import django; django.setup()\n{script}"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(**settings), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class TestWhatItIsMadeOf:
    def test_it_has_no_session_no_form_and_no_sign_in(self) -> None:
        said = told(
            "import sys; from django.conf import settings as s\n"
            "print(s.INSTALLED_APPS, s.MIDDLEWARE)\n"
            "print(sorted({name.partition('.')[0] for name in sys.modules}))"
        )

        for word in ("sessions", "csrf", "Csrf", "allauth", "messages", "htmx"):
            assert word not in said

    def test_it_logs_in_as_its_own_role_and_knows_no_other(self) -> None:
        said = told(
            "from django.conf import settings as s; from portal import roles\n"
            "print(roles.current(), sorted(s.DATABASES), s.DATABASES['api']['USER'])\n"
            "print('password' in str(s.DATABASES))",
            DATABASE_PASSWORD_WORKER_FILE="/nonexistent",
        )

        assert said == "api ['api', 'default'] portal_api\nFalse\n"


class TestWhatItAnswers:
    def test_its_index_says_what_it_is(self) -> None:
        ((status, headers, body),) = answers(
            ("GET", "/api/v1/", {}), PORTAL_URL="https://portal.example"
        )

        assert status == 200
        assert json.loads(str(body)) == {
            "name": "Portal API",
            "version": "1",
            "documentation": "https://portal.example/api/",
        }
        assert isinstance(headers, dict)
        assert "Set-Cookie" not in headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"

    def test_each_refusal_is_problem_details(self) -> None:
        asked = (
            ("GET", "/api/v1/nothing", {}),
            ("GET", "/accounts/login/", {}),
            ("DELETE", "/api/v1/", {}),
            ("GET", "/api/v1/", {"Host": "evil.example"}),
        )
        found = answers(*asked)

        assert [status for status, _, _ in found] == [404, 404, 405, 400]
        for status, headers, body in found:
            assert isinstance(headers, dict)
            assert headers["Content-Type"] == "application/problem+json"
            problem = json.loads(str(body))
            assert problem["status"] == status
            assert problem["type"] == "about:blank" and problem["title"]
            assert problem["request_id"] == headers["X-Request-Id"]
        refused = found[2][1]
        assert isinstance(refused, dict) and refused["Allow"] == "GET, HEAD"

    def test_a_database_that_is_away_is_no_fault_of_the_asker(self) -> None:
        away = "postgresql://portal_owner@/none?host=/nonexistent"
        ((status, headers, _),) = answers(("GET", "/health/ready/", {}), DATABASE_URL=away)

        assert status == 503
        assert isinstance(headers, dict)
        assert headers["Content-Type"] == "application/problem+json"

    def test_a_key_sent_in_clear_is_refused_and_not_redirected(self) -> None:
        key = {"Authorization": "Bearer ptl_canary"}
        ((status, headers, body),) = answers(("GET", "/api/v1/", key), SECURE_SSL_REDIRECT="yes")

        assert status == 403
        assert isinstance(headers, dict) and "Location" not in headers
        assert "Replace the key" in str(body) and "canary" not in str(body)


# ── Its keys ──────────────────────────────────────────────────────────────────────────────────


def keys_of(text: str) -> dict[str, bytes]:
    return {
        domain: base64.b64decode(found["keys"]["1"]) for domain, found in json.loads(text).items()
    }


def memory(pid: int) -> bytes:
    """Everything that is written or writable in the process."""
    found = []
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as mem:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            place, mode, *_ = line.split()
            if mode.startswith("rw"):
                begin, end = (int(part, 16) for part in place.split("-"))
                mem.seek(begin)
                found.append(mem.read(end - begin))
    return b"".join(found)


def test_its_memory_holds_no_key_but_its_own(tmp_path: Path) -> None:
    texts = keyring.generate()
    path = tmp_path / "api.json"
    path.write_text(texts["api"])
    path.chmod(0o400)
    command = [sys.executable, "-c", WAITING]
    child = subprocess.Popen(
        command, cwd=ROOT, env=environment(KEYRING_FILE=str(path)), stdout=subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"['access/v1']\n"
        seen = memory(child.pid)
    finally:
        child.kill()
        child.wait()
        child.stdout.close() if child.stdout else None

    assert keys_of(texts["api"])["access"] in seen, "or the search would prove nothing"
    others = {**keys_of(texts["worker"]), **keys_of(texts["web"])}
    del others["access"]
    assert [domain for domain, key in others.items() if key in seen] == []
