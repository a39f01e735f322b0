"""Bitbucket Cloud keeps the contract, for every way to link it; and its own manners are met."""

from __future__ import annotations

import base64
import http.client
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from connections import oauth_wire
from connections.contracts import Method
from connections.errors import (
    Misconfigured,
    ReauthorizationRequired,
    ScopeMissing,
    Unavailable,
    UnexpectedResponse,
)
from connections.http import TOKEN, Door
from connections.oauth_wire import Client, TokenAnswer, TokenEndpoint
from integrations.bitbucket_cloud import CONNECTOR
from integrations.sandbox.running import Sandbox
from tests.contract import Standing, door_to
from tests.contract_repositories import RepositoriesContract

API, SITE = "https://api.bitbucket.org", "https://bitbucket.org"
CALLBACK = "http://localhost:8000/oauth/bitbucket-cloud/callback"
MANIFEST = CONNECTOR.manifest


def of(sandbox: Sandbox, kind: str, name: str) -> dict[str, str]:
    """A consumer or token that the sandbox has from the start."""
    known = sandbox.commands.describe()[kind]
    key = "name" if kind == "consumers" else "about"
    return next(row for row in known if row[key].partition(":")[0] == name)


def endpoint(sandbox: Sandbox, door: Door, consumer: str = "acme-portal") -> TokenEndpoint:
    oauth, row = MANIFEST.oauth, of(sandbox, "consumers", consumer)
    assert oauth is not None
    origin = door.vendor(oauth.token_url).origin
    return TokenEndpoint(oauth, Client(row["key"], row["secret"]), door, origin, TOKEN)


def consent(sandbox: Sandbox, *, client_id: str, verifier: str, user: str = "dana") -> str:
    """The code that comes back when this person grants what the consumer asks for."""
    assert MANIFEST.oauth is not None
    url = oauth_wire.authorize_url(
        MANIFEST.oauth,
        client_id=client_id,
        redirect_uri=CALLBACK,
        state=oauth_wire.new_state(),
        scopes=frozenset({"account", "repository"}),
        verifier=verifier,
    )
    form = {k: v[0] for k, v in parse_qs(urlsplit(url).query).items()}
    connection = http.client.HTTPConnection(urlsplit(sandbox.url).netloc, timeout=5)
    body = urlencode({**form, "user": user, "decision": "grant"})
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", urlsplit(url).path, body, kind)
    location = connection.getresponse().headers["Location"]
    connection.close()
    answered = parse_qs(urlsplit(location).query)
    assert answered["state"] == [form["state"]]
    return answered["code"][0]


def link(sandbox: Sandbox, door: Door, consumer: str = "acme-portal") -> TokenAnswer:
    at, verifier = endpoint(sandbox, door, consumer), oauth_wire.new_verifier()
    code = consent(sandbox, client_id=at.client.client_id, verifier=verifier)
    return at.exchange(code=code, redirect_uri=CALLBACK, verifier=verifier)


def pasted(sandbox: Sandbox, method: Method, name: str, **fields: str) -> Standing:
    row = of(sandbox, "tokens", name)
    if method.basic_user:
        fields = fields or {"email": row["email"]}
        pair = f"{fields[method.basic_user]}:{row['token']}".encode()
        return Standing(method, fields, "Basic " + base64.b64encode(pair).decode())
    return Standing(method, fields, f"Bearer {row['token']}")


class TestBitbucketCloud(RepositoriesContract):
    connector = CONNECTOR
    origins = (API, SITE)
    callback = CALLBACK

    @pytest.fixture(scope="class")
    @classmethod
    def standings(cls, sandbox: Sandbox, door: Door) -> Mapping[str, Standing]:
        method = MANIFEST.method
        acme = {"workspace": "acme"}
        slug = sandbox.bitbucket.world.workspaces["acme"].repositories[0].slug
        machine = endpoint(sandbox, door).client_credentials(scopes=frozenset())
        return {
            "oauth": Standing(method("oauth"), {}, f"Bearer {link(sandbox, door).access_token}"),
            "client-credentials": Standing(
                method("client-credentials"), {}, f"Bearer {machine.access_token}"
            ),
            "api-token": pasted(sandbox, method("api-token"), "dana-full"),
            "workspace-token": pasted(sandbox, method("workspace-token"), "acme-workspace", **acme),
            "project-token": pasted(
                sandbox, method("project-token"), "acme-payments", **acme, project="PAY"
            ),
            "repository-token": pasted(
                sandbox, method("repository-token"), "acme-repository", **acme, repository=slug
            ),
        }

    @pytest.mark.parametrize(
        ("key", "kind", "credential"),
        [
            ("oauth", "user", "oauth2"),
            ("client-credentials", "app", "oauth2"),
            ("api-token", "user", "api_token"),
            ("workspace-token", "workspace", "workspace_access_token"),
            ("project-token", "project", "project_access_token"),
            ("repository-token", "repository", "repo_access_token"),
        ],
    )
    def test_who_acts_is_told_for_each_way(self, api, standings, key, kind, credential):
        identity = self.identify(api, standings[key])

        assert identity.account.kind == kind
        assert identity.credential_kind == credential
        assert identity.account.remote_id.startswith("{" if kind in ("user", "app") else kind)

    def test_the_collapsed_scopes_reach_what_they_imply(self, api, standings):
        identity = self.identify(api, standings["repository-token"])

        assert "repository" not in identity.scopes, "pullrequest stands for it"
        assert "repository" in MANIFEST.closure(identity.scopes)

    def test_workspaces_of_each_way(self, api, standings):
        slugs = {
            key: [w.slug for w in self.workspaces(api, standing)]
            for key, standing in standings.items()
        }

        assert len(slugs["oauth"]) >= 3
        assert slugs["api-token"] == slugs["oauth"]
        assert slugs["repository-token"] == slugs["workspace-token"] == ["acme"]

    def test_a_personal_workspace_is_told_as_such(self, api, standings):
        found = {w.slug: w for w in self.workspaces(api, standings["oauth"])}

        assert found["dana-levi"].personal
        assert not found["acme"].personal
        assert found["acme"].name != "acme"

    def test_small_tokens_read_no_more_than_their_own(self, api, standings):
        of_project = self.repositories(api, standings["project-token"])
        of_repository = self.repositories(api, standings["repository-token"])

        assert len({record.project_remote_id for record in of_project}) == 1
        assert len(of_repository) == 1

    def test_a_token_pasted_into_the_wrong_form_is_recognised(self, api, sandbox):
        wrong = pasted(
            sandbox, MANIFEST.method("workspace-token"), "acme-payments", workspace="acme"
        )

        with pytest.raises(ReauthorizationRequired, match="This is a project access token"):
            self.identify(api, wrong)

    @pytest.mark.parametrize("name", ["dana-expired", "dana-classic", "dana-app-password"])
    def test_dead_tokens_are_refused(self, api, sandbox, name):
        with pytest.raises(ReauthorizationRequired):
            self.identify(api, pasted(sandbox, MANIFEST.method("api-token"), name))

    def test_an_app_password_works_until_its_day(self, api, sandbox):
        method = MANIFEST.method("app-password")
        password = pasted(sandbox, method, "dana-app-password", username="dana")
        with pytest.raises(ReauthorizationRequired):
            self.identify(api, password)

        sandbox.commands.switches({"app_passwords_end": "9999-12-31"})
        found = self.identify(api, password)

        dana = self.identify(api, pasted(sandbox, MANIFEST.method("api-token"), "dana-full"))
        assert found.account == dana.account
        assert (found.credential_kind, found.vocabulary) == (method.credential_kind, "oauth")
        assert found.scopes == {"account", "repository"}

    def test_a_token_that_cannot_say_whose_it_is_lacks_a_scope(self, api, sandbox):
        with pytest.raises(ScopeMissing) as caught:
            self.identify(api, pasted(sandbox, MANIFEST.method("api-token"), "dana-no-user"))

        assert "read:user:bitbucket" in caught.value.required

    def test_a_person_without_workspaces_has_none(self, api, sandbox):
        nora = pasted(sandbox, MANIFEST.method("api-token"), "nora-full")

        assert self.workspaces(api, nora) == []

    def test_p49_a_repository_of_another_workspace_proves_nothing(self, api, sandbox, standings):
        wrong = standings["repository-token"]
        sandbox.faults.order(
            {"match": "GET /2.0/repositories/*", "kind": "body", "lie": "foreign_workspace"}
        )

        with pytest.raises(UnexpectedResponse):
            self.identify(api, wrong)

    def repositories(self, api, standing):
        (workspace,) = self.workspaces(api, standing)
        pages = {stream.key: pages for stream, pages in self.streams(api, standing, workspace)}
        return [record for page in pages["repositories"] for record in page.records]


class TestTokenEndpoint:
    @pytest.fixture(scope="class")
    @classmethod
    def sandbox(cls) -> Iterator[Sandbox]:
        with Sandbox(repositories=5, callbacks=[CALLBACK]) as running:
            yield running

    @pytest.fixture(autouse=True)
    def _calm(self, sandbox: Sandbox) -> None:
        sandbox.reset()

    @pytest.fixture(scope="class")
    @classmethod
    def door(cls, sandbox: Sandbox) -> Iterator[Door]:
        door = door_to(sandbox, API, SITE)
        yield door
        door.close()

    def test_a_code_becomes_long_tokens_once(self, sandbox, door):
        at, verifier = endpoint(sandbox, door), oauth_wire.new_verifier()
        code = consent(sandbox, client_id=at.client.client_id, verifier=verifier)

        answer = at.exchange(code=code, redirect_uri=CALLBACK, verifier=verifier)

        assert len(answer.access_token) > 2500
        assert answer.refresh_token
        assert answer.expires_in_seconds == 7200
        assert answer.scopes and "repository" in answer.scopes
        with pytest.raises(ReauthorizationRequired):
            at.exchange(code=code, redirect_uri=CALLBACK, verifier=verifier)

    def test_o13_a_code_without_its_verifier_is_worthless(self, sandbox, door):
        at = endpoint(sandbox, door)
        code = consent(sandbox, client_id=at.client.client_id, verifier=oauth_wire.new_verifier())

        with pytest.raises(ReauthorizationRequired):
            at.exchange(code=code, redirect_uri=CALLBACK, verifier=oauth_wire.new_verifier())

    @pytest.mark.parametrize("key", ["scope", "scopes", "both"])
    def test_both_names_of_scopes_are_read(self, sandbox, door, key):
        sandbox.commands.switches({"scope_key": key})

        assert "repository" in (link(sandbox, door).scopes or ())

    def test_silence_about_scopes_is_none(self, sandbox, door):
        sandbox.commands.switches({"scope_key": "absent"})

        assert link(sandbox, door).scopes is None

    def test_a_refresh_rotates_and_the_old_token_dies_after_the_grace(self, sandbox, door):
        at, first = endpoint(sandbox, door), link(sandbox, door).refresh_token
        second = at.refresh(refresh_token=first).refresh_token

        assert second not in (None, first)
        assert at.refresh(refresh_token=first).access_token
        sandbox.clock.advance(601)
        with pytest.raises(ReauthorizationRequired):
            at.refresh(refresh_token=first)

    @pytest.mark.parametrize("error", ["invalid_grant", "invalid_request"])
    def test_both_words_for_a_dead_refresh_token_are_understood(self, sandbox, door, error):
        sandbox.commands.switches({"dead_refresh_error": error})

        with pytest.raises(ReauthorizationRequired):
            endpoint(sandbox, door).refresh(refresh_token="never-issued")

    def test_a_refresh_without_rotation_has_no_refresh_token(self, sandbox, door):
        first = link(sandbox, door).refresh_token
        sandbox.commands.switches({"rotation": "absent"})

        assert endpoint(sandbox, door).refresh(refresh_token=first).refresh_token is None

    def test_client_credentials_have_no_refresh_token(self, sandbox, door):
        answer = endpoint(sandbox, door).client_credentials(scopes=frozenset({"repository"}))

        assert answer.access_token and answer.refresh_token is None

    @pytest.mark.parametrize("consumer", ["acme-narrow", "acme-no-callback"])
    def test_a_consumer_set_up_wrongly_is_our_operators_matter(self, sandbox, door, consumer):
        with pytest.raises(Misconfigured):
            endpoint(sandbox, door, consumer).client_credentials(scopes=frozenset())

    def test_p20_a_wrong_secret_is_our_operators_matter(self, sandbox, door):
        right = endpoint(sandbox, door)
        wrong = Client(right.client.client_id, "wrong")
        at = TokenEndpoint(right.oauth, wrong, door, right.origin, right.limits)

        with pytest.raises(Misconfigured):
            at.client_credentials(scopes=frozenset())

    @pytest.mark.parametrize(
        ("fault", "kind"),
        [
            ({"kind": "status", "status": 403, "text": "<html>"}, Unavailable),
            ({"kind": "status", "status": 503}, Unavailable),
            ({"kind": "cut"}, Unavailable),
            ({"kind": "html"}, UnexpectedResponse),
            ({"kind": "huge"}, UnexpectedResponse),
            ({"kind": "redirect"}, UnexpectedResponse),
        ],
    )
    def test_a_token_endpoint_in_trouble(self, sandbox, door, fault, kind):
        sandbox.faults.order({"match": "POST /site/oauth2/access_token", **fault})

        with pytest.raises(kind):
            endpoint(sandbox, door).client_credentials(scopes=frozenset())
