"""Binds JetBrains Space to the contract: who are we, which projects, what may be done where."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from connections.contracts import (
    BASE_URL,
    Account,
    Answer,
    Api,
    Identity,
    Manifest,
    Method,
    NewToken,
    Page,
    PlaceRights,
    RateBudget,
    Stream,
    WorkspaceRecord,
)
from connections.errors import ReauthorizationRequired, RemoteGone, VendorError
from integrations import answers
from integrations.jetbrains_space import authorizations, client, reading, tokens
from integrations.jetbrains_space.manifest import MANIFEST
from integrations.jetbrains_space.scopes import RIGHT

PAGE_SIZE = 100
PROFILE = "team-directory/profiles/me?$fields=id,username,name(firstName,lastName)"
APPLICATION = "applications/me?$fields=id,clientId,name"
A_PERSONS = "This is a person's token. Choose that way of linking."
AN_APPLICATIONS = "This is an application's token. Choose that way of linking."

Fields = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class JetBrainsSpace:
    """The connector. It reads no streams: things travel to Space."""

    manifest: Manifest = MANIFEST

    @property
    def streams(self) -> tuple[Stream, ...]:
        return ()

    def identify(self, api: Api, fields: Fields, method: Method) -> Identity:
        """Who acts, by one request. Space never says what scope the token has that asks."""
        is_application = method.vocabulary == RIGHT
        try:
            answer = api.get(APPLICATION if is_application else PROFILE)
        except RemoteGone as error:
            other = A_PERSONS if is_application else AN_APPLICATIONS
            raise ReauthorizationRequired(other, status=error.status) from None
        read = reading.application if is_application else reading.person
        return Identity(
            account=_at(fields, answers.one(answer, read)),
            credential_kind=method.credential_kind,
            scopes=None,
            vocabulary=method.vocabulary,
        )

    def workspaces(self, api: Api, fields: Fields, method: Method, checkpoint: str | None) -> Page:
        """A page of the projects that this credential may see."""
        query = {"$skip": reading.started(checkpoint), "$top": PAGE_SIZE}
        query |= {"$fields": "next,totalCount,data(id,key,name)"}
        answer = api.get(f"projects?{urlencode(query)}")
        return reading.page(answer, checkpoint, fields.get(BASE_URL, ""))

    def rights(
        self, api: Api, fields: Fields, method: Method, workspaces: Sequence[WorkspaceRecord]
    ) -> tuple[PlaceRights, ...] | None:
        """What an application was granted in each context, or what a person may there."""
        if method.vocabulary == RIGHT:
            return authorizations.of_application(api)
        return authorizations.of_person(api, workspaces)

    def end_grant(self, api: Api, fields: Fields, method: Method) -> None:
        """The refresh token by whose access token this is asked works no longer."""
        api.send("DELETE", "team-directory/profiles/oauth-consents/me/refresh-tokens/self", None)

    def judge(self, answer: Answer) -> VendorError | None:
        return client.judge(answer)

    def rate(self, answer: Answer) -> RateBudget:
        """Space announces no budget."""
        return RateBudget()

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
        """A new permanent token beside the old one."""
        return tokens.make(api, method, name=name, days=days, scopes=scopes)

    def withdraw_token(self, api: Api, fields: Fields, method: Method, *, token_id: str) -> None:
        """That token does not work any more."""
        tokens.withdraw(api, method, token_id)

    def token_ids(self, api: Api, fields: Fields, method: Method, *, name: str) -> tuple[str, ...]:
        """The ids of the tokens with this name."""
        return tokens.ids_named(api, method, name)


CONNECTOR = JetBrainsSpace()


def _at(fields: Fields, account: Account) -> Account:
    """The account with an id that no other organization has."""
    place = fields.get(BASE_URL, "")
    server = hashlib.sha256(place.encode()).hexdigest()[:16]
    return Account(f"{account.remote_id}@{server}", account.name, account.kind)
