"""What the manifests of Jira and Confluence promise people, and what is written of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from connections import registry
from connections.contracts import Manifest, MethodKind
from tests.probe_table import printed, table

ROOT = Path(__file__).parents[2]
SHARED_WAYS = {
    "oauth",
    "scoped-token",
    "service-account-token",
    "service-account-oauth",
    "classic-token",
}


@pytest.fixture(params=["jira", "confluence"])
def manifest(request: pytest.FixtureRequest) -> Manifest:
    return registry.get(request.param).manifest


def test_every_kind_of_credential_has_a_way(manifest: Manifest) -> None:
    own = {"site-credentials"} if manifest.slug == "jira" else set()

    assert {method.key for method in manifest.methods} == SHARED_WAYS | own


@pytest.mark.parametrize(
    ("token", "methods"),
    [
        ("ATATT3xFfGF0abc", ["scoped-token", "classic-token"]),
        ("ATSTT3xFfGF0abc", ["service-account-token"]),
    ],
)
def test_a_pasted_token_is_recognised_as_far_as_it_shows(manifest, token, methods):
    known = [p for p in manifest.token_prefixes if token.startswith(p.prefix)]

    assert [list(prefix.methods) for prefix in known] == [methods]


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("site", ["acme", "acme-2", "a"], ["", "Acme", "a.b", "-a", "a-", "a/b", "a@b", "{x}"]),
        ("email", ["a@b.example"], ["", "a", "a@b@c", "a:b@c"]),
        ("client_id", ["aB3"], ["", "a b", "a\n"]),
        ("token", ["x" * 5000, "a=B"], ["", "a b", "ключ"]),
    ],
)
def test_each_input_is_checked(manifest, name, good, bad):
    for field in (f for m in manifest.methods for f in m.fields if f.name == name):
        assert all(re.fullmatch(field.pattern, text) for text in good)
        assert not [text for text in bad if re.fullmatch(field.pattern, text)]


def test_tokens_with_scopes_go_to_the_gateway_and_others_to_the_site(manifest: Manifest) -> None:
    fields = {"site": "acme", "cloud_id": "5c1d"}
    told = {m.key: m.api_url.format_map(fields) for m in manifest.methods if m.api_url}

    gateway = f"https://api.atlassian.com/ex/{manifest.slug}/5c1d/"
    assert told.pop("classic-token") == "https://acme.atlassian.net/"
    assert set(told.values()) == {gateway} and "oauth" not in told


def test_what_a_person_makes_says_where_to_click_and_how_to_end_it(manifest: Manifest) -> None:
    for method in manifest.methods:
        if method.kind is not MethodKind.AUTHORIZATION_CODE:
            assert any(step.url.startswith("https://") for step in method.steps)
            assert method.withdraw and method.lookup is not None


def test_the_app_is_explained_with_its_callback(manifest: Manifest) -> None:
    oauth = manifest.oauth
    assert oauth is not None and oauth.body == "json"
    assert (oauth.grace_seconds, oauth.refresh_idle_days) == (600, 90)
    assert oauth.always == ("offline_access", "read:me")
    assert any("{callback_url}" in step.copy for step in oauth.consumer_steps)


def test_the_panel_is_for_the_sites_own_credentials_alone() -> None:
    manifest = registry.get("jira").manifest
    panel = manifest.capability("relay-development")

    able = {m.key for m in manifest.methods if not manifest.obstacle(panel, m)}
    links = {
        m.key
        for m in manifest.methods
        if not manifest.obstacle(manifest.capability("relay-links"), m)
    }

    assert able == {"site-credentials"} and links == SHARED_WAYS
    why = manifest.obstacle(panel, manifest.method("scoped-token"))
    assert "site's own OAuth credentials" in why


def test_the_readme_prints_the_proofs_as_they_are(manifest: Manifest) -> None:
    readme = (ROOT / "integrations" / manifest.slug / "README.md").read_text()

    assert printed(readme) == table(manifest)


def test_the_page_names_every_way_and_every_scope(manifest: Manifest) -> None:
    page = (ROOT / "docs" / f"{manifest.slug}.md").read_text()
    words = {
        word
        for capability in manifest.capabilities
        for spoken in capability.scopes.values()
        for word in spoken
        if ":" in word
    }

    assert all(method.title in page for method in manifest.methods)
    assert not [word for word in words if word not in page]
    assert "offline_access" in page


def test_each_fixture_is_told_of(manifest: Manifest) -> None:
    room = ROOT / "integrations" / manifest.slug
    readme = (room / "README.md").read_text()

    assert not [f.name for f in (room / "fixtures").glob("*.json") if f.name not in readme]
