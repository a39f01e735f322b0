"""Which repositories take part in a link: what was chosen, what joins later, and what is told.

A repository that takes part in any link is marked (`Repository.relayed_at`), so that writing what
a vendor says costs nothing where there is none.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any, Final
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from connections.flows.problems import FlowProblem
from connections.models import Link, LinkChoice, LinkRepository, LinkState, Repository
from portal import audit, clock
from portal.policy import SYSTEM

MOST_PATTERNS: Final = 50
LIVE: Final = (LinkState.ACTIVE, LinkState.PAUSED)


def repositories(
    *, source_id: UUID, choice: str, pattern: str = "", listed: Collection[UUID] = ()
) -> QuerySet[Any]:
    """The source's repositories that fit; FlowProblem where the choice says nothing."""
    rows: QuerySet[Any] = Repository.objects.filter(
        connection_id=source_id, gone_at=None, workspace__selected=True
    )
    if choice == LinkChoice.LISTED:
        return rows.filter(id__in=list(listed))
    if choice == LinkChoice.PATTERN:
        return rows.filter(full_name__iregex=regex(pattern))
    return rows


def regex(pattern: str) -> str:
    """The pattern as PostgreSQL reads it: * is any text, ? one character, commas between several.

    Raises FlowProblem for one that says nothing.
    """
    parts = [part.strip() for part in pattern.split(",") if part.strip()]
    if not parts:
        raise FlowProblem("pattern", "pattern", "Write a pattern, such as acme/web-*.")
    if len(parts) > MOST_PATTERNS:
        raise FlowProblem("pattern", "pattern", f"At most {MOST_PATTERNS} patterns fit.")
    return "^(" + "|".join(map(_one, parts)) + ")$"


def _one(part: str) -> str:
    known = {"*": ".*", "?": "."}
    return "".join(known.get(each) or re.escape(each) for each in part)


def fitting(link: Link) -> QuerySet[Any]:
    """Repositories that the link's own choice takes in, without those listed by hand."""
    return repositories(source_id=link.source_id, choice=link.choice, pattern=link.pattern)


def settle(link: Link, listed: Collection[UUID] = ()) -> tuple[int, int]:
    """The rows of the link are as it is chosen now; how many joined and how many left.

    Who left stays as a row that is not enabled, with what came of it.
    """
    chosen = repositories(
        source_id=link.source_id, choice=link.choice, pattern=link.pattern, listed=listed
    )
    wanted = set(chosen.values_list("id", flat=True))
    rows = LinkRepository.objects.filter(link_id=link.id)
    enabled = set(rows.filter(enabled=True).values_list("repository_id", flat=True))
    take_out(link, sorted(enabled - wanted))
    return take_in(link, sorted(wanted - enabled)), len(enabled - wanted)


def take_in(link: Link, ids: Sequence[UUID]) -> int:
    """These take part from now on; how many there are."""
    if not ids:
        return 0
    now = clock.now()
    rows = LinkRepository.objects.filter(link_id=link.id, repository_id__in=ids)
    rows.update(enabled=True, enabled_at=now, erasing=False)
    known = set(rows.values_list("repository_id", flat=True))
    LinkRepository.objects.bulk_create(
        [
            LinkRepository(
                organization_id=link.organization_id,
                link_id=link.id,
                repository_id=each,
                enabled_at=now,
            )
            for each in ids
            if each not in known
        ],
        ignore_conflicts=True,
    )
    mark(ids)
    return len(ids)


def take_out(link: Link, ids: Sequence[UUID], *, erases: bool = False) -> int:
    """These take part no more; with `erases`, a worker removes what was written of them."""
    rows = LinkRepository.objects.filter(link_id=link.id, repository_id__in=list(ids))
    left: int = rows.filter(enabled=True).update(enabled=False)
    if erases:
        rows.update(erasing=True)
    mark(ids)
    return left


def mark(ids: Collection[UUID]) -> None:
    """Each of these repositories says whether it takes part in any link that is live."""
    taking_part = LinkRepository.objects.filter(
        repository_id=OuterRef("id"), enabled=True, link__state__in=LIVE
    )
    rows = Repository.objects.filter(id__in=list(ids))
    rows.filter(Exists(taking_part), relayed_at=None).update(relayed_at=clock.now())
    rows.filter(~Exists(taking_part), relayed_at__isnull=False).update(relayed_at=None)


def mark_all_of(link: Link) -> None:
    """The same of all that ever took part in this link."""
    mark(LinkRepository.objects.filter(link_id=link.id).values_list("repository_id", flat=True))


def join(source_id: UUID) -> None:
    """Repositories of this connection were read: those that fit a link by themselves take part.

    In the transaction that kept them.
    """
    rows = Link.objects.filter(source_id=source_id, includes_new=True, state__in=LIVE)
    for link in rows.order_by("id"):
        ids = newcomers(link)
        if not take_in(link, ids):
            continue
        named = Repository.objects.filter(id__in=ids[:20]).order_by("full_name")
        names = list(named.values_list("full_name", flat=True))
        audit.record(
            audit.Action.RELAY_JOINED, actor=SYSTEM, subject=link, names=names, count=len(ids)
        )


def newcomers(link: Link) -> list[UUID]:
    """Repositories that fit and were never part of it; what was taken out by hand stays out."""
    known = LinkRepository.objects.filter(link_id=link.id, repository_id=OuterRef("id"))
    rows = fitting(link).filter(~Q(Exists(known)))
    return list(rows.order_by("id").values_list("id", flat=True)[:1000])
