"""What the manifest promises people about Bitbucket Cloud, and what its README says of it."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import pytest

from connections.contracts import Capability, Method, MethodKind
from integrations.bitbucket_cloud import CONNECTOR
from integrations.bitbucket_cloud.live_claims import ENDPOINTS
from tests.probe_table import printed, table

ROOM = Path(__file__).parents[2] / "integrations/bitbucket_cloud"
README = (ROOM / "README.md").read_text()
MANIFEST = CONNECTOR.manifest
SPEC = ROOM.parents[2] / "shared/specs/bitbucket-cloud-2026-08.openapi.json"
REMOVED = re.compile(r"^(workspaces|repositories|user/permissions/.*)(\?|$)|/(issues|wiki)\b")


def capability(key: str) -> Capability:
    return MANIFEST.capability(key)


def steps(method: Method) -> str:
    return " ".join(step.text for step in method.steps)


class TestWaysToLink:
    def test_every_kind_of_credential_has_a_way(self):
        assert {method.key for method in MANIFEST.methods} == {
            "oauth",
            "client-credentials",
            "api-token",
            "workspace-token",
            "project-token",
            "repository-token",
            "app-password",
        }
        assert {m.key for m in MANIFEST.methods if m not in MANIFEST.choices} == {"app-password"}

    @pytest.mark.parametrize(
        ("token", "methods"),
        [
            ("ATATT3xFfGF0abc", ["api-token"]),
            ("ATCTT3xFfGN0abc", ["repository-token", "project-token", "workspace-token"]),
            ("ATBBabc", ["app-password"]),
            ("BBDC-abc", []),
            ("eyJ", None),
        ],
    )
    def test_a_pasted_token_is_recognised_by_its_first_characters(self, token, methods):
        known = [p for p in MANIFEST.token_prefixes if token.startswith(p.prefix)]

        assert [list(prefix.methods) for prefix in known] == ([] if methods is None else [methods])
        assert all(prefix.refusal or prefix.methods for prefix in known)

    def test_help_says_where_to_click_and_what_to_tick(self):
        for method in MANIFEST.choices:
            if method.kind is MethodKind.SECRET:
                assert "Tick the boxes" in steps(method)
                assert any(step.url.startswith("https://") for step in method.steps)
                assert any(step.copy for step in method.steps)

    @pytest.mark.parametrize(
        ("name", "good", "bad"),
        [
            (
                "workspace",
                ["acme", "acme-2", "a_b.c"],
                ["", "..", "a/b", "https://x", "{u}", "a b"],
            ),
            ("repository", ["api", "payments-api", "a.b"], ["", "..", "a/b", "a?b"]),
            ("project", ["PAY", "pay_2"], ["", "2PAY", "a b", 'A"', "A/B"]),
            ("email", ["a@b.example"], ["", "a", "a@b@c", "a:b@c", "a b@c"]),
            ("token", ["x" * 5000, "a-b=C"], ["", "a b", "a\n", "ключ"]),
        ],
    )
    def test_each_input_is_checked(self, name, good, bad):
        fields = [f for m in MANIFEST.methods for f in m.fields if f.name == name]

        for field in fields:
            assert all(re.fullmatch(field.pattern, text) for text in good)
            assert not [text for text in bad if re.fullmatch(field.pattern, text)]
            assert field.max_length >= 5000 or name != "token"

    def test_the_consumer_is_explained_with_its_callback(self):
        assert MANIFEST.oauth is not None
        copies = [step.copy for step in MANIFEST.oauth.consumer_steps]

        assert "{callback_url}" in copies and "{portal_url}" in copies


class TestScopes:
    def test_the_least_is_asked_first(self):
        minimal = [c.key for c in MANIFEST.capabilities if c.minimal]
        words = {word for key in minimal for word in capability(key).scopes["oauth"]}

        assert words == {"account", "repository"}

    @pytest.mark.parametrize(
        ("granted", "reached"),
        [
            ({"pullrequest:write"}, {"pullrequest", "repository", "repository:write"}),
            ({"pullrequest"}, {"repository"}),
            ({"project"}, {"repository"}),
            ({"repository:admin"}, set()),
            ({"project:admin"}, set()),
            ({"repository"}, set()),
            ({"webhook"}, set()),
            ({"pipeline:variable"}, {"pipeline:write", "pipeline"}),
            ({"write:repository:bitbucket", "admin:repository:bitbucket"}, set()),
            ({"something:new"}, set()),
        ],
    )
    def test_scopes_imply_what_bitbucket_says_and_no_more(self, granted, reached):
        assert MANIFEST.closure(frozenset(granted)) == granted | reached

    def test_a_repository_scope_does_not_open_pull_requests(self):
        closure = MANIFEST.closure(frozenset({"repository:write"}))

        assert not closure.issuperset(capability("pullrequests-read").scopes["oauth"])

    @pytest.mark.parametrize(
        ("method", "impossible"),
        [
            ("oauth", set()),
            ("api-token", set()),
            ("workspace-token", {"permissions-read"}),
            ("project-token", {"permissions-read", "members-read"}),
            ("repository-token", {"permissions-read", "members-read", "projects-read"}),
        ],
    )
    def test_each_way_says_what_it_can_never_do(self, method, impossible):
        way = MANIFEST.method(method)

        obstacles = {c.key: MANIFEST.obstacle(c, way) for c in MANIFEST.capabilities}

        assert {key for key, obstacle in obstacles.items() if obstacle} == impossible

    def test_what_changes_things_at_bitbucket_is_marked(self):
        words = re.compile(r":(write|admin)$|^(write|delete|admin):")
        for each in MANIFEST.capabilities:
            scopes = [word for words in each.scopes.values() for word in words]
            assert each.writes or not [word for word in scopes if words.search(word)], each.key


class TestWhatIsGone:
    def test_removals_are_named_with_their_day_and_the_way_out(self):
        days = {retired.on: retired for retired in MANIFEST.retired}

        assert "Jira" in days[date(2026, 8, 20)].instead
        assert "API token" in days[date(2026, 7, 28)].instead
        assert days[date(2026, 4, 14)].url.startswith("https://")

    def test_nothing_asks_a_removed_endpoint(self):
        source = "".join(p.read_text() for p in ROOM.glob("*.py") if p.name != "live_claims.py")
        paths = re.findall(r'\bget\(f?"([^"]+)"', source)

        assert paths and not [path for path in paths if REMOVED.search(path)]
        assert not [c.probe for c in MANIFEST.capabilities if REMOVED.search(c.probe)]

    @pytest.mark.skipif(not SPEC.is_file(), reason="the vendor's own schema is not here")
    def test_everything_asked_exists_in_the_vendors_schema(self):
        known = [
            re.sub(r"\{\w+\}", "[^/]+", path) for path in json.loads(SPEC.read_text())["paths"]
        ]
        asked = [path for _, path, _ in ENDPOINTS]
        asked += [c.probe for c in MANIFEST.capabilities if c.probe]
        asked += MANIFEST.endpoints

        for path in asked:
            bare = "/" + path.partition("?")[0]
            assert any(re.fullmatch(pattern, bare) for pattern in known), path


class TestReadme:
    def test_its_table_of_probes_is_in_step(self):
        assert printed(README) == table(MANIFEST), f"\n{table(MANIFEST)}"

    def test_each_quirk_has_a_link(self):
        quirks = README.partition("## Quirks")[2].partition("\n## ")[0]
        lines = [line for line in quirks.splitlines() if line.startswith("- ")]

        assert len(lines) >= len(MANIFEST.quirks)
        assert all("https://" in line for line in lines)

    def test_each_fixture_is_listed(self):
        for path in (ROOM / "fixtures").iterdir():
            assert f"`{path.name}`" in README
            json.loads(path.read_text())

    def test_each_way_to_link_is_described(self):
        for method in MANIFEST.methods:
            assert method.title in README
