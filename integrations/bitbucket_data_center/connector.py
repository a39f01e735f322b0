"""Binds Bitbucket Data Center to the contract: who are we, which projects, what went wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from connections.contracts import (
    BASE_URL,
    Account,
    Answer,
    Api,
    BranchRecord,
    Container,
    Event,
    HookRecord,
    HookWish,
    Identity,
    Manifest,
    Method,
    NewToken,
    Page,
    RateBudget,
    Stream,
    Target,
    WorkspaceRecord,
)
from connections.errors import (
    AccessDenied,
    ReauthorizationRequired,
    Refused,
    RemoteGone,
    VendorError,
)
from integrations import bitbucket
from integrations.bitbucket import segment
from integrations.bitbucket_data_center import (
    branches,
    client,
    hooks,
    reading,
    streams,
    tokens,
    versions,
    webhooks,
)
from integrations.bitbucket_data_center.manifest import MANIFEST
from integrations.bitbucket_data_center.sync import (
    API,
    listed,
    project_path,
    repository_path,
)

A_PERSONS = "This is a person's token. Choose that way of linking."

Fields = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class BitbucketDataCenter:
    """The connector."""

    manifest: Manifest = MANIFEST

    @property
    def streams(self) -> tuple[Stream, ...]:
        return streams.STREAMS

    def identify(self, api: Api, fields: Fields, method: Method) -> Identity:
        """Who acts: named in the header of two answers, the second of which is about that account.

        A list proves nothing: a stranger gets one too. The vendor never says what a token may.
        """
        told = api.get(f"{API}/application-properties")
        version = bitbucket.text(bitbucket.body(told), "version")
        if fields.get("project"):
            _require_no_person(api, told)
        answer, account = _proof(api, fields, told)
        if client.user(answer) != client.user(told):
            raise ReauthorizationRequired(client.AS_ANONYMOUS, **bitbucket.facts(answer))
        return Identity(
            account=_at(fields, account),
            credential_kind=method.credential_kind,
            scopes=None,
            vocabulary=method.vocabulary,
            rate=client.rate(answer),
            remarks=(versions.remark(version, datetime.now(UTC).date()),),
        )

    def workspaces(self, api: Api, fields: Fields, method: Method, checkpoint: str | None) -> Page:
        """A page of projects; a token of a project or repository has exactly one."""
        if not fields.get("project"):
            return listed(api, f"{API}/projects", checkpoint, reading.project)
        _, record = _project(api, fields)
        return bitbucket.only(record)

    def read_event(self, headers: Mapping[str, str], body: bytes) -> Event:
        return webhooks.read_event(headers, body)

    def fetch(self, api: Api, container: Container, fields: Fields, target: Target) -> Page:
        return streams.fetch(api, container, fields, target)

    def make_branch(
        self, api: Api, container: Container, fields: Fields, *, name: str, start: str
    ) -> BranchRecord:
        return branches.make_branch(api, container, name=name, start=start)

    def hooks(self, api: Api, container: Container, fields: Fields, checkpoint: str | None) -> Page:
        return hooks.hooks(api, container, fields, checkpoint)

    def make_hook(
        self, api: Api, container: Container, fields: Fields, wish: HookWish
    ) -> HookRecord:
        return hooks.make_hook(api, container, fields, wish)

    def change_hook(
        self, api: Api, container: Container, fields: Fields, remote_id: str, wish: HookWish
    ) -> HookRecord:
        return hooks.change_hook(api, container, fields, remote_id, wish)

    def remove_hook(self, api: Api, container: Container, fields: Fields, remote_id: str) -> None:
        hooks.remove_hook(api, container, fields, remote_id)

    def test_hook(
        self, api: Api, container: Container, fields: Fields, remote_id: str, url: str
    ) -> None:
        hooks.test_hook(api, container, fields, remote_id, url)

    def judge(self, answer: Answer) -> VendorError | None:
        return client.judge(answer)

    def rate(self, answer: Answer) -> RateBudget:
        return client.rate(answer)

    def replace_token(
        self,
        api: Api,
        fields: Fields,
        method: Method,
        *,
        name: str,
        days: int,
        scopes: frozenset[str] = frozenset(),
    ) -> NewToken:
        """A new token beside the old one, with what this method's tokens can hold of `scopes`."""
        asked = scopes & method.offers
        path = _tokens_path(api, fields)
        return tokens.make(api, path, name=name, days=days, scopes=asked)

    def withdraw_token(self, api: Api, fields: Fields, method: Method, *, token_id: str) -> None:
        """That token does not work any more."""
        tokens.withdraw(api, _tokens_path(api, fields), token_id)

    def token_ids(self, api: Api, fields: Fields, method: Method, *, name: str) -> tuple[str, ...]:
        """The ids of the tokens with this name."""
        return tokens.ids_named(api, _tokens_path(api, fields), name)


CONNECTOR = BitbucketDataCenter()


# ── Identity ──────────────────────────────────────────────────────────────────────────────────


def _proof(api: Api, fields: Fields, told: Answer) -> tuple[Answer, Account]:
    """What the credential opens, or the user whom the server names."""
    if fields.get("repository"):
        answer = api.get(repository_path(fields["project"], fields["repository"]))
        record = bitbucket.one(answer, reading.repository)
        url, name = record.url, record.full_name
        return answer, Account(f"repository:{record.remote_id}", name, "repository", url)
    if fields.get("project"):
        answer, project = _project(api, fields)
        return answer, Account(f"project:{project.remote_id}", project.name, "project", project.url)
    answer = _user(api, told)
    return answer, bitbucket.one(answer, reading.account)


def _require_no_person(api: Api, told: Answer) -> None:
    """Raise ReauthorizationRequired when a project's or repository's token is a person's.

    Such a token acts as an account of its own, which is nobody's page.
    """
    try:
        raw = bitbucket.body(api.get(f"{API}/users/{segment(client.user(told))}"))
    except (RemoteGone, AccessDenied, Refused):
        return
    if bitbucket.text(raw, "type") in ("", "NORMAL"):
        raise ReauthorizationRequired(A_PERSONS, **bitbucket.facts(told))


def _user(api: Api, told: Answer) -> Answer:
    """The user whom the header names; where the slug is another word than the name, by search."""
    name = client.user(told)
    try:
        return api.get(f"{API}/users/{segment(name)}")
    except RemoteGone:
        found = api.get(f"{API}/users?{urlencode({'filter': name})}")
    for item in bitbucket.items(found):
        if isinstance(item, dict) and str(item.get("name", "")).lower() == name.lower():
            try:
                return api.get(f"{API}/users/{segment(reading.user_slug(item))}")
            except bitbucket.BadItem as error:
                raise bitbucket.unexpected(found, str(error)) from None
    raise bitbucket.unexpected(found, "The server does not know the user whom it names.")


def _project(api: Api, fields: Fields) -> tuple[Answer, WorkspaceRecord]:
    """The project of the form; a repository's token reads it from its repository."""
    if fields.get("repository"):
        answer = api.get(repository_path(fields["project"], fields["repository"]))
        record = bitbucket.one(answer, reading.owner)
    else:
        answer = api.get(project_path(fields["project"]))
        record = bitbucket.one(answer, reading.project)
    if record.slug.lower() != fields["project"].lower():
        raise bitbucket.unexpected(answer, "The answer belongs to another project.")
    return answer, record


def _at(fields: Fields, account: Account) -> Account:
    """The account with an id that no other server has: ids count from one on each."""
    server = hashlib.sha256(fields.get(BASE_URL, "").encode()).hexdigest()[:16]
    return Account(f"{account.remote_id}@{server}", account.name, account.kind, account.url)


def _tokens_path(api: Api, fields: Fields) -> str:
    if fields.get("project"):
        return tokens.holder_path(fields, "")
    told = api.get(f"{API}/application-properties")
    return tokens.holder_path(fields, bitbucket.one(_user(api, told), reading.user_slug))
