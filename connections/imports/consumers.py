"""At which server a row's account lives, and which OAuth consumer its tokens were given to.

A refresh token is sent to its consumer's server and to no other, so the two are judged together.
No Django here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from connections.contracts import BASE_URL, Manifest, Method
from connections.imports.findings import error, warning
from connections.imports.known import Judged, Known, KnownConsumer

NAME_IT: Final = (
    "Name the OAuth consumer that these tokens were given to, by its name or key. It has to be"
    " registered here first: under Settings, OAuth consumers."
)
ONLY_ONE: Final = "The only registered consumer is used. Tokens of another one fail."


def judge(
    manifest: Manifest,
    method: Method,
    values: Mapping[str, str],
    row: Judged,
    known: Known,
    *,
    hint: str = "",
) -> None:
    """The row has its server and its consumer, or a finding about what is missing or at odds."""
    text = values.get(BASE_URL, "") if manifest.self_hosted is not None else ""
    if text:
        try:
            row.fields[BASE_URL] = known.base_url(manifest, text)
        except ValueError as refusal:
            row.findings.append(error(BASE_URL, str(refusal)))
            return
    if not method.kind.is_pasted:
        named = values.get("consumer", "") or values.get("client_id", "")
        _consumer(named, hint, row, known)
    elif manifest.self_hosted is not None and not text:
        row.findings.append(error(BASE_URL, f"Fill in the address of your {manifest.name}."))


def _consumer(named: str, hint: str, row: Judged, known: Known) -> None:
    usable, is_told = _meant(named, hint, row, known)
    server = row.fields.get(BASE_URL, "")
    here = [one for one in usable if not server or one.base_url == server]
    if usable and not here:
        row.findings.append(error("consumer", _elsewhere(usable[0], server)))
    elif len(here) != 1:
        row.findings.append(error("consumer", NAME_IT))
    else:
        row.consumer_id = here[0].id
        if here[0].base_url:
            row.fields[BASE_URL] = here[0].base_url
        if not is_told:
            row.findings.append(warning("consumer", ONLY_ONE))


def _meant(named: str, hint: str, row: Judged, known: Known) -> tuple[list[KnownConsumer], bool]:
    """Those that it may be, and whether somebody said so: the row, who uploads it, or its program.

    A hint that no consumer here is called by says nothing.
    """
    usable = [one for one in known.consumers if one.connector == row.connector]
    if named:
        return [one for one in usable if named.lower() in one.names], True
    chosen = [one for one in usable if one.id == known.consumer_id]
    hinted = [one for one in usable if hint.lower() in one.names]
    return (chosen or hinted or usable), bool(chosen or hinted)


def _elsewhere(consumer: KnownConsumer, server: str) -> str:
    """Of the row's address only the host is told: a path may hold anything."""
    return (
        f"“{consumer.name}” belongs to {consumer.base_url}, and this row names another address at"
        f" {urlsplit(server).netloc}. Its tokens are sent to no other server: register the consumer"
        " of that one, or correct the address."
    )
