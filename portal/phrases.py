"""Moments, spans and sizes in a reader's words, for pages, mails and sentences about state."""

from __future__ import annotations

from datetime import UTC, datetime
from math import floor

from django.utils import timezone

# Below each bound (in seconds) a span is told in units of so many seconds.
_UNITS = (
    (60, 1, "second"),
    (3600, 60, "minute"),
    (172_800, 3600, "hour"),
    (60 * 86_400, 86_400, "day"),
    (730 * 86_400, 30.44 * 86_400, "month"),
    (float("inf"), 365.25 * 86_400, "year"),
)


def plural(count: int, words: str) -> str:
    """`plural(3, "repository,repositories")` is "3 repositories"; one word takes an s."""
    one, _, many = words.partition(",")
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def span(seconds: float) -> str:
    """How long: "240 ms", "1.4 seconds", "52 minutes", "3 days"; rounded down, never up."""
    seconds = max(seconds, 0.0)
    if seconds < 1:
        return f"{floor(seconds * 1000)} ms"
    if seconds < 10 and seconds != floor(seconds):
        return f"{floor(seconds * 10) / 10} seconds"
    _, size, unit = next(row for row in _UNITS if seconds < row[0])
    return plural(floor(seconds / size), unit)


def pace(done: int, left: int, since: datetime | None) -> tuple[str, str]:
    """How fast it went and how long it has to go, as "9 a minute" and "52 minutes"; both empty
    while there is no telling."""
    if since is None or not done:
        return "", ""
    per_second = done / max(1.0, (timezone.now() - since).total_seconds())
    rate = f"{per_second:,.1f} a second" if per_second >= 1 else f"{per_second * 60:.0f} a minute"
    return rate, span(left / per_second) if left > 0 else ""


def relative(moment: datetime, *, now: datetime | None = None) -> str:
    """ "just now", "4 minutes ago", "in 52 minutes"."""
    seconds = ((now or timezone.now()) - moment).total_seconds()
    if abs(seconds) < 10:
        return "just now" if seconds >= 0 else "in a moment"
    return f"{span(floor(seconds))} ago" if seconds > 0 else f"in {span(floor(-seconds))}"


def absolute(moment: datetime) -> str:
    """ "21 November 2026, 14:02:09 UTC"; always in UTC, and it says so."""
    there = moment.astimezone(UTC)
    return f"{there.day} {there:%B %Y, %H:%M:%S} UTC"


def size(count: int | None) -> str:
    """Bytes as people say them: "512 bytes", "1.2 MB"; nothing known is an empty string."""
    if count is None:
        return ""
    if count < 1000:
        return plural(count, "byte")
    amount = float(count)
    for unit in ("kB", "MB", "GB"):
        amount /= 1000
        if amount < 999.95:
            return f"{amount:.1f} {unit}"
    return f"{amount / 1000:,.1f} TB"


def initials(name: str) -> str:
    """One or two letters that stand for a name; an address gives its first letter."""
    words = [
        word for word in name.split("@")[0].replace(".", " ").replace("-", " ").split() if word
    ]
    letters = [word[0] for word in (words[:1] + words[-1:] if len(words) > 1 else words)]
    return "".join(letters).upper() or "?"
