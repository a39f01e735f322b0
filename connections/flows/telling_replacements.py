"""Whom a replacement tells what: a rotation that failed, an old credential nobody withdrew."""

from __future__ import annotations

from django.urls import reverse

from connections.contracts import BASE_URL
from connections.flows import stages, telling, told_kinds as kinds
from connections.models import Connection, Replacement
from portal import notices, tenancy
from portal.models import Notice, Organization


def rotation_failed(row: Replacement) -> None:
    """A rotation did not come about; the credential in use is as it was."""
    if row.automatic:
        _tell(kinds.ROTATION_FAILED, row.connection, page="connection_credential")


def rotation_blocked(row: Replacement) -> None:
    """A rotation is due and cannot begin: the one before it has not ended."""
    _tell(
        kinds.ROTATION_FAILED,
        row.connection,
        title=f"{row.connection} is due for rotation, and waits",
        body="The old credential of the last replacement was not withdrawn. Withdraw it, or say"
        " that you did: within an hour the vendor is asked for the next one.",
        button="Withdraw the old one",
    )


def waits(row: Replacement) -> None:
    """A new credential was checked a week ago, and nobody has decided about it."""
    _tell(kinds.WAITS, row.connection)


def decided(connection: Connection) -> None:
    """No checked credential waits any more."""
    notices.resolve(_cause(kinds.WAITS, connection))


def to_withdraw(row: Replacement) -> None:
    """The old credential still works at the vendor, and somebody has to withdraw it there."""
    _tell(kinds.WITHDRAW, row.connection)


def left_at_vendor(row: Replacement) -> None:
    """A token that we had the vendor make works on there, and only a person can withdraw it."""
    where = _page_by_hand(row)
    _tell(
        kinds.LEFT_AT_VENDOR,
        row.connection,
        page="connection",
        dedupe=f"{kinds.LEFT_AT_VENDOR}:{row.id}",
        body=f"We had the vendor make the token {row.token_name} and could not withdraw it. It is"
        f" not used. Withdraw it by that name{f' at {where}' if where else ' at the vendor'}.",
    )


def _page_by_hand(row: Replacement) -> str:
    """The vendor's own page of these tokens; empty where it is not known."""
    fields = row.connection.fields
    try:
        method = stages.method_before(row)
    except KeyError:  # the product is not on the allow-list any more
        return ""
    path = method.rotation.by_hand_path if method.rotation else ""
    if not path or BASE_URL not in fields:
        return ""
    return f"{fields[BASE_URL].rstrip('/')}/{path.format_map(fields)}"


def method_ended(connection: Connection) -> None:
    """The vendor ended this kind of credential for everybody: another kind takes its place."""
    _tell(
        kinds.NEEDS_LINK,
        connection,
        title=f"{connection} needs another kind of credential",
        body="The vendor accepts none of this kind any more. Name, webhook address and history stay"
        " when you replace it.",
        button="Replace it",
    )


def replaced(connection: Connection) -> None:
    """Another credential is in use: warnings of the earlier one are over."""
    decided(connection)
    ends = Notice.objects.filter(
        kind__in=(kinds.EXPIRES, kinds.ROTATION_FAILED), subject_id=connection.id, resolved_at=None
    )
    for cause in list(ends.values_list("dedupe", flat=True)):
        notices.resolve(cause)


def withdrawn(connection: Connection) -> None:
    """There is no old credential left to withdraw."""
    notices.resolve(_cause(kinds.WITHDRAW, connection))


def _tell(
    kind: str,
    connection: Connection,
    *,
    page: str = "connection_replace",
    dedupe: str = "",
    title: str = "",
    body: str = "",
    button: str = "",
) -> None:
    slug = Organization.objects.get(id=tenancy.organization_id()).slug
    notices.tell(
        kind,
        subject=connection,
        audience=telling.menders(connection),
        dedupe=dedupe or _cause(kind, connection),
        url=reverse(page, args=[slug, connection.id]),
        team_id=connection.team_id,
        title=title,
        body=body,
        button=button,
    )


def _cause(kind: str, connection: Connection) -> str:
    return f"{kind}:{connection.id}"
