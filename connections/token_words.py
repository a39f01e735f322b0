"""How tokens come from a vendor: its authorization server, and what a connector does about them.

`contracts` hands these words on: rooms import them from there. No Django here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from connections.calls import Api
from connections.methods import Method, NewToken, Step, TokenAnswer


@dataclass(frozen=True, slots=True)
class OAuth2:
    """The vendor's authorization server, where it keeps to RFC 6749 and where it bends it.

    `dead_grant` lists (error, words in the description) that mean the refresh token is dead beside
    `invalid_grant`; `wrong_client` likewise for our own client beside `invalid_client`. `always`
    are scopes that each consent asks for, whatever it is for. An answer that names one of the
    scopes `unsaid` ("all that was granted") does not say what was.
    """

    authorize_url: str
    token_url: str
    pkce: bool = True
    client_auth: str = "basic"  # or "body"
    body: str = "form"  # or "json": what the token endpoint is sent
    sends_scope: bool = True
    always: tuple[str, ...] = ()
    unsaid: tuple[str, ...] = ()
    authorize_params: Mapping[str, str] = field(default_factory=dict)
    issuer: str = ""
    grace_seconds: int = 0
    refresh_idle_days: int | None = None
    default_lifetime_seconds: int = 300
    dead_grant: tuple[tuple[str, str], ...] = ()
    wrong_client: tuple[tuple[str, str], ...] = ()
    revoke_url: str = ""
    consumer_steps: tuple[Step, ...] = ()


@runtime_checkable
class IssuesTokens(Protocol):
    """A connector that claims `Method.rotation`: the vendor's API makes and withdraws its tokens.

    All raise what `judge` names. A new token is asked for with `scopes`; with none it gets the
    least that the connector needs. `token_ids` are the vendor's ids of tokens that bear the name.
    """

    def replace_token(
        self,
        api: Api,
        fields: Mapping[str, str],
        method: Method,
        *,
        name: str,
        days: int,
        scopes: frozenset[str] = frozenset(),
    ) -> NewToken: ...

    def withdraw_token(
        self, api: Api, fields: Mapping[str, str], method: Method, *, token_id: str
    ) -> None: ...

    def token_ids(
        self, api: Api, fields: Mapping[str, str], method: Method, *, name: str
    ) -> tuple[str, ...]: ...


@runtime_checkable
class Exchanges(Protocol):
    """A connector of an exchanged method without `Method.exchange`: it asks in its own way.

    `api` carries no authorization and lies where all other calls go. What is refused is raised as
    ReauthorizationRequired. It is asked again before the access token ends.
    """

    def exchange(
        self, api: Api, fields: Mapping[str, str], method: Method, secret: str
    ) -> TokenAnswer: ...
