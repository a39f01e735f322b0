"""The columns of a row, under our names: what headers and keys of other programs mean here.

No Django here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from connections.imports.findings import FileRefused, Finding

SECRETS: Final = ("token", "refresh_token")
ABOUT: Final = (
    *("connector", "method", "name", "team", "consumer", "base_url"),
    *("labels", "description", "capabilities", "expires_at"),
)
MEANS: Final = {
    "connector": ("provider", "product", "service", "integration"),
    "method": ("kind", "type", "credential_type", "auth", "auth_type", "credential_kind"),
    "name": ("connection", "connection_id", "connection_name", "title"),
    "team": ("group", "department"),
    "consumer": ("oauth_consumer", "oauth_app"),
    "key_id": ("api_key_id",),
    "base_url": ("url", "server", "server_url", "host", "instance_url", "baseurl"),
    "labels": ("tags", "label"),
    "description": ("notes", "note", "comment"),
    "capabilities": ("scopes", "permissions"),
    "expires_at": ("expires", "expiry", "expiration", "expires_on", "valid_until"),
    "token": (
        *("secret", "password", "api_token", "access_token", "app_password", "api_key", "apikey"),
        *("http_access_token", "personal_access_token", "credential"),
        *("client_secret", "api_key_secret", "key_secret"),
    ),
    "email": ("e_mail", "mail", "account_email"),
    "username": ("user", "user_name", "login"),
    "repository": ("repo", "repository_slug", "repo_slug"),
    "project": ("project_key",),
    "workspace": ("workspace_id", "workspace_slug"),
}
_CANONICAL: Final = {other: name for name, others in MEANS.items() for other in others}
_SEPARATORS: Final = re.compile(r"[\s\-.]+")
_LINE_END: Final = re.compile(r"\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_SPACES: Final = re.compile(r"[\t\n\r\x0b\x0c\x85\u2028\u2029]+")
LONGEST_HEADER: Final = 40


@dataclass(frozen=True, slots=True)
class Raw:
    """One row as the file has it: `values` by our names, secrets apart and out of every repr.

    `number` is what a spreadsheet shows beside the row, or an item's place in a list of JSON.
    `hint` is the kind of credential in the words of the program that wrote the file, and
    `consumer_hint` what may be its word for the OAuth consumer. One that is not `movable` has no
    credential that could be brought along, as its findings say.
    """

    number: int
    values: Mapping[str, str]
    secrets: Mapping[str, str] = field(repr=False)
    hint: str = ""
    consumer_hint: str = ""
    movable: bool = True
    findings: tuple[Finding, ...] = ()


def canonical(header: str) -> str:
    """Our name of a header or key: lower case, one underscore between words, synonyms resolved."""
    name = _SEPARATORS.sub("_", header.strip().lower())[:LONGEST_HEADER]
    return _CANONICAL.get(name, name)


def mapped(headers: Iterable[str], known: frozenset[str]) -> list[str]:
    """Our name for each column, "" for one that is not used. FileRefused when the row is none."""
    names = [canonical(header) for header in headers]
    used = [name if name in known else "" for name in names]
    for name in known:
        if used.count(name) > 1:
            raise FileRefused(f"Two columns mean “{name}”. Leave one of them out.")
    if "connector" not in used or not set(used) & set(SECRETS):
        raise FileRefused(
            "The first row has to name the columns: at least “connector”, “name” and “token”."
            " Download the example to begin with."
        )
    return used


def raw(number: int, cells: Mapping[str, str], **rest: Any) -> Raw:
    """The row with its secrets apart; empty cells are left out."""
    filled = {name: text.strip() for name, text in cells.items() if name and text.strip()}
    return Raw(
        number,
        {name: _lined(name, text) for name, text in filled.items() if name not in SECRETS},
        {name: text for name, text in filled.items() if name in SECRETS},
        **rest,
    )


def _lined(name: str, text: str) -> str:
    """One line, as a cell may hold several; a description keeps its lines, which are Markdown."""
    if name == "description":
        return _LINE_END.sub("\n", text).replace("\t", " ")
    return _SPACES.sub(" ", text)
