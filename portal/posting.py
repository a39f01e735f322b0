"""Notices to the chat channel: plain text that cannot mention, link or format anything by itself.

A post that fails is tried again, eleven times within about 75 hours; then, or at once when the
address is gone, the channel is switched off and the organization's admins are told.
"""

from __future__ import annotations

import logging
import random
import re
from typing import Any

from portal import chat, clock, letters, tenancy, work
from portal.models import ChatHook, Dispatch, Notice, Organization, Receipt
from portal.notice_kinds import kind_of
from portal.phrases import plural

log = logging.getLogger(__name__)

HOUR = 3600
WAITS = (60, 300, 900, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 12 * HOUR, 24 * HOUR, 24 * HOUR)
LISTED = 20
LONGEST = 3000  # Slack cuts what is longer than 4,000 characters

Outcome = Dispatch.Outcome
_MENTION = re.compile(r"@(?=\w)")


@work.job("post_notice")
def send(claim: work.Claim, *, dispatch_id: str) -> None:
    """The message is in the channel, or its row says why not."""
    with tenancy.transaction():
        claim.hold()
        hook, payload = _intended(dispatch_id)
    if hook is None:
        return
    try:
        chat.post(hook, payload)
    except chat.NotPosted as error:
        with tenancy.transaction():
            wait = _failed(hook, dispatch_id, error)
        if wait:
            raise work.RetryLater(error.code, seconds=wait, free=True) from None
        return
    with tenancy.transaction():
        chat.works(hook)
        _end(dispatch_id, Outcome.SENT)


@work.job("test_chat_hook")
def test(claim: work.Claim, *, hook_id: str) -> None:
    """One line is posted; a channel that takes it is used again."""
    with tenancy.transaction():
        hook = ChatHook.objects.filter(id=hook_id, removed_at=None).first()
        organization = Organization.objects.get(id=claim.organization_id)
    if hook is None or chat.came_late(hook):
        return
    if hook.sealed_at is None:
        raise work.RetryLater(chat.LATE, seconds=5, free=True)
    code = ""
    try:
        chat.post(hook, worded([f"{escaped(organization.name)}: notices are posted here."]))
    except chat.NotPosted as error:
        code = error.code
    with tenancy.transaction():
        ChatHook.objects.filter(id=hook.id).update(tested_at=clock.now(), last_code=code)
        if not code:
            chat.works(hook)


def escaped(text: str) -> str:
    """The text as Slack's syntax spells it, in which nothing is a link, command or mention.

    https://docs.slack.dev/messaging/formatting-message-text (November 2026) names three characters
    to escape; Mattermost and Discord also read a bare @here, so a mark without width parts it.
    """
    plain = " ".join(text.split())
    plain = plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MENTION.sub("@\u2060", plain)


def worded(lines: list[str]) -> dict[str, Any]:
    """The whole payload: one text, whose names are neither formatted nor looked up."""
    text = "\n".join(lines)
    return {
        "text": text if len(text) <= LONGEST else text[: LONGEST - 1] + "…",
        "mrkdwn": False,
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def _intended(dispatch_id: str) -> tuple[ChatHook | None, dict[str, Any]]:
    """Where it goes and what it says; nowhere when there is nothing left to say."""
    row: Dispatch = Dispatch.objects.select_for_update().get(id=dispatch_id)
    hook = chat.current()
    if row.ended_at is not None:
        return None, {}
    found = Notice.objects.filter(receipts__dispatch_id=row.id, resolved_at=None)
    shown = sorted(found, key=lambda one: (one.opened_at, one.title))
    if hook is None or hook.disabled_at is not None or not shown:
        _end(dispatch_id, Outcome.DROPPED)
        return None, {}
    if chat.came_late(hook):
        chat.switch_off(hook, chat.LATE)
        _end(dispatch_id, Outcome.FAILED, chat.LATE)
        return None, {}
    if hook.sealed_at is None:
        raise work.RetryLater(chat.LATE, seconds=5, free=True)
    row.intent_at, row.attempts, row.address = clock.now(), row.attempts + 1, hook.host
    row.save(update_fields=["intent_at", "attempts", "address"])
    Receipt.objects.filter(dispatch_id=row.id, told_at=None).update(told_at=row.intent_at)
    return hook, worded(_lines(row.kind, shown))


def _lines(kind: str, shown: list[Notice]) -> list[str]:
    if len(shown) == 1:
        one = shown[0]
        words = [escaped(one.title), escaped(one.body)]
        return [*filter(None, words), f"{escaped(one.button)}: {letters.whole(one.url)}"]
    head = f"{escaped(kind_of(kind).label)} ({plural(len(shown), 'notice')})"
    more = len(shown) - LISTED
    return [
        head,
        *(f"• {escaped(one.title)}" for one in shown[:LISTED]),
        *([f"and {more} more"] if more > 0 else []),
        letters.whole(letters.page("notices")),
    ]


def _failed(hook: ChatHook, dispatch_id: str, error: chat.NotPosted) -> float:
    """Seconds until the next try; 0 when there is none, and the reason is on the rows."""
    row: Dispatch = Dispatch.objects.select_for_update().get(id=dispatch_id)
    now = clock.now()
    ChatHook.objects.filter(id=hook.id).update(last_code=error.code[:40])
    ChatHook.objects.filter(id=hook.id, failing_since=None).update(failing_since=now)
    log.warning("chat.not_posted", extra={"code": error.code, "attempts": row.attempts})
    if isinstance(error, chat.NotUnderstood):
        _end(dispatch_id, Outcome.REFUSED, error.code)
        return 0
    if isinstance(error, chat.Gone) or row.attempts > len(WAITS):
        _end(dispatch_id, Outcome.FAILED, error.code)
        chat.switch_off(hook, error.code)
        return 0
    return max(error.seconds or 0.0, WAITS[row.attempts - 1] * random.uniform(0.9, 1.1))


def _end(dispatch_id: str, outcome: str, code: str = "") -> None:
    Dispatch.objects.filter(id=dispatch_id).update(
        outcome=outcome, code=code[:80], ended_at=clock.now()
    )
