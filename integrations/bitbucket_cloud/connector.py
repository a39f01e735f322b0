"""Binds Bitbucket Cloud's parts to the contract: who are we, which workspaces, what went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from connections.contracts import (
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
    Page,
    ProjectRecord,
    RateBudget,
    RepositoryRecord,
    Stream,
    Target,
    WorkspaceRecord,
)
from connections.errors import (
    AccessDenied,
    ReauthorizationRequired,
    RemoteGone,
    ScopeMissing,
    VendorError,
)
from integrations import bitbucket
from integrations.bitbucket_cloud import branches, client, hooks, reading, streams, webhooks
from integrations.bitbucket_cloud.manifest import MANIFEST
from integrations.bitbucket_cloud.scopes import ACCESS_TOKEN
from integrations.bitbucket_cloud.sync import (
    PAGE_SIZE,
    project_path,
    repository_path,
    workspace_path,
)

Fields = Mapping[str, str]

FORBIDDEN = frozenset({403})
KIND_NAMES = {
    "api_token": "an API token",
    "repo_access_token": "a repository access token",
    "project_access_token": "a project access token",
    "workspace_access_token": "a workspace access token",
    "apppassword": "an app password",
}


@dataclass(frozen=True, slots=True)
class BitbucketCloud:
    """The connector."""

    manifest: Manifest = MANIFEST

    @property
    def streams(self) -> tuple[Stream, ...]:
        return streams.STREAMS

    def identify(self, api: Api, fields: Fields, method: Method) -> Identity:
        """Who acts, by the vendor's answer; scopes come from its headers, never from what we asked.

        An access token may not read /user, but the refusal's headers still name its kind and
        scopes; what it opens proves who it is.
        """
        if method.vocabulary == ACCESS_TOKEN:
            return self._identify_access_token(api, fields, method)
        answer = api.get("user")
        _require_kind(answer, method)
        return _identity(answer, bitbucket.one(answer, reading.account), method)

    def workspaces(self, api: Api, fields: Fields, method: Method, checkpoint: str | None) -> Page:
        """A page of workspaces with their names; an access token has exactly one."""
        if method.vocabulary == ACCESS_TOKEN:
            _, record = _workspace(api, fields["workspace"])
            return bitbucket.only(record)
        answer = api.get(checkpoint or f"user/workspaces?pagelen={PAGE_SIZE}")
        _require_current_shape(answer)
        page = reading.page(answer, reading.workspace_access)
        listed = (record for record in page.records if isinstance(record, WorkspaceRecord))
        return replace(page, records=tuple(_named(api, record) for record in listed))

    def read_event(self, headers: Fields, body: bytes) -> Event:
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
        self,
        api: Api,
        container: Container,
        fields: Fields,
        remote_id: str,
        wish: HookWish,
    ) -> HookRecord:
        return hooks.change_hook(api, container, fields, remote_id, wish)

    def remove_hook(self, api: Api, container: Container, fields: Fields, remote_id: str) -> None:
        hooks.remove_hook(api, container, fields, remote_id)

    def judge(self, answer: Answer) -> VendorError | None:
        return client.judge(answer)

    def rate(self, answer: Answer) -> RateBudget:
        return client.rate(answer)

    def _identify_access_token(self, api: Api, fields: Fields, method: Method) -> Identity:
        asked = api.get("user", accept=FORBIDDEN)
        _require_kind(asked, method)
        answer, account = _PROOFS[method.key](api, fields)
        told = asked if client.scopes(asked) is not None else answer
        return _identity(told, account, method)


CONNECTOR = BitbucketCloud()


# ── Identity ──────────────────────────────────────────────────────────────────────────────────


def _identity(answer: Answer, account: Account, method: Method) -> Identity:
    return Identity(
        account=account,
        credential_kind=client.credential_kind(answer) or method.credential_kind,
        scopes=client.scopes(answer),
        vocabulary=method.vocabulary,
        rate=client.rate(answer),
    )


def _require_kind(answer: Answer, method: Method) -> None:
    """Raise ReauthorizationRequired when another kind of token was pasted than the form is for."""
    kind = client.credential_kind(answer)
    if kind in KIND_NAMES and kind != method.credential_kind:
        raise ReauthorizationRequired(
            f"This is {KIND_NAMES[kind]}. Choose that way of linking.",
            status=answer.status,
            request=answer.request,
        )


def _prove_workspace(api: Api, fields: Mapping[str, str]) -> tuple[Answer, Account]:
    answer, record = _workspace(api, fields["workspace"])
    return answer, _resource("workspace", record, record.name)


def _prove_project(api: Api, fields: Mapping[str, str]) -> tuple[Answer, Account]:
    answer = api.get(project_path(fields["workspace"], fields["project"]))
    record = bitbucket.one(answer, reading.project)
    return answer, _resource("project", record, f"{fields['workspace']} / {record.name}")


def _prove_repository(api: Api, fields: Mapping[str, str]) -> tuple[Answer, Account]:
    answer = api.get(repository_path(fields["workspace"], fields["repository"]))
    record = bitbucket.one(answer, reading.repository)
    asked = f"{fields['workspace']}/"
    if not record.full_name.lower().startswith(asked.lower()):
        raise bitbucket.unexpected(answer, "The answer belongs to another workspace.")
    return answer, _resource("repository", record, record.full_name)


_PROOFS = {
    "workspace-token": _prove_workspace,
    "project-token": _prove_project,
    "repository-token": _prove_repository,
}


def _resource(
    kind: str, record: WorkspaceRecord | ProjectRecord | RepositoryRecord, name: str
) -> Account:
    return Account(remote_id=f"{kind}:{record.remote_id}", name=name, kind=kind, url=record.url)


# ── Workspaces ────────────────────────────────────────────────────────────────────────────────


def _workspace(api: Api, slug: str) -> tuple[Answer, WorkspaceRecord]:
    answer = api.get(workspace_path(slug))
    record = bitbucket.one(answer, reading.workspace)
    if record.slug.lower() != slug.lower():
        raise bitbucket.unexpected(answer, "The answer belongs to another workspace.")
    return answer, record


def _named(api: Api, listed: WorkspaceRecord) -> WorkspaceRecord:
    """The record with name, address and whether it is personal; its slug where it is closed."""
    try:
        answer, full = _workspace(api, listed.slug)
    except (AccessDenied, RemoteGone, ScopeMissing):
        return listed
    if full.remote_id != listed.remote_id:
        raise bitbucket.unexpected(answer, "The answer belongs to another workspace.")
    return replace(full, administrator=listed.administrator)


def _require_current_shape(answer: Answer) -> None:
    """Raise UnexpectedResponse for the shape of /user/permissions/workspaces, removed in 2026."""
    for item in bitbucket.items(answer):
        if isinstance(item, dict) and "administrator" not in item:
            raise bitbucket.unexpected(answer, "These are not items of type workspace_access.")
