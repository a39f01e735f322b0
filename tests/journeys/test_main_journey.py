"""The walk of bin/run --check, step by step, through a portal with all its processes."""

from __future__ import annotations

from launcher import check


def test_every_step_of_the_main_journey_succeeds(live_portal):
    said: list[str] = []

    passed = check.walk(live_portal.url, live_portal.mail, said.append, live_portal.hooks_url)

    assert passed, said
    assert len(said) == len(check.STEPS) + 1


def test_no_secret_of_the_journey_is_in_a_log(live_portal):
    known = live_portal.ask("/state")
    secrets = [consumer["secret"] for consumer in known["consumers"]]
    names = ("web", "api", "ingest", "worker", "tick", "postgres", "valkey", "prepare")

    assert secrets
    for name in names:
        log = live_portal.log(name)
        assert not [secret for secret in secrets if secret in log], name
