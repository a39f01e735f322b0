"""The frame around one link's tabs: from where to where, how it is, and who may do what with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.urls import reverse

from connections import registry
from connections.contracts import Manifest, RelayRules, RelayWay, RunsCommands
from connections.models import BackfillStand, Link, LinkChoice, LinkState
from connections.queries import products
from connections.queries.connection import Tab, rights_now
from connections.queries.relay_repositories import written
from connections.queries.relay_state import Outbox, Stand, stand_of
from connections.queries.relays import enabled_in, name_of, outboxes
from portal import phrases
from portal.policy import Actor, Permission, allows, present

TABS: Final = (
    ("Overview", "relay", False),
    ("Log", "relay_log", True),
    ("Outbox", "relay_outbox", True),
    ("Commands", "relay_commands", True),
    ("Settings", "relay_settings", False),
)


@dataclass(frozen=True, slots=True)
class RelayRights:
    """Each asked for both ends: `run` is to pause and send again, `details` to read the log."""

    change: bool
    run: bool
    details: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """How far long work is, or was; without a total there is no telling."""

    is_running: bool
    word: str
    done: int
    total: int
    rate: str = ""
    remaining: str = ""

    @property
    def left(self) -> int:
        return max(0, self.total - self.done)


@dataclass(frozen=True, slots=True)
class RelayPage:
    """One link with the frame that all its tabs share."""

    link: Link
    name: str
    source_product: str
    target_product: str
    manifest: Manifest | None
    rules: RelayRules | None
    stand: Stand
    outbox: Outbox
    enabled: int
    rights: RelayRights
    tabs: list[Tab]

    @property
    def way(self) -> RelayWay | None:
        """How it writes to the target, as far as the target's connector is still here."""
        return (
            next((w for w in self.rules.ways if w.key == self.link.way), None)
            if (self.rules)
            else None
        )

    @property
    def kicker(self) -> str:
        return f"{self.source_product} → {self.target_product}"

    @property
    def is_draft(self) -> bool:
        return bool(self.link.state == LinkState.DRAFT)

    @property
    def is_over(self) -> bool:
        return self.link.state in (LinkState.REMOVING, LinkState.REMOVED)

    @property
    def subject(self) -> str:
        """What events hang on over there, such as "issue"."""
        return self.rules.subject if self.rules else "subject"

    @property
    def subjects(self) -> str:
        return self.rules.subjects if self.rules else "subjects"

    @property
    def place_word(self) -> str:
        """What the target calls the place that is written to."""
        return self.manifest.workspace_word if self.manifest else "workspace"

    @property
    def choice(self) -> str:
        """Which repositories are meant, in words."""
        if self.link.choice == LinkChoice.PATTERN:
            return f"Those whose name fits {self.link.pattern}"
        return str(LinkChoice(self.link.choice).label)

    @property
    def options_on(self) -> list[str]:
        """What travels, by the target's words."""
        options = self.rules.options if self.rules else ()
        given = self.link.options
        return [each.title for each in options if given.get(each.key, each.default)]

    @property
    def backfill(self) -> Progress | None:
        link = self.link
        if not link.backfill_stand:
            return None
        stand = BackfillStand(link.backfill_stand)
        word, done, total = str(stand.label), link.backfill_done, link.backfill_total
        if stand == BackfillStand.DRAWING:
            return Progress(True, word, done=total, total=0)
        pace = phrases.pace(done, total - done, link.backfill_began_at)
        return Progress(stand == BackfillStand.SENDING, word, done, total, *pace)

    @property
    def removal(self) -> Progress:
        """How far what it wrote is taken back; by a mark it is gone all at once."""
        link = self.link
        done = link.removal_done
        total = 0 if self.way and self.way.by_mark else link.removal_total
        pace = phrases.pace(done, total - done, link.removal_began_at)
        return Progress(True, "Taking back what it wrote", done, total, *pace)


def find(relay_id: UUID) -> Link | None:
    """This organization's link, if the person sees both of its connections."""
    rows = Link.objects.select_related(
        *("source__team", "target__team", "source__consumer", "target__consumer", "destination")
    )
    found: Link | None = rows.filter(id=relay_id).first()
    return found


def relay_page(*, link: Link, slug: str, actor: Actor, tab: str) -> RelayPage:
    """The frame around `tab`, one of the URL names in TABS."""
    manifest = products.manifest_of(link.target.connector)
    outbox = outboxes([link.id]).get(link.id, Outbox())
    rights = rights_of(actor, link)
    return RelayPage(
        link=link,
        name=name_of(link),
        source_product=products.name_of(link.source.connector),
        target_product=products.name_of(link.target.connector),
        manifest=manifest,
        rules=manifest.relay if manifest else None,
        stand=stand_of(link, outbox),
        outbox=outbox,
        enabled=enabled_in([link.id]).get(link.id, 0),
        rights=rights,
        tabs=_tabs(link, slug=slug, tab=tab, rights=rights, outbox=outbox),
    )


def _tabs(link: Link, *, slug: str, tab: str, rights: RelayRights, outbox: Outbox) -> list[Tab]:
    return [
        Tab(label, reverse(name, args=[slug, link.id]), name == tab, _count(name, outbox))
        for label, name, is_detail in TABS
        if (rights.details or not is_detail) and (name != "relay_commands" or takes_commands(link))
    ]


def _count(name: str, outbox: Outbox) -> int | None:
    return outbox.dead or None if name == "relay_outbox" else None


def takes_commands(link: Link) -> bool:
    """Whether we run the commands in commits there; some ways have the target do it by itself."""
    connector = registry.connectors().get(link.target.connector)
    rules = connector.manifest.relay if connector else None
    ways = rules.ways if rules else ()
    itself = any(way.key == link.way and way.obeys for way in ways)
    return isinstance(connector, RunsCommands) and not itself


def rights_of(actor: Actor, link: Link) -> RelayRights:
    """Asked of the policy table for both ends; a team's admin manages that team's connections."""
    return rights_now_of(present(actor) if actor.kind == "person" else actor, link)


def rights_now_of(now: Actor, link: Link) -> RelayRights:
    """The same for an actor whose teams are known; for pages of many links."""
    ends = (link.source, link.target)
    return RelayRights(
        change=all(allows(now, Permission.RELAY_EDIT, team_id=end.team_id) for end in ends),
        run=all(allows(now, Permission.RELAY_RUN, team_id=end.team_id) for end in ends),
        details=all(rights_now(now, end).details for end in ends),
    )


@dataclass(frozen=True, slots=True)
class Losses:
    """What the end of a link means: what is shown there, and what is not sent any more."""

    repositories: int
    sent: int
    waiting: int
    dead: int


def losses(link: Link) -> Losses:
    """Counted before somebody removes it."""
    shown = written(link)
    box = outboxes([link.id]).get(link.id, Outbox())
    return Losses(
        repositories=shown.values("repository_id").distinct().count(),
        sent=shown.count(),
        waiting=box.waiting + box.filling,
        dead=box.dead,
    )
