"""Who is who: identities at vendors with the member each is, said by a person, matched or guessed.

What a person said holds. Otherwise a member is matched who linked that very account, or whose
verified address came along with it; a like name is only a suggestion. Two who fit are none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from connections.models import Connection
from portal import roles, tenancy

CONFIRMED, BOT, MATCHED, SUGGESTED, UNKNOWN = "confirmed", "bot", "matched", "suggested", "unknown"
CERTAIN: Final = frozenset({CONFIRMED, MATCHED})
BECAUSE: Final = {
    "own": "linked this account here",
    "mail": "has this address, verified here",
    "name": "has the same name here",
    "part": "has an address that begins alike",
}
Key = tuple[str, str, str, str]  # connector, server, kind, key

SOURCE: Final = """
WITH chosen AS (
  SELECT i.* FROM connections_vendoridentity i
   WHERE i.organization_id = %(organization)s AND i.connections && %(readable)s::uuid[] {only}),
people AS (
  SELECT u.id, u.name, lower(u.email) AS mail FROM portal_membership m
    JOIN portal_user u ON u.id = m.user_id AND u.is_active
   WHERE m.organization_id = %(organization)s),
own AS (
  SELECT connector, server, account_id, min(granted_by_id::text)::uuid AS user_id
    FROM connections_connection JOIN people ON people.id = granted_by_id
   WHERE organization_id = %(organization)s AND account_kind = 'user'
   GROUP BY 1, 2, 3 HAVING count(DISTINCT granted_by_id) = 1),
mails AS (
  SELECT lower(e.email) AS mail, min(e.user_id::text)::uuid AS user_id
    FROM account_emailaddress e JOIN people ON people.id = e.user_id
   WHERE e.verified GROUP BY 1 HAVING count(DISTINCT e.user_id) = 1),
names AS (
  SELECT lower(name) AS name, min(id::text)::uuid AS user_id FROM people
   WHERE name <> '' GROUP BY 1 HAVING count(*) = 1),
parts AS (
  SELECT split_part(mail, '@', 1) AS part, min(id::text)::uuid AS user_id FROM people
   GROUP BY 1 HAVING count(*) = 1),
by_mail AS (
  SELECT c.id, min(m.user_id::text)::uuid AS user_id
    FROM chosen c CROSS JOIN unnest(c.emails) AS e(mail) JOIN mails m ON m.mail = e.mail
   GROUP BY 1 HAVING count(DISTINCT m.user_id) = 1),
by_part AS (
  SELECT c.id, min(p.user_id::text)::uuid AS user_id
    FROM chosen c CROSS JOIN unnest(c.emails) AS e(mail)
    JOIN parts p ON p.part = split_part(e.mail, '@', 1)
   GROUP BY 1 HAVING count(DISTINCT p.user_id) = 1),
found AS (
  SELECT c.*, coalesce(own.user_id, by_mail.user_id) AS matched_id,
         coalesce(names.user_id, by_part.user_id) AS guessed_id,
         CASE WHEN own.user_id IS NOT NULL THEN 'own' WHEN by_mail.user_id IS NOT NULL THEN 'mail'
              WHEN names.user_id IS NOT NULL THEN 'name'
              WHEN by_part.user_id IS NOT NULL THEN 'part' ELSE '' END AS because
    FROM chosen c
    LEFT JOIN own ON c.kind = 'account' AND own.connector = c.connector
                 AND own.server = c.server AND own.account_id = c.key
    LEFT JOIN by_mail ON by_mail.id = c.id LEFT JOIN by_part ON by_part.id = c.id
    LEFT JOIN names ON names.name = lower(c.name)),
rows AS (
  SELECT f.id, f.connector, f.server, f.kind, f.key, f.name, f.emails, f.url, f.connections,
         f.says, f.said_by, f.said_at, f.before IS NOT NULL AS has_before,
         CASE WHEN f.says = 'bot' THEN 'bot'
              WHEN f.says = 'member' AND f.user_id IS NOT NULL THEN 'confirmed'
              WHEN f.matched_id IS NOT NULL THEN 'matched'
              WHEN f.guessed_id IS NOT NULL THEN 'suggested' ELSE 'unknown' END AS state,
         CASE WHEN f.says = 'bot' THEN NULL
              WHEN f.says = 'member' AND f.user_id IS NOT NULL THEN f.user_id
              ELSE coalesce(f.matched_id, f.guessed_id) END AS user_id,
         CASE WHEN f.says = '' OR f.says = 'member' AND f.user_id IS NULL
              THEN f.because ELSE '' END AS because
    FROM found f),
named AS (
  SELECT rows.*, coalesce(nullif(u.name, ''), u.email, '') AS member,
         people.id IS NOT NULL AS is_member,
         lower(coalesce(nullif(rows.name, ''), rows.key)) AS sort
    FROM rows LEFT JOIN portal_user u ON u.id = rows.user_id
    LEFT JOIN people ON people.id = rows.user_id)
"""
_ONE_OF: Final = (
    "AND (i.connector, i.server, i.kind, i.key) IN (SELECT * FROM unnest("
    "%(connectors)s::varchar[], %(servers)s::varchar[], %(kinds)s::varchar[], %(keys)s::varchar[]))"
)
ALL: Final = (
    "SELECT id, connector, kind, key, name, emails, url, connections, said_by, said_at, has_before,"
    " state, user_id, because, member, is_member, server FROM named"
)


@dataclass(frozen=True, slots=True)
class Known:
    """One identity, and which member it is as far as that is known."""

    id: UUID
    connector: str
    kind: str
    key: str
    name: str
    emails: tuple[str, ...]
    url: str
    connections: tuple[UUID, ...]
    said_by: str
    said_at: datetime | None
    can_go_back: bool
    state: str
    user_id: UUID | None
    because: str
    member: str
    is_member: bool
    server: str

    @property
    def shown(self) -> str:
        return self.name or self.key

    @property
    def why(self) -> str:
        """How it is known who that is, in words; empty where a person said so or nobody did."""
        return f"{self.member} {BECAUSE[self.because]}" if self.because else ""

    @property
    def is_certain(self) -> bool:
        return self.state in CERTAIN

    @property
    def account(self) -> Key:
        return self.connector, self.server, self.kind, self.key


def known(row: Sequence[Any]) -> Known:
    """From a row of ALL."""
    values = list(row)
    values[5], values[7] = tuple(values[5]), tuple(values[7])
    return Known(*values)


def selected(
    tail: str, readable: Iterable[Any], values: Mapping[str, Any], *, only: str = ""
) -> list[Sequence[Any]]:
    """Rows of a statement over `named`; `readable` are ids of connections that may be read."""
    given = {
        "organization": tenancy.organization_id(),
        "readable": list(readable),
        **values,
    }
    with roles.connection().cursor() as cursor:
        cursor.execute(SOURCE.replace("{only}", only) + tail, given)
        return list(cursor.fetchall())


def of_keys(keys: Collection[Key], readable: Iterable[UUID]) -> dict[Key, Known]:
    """Who these are, in one statement."""
    if not keys:
        return {}
    columns = list(zip(*keys, strict=True))
    names = ("connectors", "servers", "kinds", "keys")
    values = {name: list(column) for name, column in zip(names, columns, strict=True)}
    rows = selected(ALL, readable, values, only=_ONE_OF)
    return {one.account: one for one in map(known, rows)}


def connection_names(ids: Iterable[UUID]) -> dict[UUID, str]:
    """Names of the connections among these that row-level security shows."""
    return dict(Connection.objects.filter(id__in=set(ids)).values_list("id", "name"))
