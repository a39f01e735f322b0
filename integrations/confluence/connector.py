"""Binds Confluence Cloud's parts to the contract: who are we, which sites, what went wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from connections.contracts import (
    Answer,
    Api,
    Identity,
    Manifest,
    Method,
    Page,
    PlaceRights,
    ProjectRecord,
    RateBudget,
    Stream,
    WorkspaceRecord,
)
from connections.errors import ReauthorizationRequired, VendorError
from integrations import answers, atlassian, atlassian_sites
from integrations.atlassian import OAUTH
from integrations.confluence import client
from integrations.confluence.manifest import MANIFEST, TITLES

Fields = Mapping[str, str]

STREAMS = (
    Stream(
        key="spaces",
        title="Spaces",
        capability="spaces-read",
        record=ProjectRecord,
        page=client.spaces,
        required=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Confluence:
    """The connector."""

    manifest: Manifest = MANIFEST

    @property
    def streams(self) -> tuple[Stream, ...]:
        return STREAMS

    def identify(self, api: Api, fields: Fields, method: Method) -> Identity:
        """Who acts. A consent says its scopes site by site; of an API token nobody says any."""
        scopes = None
        if method.vocabulary == OAUTH:
            account = client.me(api)
            scopes = atlassian_sites.consented(api, client.PRODUCT)
        else:
            try:
                account = client.current_user(api)
            except ReauthorizationRequired as error:
                raise atlassian.misplaced(error, method, TITLES) from error
        return Identity(account, method.credential_kind, scopes, method.vocabulary)

    def workspaces(self, api: Api, fields: Fields, method: Method, checkpoint: str | None) -> Page:
        """The sites that a consent opened; a token has exactly one."""
        if method.vocabulary == OAUTH:
            return atlassian_sites.sites(api, client.PRODUCT)
        return answers.only(atlassian_sites.own_site(fields))

    def rights(
        self, api: Api, fields: Fields, method: Method, workspaces: Sequence[WorkspaceRecord]
    ) -> tuple[PlaceRights, ...] | None:
        if method.vocabulary != OAUTH:
            return None
        return atlassian_sites.rights(api, client.PRODUCT, workspaces)

    def prove(self, api: Api, fields: Fields, method: Method, capability: str) -> Answer:
        """Confluence's answer that this can be done, at the first site."""
        if capability == "account-read":
            return api.get(atlassian.ME if method.vocabulary == OAUTH else client.CURRENT_USER)
        cloud_id = atlassian_sites.first_site(api, client.PRODUCT, fields)
        return api.get(atlassian.at(fields, client.PRODUCT, cloud_id, client.PROOFS[capability]))

    def judge(self, answer: Answer) -> VendorError | None:
        return atlassian.judge(answer)

    def rate(self, answer: Answer) -> RateBudget:
        return atlassian.rate(answer)


CONNECTOR = Confluence()
