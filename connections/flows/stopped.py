"""Connections whose last token has ended although nobody withdrew anything: people are told.

A refusal has its own notices. Here are an OAuth consumer that the vendor does not accept, a stored
credential that does not open, and a token endpoint that gives none for six hours. Looked for every
five minutes; told once for each cause, to who can mend it, and to operators where they can.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid5

from django.db.models import Count, Q, QuerySet
from django.urls import reverse

from connections import registry
from connections.explain import explain
from connections.flows import telling, told_kinds, vendors
from connections.flows.incidents import QUIET_FOR
from connections.flows.telling import Named
from connections.grant_explanations import LOST, RESTORED
from connections.models import Breaker, Connection, Consumer, Credential, RefreshAttempt
from portal import clock, everybody, notices, tenancy, work
from portal.models import Notice, Organization
from portal.phrases import plural
from portal.policy import Permission

MISCONFIGURED: Final = "misconfigured"
UNREADABLE: Final = "crypto_error"
REFUSALS: Final = ("", "reauthorization_required", LOST, RESTORED, "subject_changed")
FIRST_TRY: Final = timedelta(minutes=15)  # at most so long before its end a token is renewed
CALM: Final = timedelta(minutes=30)  # after a token came, the rest is on its way
MOST_NAMED: Final = 200
SAMPLE: Final = 20


@dataclass(frozen=True, slots=True)
class Group:
    """The stopped connections of one organization that have one cause."""

    code: str
    connector: str
    consumer_id: UUID | None
    count: int

    @property
    def product(self) -> str:
        return str(registry.get(self.connector).manifest.name)

    @property
    def words(self) -> str:
        """How many, what happened, and what to do about it."""
        found = explain(self.code, product=self.product)
        count = plural(self.count, "connection has,connections have")
        return f"{count} no token any more. {found.happened} {found.remedy}"


@dataclass(frozen=True, slots=True)
class ForOperators:
    """What the platform's people are told; `count` is the sum over its organizations."""

    cause: str
    subject: Named
    code: str
    product: str
    count: int


@work.every("connections.stopped", 300)
def look_after() -> None:
    """Everybody's notices are as their connections are now. Twice does no harm."""
    found: list[ForOperators] = []
    knows_all = False
    try:
        everybody.for_each(everybody.organizations(), lambda: found.extend(_here()))
        knows_all = True
    finally:
        with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
            _operators(_summed(found), knows_all)


def _here() -> list[ForOperators]:
    """The acting organization's people are told; what operators must know is given back."""
    with tenancy.transaction():
        own = set(Consumer.objects.values_list("id", flat=True))
        told: set[str] = set()
        platforms: list[ForOperators] = []
        for group in _groups():
            is_own = group.code == MISCONFIGURED and group.consumer_id in own
            if group.code == UNREADABLE:
                told |= _unreadable(group)
                platforms.append(_for_operators(group))
            elif is_own:
                told.add(_wrong_consumer(group))
            elif _is_long(group):
                told |= _vendor_is_away(group)
                platforms.append(_for_operators(group))
        _end_all_but(told)
        return platforms


# ── What stands still ─────────────────────────────────────────────────────────────────────────


def _stopped() -> QuerySet[Any]:
    """Credentials in use without a living token; what does not open counts while it lives."""
    now = clock.now()
    found = Credential.objects.filter(
        Q(refreshable=True, expires_at__lte=now)
        | Q(refreshable=False, connection__last_error=UNREADABLE),
        replaced_at=None,
        quarantined_at=None,
        connection__paused_at=None,
        connection__state__in=(Connection.State.ACTIVE, Connection.State.UNVERIFIED),
    )
    return found.exclude(connection__last_error__in=REFUSALS)


def _of(group: Group) -> QuerySet[Any]:
    return _stopped().filter(
        connection__last_error=group.code,
        connection__connector=group.connector,
        connection__consumer_id=group.consumer_id,
    )


def _groups() -> Iterator[Group]:
    by = ("connection__last_error", "connection__connector", "connection__consumer_id")
    rows = _stopped().order_by(*by).values_list(*by).annotate(Count("id"))
    for code, connector, consumer_id, count in rows:
        group = Group(code, connector, consumer_id, count)
        if group.code == UNREADABLE or not _gets_tokens(group):
            yield group


def _gets_tokens(group: Group) -> bool:
    """Whether others were given tokens a moment ago: then these have theirs at the next try."""
    others = Credential.objects.filter(
        connection__connector=group.connector, connection__consumer_id=group.consumer_id
    )
    return others.filter(refreshed_at__gt=clock.now() - CALM).exists()


def _is_long(group: Group) -> bool:
    """Whether it was tried in vain for six hours, and no notice of an incident says so already."""
    where = _where(group)
    troubled = Breaker.everywhere.filter(
        organization_id=tenancy.PLATFORM,
        connector=where.connector,
        server=where.server,
        told_at__isnull=False,
    )
    if troubled.exclude(state=Breaker.State.CLOSED).exists():
        return False
    calm = clock.now() - QUIET_FOR
    ended = _of(group).filter(expires_at__lte=calm).order_by("-expires_at")
    lasting = dict(ended.values_list("connection_id", "expires_at")[:SAMPLE])
    if not lasting:
        return False
    tried = RefreshAttempt.objects.filter(connection_id__in=lasting, received_version=None)
    since = min(lasting.values()) - FIRST_TRY
    return tried.filter(at__gte=since, at__lte=calm).exists()


def _where(group: Group) -> vendors.Where:
    """Whom their consumer asks; a consumer of a self-hosted product knows one server."""
    consumer = Consumer.everywhere.filter(id=group.consumer_id).first()
    return vendors.at(group.connector, consumer.base_url if consumer else "")


# ── Who is told what ──────────────────────────────────────────────────────────────────────────


def _wrong_consumer(group: Group) -> str:
    """The organization's own consumer: those who may edit it are told, at once."""
    assert group.consumer_id is not None
    consumer = Consumer.objects.get(id=group.consumer_id)
    cause = telling.stop_cause(consumer.id)
    _tell(
        group,
        cause,
        subject=Named(consumer.id, f"The consumer {consumer}"),
        audience=notices.who_may(Permission.CONSUMER_EDIT),
        url=_page("consumers"),
        title=f"{group.product} does not accept the consumer {consumer}",
        button="OAuth consumers",
    )
    return cause


def _vendor_is_away(group: Group) -> set[str]:
    cause = telling.stop_cause(group.connector)
    _tell(
        group,
        cause,
        subject=Named(uuid5(tenancy.PLATFORM, cause), group.product),
        audience=notices.who_may(Permission.CONNECTION_MEND),
        url=_page("connections"),
        button="See your connections",
    )
    return {cause}


def _unreadable(group: Group) -> set[str]:
    """Each connection by itself: it is mended by linking it again, too."""
    ids = _of(group).order_by("connection_id").values_list("connection_id", flat=True)
    causes = set()
    for connection in Connection.objects.filter(id__in=list(ids[:MOST_NAMED])):
        cause = telling.stop_cause(connection.id)
        causes.add(cause)
        _tell(
            Group(group.code, group.connector, group.consumer_id, 1),
            cause,
            subject=connection,
            audience=telling.menders(connection),
            url=_page("connection", connection.id),
            team_id=connection.team_id,
        )
    return causes


def _tell(group: Group, cause: str, **words: Any) -> None:
    notices.tell(told_kinds.STOPPED, dedupe=cause, body=group.words, **words)


def _end_all_but(causes: set[str]) -> None:
    """What was paused, revoked or refused meanwhile is told of no more; recovering says itself."""
    still_open = Notice.objects.filter(kind=told_kinds.STOPPED, resolved_at=None)
    over = still_open.exclude(dedupe__in=causes)
    for cause in list(over.values_list("dedupe", flat=True)):
        notices.resolve(cause)


def _page(name: str, *ids: UUID) -> str:
    slug = Organization.objects.values_list("slug", flat=True).get(id=tenancy.organization_id())
    return reverse(name, args=[slug, *ids])


# ── Operators ─────────────────────────────────────────────────────────────────────────────────


def _for_operators(group: Group) -> ForOperators:
    """Keys are looked at by organization, a vendor or its platform-wide consumer by connector: the
    words for an outage change from try to try."""
    if group.code == UNREADABLE:
        here = tenancy.organization_id()
        subject = Named(here, Organization.objects.get(id=here).name)
        cause = f"{told_kinds.STOPPED_OPERATORS}:{group.code}:{here}"
    else:
        cause = f"{told_kinds.STOPPED_OPERATORS}:{group.connector}"
        subject = Named(uuid5(tenancy.PLATFORM, cause), group.product)
    return ForOperators(cause, subject, group.code, group.product, group.count)


def _summed(found: list[ForOperators]) -> list[ForOperators]:
    by_cause: dict[str, ForOperators] = {}
    for one in found:
        so_far = by_cause[one.cause].count if one.cause in by_cause else 0
        by_cause[one.cause] = ForOperators(
            one.cause, one.subject, one.code, one.product, one.count + so_far
        )
    return list(by_cause.values())


def _operators(causes: list[ForOperators], knows_all: bool) -> None:
    """They are told; what is not among the causes is over, if all organizations were looked at."""
    for one in causes:
        count = plural(one.count, "connection has,connections have")
        notices.tell(
            told_kinds.STOPPED_OPERATORS,
            subject=one.subject,
            audience=notices.operators(),
            dedupe=one.cause,
            url=reverse("platform_connectors"),
            body=f"{count} no token any more. {explain(one.code, product=one.product).happened}",
        )
    if not knows_all:
        return
    still_open = Notice.objects.filter(kind=told_kinds.STOPPED_OPERATORS, resolved_at=None)
    over = still_open.exclude(dedupe__in=[one.cause for one in causes])
    for cause in list(over.values_list("dedupe", flat=True)):
        notices.recovered(cause, kind=told_kinds.RECOVERED_OPERATORS)
