"""What support sees of connections: state, facts, checks and runs; nothing sealed, nobody's record.

Read through the support login role, which may select these columns and change nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest
from django.urls import reverse

from connections.contracts import Manifest, Method
from connections.models import Connection, ConnectionState, Credential, Workspace
from connections.queries import health, products
from connections.queries.attempts import RenewalPage, renewals
from connections.queries.connection import current_credential, latest_verification
from connections.queries.credential import CredentialFacts, facts
from connections.queries.lacks import Lack, last_lack
from connections.queries.repositories import workspaces_of
from connections.queries.runs import SyncTab, sync_tab
from connections.queries.verification import VerificationTab, verification_tab
from portal import cursor as cursors, phrases
from portal.memberships import FoundOrganization
from portal.support import Entry, on_look

ON_THE_FIRST_PAGE = 20


@dataclass(frozen=True, slots=True)
class SupportRow:
    id: UUID
    name: str
    url: str
    product: str
    state: str
    word: str
    trouble: str
    connection: Connection


@dataclass(frozen=True, slots=True)
class SupportList:
    rows: list[SupportRow]
    previous: str
    next: str


@dataclass(frozen=True, slots=True)
class SupportPage:
    """One connection as support reads it."""

    connection: Connection
    product: str
    manifest: Manifest | None
    method: Method | None
    health: health.Health
    credential: CredentialFacts | None
    verification: VerificationTab
    runs: SyncTab
    workspaces: list[Workspace]
    renewals: RenewalPage

    @property
    def tone(self) -> str:
        """Of the notice that says what the trouble is."""
        return "danger" if self.health.state == "broken" else "warning"


def support_list(request: HttpRequest, slug: str, search: str, cursor: str) -> SupportList:
    """The organization's connections by name, revoked ones included."""
    rows = Connection.objects.annotate(lack=last_lack())
    if search:
        rows = rows.filter(name__icontains=search[:200])
    found = cursors.page(rows, by=("name",), cursor=cursor)
    incidents = health.incidents()
    return SupportList(
        rows=[_row(row, slug, incidents) for row in found.rows],
        previous=cursors.link(request, found.previous),
        next=cursors.link(request, found.next),
    )


def _row(row: Any, slug: str, incidents: health.Incidents) -> SupportRow:
    product, lack = products.name_of(row.connector), Lack.read(row.lack)
    trouble = health.trouble_of(row, lack, product=product, incidents=incidents)
    return SupportRow(
        id=row.id,
        name=row.name,
        url=reverse("support_connection", args=[slug, row.id]),
        product=product,
        state=health.word_of(row, lacks=lack is not None),
        word="Revoked" if row.state == ConnectionState.REVOKED else "",
        trouble=trouble.title if trouble else "",
        connection=row,
    )


def support_page(request: HttpRequest, connection_id: UUID) -> SupportPage:
    """Raises Http404 for a connection that is not this organization's."""
    connection = Connection.objects.filter(id=connection_id).first()
    if connection is None:
        raise Http404
    product = products.name_of(connection.connector)
    manifest = products.manifest_of(connection.connector)
    credential: Credential | None = current_credential(connection_id)
    latest = latest_verification(connection_id)
    return SupportPage(
        connection=connection,
        product=product,
        manifest=manifest,
        method=products.method_of(connection.connector, connection.method),
        health=health.health_of(
            connection,
            product=product,
            credential=credential,
            verification=latest,
            incidents=health.incidents(),
        ),
        credential=facts(credential) if credential else None,
        verification=verification_tab(
            connection=connection,
            product=product,
            manifest=manifest,
            credential=credential,
            latest=latest,
        ),
        runs=sync_tab(connection=connection, product=product, is_support=True),
        workspaces=workspaces_of(connection_id),
        renewals=renewals(request, connection, product),
    )


@on_look
def entries(organization: FoundOrganization) -> Iterator[Entry]:
    """What support's page of an organization lists of its connections, worst first."""
    rows = Connection.objects.exclude(state=ConnectionState.REVOKED)
    rows = rows.annotate(word=health.in_sql(), lack=last_lack())
    troubled = rows.filter(word__in=("broken", "attention")).order_by("-word", "name")
    others = rows.exclude(word__in=("broken", "attention")).order_by("name")
    for row in [*troubled[:ON_THE_FIRST_PAGE], *others[:ON_THE_FIRST_PAGE]][:ON_THE_FIRST_PAGE]:
        yield _entry(row, organization.slug)


def _entry(row: Any, slug: str) -> Entry:
    product = products.name_of(row.connector)
    trouble = health.trouble_of(row, Lack.read(row.lack), product=product)
    line = trouble.title if trouble else product
    if not trouble and row.last_success_at:
        line = f"{product} · last answer {phrases.relative(row.last_success_at)}"
    return Entry(
        title=row.name,
        url=reverse("support_connection", args=[slug, row.id]),
        state=row.word,
        line=line,
        at=row.last_error_at,
    )
