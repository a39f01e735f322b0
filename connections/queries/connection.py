"""The frame of one connection's pages: who may see what, its state in words, its tabs."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.urls import reverse

from connections.contracts import BASE_URL, Manifest, Method
from connections.explain import Button
from connections.flows import plan
from connections.flows.rights import may_mend
from connections.models import Connection, Credential, SyncRun, Verification
from connections.queries import key_uses, products
from connections.queries.health import Health, health_of, incidents
from portal.models import TeamMembership
from portal.policy import Actor, Permission, TeamRole, allows, present


@dataclass(frozen=True, slots=True)
class Rights:
    """What this person may do with this connection.

    A team's connection shows its details to those who manage it, and to who granted it for as
    long as they may mend it: they have to read what is missing. Others read name, state and
    repositories (design.md §5).
    """

    manage: bool
    mend: bool
    details: bool
    send: bool = False  # a connect link for it


@dataclass(frozen=True, slots=True)
class Tab:
    label: str
    url: str
    active: bool
    count: int | None = None


@dataclass(frozen=True, slots=True)
class ConnectionPage:
    """What every tab shows above its own part; `is_used`: a service would notice a pause."""

    connection: Connection
    product: str
    manifest: Manifest | None
    method: Method | None
    credential: Credential | None
    verification: Verification | None
    run: SyncRun | None
    health: Health
    rights: Rights
    tabs: list[Tab]
    is_used: bool

    @property
    def is_revoked(self) -> bool:
        return self.connection.state == Connection.State.REVOKED

    @property
    def reads_nothing(self) -> bool:
        """Whether it was linked for nothing that a sync reads."""
        return not plan.streams_of(self.connection)

    @property
    def has_lists(self) -> bool:
        """Whether anything of its product is ever read into lists here."""
        return products.has_lists(self.connection.connector)

    @property
    def has_repositories(self) -> bool:
        """Whether its containers hold repositories that are read here."""
        return products.has_repositories(self.connection.connector)

    @property
    def workspace_word(self) -> str:
        """What the product calls its containers, which hold repositories as a rule."""
        return products.container_word(self.connection.connector)

    @property
    def server(self) -> str:
        """Where it runs, for a product that customers run themselves."""
        return str(self.connection.fields.get(BASE_URL, ""))

    @property
    def account_address(self) -> str:
        return products.web_address(self.connection.account_url)

    @property
    def needs_replacement(self) -> bool:
        """Whether another credential in the place of this one is what mends it."""
        trouble = self.health.trouble
        return trouble is not None and trouble.button is Button.REPLACE

    @property
    def needs_link(self) -> bool:
        """Whether linking it again is what mends it."""
        trouble = self.health.trouble
        return trouble is not None and trouble.button is Button.LINK_AGAIN


TABS = (
    ("Overview", "connection", False),
    ("Verification", "connection_verification", True),
    ("Credential", "connection_credential", True),
    ("Repositories", "connection_repositories", False),
    ("Sync", "connection_sync", False),
    ("Deliveries", "connection_deliveries", True),
    ("Webhooks", "connection_hooks", True),
    ("Links", "connection_links", False),
    ("Record", "connection_record", True),
    ("Settings", "connection_settings", True),
)


def rights_of(actor: Actor, connection: Connection) -> Rights:
    """Asked of the policy table; a team's admin manages that team's connections."""
    if connection.team_id and not allows(actor, Permission.CONNECTION_MANAGE):
        actor = present(actor)
    return rights_now(actor, connection)


def rights_now(actor: Actor, connection: Connection) -> Rights:
    """The same for an actor whose teams are known; for pages of many connections."""
    manage = allows(actor, Permission.CONNECTION_MANAGE, team_id=connection.team_id)
    reads_record = allows(actor, Permission.AUDIT_VIEW)
    mend = may_mend(actor, connection)
    return Rights(
        manage=manage,
        mend=mend,
        details=manage or mend or reads_record,
        send=allows(actor, Permission.CONNECT_LINK_SEND),
    )


def mends_some(actor: Actor) -> bool:
    """Whether any connection is this actor's to verify; one statement for those who manage none."""
    if allows(actor, Permission.CONNECTION_MEND):
        return True
    live = Connection.objects.exclude(state=Connection.State.REVOKED).order_by().values("id")
    administered = TeamMembership.objects.filter(user_id=actor.id, role=TeamRole.ADMIN)
    mine = live.filter(team_id__in=administered.values("team_id"))
    if allows(actor, Permission.CONNECTION_LINK):
        mine = mine.union(live.filter(granted_by_id=actor.id), all=True)
    return bool(mine[:1])


def _tabs_of(connection: Connection) -> list[tuple[str, str, bool]]:
    """Those that say something for its product: not every one has repositories or calls back."""
    manifest = products.manifest_of(connection.connector)
    if manifest is None:
        return list(TABS)
    left_out = set() if manifest.hooks else {"connection_deliveries", "connection_hooks"}
    if products.has_repositories(connection.connector):
        return [tab for tab in TABS if tab[1] not in left_out]
    if not products.has_lists(connection.connector):
        left_out.add("connection_sync")
    containers = f"{manifest.workspace_word.capitalize()}s"
    return [
        (containers if name == "connection_repositories" else label, name, is_detail)
        for label, name, is_detail in TABS
        if name not in left_out
    ]


def connection_page(*, connection: Connection, slug: str, actor: Actor, tab: str) -> ConnectionPage:
    """The frame around `tab`, one of the URL names in TABS."""
    product = products.name_of(connection.connector)
    rights = rights_of(actor, connection)
    credential = current_credential(connection.id)
    verification = latest_verification(connection.id)
    health = health_of(
        connection,
        product=product,
        credential=credential if rights.details else None,
        verification=verification,
        incidents=incidents(),
    )
    return ConnectionPage(
        connection=connection,
        product=product,
        manifest=products.manifest_of(connection.connector),
        method=products.method_of(connection.connector, connection.method),
        credential=credential,
        verification=verification,
        run=latest_run(connection.id),
        health=health,
        rights=rights,
        is_used=rights.manage and key_uses.is_used(connection.id),
        tabs=[
            Tab(label, reverse(name, args=[slug, connection.id]), name == tab)
            for label, name, is_detail in _tabs_of(connection)
            if rights.details or not is_detail
        ],
    )


def current_credential(connection_id: UUID) -> Credential | None:
    found: Credential | None = Credential.objects.filter(
        connection_id=connection_id, replaced_at=None
    ).first()
    return found


def latest_verification(connection_id: UUID) -> Verification | None:
    found: Verification | None = (
        Verification.objects.filter(connection_id=connection_id).order_by("-started_at").first()
    )
    return found


def latest_run(connection_id: UUID) -> SyncRun | None:
    found: SyncRun | None = (
        SyncRun.objects.filter(connection_id=connection_id).order_by("-created_at").first()
    )
    return found
