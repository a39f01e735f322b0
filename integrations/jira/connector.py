"""Binds Jira Cloud's parts to the contract: who are we, which sites, what went wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from connections.contracts import (
    Account,
    Answer,
    Api,
    Command,
    Deed,
    HookRecord,
    Identity,
    Manifest,
    Method,
    Order,
    Packing,
    Page,
    Parcel,
    PlaceRights,
    ProjectRecord,
    RateBudget,
    Reach,
    RelayEvent,
    Sent,
    Stream,
    SubjectPanel,
    WorkspaceRecord,
)
from connections.errors import ReauthorizationRequired, VendorError
from integrations import answers, atlassian, atlassian_sites
from integrations.atlassian import CLOUD_ID, OAUTH, SITE
from integrations.jira import client, doubles, panel, relay, smart_commits, smart_deeds
from integrations.jira.manifest import MANIFEST, TITLES
from integrations.jira.scopes import SITE_TICKS

Fields = Mapping[str, str]

STREAMS = (
    Stream(
        key="projects",
        title="Projects",
        capability="projects-read",
        record=ProjectRecord,
        page=client.projects,
        required=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Jira:
    """The connector."""

    manifest: Manifest = MANIFEST

    @property
    def streams(self) -> tuple[Stream, ...]:
        return STREAMS

    def identify(self, api: Api, fields: Fields, method: Method) -> Identity:
        """Who acts. A consent says its scopes site by site, a site's credentials by what opens to
        them; of an API token Jira says none."""
        if method.vocabulary == SITE_TICKS:
            opened = client.providers(api, fields)
            return _identity(_of_site(fields), method, opened)
        if method.vocabulary == OAUTH:
            person = client.me(api)
            return _identity(person, method, atlassian_sites.consented(api, client.PRODUCT))
        try:
            return _identity(client.myself(api), method, None)
        except ReauthorizationRequired as error:
            raise atlassian.misplaced(error, method, TITLES) from error

    def workspaces(self, api: Api, fields: Fields, method: Method, checkpoint: str | None) -> Page:
        """The sites that a consent opened; all else has exactly one."""
        if method.vocabulary == OAUTH:
            return atlassian_sites.sites(api, client.PRODUCT)
        if method.vocabulary == SITE_TICKS:
            return answers.only(atlassian_sites.own_site(fields))
        return answers.only(client.own_site(api, fields))

    def rights(
        self, api: Api, fields: Fields, method: Method, workspaces: Sequence[WorkspaceRecord]
    ) -> tuple[PlaceRights, ...] | None:
        if method.vocabulary != OAUTH:
            return None
        return atlassian_sites.rights(api, client.PRODUCT, workspaces)

    def prove(self, api: Api, fields: Fields, method: Method, capability: str) -> Answer:
        """Jira's answer that this can be done, at the first site."""
        if method.vocabulary == SITE_TICKS:
            return client.prove_development(api, fields)
        if capability == "account-read":
            return api.get(atlassian.ME if method.vocabulary == OAUTH else client.MYSELF)
        cloud_id = atlassian_sites.first_site(api, client.PRODUCT, fields)
        return client.prove(api, fields, capability, cloud_id)

    def subjects(self, event: RelayEvent) -> tuple[str, ...]:
        return relay.subjects(event)

    def pack(
        self,
        events: Sequence[RelayEvent],
        *,
        way: str,
        mark: str,
        options: frozenset[str] = frozenset(),
        back_fill: bool = False,
    ) -> Packing:
        return relay.pack(events, way=way, mark=mark, options=options, back_fill=back_fill)

    def send(self, reach: Reach, parcel: Parcel) -> Sent:
        return relay.send(reach, parcel)

    def erase(self, reach: Reach, *, way: str, mark: str, known: Sequence[RelayEvent] = ()) -> int:
        return relay.erase(reach, way=way, mark=mark, known=known)

    def remains(
        self, reach: Reach, *, way: str, mark: str, known: Sequence[RelayEvent] = ()
    ) -> bool:
        return relay.remains(reach, way=way, mark=mark, known=known)

    def preview(
        self, events: Sequence[RelayEvent], *, destination: WorkspaceRecord
    ) -> tuple[SubjectPanel, ...]:
        return panel.preview(events, destination=destination)

    def commands(self, message: str) -> tuple[Command, ...]:
        return smart_commits.commands(message)

    def run(self, reach: Reach, order: Order) -> Deed:
        return smart_deeds.run(reach, order)

    def doubles(
        self, destination: WorkspaceRecord, hooks: Iterable[HookRecord]
    ) -> tuple[HookRecord, ...]:
        return doubles.doubles(destination, hooks)

    def judge(self, answer: Answer) -> VendorError | None:
        return atlassian.judge(answer)

    def rate(self, answer: Answer) -> RateBudget:
        return atlassian.rate(answer)


CONNECTOR = Jira()


def _identity(account: Account, method: Method, scopes: frozenset[str] | None) -> Identity:
    return Identity(account, method.credential_kind, scopes, method.vocabulary)


def _of_site(fields: Fields) -> Account:
    """Whoever holds credentials of a site acts as one of its tools: others replace them."""
    site = atlassian_sites.own_site(fields)
    return Account(f"site:{fields[CLOUD_ID]}", fields[SITE], "workspace", site.url)
