"""What people are told of what comes due: keys that end, credentials that a policy wants replaced.

Each belongs to the transaction that found it out. A cause stays open while it holds, so that
nobody is told of it twice; `expiry.warn` ends what is over.
"""

from __future__ import annotations

from uuid import UUID

from connections.flows import told_kinds as kinds
from connections.flows.policies import Rule
from connections.flows.telling import Named, page_of
from connections.models import Connection, ServiceKey
from portal import notices, tenancy
from portal.audience import People
from portal.phrases import plural
from portal.policy import Permission, Role

HEADS = (Role.OWNER.value, Role.ADMIN.value)


def within(days: int) -> str:
    """As in "expires within a day"."""
    return f"within {plural(days, 'day') if days > 1 else 'a day'}"


def expiry(connection: Connection, mark: int) -> str:
    """The cause of the warning at so many days."""
    return f"{kinds.EXPIRES}:{connection.id}:{mark}"


def expires(connection: Connection, days: int, cause: str, people: People) -> None:
    """Its credential ends in so many days and does not renew itself."""
    notices.tell(
        kinds.EXPIRES,
        subject=connection,
        audience=menders(connection, people),
        dedupe=cause,
        url=page_of("connection_replace", connection.id),
        team_id=connection.team_id,
        title=f"{connection} expires {within(days)}",
    )


def key_expiry(key: ServiceKey, mark: int) -> str:
    """The cause of a key's warning at so many days."""
    return f"{kinds.KEY_EXPIRES}:{key.id}:{mark}"


def key_expires(key: ServiceKey, days: int, cause: str, people: People) -> None:
    """A service key ends in so many days; whoever may make another one is told."""
    notices.tell(
        kinds.KEY_EXPIRES,
        subject=key,
        audience=people.who_may(Permission.SERVICE_KEY_EDIT),
        dedupe=cause,
        url=page_of("service_key", key.id),
        title=f"The service key {key} expires {within(days)}",
    )


# ── Rotation policies ─────────────────────────────────────────────────────────────────────────


def rotation(kind: str, connection: Connection, mark: int | None = None) -> str:
    """The cause of a policy's notice; with `mark`, of the warning at so many days."""
    return f"{kind}:{connection.id}" + (f":{mark}" if mark is not None else "")


def rotation_due(connection: Connection, rule: Rule, days: int, cause: str, people: People) -> None:
    """Its credential has to be replaced in so many days."""
    _rotate(
        kinds.ROTATION_DUE,
        connection,
        menders(connection, people) | chosen(rule, connection.team_id, people),
        cause,
        title=f"Replace the credential of {connection} {within(days)}",
    )


def rotation_overdue(connection: Connection, rule: Rule, cause: str, people: People) -> None:
    """Its credential should have been replaced by now."""
    told = menders(connection, people) | chosen(rule, connection.team_id, people)
    _rotate(kinds.ROTATION_OVERDUE, connection, told, cause)


def rotation_escalated(connection: Connection, days: int, cause: str, people: People) -> None:
    """It has been overdue for so long that owners and admins are told."""
    _rotate(
        kinds.ROTATION_ESCALATED,
        connection,
        people.with_roles(HEADS, team_id=connection.team_id),
        cause,
        title=f"The credential of {connection} is {plural(days, 'day')} overdue",
    )


def forbidden(count: int, rule: Rule, cause: str, people: People) -> None:
    """Some credentials act as a person, and the policy allows none that do."""
    notices.tell(
        kinds.ROTATION_PERSONAL,
        subject=_here(),
        audience=people.who_may(Permission.CONNECTION_MANAGE) | chosen(rule, None, people),
        dedupe=cause,
        url=page_of("connections") + "?policy=personal",
        title=f"{plural(count, 'connection')} should not act as a person",
    )


def menders(connection: Connection, people: People) -> set[UUID]:
    """Who may mend this connection."""
    return people.who_may(
        Permission.CONNECTION_MEND,
        team_id=connection.team_id,
        granted_by=connection.granted_by_id,
    )


def chosen(rule: Rule, team_id: UUID | None, people: People) -> set[UUID]:
    """The people whom the policy wants told, as far as they may see the connection at all."""
    may_see = people.who_may(Permission.CONNECTION_VIEW, team_id=team_id)
    return may_see & (people.with_roles(rule.told_roles, team_id=team_id) | set(rule.told_people))


def _rotate(
    kind: str, connection: Connection, audience: set[UUID], cause: str, title: str = ""
) -> None:
    notices.tell(
        kind,
        subject=connection,
        audience=audience,
        dedupe=cause,
        url=page_of("connection_credential", connection.id),
        team_id=connection.team_id,
        title=title,
    )


def _here() -> Named:
    return Named(tenancy.organization_id(), "This organization")
