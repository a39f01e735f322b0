"""What an operator should do next about the keys, and how far a rewrap has come."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings

from portal import clock, key_away, key_providers, key_stand, keyring
from portal.key_away import AwayLine
from portal.key_providers import KEYRING
from portal.phrases import plural
from portal.platform import DataKeys, KeyLine


@dataclass(frozen=True, slots=True)
class Advice:
    """One sentence, and the command to run if there is one."""

    text: str
    command: str = ""

    def __str__(self) -> str:
        return f"{self.text} {self.command}".rstrip()


def next_steps(lines: list[KeyLine], away: Sequence[AwayLine] = ()) -> list[Advice]:
    """In the order in which they are due; empty when nothing is. Those elsewhere come first."""
    return [*filter(None, map(_of_away, away)), *(step for line in lines for step in _of(line))]


def _of_away(line: AwayLine) -> Advice | None:
    named = f"{line.title}, v{line.version}" if line.version else line.title
    what = plural(line.data_keys, "data key")
    if line.stage == key_away.LOST:
        return Advice(
            f"{what} of {line.domain} cannot be opened: give every process the settings of {named}."
        )
    if line.health == key_away.TROUBLE:
        return Advice(line.trouble)
    if line.stage == key_away.OLD and line.data_keys:
        waiting = plural(line.data_keys, "data key is,data keys are")
        return Advice(
            f"{waiting} still under {named} ({line.key_name}):",
            f"manage.py keys rewrap {line.domain}",
        )
    return None


def _of(line: KeyLine) -> Iterator[Advice]:
    named = f"{line.domain}/v{line.version}"
    if line.stage == "staged":
        yield _activation(line, named)
    elif line.stage == "old" and line.data_keys:
        waiting = plural(line.data_keys, "data key is,data keys are")
        yield Advice(f"{waiting} still under {named}:", f"manage.py keys rewrap {line.domain}")
    elif line.stage == "old":
        yield _retirement(line, named)


def _activation(line: KeyLine, named: str) -> Advice:
    lacking = key_stand.without(line.domain, line.version, line.fingerprint)
    if lacking:
        return Advice(f"{named} is not held yet by {', '.join(lacking)}. Give them their file.")
    return Advice(f"Every living process holds {named}:", f"manage.py keys activate {line.domain}")


def _retirement(line: KeyLine, named: str) -> Advice:
    command = f"manage.py keys retire {line.domain} {line.version}"
    if line.emptied_at is None:
        return Advice(f"Nothing seems to be under {named}. Have that proved:", command)
    until = line.emptied_at + timedelta(days=settings.BACKUP_DAYS)
    if clock.now() < until:
        return Advice(f"Nothing is under {named}. Backups need it until {until:%Y-%m-%d}.")
    return Advice(f"Nothing needs {named} any more:", command)


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A rewrap that is not finished: how many of a domain's data keys are under the newest key."""

    domain: str
    done: int
    total: int


def under_way() -> list[UnderWay]:
    """The domains of which some data keys are not under the key that wraps now."""
    counts: dict[str, dict[int, int]] = defaultdict(dict)
    for domain, number, count in keyring.wrapping_keys():
        counts[domain][number] = count
    found = []
    for domain, by_number in sorted(counts.items()):
        is_local = key_providers.name_for(domain) == KEYRING
        wraps = key_stand.target(domain) if is_local else key_away.newest(domain, by_number)
        done, total = by_number.get(wraps or 0, 0), sum(by_number.values())
        if done < total:
            found.append(UnderWay(domain, done, total))
    return found


def replaced_so_far(rows: list[DataKeys]) -> list[str]:
    """A sentence for each domain of which data keys are being replaced: what is left of that."""
    return [
        f"{plural(row.decrypt_only, 'old data key')} of {row.domain} still to be destroyed:"
        " workers seal anew what lies under it first."
        for row in rows
        if row.decrypt_only
    ]
