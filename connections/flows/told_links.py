"""The kinds of notices about connect links and requests: their words and default channels."""

from __future__ import annotations

from portal.notices import Kind, Severity, register

LINK_USED, LINK_ASKS = "connect_link_used", "connect_link_asks"
REQUEST_WAITS, REQUEST_ANSWERED = "link_request_waits", "link_request_answered"

register(
    Kind(
        LINK_USED,
        label="A connect link was used",
        title="{subject} is linked",
        sentence="The person you sent the connect link to has linked it.",
        button="Look at it",
        severity=Severity.NEWS,
        email=True,
        chat=False,
    ),
    Kind(
        LINK_ASKS,
        label="A connect link leads to another account",
        title="{subject}: another account than before",
        sentence="Nothing has changed yet. It goes on when you agree.",
        button="Look and decide",
        email=True,
    ),
    Kind(
        REQUEST_WAITS,
        label="Somebody asks for a link or for more",
        title="Somebody asks for {subject}",
        sentence="It waits until an owner or an admin answers.",
        button="Look and decide",
        email=True,
        chat=False,
    ),
    Kind(
        REQUEST_ANSWERED,
        label="What you asked for was answered",
        title="{subject}: answered",
        sentence="Look at the answer.",
        button="Look at it",
        severity=Severity.NEWS,
        email=True,
        chat=False,
    ),
)
