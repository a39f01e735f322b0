"""Everything a page can be about, in Acme and again next door, and everybody who might ask."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import UUID, uuid4

from allauth.account.models import EmailAddress
from django.db import connections as databases
from django.test import Client
from django.utils import timezone

from connections.models import (
    AllowListEntry,
    Branch,
    BranchWish,
    Campaign,
    CampaignItem,
    Connection,
    ConnectLink,
    ConnectSending,
    Consumer,
    Delivery,
    Export,
    Hook,
    ImportBatch,
    ImportRow,
    InboxDeed,
    KeyUse,
    Lease,
    Link,
    LinkRepository,
    LinkRequest,
    PendingLink,
    Repository,
    ServiceKey,
    SyncRun,
    VendorIdentity,
    Verification,
    Workspace,
)
from portal import roles, tenancy
from portal.models import (
    Erasure,
    Invitation,
    Job,
    Membership,
    Notice,
    Organization,
    Receipt,
    Team,
    TeamMembership,
    User,
)
from portal.policy import Role
from tests import catalogue
from tests.servers import Servers
from tests.works import Works

LOOSE_TABLES = {  # change with any request: sessions, the record of refusals and of support's looks
    *("django_session", "usersessions_usersession", "portal_auditevent", "portal_audithead"),
}
CANARY = "Zanzibar"  # part of every name in Acme, and of nothing else
ROLES = {role.value: role for role in Role}
# Pages of the same kind, for the table of addresses: one's own notices, the chat channel.
TOLD = (
    *("notices", "notices_bell", "notices_read_all", "notice_follow", "notice_read"),
    *("notice_settings", "notice_address", "notice_address_confirm"),
)
CHAT = ("", "_state", "_test", "_again", "_remove")
STRANGERS = ("mallory", "removed", "operator", "support", "nobody")


@dataclass
class Town:
    """`ids` and `foreign` name an object of each kind in Acme and in Globex."""

    works: Works
    servers: Servers
    ids: dict[str, Any] = field(default_factory=dict)
    foreign: dict[str, Any] = field(default_factory=dict)
    people: dict[str, User] = field(default_factory=dict)

    def __post_init__(self) -> None:
        acme, globex = self.works.acme, self.works.organization("globex")
        self.globex = globex
        for role in Role:
            self._person(role.value, acme, role)
        self._person("mallory", globex, Role.OWNER)
        self._person("removed", acme, Role.ADMIN)
        self._person("suspended", acme, Role.OWNER)
        self._person("operator", None, is_operator=True)
        self._person("support", None, is_support=True)
        self._person("nobody", None)
        User.objects.filter(email__startswith="suspended").update(is_active=False)
        with self.works.inside(acme):
            Organization.objects.filter(id=acme.id).update(name=f"Acme {CANARY}")
            Membership.objects.filter(user=self.people["removed"]).delete()
        self.ids = self._furnish(acme, self.people["manager"], CANARY)
        with self.works.inside(Organization(id=tenancy.PLATFORM)):
            entry = AllowListEntry.objects.create(host="git.corp.example", why="x", ports=[443])
        self.ids["entry_id"] = entry.id
        self.foreign = self._furnish(globex, self.people["mallory"], "Globex")

    @cached_property
    def admin(self) -> catalogue.Admin:
        """One connection that sees past row-level security; a new one would read all of the
        database's catalogs again for each snapshot."""
        return self.servers.postgres.connect(databases["default"].settings_dict["NAME"])

    def _person(
        self, name: str, organization: Organization | None, role: Role | None = None, **claims: bool
    ) -> None:
        family = CANARY if name in ROLES else "Other"
        user = User.objects.create_user(f"{name}@people.example", None, name=f"{name} {family}")
        User.objects.filter(id=user.id).update(**claims)
        EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
        if organization and role:
            with self.works.inside(organization):
                Membership.objects.create(user=user, role=role)
        self.people[name] = user

    def _furnish(self, organization: Organization, who: User, word: str) -> dict[str, Any]:
        with self.works.inside(organization):
            team = Team.objects.create(name=f"{word} team")
            in_team = Membership.objects.exclude(user=who).first() or Membership.objects.get()
            owner = Membership.objects.filter(role=Role.OWNER).first()
            TeamMembership.objects.create(team=team, user=in_team.user, role="reader")
            invited = Invitation.objects.create(
                email=f"{word.lower()}@invited.example", role=Role.MEMBER, token_hash=uuid4().bytes
            )
            erasure = Erasure.objects.create(asked_by_id=who.id, asked_by="Olive")
        with roles.using_role("worker"), self.works.inside(organization):
            made = self._linked(who, word)
            made["erasure_id"] = erasure.id
            notice = Notice.objects.create(
                title=f"{word} is broken", dedupe=word, subject_name=word, url="/organizations/",
                opened_at=timezone.now(), ready_at=timezone.now(),
            )  # fmt: skip
            now = timezone.now()
            job = Job.objects.create(
                kind="forget_link",
                ref={"pending_link_id": str(uuid4())},
                done_at=now,
                failed_at=now,
            )
            asked = LinkRequest.objects.create(
                kind="link", connector="bitbucket-cloud", same_as=word, what=f"{word} link",
                why=f"{word} why", asked_by=(owner or in_team).user, asked_by_name=word,
            )  # fmt: skip
            guest = ConnectLink.objects.create(
                connector="bitbucket-cloud", name=f"{word} link", token_hash=uuid4().bytes * 2,
                to_name=word, sent_by=who, sent_by_name=word, capabilities=["repositories-read"],
            )  # fmt: skip
            receipt = Receipt.objects.create(notice=notice, user=who, created_at=timezone.now())
        made["key_id"] = self._keyed(organization, made["connection_id"], word)
        made |= self._delivered(organization, made["connection_id"], word)
        made |= {"request_id": asked.id, "connect_link_id": guest.id}
        return made | {
            "receipt_id": receipt.id,
            "job_id": job.id,
            "membership_id": in_team.id,
            "invitation_id": invited.id,
            "team_id": team.id,
        }

    def _keyed(self, organization: Organization, connection_id: UUID, word: str) -> UUID:
        """A service key that leased the connection's token a moment ago."""
        with self.works.inside(organization):
            key = ServiceKey.objects.create(
                name=f"{word} key", prefix="ptl_0000000000", hash=uuid4().bytes * 2,
                scopes=["tokens:read"], connectors=["bitbucket-cloud"], created_by_name=word,
            )  # fmt: skip
        with roles.using_role("api"), self.works.inside(organization):
            KeyUse.objects.create(
                service_key=key, connection_id=connection_id, last_at=timezone.now()
            )
            Lease.objects.create(
                service_key_id=key.id, connection_id=connection_id, asked=connection_id,
                reason=f"{word} reason", min_ttl_seconds=300, outcome="granted",
            )  # fmt: skip
        return UUID(str(key.id))

    def _delivered(
        self, organization: Organization, connection_id: UUID, word: str
    ) -> dict[str, Any]:
        """A dead letter, and what was decided of others. Only a function inserts deliveries."""
        with roles.using_role("owner"), self.works.inside(organization):
            delivery = Delivery.objects.create(
                connection_id=connection_id, endpoint_id=uuid4(), dedupe=uuid4().bytes,
                content_hash=bytes(32), event_key="repo:push", body=word.encode(), size=8,
                state="dead", error="unreadable", effect={"says": word},
            )  # fmt: skip
        with roles.using_role("worker"), self.works.inside(organization):
            deed = InboxDeed.objects.create(
                connection_id=connection_id, kind="discard", state="finished", total=1,
                asked_by=word, reason=word,
            )  # fmt: skip
        return {"delivery_id": delivery.id, "deed_id": deed.id}

    def _linked(self, who: User, word: str) -> dict[str, Any]:
        consumer = Consumer.objects.create(
            connector="bitbucket-cloud", name=f"{word} consumer", client_id=f"key-{word}"
        )
        connection = Connection.objects.create(
            connector="bitbucket-cloud", method="api-token", name=f"{word} code",
            account_id=uuid4(), account_name=f"{word} account", state="active",
            capabilities=["repositories-read", "branches-create"],
            fields={"email": f"{word}@vendor.example"},
            description=f"{word} description", labels=[word],
        )  # fmt: skip
        workspace = Workspace.objects.create(
            connection=connection, remote_id=uuid4(), slug=word.lower(), name=f"{word} space"
        )
        hook = Hook.objects.create(connection=connection, workspace=workspace, stand="missing")
        pending = PendingLink.objects.create(
            connector="bitbucket-cloud", user=who, session_hash=bytes(32), method="api-token",
            name=f"{word} link", capabilities=["repositories-read"],
        )  # fmt: skip
        run = SyncRun.objects.create(connection=connection, state="done")
        batch = ImportBatch.objects.create(
            file_name=f"{word}.csv", shape="csv", user_name=word, state="done",
            expires_at=timezone.now(),
        )  # fmt: skip
        ImportRow.objects.create(batch=batch, number=2, name=f"{word} row", outcome="failed")
        export = Export.objects.create(user_name=word, why=f"{word} moves", state="failed")
        seen = Verification.objects.create(connection=connection, outcome="passed")
        identity = VendorIdentity.objects.create(
            connector="bitbucket-cloud", kind="account", key=uuid4(), name=f"{word} writer",
            connections=[connection.id],
        )  # fmt: skip
        return {
            "identity_id": identity.id,
            "hook_id": hook.id,
            "link_id": pending.id,
            "connection_id": connection.id,
            "run_id": run.id,
            "import_id": batch.id,
            "export_id": export.id,
            "consumer_id": consumer.id,
            "workspace_id": workspace.id,
            "verification_id": seen.id,
            **self._campaign(connection, word),
            **self._joined(connection, word),
        }

    def _joined(self, source: Connection, word: str) -> dict[str, Any]:
        """A link that leads from the connection to another one's site."""
        target = Connection.objects.create(
            connector="jira", method="site-credentials", name=f"{word} issues", state="active",
            account_id=uuid4(), account_name=f"{word} site", capabilities=[],
        )  # fmt: skip
        site = Workspace.objects.create(
            connection=target, remote_id=uuid4(), slug=word.lower(), name=f"{word} site"
        )
        link = Link.objects.create(
            source=source, target=target, destination=site, label=f"{word} link",
            way="development", state="active",
        )  # fmt: skip
        return {"relay_id": link.id, **self._branched(link, word)}

    def _branched(self, link: Link, word: str) -> dict[str, Any]:
        """A repository of the link, with a branch and one that somebody asked for."""
        here = Repository.objects.create(
            connection=link.source, workspace=link.source.workspaces.get(), remote_id=uuid4(),
            slug=word.lower(), name=word, full_name=f"{word.lower()}/code", main_branch="main",
        )  # fmt: skip
        LinkRepository.objects.create(link=link, repository=here, enabled=True)
        Branch.objects.create(
            connection=link.source, repository=here, remote_id="branch:main", kind="branch",
            name="main", target="a" * 40,
        )  # fmt: skip
        wish = BranchWish.objects.create(
            connection=link.source, repository=here, name=f"{word}-1", start="main"
        )
        return {"wish_id": wish.id, "repository_id": here.id}

    def _campaign(self, connection: Connection, word: str) -> dict[str, Any]:
        """A campaign that the connection is part of."""
        campaign = Campaign.objects.create(
            title=f"{word} by Friday", goal="rotate", due_at=timezone.now(), started_by_name=word
        )
        item = CampaignItem.objects.create(campaign=campaign, connection=connection)
        sending = ConnectSending.objects.create(
            campaign=campaign, total=1, state="done", sent_by_name=word
        )
        return {"campaign_id": campaign.id, "item_id": item.id, "sending_id": sending.id}

    def client(self, name: str | None, *, csrf: bool = False) -> Client:
        """A browser of this person; None is nobody signed in."""
        client = Client(raise_request_exception=False, enforce_csrf_checks=csrf)
        if name:
            client.force_login(self.people[name])
        return client


def snapshot(town: Town, organization: UUID | None = None) -> dict[str, str]:
    """A digest of each table that only deeds may change, of one organization or of all."""
    tables = catalogue.tables(town.admin)
    found = {}
    for table in [*tables.tenant, *(() if organization else tables.others)]:
        if table in LOOSE_TABLES:
            continue
        column = tables.tenant.get(table)
        where = f" WHERE {column} = '{organization}'" if organization and column else ""
        digest = f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t{where}"
        found[table] = str(town.admin.execute(digest.encode()).fetchone()[0])  # type: ignore[index]
    return found
