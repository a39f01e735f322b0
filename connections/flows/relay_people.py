"""Whom events name, with the address and the account at the target of the member that each is.

Who is who is what `queries/identities.py` says; a suggestion never travels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from connections.contracts import (
    Carried,
    CommitRecord,
    DeploymentRecord,
    Person,
    PipelineRecord,
    PullRequestRecord,
)
from connections.flows import persons
from connections.models import Connection, Link, VendorIdentity
from connections.queries import identities
from connections.relay_events import carried_key
from portal.models import User

ACCOUNT: Final = "account"


def named(record: object) -> tuple[Person, ...]:
    """Everybody whom a record names."""
    match record:
        case CommitRecord():
            return (record.author, record.committer)
        case PullRequestRecord():
            taking_part = (each.person for each in record.participants)
            return (record.author, record.closed_by, *taking_part)
        case PipelineRecord():
            return (record.creator,)
        case DeploymentRecord():
            return (record.by,)
    return ()


def carried(link: Link, people: Iterable[Person]) -> dict[str, Carried]:
    """Each of these people by `carried_key`, in a fixed number of statements."""
    by_key = {carried_key(each): each for each in people if carried_key(each)}
    source = link.source
    keys = {
        name: (source.connector, source.server, *own)
        for name, each in by_key.items()
        if (own := persons.key_of(each.remote_id, each.email)) is not None
    }
    known = identities.of_keys(set(keys.values()), [source.id])
    members = {one.user_id for one in known.values() if one.is_certain and one.user_id}
    addresses = _addresses(members)
    accounts = _accounts(link.target, members)
    found = {}
    for name, person in by_key.items():
        one = known.get(keys[name]) if name in keys else None
        member = one.user_id if one is not None and one.is_certain else None
        email = person.email or (one.emails[0] if one is not None and one.emails else "")
        if member is not None:
            email = addresses.get(member, "") or email
        target_id = accounts.get(member, "") if member is not None else ""
        found[name] = Carried(person, email=email, target_id=target_id)
    return found


def _addresses(members: Collection[UUID]) -> dict[UUID, str]:
    if not members:
        return {}
    return dict(User.objects.filter(id__in=list(members)).values_list("id", "email"))


def _accounts(target: Connection, members: Collection[UUID]) -> dict[UUID, str]:
    """The account that each of these members has at the target, where it is known for certain."""
    if not members:
        return {}
    here: Mapping[str, Any] = {"connector": target.connector, "server": target.server}
    found: dict[UUID, set[str]] = defaultdict(set)
    linked = Connection.objects.filter(**here, account_kind="user", granted_by_id__in=list(members))
    for member, account in linked.values_list("granted_by_id", "account_id"):
        found[member].add(account)
    said = VendorIdentity.objects.filter(
        **here, kind=ACCOUNT, says="member", user_id__in=list(members)
    )
    for member, account in said.values_list("user_id", "key"):
        found[member] = {account}
    return {member: one for member, (one, *more) in found.items() if not more}
