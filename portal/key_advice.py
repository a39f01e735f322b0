"""What an operator should do next about the keys, and how far a rewrap has come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings

from portal import clock, key_stand
from portal.phrases import plural
from portal.platform import DataKeys, KeyLine


@dataclass(frozen=True, slots=True)
class Advice:
    """One sentence, and the command to run if there is one."""

    text: str
    command: str = ""

    def __str__(self) -> str:
        return f"{self.text} {self.command}".rstrip()


def next_steps(lines: list[KeyLine]) -> list[Advice]:
    """In the order in which they are due; empty when nothing is."""
    return [step for line in lines for step in _of(line)]


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
    """A rewrap that is not finished: how many of a domain's data keys are under its newest key."""

    domain: str
    done: int
    total: int


def under_way(lines: list[KeyLine]) -> list[UnderWay]:
    """The domains of which some data keys are still under an older key."""
    found = []
    for domain in dict.fromkeys(line.domain for line in lines):
        own = [line for line in lines if line.domain == domain]
        total = sum(line.data_keys for line in own)
        done = sum(line.data_keys for line in own if line.stage == "active")
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
