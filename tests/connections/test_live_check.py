"""`live_check` asks with a token from standard input and prints a report without it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import pytest
from django.core.management import CommandError, call_command

from connections import access
from connections.management.commands import live_check
from integrations.sandbox.running import Sandbox
from tests.integrations.test_bitbucket_cloud import API, CALLBACK, SITE, of


@pytest.fixture
def sandbox(settings) -> Iterator[Sandbox]:
    with Sandbox(repositories=12, callbacks=[CALLBACK]) as running:
        settings.SANDBOX_ORIGINS = [running.url]
        settings.CONNECTOR_ORIGINS = {API: running.url, SITE: running.url}
        access.door.cache_clear()
        yield running
        access.door.cache_clear()


@pytest.fixture
def check(monkeypatch) -> Callable[..., str]:
    def run(secret: str, *words: str) -> str:
        monkeypatch.setattr(live_check.sys, "stdin", io.StringIO(f"{secret}\n"))
        out = io.StringIO()
        call_command("live_check", "bitbucket-cloud", *words, stdout=out)
        return out.getvalue()

    return run


def test_an_api_token_is_recognised_and_its_report_printed(sandbox, check):
    token = of(sandbox, "tokens", "dana-full")

    report = check(token["token"], "--sandbox", "--field", f"email={token['email']}")

    assert "Asking Bitbucket Cloud by API token, reading only." in report
    assert "confirmed  GET /user says who we are (200)" in report
    assert "confirmed" in report.splitlines()[-1] and "open" in report.splitlines()[-1]
    assert token["token"] not in report and token["email"] not in report


def test_a_consumer_tells_what_token_answers_look_like(sandbox, check):
    consumer = of(sandbox, "consumers", "acme-portal")
    words = ("--sandbox", "--method", "client-credentials")

    report = check(consumer["secret"], *words, "--field", f"client_id={consumer['key']}")

    assert "confirmed  A token answer says scope, not scopes" in report
    assert consumer["secret"] not in report


@pytest.mark.parametrize(
    ("secret", "words", "told"),
    [
        ("", (), "standard input"),
        ("ATBBxxxx", (), "28 July 2026"),
        ("ATCTT3xFfGxxxx", (), "Say --method"),
        ("unknown", (), "Say --method"),
        ("unknown", ("--method", "magic"), "no method magic"),
        ("ATATTxxxx", (), "--field email="),
    ],
)
def test_what_is_missing_is_said(check, secret, words, told):
    with pytest.raises(CommandError, match=told):
        check(secret, *words)


def test_an_unknown_connector_is_named(check):
    with pytest.raises(CommandError, match="bitbucket-cloud"):
        call_command("live_check", "nothing")


def test_a_wrong_consumer_is_told_without_its_secret(sandbox, check):
    words = ("--sandbox", "--method", "client-credentials", "--field", "client_id=nobody")

    with pytest.raises(CommandError) as caught:
        check("a-secret-of-theirs", *words)

    assert "a-secret-of-theirs" not in str(caught.value)
