"""The kinds of notices about links between connections: their words and default channels."""

from __future__ import annotations

from portal.notices import Kind, Severity, register

STILL, GOES_ON, COMMAND = "relay_stands_still", "relay_goes_on", "relay_command_failed"
STRANGER = "relay_stranger_failed"

register(
    Kind(
        STILL,
        label="A link between two connections stands still",
        title="{subject} stands still",
        sentence="Its target takes nothing. What happens is kept and sent when it does again.",
        button="Look at it",
        severity=Severity.BROKEN,
        email=True,
    ),
    Kind(
        GOES_ON,
        label="A link between two connections works again",
        title="{subject} works again",
        sentence="What had waited is being sent. Nothing needs doing.",
        button="Look at it",
        severity=Severity.NEWS,
        email=True,
    ),
    Kind(
        COMMAND,
        label="A command in your commit was not carried out",
        title="{subject}: a command was not carried out",
        sentence="The commit's message asked for something that could not be done.",
        button="Look at it",
        email=True,
        chat=False,
    ),
    Kind(
        STRANGER,
        label="A command in a commit of somebody without an account was not carried out",
        title="{subject}: commands are not carried out",
        sentence="Commits ask for something that could not be done, and their author is not here.",
        button="Look at it",
        chat=False,
    ),
)
