"""What deliveries of Bitbucket Cloud and Data Center mean; whatever comes, nothing is raised."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from connections.contracts import Event, Receives, Target
from connections.errors import BadPayload
from integrations.bitbucket_cloud import CONNECTOR as CLOUD
from integrations.bitbucket_data_center import CONNECTOR as DATA_CENTER

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT.parent / "shared/samples"
A = "a1" * 20
CONNECTORS = {"bitbucket-cloud": CLOUD, "bitbucket-data-center": DATA_CENTER}
CLOUDS_KEYS = {
    "commit-comment-created": "repo:commit_comment_created",
    "issue-created": "issue:created",
    "pull-request-approval-removed": "pullrequest:unapproved",
    "pull-request-approved": "pullrequest:approved",
    "pull-request-comment-updated": "pullrequest:comment_updated",
    "repo-commit-status-created": "repo:commit_status_created",
    "repo-fork": "repo:fork",
    "repo-updated": "repo:updated",
    "pullrequest_created": "pullrequest:created",
    "pullrequest_fulfilled": "pullrequest:fulfilled",
    "pullrequest_rejected": "pullrequest:rejected",
    "pullrequest_updated": "pullrequest:updated",
}


def told(connector: Receives, kind: str, body: Any) -> Event:
    name = connector.manifest.hooks.event
    return connector.read_event({name.title(): kind}, json.dumps(body).encode())


def fixture(room: str, name: str) -> Any:
    return json.loads((ROOT / f"integrations/{room}/fixtures/{name}.json").read_text())


def keys(event: Event) -> list[tuple[str, str]]:
    return [(target.stream, target.key) for target in event.touches]


class TestCloud:
    def test_a_push_touches_its_refs_and_the_commits(self):
        event = told(CLOUD, "repo:push", fixture("bitbucket_cloud", "repo_push__three_changes"))

        assert keys(event) == [
            ("branches", "branch:main"),
            ("branches", "branch:feature/old"),
            ("branches", "tag:v1.0"),
            ("commits", ""),
        ]
        assert event.says == "Pushed main, v1.0, deleted feature/old"
        assert event.repository == "{55555555-aaaa-4bbb-8ccc-000000000001}"
        assert event.workspace == "{11111111-aaaa-4bbb-8ccc-000000000001}"
        assert (event.repository_name, event.actor.name) == ("acme/payments-api", "Dana Levi דנה")

    def test_a_push_that_names_nothing_has_everything_looked_at(self):
        event = told(CLOUD, "repo:push", fixture("bitbucket_cloud", "repo_push__no_changes"))

        assert keys(event) == [("branches", ""), ("commits", "")] and event.workspace == ""

    def test_a_push_of_very_many_branches_is_one_look_at_all(self):
        change = {"new": {"type": "branch", "name": "b"}}
        many = [{"new": {**change["new"], "name": f"b{number}"}} for number in range(5000)]

        event = told(CLOUD, "repo:push", {"push": {"changes": many}})

        assert keys(event) == [("branches", ""), ("commits", "")]
        assert event.says == "Pushed b0, b1, b2 and 4997 more"

    def test_an_approval_by_an_app(self):
        body = fixture("bitbucket_cloud", "pullrequest_approved__by_app")
        event = told(CLOUD, "pullrequest:approved", body)

        assert keys(event) == [("pull-requests", "12")]
        assert event.at == datetime(2026, 10, 2, 8, 0, 0, 500000, tzinfo=UTC)
        assert (event.says, event.actor.name) == ("Pull request 12: approved", "Deploy bot")

    def test_a_result_of_a_pipeline_touches_the_pipeline_too(self):
        body = fixture("bitbucket_cloud", "repo_commit_status_updated__pipeline")
        event = told(CLOUD, "repo:commit_status_updated", body)
        body["commit_status"]["url"] = "https://ci.example/pipelines/results/7"

        assert keys(event) == [("statuses", A), ("pipelines", "7")]
        assert keys(told(CLOUD, "repo:commit_status_updated", body)) == [("statuses", A)]

    def test_a_fork_into_another_workspace_is_not_ours(self):
        origin = {"uuid": "{1}", "full_name": "acme/api"}
        body = {"repository": origin, "fork": {"uuid": "{2}", "full_name": "other/api"}}
        ours = {"repository": origin, "fork": {"uuid": "{2}", "full_name": "acme/api-2"}}

        assert keys(told(CLOUD, "repo:fork", body)) == []
        assert keys(told(CLOUD, "repo:fork", ours)) == [("repositories", "{2}")]

    def test_without_its_header_the_body_says_what_it_is(self):
        event = CLOUD.read_event({}, b'{"push": {"changes": []}}')

        assert event.kind == "repo:push" and CLOUD.read_event({}, b"{}").kind == ""


class TestDataCenter:
    def test_a_push_of_version_10_has_iso_dates_and_a_deletion(self):
        body = fixture("bitbucket_data_center", "repo_refs_changed__iso_dates")
        event = told(DATA_CENTER, "repo:refs_changed", body)

        assert keys(event) == [
            ("branches", "branch:main"),
            ("branches", "branch:feature/x"),
            ("commits", ""),
        ]
        assert event.at == datetime(2026, 6, 5, 13, 54, 44, tzinfo=UTC)
        assert (event.workspace, event.repository) == ("1", "11")
        assert (event.repository_name, event.says) == (
            "PAY/billing-api",
            "Pushed main, deleted feature/x",
        )

    def test_a_pull_request_is_of_the_repository_it_goes_to(self):
        body = fixture("bitbucket_data_center", "pr_merged__epoch")
        body["pullRequest"]["fromRef"]["repository"] = {"id": 99}

        event = DATA_CENTER.read_event({}, json.dumps(body).encode())

        assert (event.kind, event.repository, keys(event)) == (
            "pr:merged",
            "11",
            [("pull-requests", "5")],
        )

    @pytest.mark.parametrize("headers", [{"X-Event-Key": "diagnostics:ping"}, {}])
    def test_a_tested_connection_is_a_ping(self, headers):
        event = DATA_CENTER.read_event(headers, b'{"test": true}')

        assert event.ping and event.known and event.touches == ()

    def test_too_many_refs_of_a_mirror_have_everything_looked_at(self):
        body = {"changes": [], "refLimitExceeded": True}

        assert keys(told(DATA_CENTER, "mirror:repo_synchronized", body)) == [
            *(("branches", ""), ("commits", ""))
        ]


@pytest.mark.parametrize("connector", CONNECTORS.values(), ids=CONNECTORS)
class TestBoth:
    def test_w19_what_nobody_knows_is_named_and_touches_nothing(self, connector):
        event = told(connector, "pullrequest:teleported", {"pullrequest": {"id": 1}})

        assert (event.kind, event.known, event.touches) == ("pullrequest:teleported", False, ())

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"null",
            b"[]",
            b'"x"',
            b"7",
            b"{",
            b"\xff\xfe\xfd",
            b"[" * 100_000,
            b'{"a":' * 50_000,
        ],
    )
    def test_w21_what_is_no_object_is_bad(self, connector, body):
        with pytest.raises(BadPayload) as caught:
            connector.read_event({}, body)
        assert len(str(caught.value)) < 80

    def test_every_event_that_can_be_chosen_is_understood(self, connector):
        streams = {stream.key for stream in connector.streams}
        for each in connector.manifest.hooks.events:
            assert told(connector, each.key, {}).known, each.key
            assert streams.issuperset(each.needed)
        assert sum(each.default for each in connector.manifest.hooks.events) in (7, 8)

    def test_w22_strange_words_become_harmless(self, connector):
        event = connector.read_event(
            {"X-Event-Key": "repo:push\r\nEvil: 1"}, b'{"eventKey": "\\u202e"}'
        )

        assert event.kind == "" and not event.known

    @settings(max_examples=300, deadline=None)
    @given(data=st.data())
    def test_any_object_is_read(self, connector, data):
        event = connector.read_event(
            {"x-event-key": data.draw(st.one_of(st.sampled_from(ALL_KEYS), st.text(max_size=20)))},
            json.dumps(data.draw(OBJECTS)).encode(),
        )

        assert isinstance(event, Event)
        assert len(event.touches) <= 60 and len(event.says) <= 400
        assert all(isinstance(one, Target) and len(one.key) <= 200 for one in event.touches)


ALL_KEYS = [
    *(event.key for connector in CONNECTORS.values() for event in connector.manifest.hooks.events),
    *("issue:created", "diagnostics:ping"),
]
NAMES = st.sampled_from(
    [
        *("push", "changes", "new", "old", "name", "type", "target", "hash", "repository", "uuid"),
        *("workspace", "full_name", "actor", "pullrequest", "id", "commit_status", "commit", "url"),
        *("links", "href", "fork", "approval", "date", "comment", "updated_on", "eventKey", "test"),
        *("pullRequest", "toRef", "project", "key", "slug", "ref", "refId", "toHash", "origin"),
        *("refLimitExceeded", "display_name", "displayId"),
    ]
)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12),
    st.sampled_from([A, "{1}", "branch", "refs/heads/x", "\ud800", "x" * 400, "2026-13-45"]),
)  # fmt: skip
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=5)),
    max_leaves=25,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=6)


def samples() -> list[Path]:
    return [path for name in CONNECTORS for path in (SAMPLES / name / "webhooks").glob("*.json")]


@pytest.mark.parametrize("path", samples(), ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_every_real_delivery_is_understood(path):
    connector, name = CONNECTORS[path.parts[-3]], path.stem.partition("_")[2]
    is_cloud = connector is CLOUD
    headers = {"X-Event-Key": CLOUDS_KEYS.get(name, "repo:push")} if is_cloud else {}

    event = connector.read_event(headers, path.read_bytes())

    assert event.known and event.kind
    assert event.ping or (event.repository and event.repository_name and event.actor.remote_id)
    quiet = event.ping or event.kind in ("issue:created", "repo:commit_comment_created")
    assert bool(event.touches) != quiet


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the folder of real payloads is not here")
@pytest.mark.parametrize(
    ("name", "signature"),
    [
        ("bitbucket-cloud", "2f4f8f833a1b27c1d4f375e09e040976763a705e4ef2d42e6e844b0df03402fc"),
        (
            "bitbucket-data-center",
            "4ffba9e7b58ea3d7e1a230446e8c92baea0aeec89b73f598932387254f0de13e",
        ),
    ],
)
def test_a_real_signature_is_made_as_the_rules_say(name, signature):
    rules = CONNECTORS[name].manifest.hooks
    body = (SAMPLES / name / "webhooks/jenkins_signed_payload.json").read_bytes()

    made = hmac.new(b"Gkvl$k$wyNpQAF42", body, rules.algorithm).hexdigest()

    assert (made, rules.signature_prefix, rules.signature) == (
        signature,
        "sha256=",
        "x-hub-signature",
    )
    assert hashlib.new(rules.algorithm).digest_size == 32
