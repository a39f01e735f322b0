"""The ways a credential comes to us, and how it is exchanged for the next one. No Django here.

`contracts` hands these words on: rooms import them from there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from connections.moments import bounded

BASE_URL = "base_url"  # the field of a connection that holds a self-hosted product's address


class MethodKind(StrEnum):
    """How a credential comes to us.

    Of an exchanged one a person pastes the long-lived secret of a client, for which a worker gets
    a short-lived access token again and again: there is no refresh token.
    """

    AUTHORIZATION_CODE = "authorization_code"
    CLIENT_CREDENTIALS = "client_credentials"
    SECRET = "secret"
    EXCHANGED = "exchanged"

    @property
    def is_pasted(self) -> bool:
        """Whether a person pastes a secret; all others need an OAuth consumer."""
        return self in {MethodKind.SECRET, MethodKind.EXCHANGED}


class Scheme(StrEnum):
    """How a stored secret becomes an Authorization header."""

    BEARER = "bearer"
    BASIC = "basic"


@dataclass(frozen=True, slots=True)
class Field:
    """One input of a method's form. A `secret` field is sealed and never shown again; one that is
    none and whose values look like one, such as a client's id, says `random`."""

    name: str
    label: str
    help: str = ""
    placeholder: str = ""
    secret: bool = False
    pattern: str = ""  # full match, checked on our side too
    kind: str = "text"  # "text", "email", "password"
    max_length: int = 200
    random: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction: what to do at the vendor; `copy` is a text the person pastes there.

    The page fills in `{callback_url}` and `{portal_url}` in `copy`.
    """

    text: str
    copy: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class TokenRotation:
    """How the vendor's own API replaces a token of a method.

    A new one lives `days`, at most `longest_days` (None: the vendor sets no limit that we know).
    `needs` are the scopes the old token has to hold for it. `token_id` reads the vendor's id of a
    token out of the token itself, "" where it is not in it. `by_hand_path` is the vendor's page
    where people withdraw it, relative to the base URL of a self-hosted product, with the fields of
    the method's form in braces.
    """

    days: int = 90
    longest_days: int | None = None
    needs: tuple[str, ...] = ()
    token_id: Callable[[str], str] | None = None
    by_hand_path: str = ""


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token the vendor just made; `scopes` are those it says, `expires_at` None is never."""

    token: str = field(repr=False)
    token_id: str
    expires_at: datetime | None
    scopes: frozenset[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "expires_at", bounded(self.expires_at))


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """Well-formed tokens. `scopes` is None when the vendor did not say; no refresh token is None.

    `expires_in_seconds` counts from the answer's receipt; 0 is already expired.
    """

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_in_seconds: int
    scopes: frozenset[str] | None
    token_type: str = "bearer"


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """How a pasted client secret is exchanged for an access token (RFC 6749 §4.4).

    `client_id` names the field of the form that is the client's id, `params` are sent along. The
    URL of a self-hosted product is a path below its base URL. `unsaid` is as that of `OAuth2`.
    """

    token_url: str
    client_id: str = "client_id"
    client_auth: str = "body"  # or "basic"
    body: str = "form"  # or "json"
    params: Mapping[str, str] = field(default_factory=dict)
    sends_scope: bool = False
    unsaid: tuple[str, ...] = ()
    default_lifetime_seconds: int = 300


@dataclass(frozen=True, slots=True)
class Lookup:
    """A field that nobody has to type: the vendor tells it to everybody.

    Before a credential is first used, `url` (with the form's fields in braces) is asked without
    any authorization, and what its JSON holds under `key` is kept as the field `field`.
    """

    url: str
    key: str
    field: str
    pattern: str


@dataclass(frozen=True, slots=True)
class SelfHosted:
    """A product that each customer runs: a person types its base URL, context path included.

    It is kept in canonical form in the connection's field `base_url`; the manifest's addresses
    are paths below it. At one of `known_hosts` ("*.example.com": the vendor runs those itself)
    whoever may link may name a new one.
    """

    label: str = "Base URL"
    help: str = ""
    placeholder: str = "https://"
    known_hosts: tuple[str, ...] = ()

    def knows(self, host: str) -> bool:
        """Whether the vendor itself runs what is at this host; `*` is one label of a name."""
        name, _, rest = host.partition(".")
        return bool(name) and (f"*.{rest}" in self.known_hosts or host in self.known_hosts)

    @property
    def field(self) -> Field:
        return Field(
            BASE_URL, self.label, help=self.help, placeholder=self.placeholder, max_length=2048
        )


@dataclass(frozen=True, slots=True)
class MethodEnd:
    """The vendor ended a method: when, who says so, and the key of the method that follows it."""

    on: date
    by: str
    instead: str
    url: str = ""
    failing_since: date | None = None  # from then on it is refused for an hour now and then

    def is_over(self, at: datetime) -> bool:
        """Whether that day has come."""
        return self.on <= at.date()


@dataclass(frozen=True, slots=True)
class Method:
    """One way to link: OAuth, a pasted token, …

    `vocabulary` says in which of the vendor's scope languages its scopes are spoken.
    With `Scheme.BASIC`, `basic_user` names the field that is the user name. `offers` are the only
    scopes this method's credential can ever hold; empty means all of its vocabulary. With
    `rotation` the vendor replaces its tokens on request: the connector is an `IssuesTokens`.
    A method with an `end` cannot be chosen any more, only be brought along by an import.
    An exchanged one has an `exchange`, or its connector is an `Exchanges`. `api_url` replaces the
    manifest's, with the form's fields in braces; each of those keeps to a pattern.
    """

    key: str
    kind: MethodKind
    title: str
    summary: str
    vocabulary: str
    credential_kind: str
    fields: tuple[Field, ...] = ()
    steps: tuple[Step, ...] = ()
    scheme: Scheme = Scheme.BEARER
    basic_user: str = ""
    acts_as: str = ""
    lifetime: str = ""
    limits: str = ""
    offers: frozenset[str] = frozenset()
    rotation: TokenRotation | None = None
    end: MethodEnd | None = None
    withdraw: tuple[Step, ...] = ()  # where people withdraw it by hand, and what to look for
    personal: bool = False  # the credential acts as the person who made it
    exchange: ClientCredentials | None = None
    api_url: str = ""
    lookup: Lookup | None = None

    def has_ended(self, at: datetime) -> bool:
        """Whether nobody's are accepted any more; until the day of its end it may be refused."""
        return self.end is not None and self.end.is_over(at)

    def fails_at_times(self, at: datetime) -> bool:
        """Whether a refusal says nothing about the credential: brownouts before the end."""
        end = self.end
        if end is None or end.failing_since is None or end.is_over(at):
            return False
        return end.failing_since <= at.date()


@dataclass(frozen=True, slots=True)
class TokenPrefix:
    """What a pasted token's first characters say: the methods it belongs to, or why it is dead.

    One of an ended method has both: it is refused where it is pasted, and known in an import.
    """

    prefix: str
    name: str
    methods: tuple[str, ...] = ()
    refusal: str = ""
