"""How a link is, in one of five words and one sentence; computed, never stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.utils.html import format_html
from django.utils.safestring import SafeString

from connections import explain, registry
from connections.errors import Who
from connections.models import Connection, Link, LinkState
from connections.queries import health, products
from portal import clock, phrases
from portal.templatetags.portal import when

LATE: Final = timedelta(minutes=1)
UNABLE: Final = ("broken", "paused")


@dataclass(frozen=True, slots=True)
class Outbox:
    """What waits to be sent, by hand and by a back-fill, what failed for good, and since when."""

    waiting: int = 0
    filling: int = 0
    dead: int = 0
    oldest: datetime | None = None

    @property
    def seconds(self) -> float:
        """How long the oldest has waited."""
        return (clock.now() - self.oldest).total_seconds() if self.oldest else 0.0

    @property
    def is_late(self) -> bool:
        return self.seconds > LATE.total_seconds()

    @property
    def lag(self) -> str:
        """That in words; empty when nothing waits."""
        return phrases.span(int(self.seconds)) if self.oldest and self.seconds >= 1 else ""


@dataclass(frozen=True, slots=True)
class Stand:
    """The badge, its word, one line, and the trouble in a few words with who must act."""

    state: str
    word: str
    line: SafeString
    trouble: str = ""
    happened: str = ""
    remedy: str = ""
    who_acts: str = ""
    connection: Connection | None = None  # which of the two has to be mended first

    @property
    def tone(self) -> str:
        return "danger" if self.state == "broken" else "warning"


def stand_of(link: Link, outbox: Outbox) -> Stand:
    """How this link is now, the worst first."""
    if link.state != LinkState.ACTIVE:
        return _resting(link, outbox)
    return _by_ends(link) or _by_answers(link) or _by_outbox(outbox) or _working(link)


def _resting(link: Link, outbox: Outbox) -> Stand:
    if link.state == LinkState.DRAFT:
        return Stand("unverified", "Being set up", format_html("{}", "Nothing is sent yet."))
    if link.state == LinkState.PAUSED:
        waits = phrases.plural(outbox.waiting + outbox.filling, "event waits,events wait")
        return Stand(
            "paused",
            "Paused",
            format_html(
                "Paused {} by {}. What happens is kept and sent after you resume; {}.",
                *(when(link.paused_at), link.paused_by or "the portal", waits),
            ),
        )
    if link.state == LinkState.REMOVED:
        line = format_html("Removed {}. It stays here for the record.", when(link.removal_ended_at))
        return Stand("paused", "Removed", line)
    said = "What it wrote is being taken back." if link.removal == "erase" else "It ends now."
    return Stand("attention", "Being removed", format_html("{}", said))


def _by_ends(link: Link) -> Stand | None:
    """A link is no better than the connections that it joins."""
    for end in (link.target, link.source):
        if not registry.is_installed(end.connector):
            return _without_connector(end)
        word = health.word_of(end)
        if word not in UNABLE:
            continue
        product = products.name_of(end.connector)
        said = _end_words(end)
        return Stand(
            state="broken" if word == "broken" or end.revoked_at else "attention",
            word="",
            line=format_html("{} {}.", end.name, said),
            trouble=f"{end.name} {said}",
            happened=f"The link needs both of its connections, and {end.name} ({product}) {said}.",
            remedy="What happens meanwhile is kept and sent once it works again."
            if not end.revoked_at
            else "Remove this link, or make another one with a connection that works.",
            who_acts="A manager of that connection has to act.",
            connection=end,
        )
    return None


def _without_connector(end: Connection) -> Stand:
    """Nothing is asked of what nobody here speaks; it goes on when somebody does again."""
    said = f"has no connector here: {products.name_of(end.connector)}"
    return Stand(
        state="attention",
        word="",
        line=format_html("{} {}.", end.name, said),
        trouble=f"{end.name} {said}",
        happened=f"The link rests, because {end.name} {said}.",
        remedy="What is waiting is kept and sent when the connector is installed again.",
        who_acts="The operators of this portal have to act.",
    )


def _end_words(end: Connection) -> str:
    if end.revoked_at:
        return "was revoked"
    return "is paused" if end.paused_at else "cannot be used: access was withdrawn"


def _by_answers(link: Link) -> Stand | None:
    """What the target said last, where that was a refusal of everything."""
    if not link.failing_since and not (link.waits_until and link.waits_until > clock.now()):
        return None
    product = products.name_of(link.target.connector)
    cause = reason(link.last_error or link.waits_for, product=product)
    waits = link.waits_until and link.waits_until > clock.now()
    line = format_html("{}.", cause.title)
    if link.failing_since:
        line = format_html("{} It began {}.", line, when(link.failing_since))
    if waits:
        line = format_html("{} It is tried again {}.", line, when(link.waits_until))
    needs_somebody = cause.who is not Who.NOBODY
    return Stand(
        state="broken" if link.failing_since and needs_somebody else "attention",
        word="",
        line=line,
        trouble=cause.title,
        happened=cause.happened,
        remedy=cause.remedy,
        who_acts=cause.who_acts,
        connection=link.target if needs_somebody else None,
    )


def _by_outbox(outbox: Outbox) -> Stand | None:
    if outbox.dead:
        said = phrases.plural(
            outbox.dead,
            "event failed for good and waits,events failed for good and wait",
        )
        line = format_html("{} for a decision.", said)
        return Stand("attention", "", line, trouble=f"{said} for a decision")
    if outbox.is_late:
        line = format_html("The oldest event has waited {}.", outbox.lag)
        return Stand("attention", "", line, trouble=f"Late by {outbox.lag}")
    return None


def _working(link: Link) -> Stand:
    if link.last_sent_at is None:
        return Stand("working", "", format_html("{}", "Nothing has happened since it began."))
    return Stand("working", "", format_html("Last sent {}.", when(link.last_sent_at)))


# Codes that no vendor's error has: what is said where no answer, or none to blame, was there.
OURS: Final[Mapping[str, explain.Explanation]] = {
    each.code: each
    for each in (
        explain.Explanation(
            "unknown_subject",
            "The target does not know what it names",
            "What it names is not there, or not for this connection to see.",
            "Nothing has to be done: it travels again when it changes.",
        ),
        explain.Explanation(
            "not_told",
            "The source does not say what leads away from it",
            "Nobody can look whether the same is sent there already.",
            "Look at the source whether it is linked there by itself.",
        ),
        explain.Explanation(
            "not_live",
            "The source is paused or was revoked",
            "Nothing was asked of it.",
            "Resume it, or link it again.",
        ),
    )
}


def reason(code: str, *, product: str) -> explain.Explanation:
    """The explanation of what came of a request or an event, in the words of the target."""
    return OURS.get(code) or explain.explain(code, product=product)
