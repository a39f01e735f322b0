"""Whatever JSON comes back, it is a record, set aside, or a named error: nothing else escapes."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

from hypothesis import given, settings, strategies as st

from connections.contracts import (
    Answer,
    Ask,
    Container,
    Page,
    RateBudget,
    RepositoryRecord,
    Target,
    WorkspaceRecord,
)
from connections.errors import UnexpectedResponse, VendorError
from integrations.bitbucket_cloud import CONNECTOR, client, sync
from integrations.bitbucket_data_center import CONNECTOR as DATA_CENTER

ACME = WorkspaceRecord(remote_id="{1}", slug="acme", name="Acme")
KEYS = st.sampled_from(
    [
        *("values", "next", "size", "type", "uuid", "slug", "name", "full_name", "workspace"),
        *("administrator", "user", "key", "links", "html", "href", "mainbranch", "project"),
        *("updated_on", "error", "message", "detail", "required", "granted", "data"),
        "announcement_url",
        *("id", "hash", "target", "state", "result", "author", "raw", "participants", "reviewers"),
        *("source", "destination", "commit", "branch", "build_number", "environment", "release"),
        *("latestCommit", "displayId", "toRef", "parents", "permission", "group", "isLastPage"),
        *("created_on", "approved", "committerTimestamp", "date", "message", "events", "url"),
    ]
)
WORDS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["{1}", "acme", "acme/api", "https://[", "//", "2026-13-45", "\ud800", "\x00", "a1" * 20]
    ),
)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), WORDS)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=6)),
    max_leaves=25,
)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            *("retry-after", "date", "location", "x-oauth-scopes", "x-accepted-oauth-scopes"),
            *("x-credential-type", "x-ratelimit-limit", "x-ratelimit-remaining"),
            "x-ratelimit-nearlimit",
        ]
    ),
    st.one_of(st.text(max_size=20), st.from_regex(r"[0-9;w=, -]{0,12}", fullmatch=True)),
)


class Same:
    """An Api whose every answer is the same."""

    def __init__(self, body: object, headers: dict[str, str] | None = None) -> None:
        self.answer = Answer(200, headers or {}, body, "GET /2.0/x", 0.0)

    def get(self, path: str, *, accept: frozenset[int] = frozenset()) -> Answer:
        return self.answer


@settings(max_examples=150, deadline=None)
@given(JSON)
def test_any_page(body):
    for read in (sync.repositories, sync.projects, sync.members):
        with contextlib.suppress(UnexpectedResponse):
            page = read(Same(body), Container(ACME), {}, Ask())
            assert isinstance(page, Page)
            assert all(record.remote_id for record in page.records)


@settings(max_examples=150, deadline=None)
@given(JSON, HEADERS)
def test_any_identity(body, headers):
    for method in CONNECTOR.manifest.methods:
        fields = {"workspace": "acme", "project": "PAY", "repository": "api"}
        with contextlib.suppress(VendorError):
            identity = CONNECTOR.identify(Same(body, headers), fields, method)
            assert identity.account.remote_id
        with contextlib.suppress(VendorError):
            CONNECTOR.workspaces(Same(body, headers), fields, method, None)


@settings(max_examples=200, deadline=None)
@given(st.integers(100, 599), JSON, HEADERS, st.text(max_size=30))
def test_any_answer(status, body, headers, text):
    answer = Answer(status, headers, body, "GET /2.0/x?token=secret", 0.0, text)

    error = CONNECTOR.judge(answer)

    assert error is None or (len(error.detail) <= 200 and "?" not in error.request)
    assert isinstance(CONNECTOR.rate(answer), RateBudget)
    assert len(client.credential_kind(answer)) <= 40
    wait = getattr(error, "retry_after_seconds", None)
    assert wait is None or 0 <= wait <= 3600


LATER = datetime(2026, 11, 1, tzinfo=UTC)
REPOSITORY = RepositoryRecord("{5}", "api", "API", "acme/api", main_branch="main")


@settings(max_examples=100, deadline=None)
@given(JSON)
def test_any_page_of_a_repository(body):
    """Of Cloud and of Data Center, by list and one by one."""
    commit = "a1" * 20
    for connector in (CONNECTOR, DATA_CENTER):
        for stream in connector.streams:
            at = Container(ACME, REPOSITORY)
            with contextlib.suppress(VendorError):
                page = stream.page(Same(body), at, {}, Ask(commits=(commit,), since=LATER))
                assert all(0 < len(record.remote_id) <= 300 for record in page.records)
            for key in (commit, "branch:main", "1"):
                if stream.key not in ("projects", "members", "groups", "permissions"):
                    with contextlib.suppress(VendorError, ValueError):
                        connector.fetch(Same(body), at, {}, Target(stream.key, key))
