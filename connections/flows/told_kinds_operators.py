"""The kinds of notices about connections that only operators of the platform get."""

from __future__ import annotations

from connections.flows.told_kinds import (
    INBOX_LATE,
    INBOX_WELL,
    RECOVERED_OPERATORS,
    STOPPED_OPERATORS,
    STORM_OPERATORS,
    STORM_OVER_OPERATORS,
)
from portal.notices import Kind, Severity, register

register(
    Kind(
        STORM_OPERATORS,
        label="A vendor is in trouble",
        title="The breaker of {subject} is open",
        sentence="Too many grants fail at once. While it is open no connection is declared dead,"
        " and one of them is tried every half minute.",
        button="Look at it",
        severity=Severity.BROKEN,
        email=True,
        to_operators=True,
    ),
    Kind(
        STORM_OVER_OPERATORS,
        label="A vendor is well again",
        title="The breaker of {subject} is closed",
        sentence="The vendor answers as usual, and refreshes go on at their normal rate.",
        button="Look at it",
        severity=Severity.NEWS,
        email=True,
        to_operators=True,
    ),
    Kind(
        STOPPED_OPERATORS,
        label="Connections have no token any more",
        title="Connections stand still: {subject}",
        sentence="Their last tokens have ended, and no new ones came.",
        button="Look at it",
        severity=Severity.BROKEN,
        email=True,
        to_operators=True,
    ),
    Kind(
        RECOVERED_OPERATORS,
        label="Connections have tokens again",
        title="Connections go on: {subject}",
        sentence="None of them stands still for that reason any more.",
        button="Look at it",
        severity=Severity.NEWS,
        email=True,
        to_operators=True,
    ),
    Kind(
        INBOX_LATE,
        label="Webhooks wait to be applied",
        title="Webhooks wait for more than ten minutes",
        sentence="They are kept and none is lost. Workers are away, or do not keep up.",
        button="Look at it",
        severity=Severity.BROKEN,
        email=True,
        to_operators=True,
    ),
    Kind(
        INBOX_WELL,
        label="Webhooks are applied in time again",
        title="Webhooks are applied in time again",
        sentence="None of them waits for ten minutes any more.",
        button="Look at it",
        severity=Severity.NEWS,
        email=True,
        to_operators=True,
    ),
)
