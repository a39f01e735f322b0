"""How a connection is, in one of five words and one sentence; computed, never stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Case, CharField, Q, QuerySet, Value, When
from django.db.models.expressions import RawSQL
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from connections import registry
from connections.errors import NotInstalled
from connections.explain import BROKEN, Explanation, explain
from connections.grant_explanations import (
    GONE_OTHERWISE,
    INCIDENT,
    LOST,
    ORPHANED,
    SERVER_INCIDENT,
    SUSPECTED,
)
from connections.models import Breaker, Connection, Consumer, Credential, Outcome, Verification
from connections.queries import products
from connections.queries.lacks import Lack, lack_of, since
from connections.replacement_explanations import METHOD_ENDED, METHOD_ENDS
from portal import clock, tenancy
from portal.templatetags.portal import when

WORST_FIRST = ("broken", "attention", "unverified", "working", "paused")
EXPIRES_SOON = timedelta(days=30)

State = Connection.State
Incidents = frozenset[tuple[str, str]]  # connector, and server of a product that people run
_PAUSED = Q(state=State.REVOKED) | Q(paused_at__isnull=False)
_BROKEN = Q(state=State.NEEDS_REAUTHORIZATION) | Q(last_error__in=sorted(BROKEN))
_REFUSED = "reauthorization_required"
NOT_INSTALLED = NotInstalled.code
# Trouble that an incident at the vendor explains better than anything at the connection. What the
# organization's own consumer causes is not among it.
_CONSUMER = "misconfigured"
_BY_INCIDENT = frozenset({"", _REFUSED, _CONSUMER, "unavailable", "answer_lost"})
_ATTENTION = Q(suspect_since__isnull=False) | ~Q(last_error="") | Q(orphaned_at__isnull=False)


def not_installed() -> Q:
    """The rows whose connector this installation has not."""
    return ~Q(connector__in=sorted(registry.connectors()))


def lacking() -> QuerySet[Any, Any]:
    """Ids of connections whose last verification found that something is not possible."""
    told = Verification.objects.filter(started_at__gte=since(), finished_at__isnull=False)
    latest = told.order_by("connection_id", "-started_at").distinct("connection_id")
    partly = Verification.objects.filter(id__in=latest.values("id"), outcome=Outcome.PARTLY)
    return partly.values_list("connection_id", flat=True)


def last_outcome() -> RawSQL:
    """A column of connections: what the last verification came to; cheap for a page of them.

    As text, because Django takes half a millisecond to build the same from its parts.
    """
    return RawSQL(
        "SELECT outcome FROM connections_verification AS told"
        " WHERE told.organization_id = connections_connection.organization_id"
        " AND told.connection_id = connections_connection.id"
        " AND told.started_at >= %s AND told.finished_at IS NOT NULL"
        " ORDER BY told.started_at DESC LIMIT 1",
        [since()],
        output_field=CharField(),
    )


def in_sql() -> Case:
    """The same question as `word_of`, asked of PostgreSQL; the first that fits wins."""
    return Case(
        When(_PAUSED, then=Value("paused")),
        When(_BROKEN, then=Value("broken")),
        When(_ATTENTION | not_installed() | Q(id__in=lacking()), then=Value("attention")),
        When(state=State.UNVERIFIED, then=Value("unverified")),
        default=Value("working"),
        output_field=CharField(),
    )


def condition(word: str) -> Q:
    """The rows that are so; raises KeyError for a word that is none of the five."""
    able = ~_PAUSED & ~_BROKEN
    attention = _ATTENTION | not_installed()
    fine = able & ~attention & ~Q(id__in=lacking())
    conditions: Mapping[str, Q] = {
        "paused": _PAUSED & ~Q(state=State.REVOKED),
        "broken": ~_PAUSED & _BROKEN,
        "attention": able & (attention | Q(id__in=lacking())),
        "unverified": fine & Q(state=State.UNVERIFIED),
        "working": fine & ~Q(state=State.UNVERIFIED),
    }
    return conditions[word]


def word_of(row: Any, *, lacks: bool = False) -> str:
    """One of five, from a row with the columns of a connection that say how it is.

    `lacks`: its last verification found that something is not possible.
    """
    if row.state == State.REVOKED or row.paused_at is not None:
        return "paused"
    if row.state == State.NEEDS_REAUTHORIZATION or row.last_error in BROKEN:
        return "broken"
    if row.suspect_since is not None or row.last_error or row.orphaned_at is not None or lacks:
        return "attention"
    if not registry.is_installed(row.connector):
        return "attention"
    return "unverified" if row.state == State.UNVERIFIED else "working"


@dataclass(frozen=True, slots=True)
class Health:
    """The head of a connection's page: badge, one line in words, and what to do about it."""

    state: str
    word: str
    line: SafeString
    trouble: Explanation | None = None


def health_of(
    connection: Connection,
    *,
    product: str,
    credential: Credential | None,
    verification: Verification | None,
    incidents: Incidents = frozenset(),
) -> Health:
    """How this connection is now, by its row, its credential's life and its last verification."""
    if connection.state == State.REVOKED:
        line = format_html("Revoked {}. It stays here for the record.", when(connection.revoked_at))
        return Health("paused", "Revoked", line)
    if connection.paused_at:
        line = format_html(
            "Paused {}. Nothing is asked of {}.", when(connection.paused_at), product
        )
        return Health("paused", "Paused", line)
    lack = None if verification is None else lack_of(connection.id)
    trouble = trouble_of(connection, lack, product=product, incidents=incidents)
    if trouble:
        return Health(_worse(connection, trouble), "", _told(connection, trouble), trouble)
    if connection.state == State.UNVERIFIED:
        return Health("unverified", "", _unverified(verification))
    return _working(credential, verification)


def incidents() -> Incidents:
    """Who is in trouble now, so that refusals are not believed."""
    # The platform's rows: row security shows them to everybody.
    troubled = Breaker.everywhere.filter(organization_id=tenancy.PLATFORM)
    troubled = troubled.exclude(state=Breaker.State.CLOSED)
    return frozenset(troubled.values_list("connector", "server"))


def trouble_of(
    connection: Any,
    lack: Lack | None,
    *,
    product: str,
    incidents: Incidents = frozenset(),
) -> Explanation | None:
    """What the page explains; when it is the lack, its title names what is not possible."""
    code = trouble_code(connection, lack, incidents)
    if not code:
        return None
    trouble = named(connection, explain(code, product=product))
    if lack is None or trouble_code(connection, None, incidents):
        return trouble
    title = f"{trouble.title}: {lack.what}" if lack.what else trouble.title
    return replace(trouble, title=title, state="attention")


def named(connection: Any, trouble: Explanation) -> Explanation:
    """What is said of an ended kind of credential, with its name, its day and what followed."""
    manifest = products.manifest_of(connection.connector)
    method = products.method_of(connection.connector, connection.method)
    is_about_it = trouble.code in {METHOD_ENDS, METHOD_ENDED, _REFUSED}
    if manifest is None or method is None or method.end is None or not is_about_it:
        return trouble
    is_over = method.end.is_over(clock.now())
    if trouble.code == _REFUSED and not is_over:
        return trouble
    if trouble.code == _REFUSED:  # so an import says of one that it found refused
        trouble = explain(METHOD_ENDED, product=manifest.name)
    followed = manifest.method(method.end.instead)
    return replace(
        trouble,
        title=f"{method.title}s {'were' if is_over else 'are'} removed by {method.end.by}"
        f" on {method.end.on:%-d %B %Y}",
        remedy=f"Move it to this kind: {followed.title}. Name, webhook address and history stay.",
    )


def trouble_code(connection: Any, lack: Lack | None, incidents: Incidents = frozenset()) -> str:
    """The error code that the page explains; empty when there is nothing to explain.

    `lack` is what the last verification found, `incidents` who is in trouble.
    """
    error: str = connection.last_error
    if not registry.is_installed(connection.connector):
        return NOT_INSTALLED
    if connection.state == State.NEEDS_REAUTHORIZATION:
        return error if error in GONE_OTHERWISE else _REFUSED
    is_suspect = connection.suspect_since is not None
    may_be_incident = incidents and error in _BY_INCIDENT and (error or is_suspect)
    if may_be_incident and (connection.connector, connection.server) in incidents:
        is_own = error == _CONSUMER and _is_own(connection.consumer_id)
        by_incident = SERVER_INCIDENT if connection.server else INCIDENT
        return error if is_own else by_incident
    if is_suspect and error in {"", _REFUSED, LOST}:
        return SUSPECTED
    if error:
        return error
    if connection.orphaned_at is not None:
        return ORPHANED
    return lack.code if lack else ""


def _is_own(consumer_id: UUID | None) -> bool:
    """Whether it is the acting organization's consumer; the platform's serves everybody."""
    return bool(Consumer.objects.filter(id=consumer_id).exists())


def _worse(connection: Connection, trouble: Explanation) -> str:
    if connection.state == State.NEEDS_REAUTHORIZATION:
        return "broken"
    return trouble.state


def _told(connection: Connection, trouble: Explanation) -> SafeString:
    parts = [format_html("{}.", trouble.title)]
    if connection.last_success_at:
        parts.append(format_html("Last answer {}.", when(connection.last_success_at)))
    return _joined(parts)


def _unverified(verification: Verification | None) -> SafeString:
    if verification and verification.finished_at is None:
        return format_html("The first verification began {}.", when(verification.started_at))
    return format_html("{}", "Linked, and not verified yet.")


def _working(credential: Credential | None, verification: Verification | None) -> Health:
    parts = []
    if verification and verification.finished_at:
        parts.append(format_html("Verified {}.", when(verification.finished_at)))
    parts.extend(_life(credential))
    return Health("working", "", _joined(parts or [format_html("{}", "Linked.")]))


def _life(credential: Credential | None) -> list[SafeString]:
    if credential is None or credential.expires_at is None:
        return []
    moment: datetime = credential.expires_at
    if credential.refreshable:
        if moment <= timezone.now():
            return [format_html("{}", "Token renews itself at its next use.")]
        return [format_html("Token renews itself {}.", when(moment))]
    if moment <= timezone.now():
        return [format_html("Token expired {}.", when(moment))]
    return [format_html("Token expires {}.", when(moment))]


def expires_soon(credential: Credential | None, within: timedelta = EXPIRES_SOON) -> bool:
    """Whether a credential that cannot renew itself ends within that time."""
    return bool(
        credential
        and credential.expires_at
        and not credential.refreshable
        and credential.expires_at <= timezone.now() + within
    )


def _joined(parts: list[SafeString]) -> SafeString:
    return mark_safe(" ".join(parts))  # noqa: S308  (each part was escaped)
