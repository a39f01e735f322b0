"""Binds Spacelift to the contract: who the key is, which spaces, what it may do in each."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from connections.contracts import (
    BASE_URL,
    Account,
    Answer,
    Api,
    Identity,
    Manifest,
    Method,
    Page,
    PlaceRights,
    RateBudget,
    Remark,
    Stream,
    TokenAnswer,
    WorkspaceRecord,
)
from connections.errors import ReauthorizationRequired, VendorError
from integrations import answers
from integrations.answers import BadItem, object_or_empty, printable, required, text
from integrations.spacelift import client, operations, reading, spaces
from integrations.spacelift.exchange import exchanged
from integrations.spacelift.manifest import MANIFEST
from integrations.spacelift.methods import BILLED, KEY_ID

Fields = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Spacelift:
    """The connector."""

    manifest: Manifest = MANIFEST

    @property
    def streams(self) -> tuple[Stream, ...]:
        return ()

    def exchange(self, api: Api, fields: Fields, method: Method, secret: str) -> TokenAnswer:
        """The JWT that the key's secret is good for."""
        return exchanged(api, fields[KEY_ID], secret)

    def identify(self, api: Api, fields: Fields, method: Method) -> Identity:
        """Which key acts, and when it ends as far as it may see that itself."""
        answer, data = client.ask(api, operations.IDENTITY, optional="apiKey", key=fields[KEY_ID])
        viewer = data.get("viewer")
        if viewer is None:
            raise ReauthorizationRequired(client.AS_STRANGER, **answers.facts(answer))
        key = object_or_empty(data, "apiKey")
        return Identity(
            account=_account(answer, viewer, fields),
            credential_kind=method.credential_kind,
            scopes=None,
            vocabulary=method.vocabulary,
            expires_at=reading.moment(key.get("expiresAt")),
            remarks=(Remark("billing", "Counts as a user", fields[KEY_ID], BILLED),),
        )

    def workspaces(self, api: Api, fields: Fields, method: Method, checkpoint: str | None) -> Page:
        """A page of the spaces in which the key has a role."""
        return spaces.page(api, checkpoint)

    def rights(
        self,
        api: Api,
        fields: Fields,
        method: Method,
        workspaces: Sequence[WorkspaceRecord],
    ) -> tuple[PlaceRights, ...] | None:
        """The level in each space; None where not one of them says it."""
        told = tuple(spaces.rights(api))
        return told if any(each.scopes for each in told) or not told else None

    def prove(self, api: Api, fields: Fields, method: Method, capability: str) -> Answer:
        """The answer that shows that something can be read."""
        if capability == "stacks-read":
            return client.ask(api, operations.ONE_STACK, input={"first": 1})[0]
        if capability == "integrations-read":
            return client.ask(api, operations.INTEGRATIONS)[0]
        return spaces.first(api)

    def judge(self, answer: Answer) -> VendorError | None:
        return client.judge(answer)

    def rate(self, answer: Answer) -> RateBudget:
        return client.rate(answer)


CONNECTOR = Spacelift()


# ── Identity ──────────────────────────────────────────────────────────────────────────────────


def _account(answer: Answer, viewer: object, fields: Fields) -> Account:
    """The key as a machine user; ids are those of one account, so the address is part of it."""
    try:
        raw = answers.to_object(viewer)
        server = hashlib.sha256(fields.get(BASE_URL, "").encode()).hexdigest()[:16]
        identifier = required(raw, "id")
        name = text(raw, "name") or printable(identifier)
        return Account(f"{identifier}@{server}", name, "app", fields.get(BASE_URL, ""))
    except BadItem as error:
        raise answers.unexpected(answer, str(error)) from None
