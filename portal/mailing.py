"""Notices by mail: each message is sent once, and after a crash in between once more at most.

Before the mail server is spoken to, the intent is committed; after its answer, the result. A worker
that dies between the two leaves the message in doubt: it goes out a second time with the same
Message-ID, and then never again.
"""

from __future__ import annotations

import logging
import re
import smtplib
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from django.core.mail import EmailMultiAlternatives, get_connection
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.urls import reverse

from portal import audience, bounces, clock, letters, roles, tenancy, work
from portal.models import Dispatch, Notice, Receipt
from portal.notices import Kind, Severity, operators, register, resolve, tell
from portal.refusals import platform
from portal.steps import step

log = logging.getLogger(__name__)

MOST_SENDS = 2  # the first one, and one more when nobody knows what became of it
TRIED_FOR = timedelta(hours=24)
AGAIN_AFTER = timedelta(hours=1)
BOUNCED = "address_bounced"
AWAY = "mail_away"

Outcome = Dispatch.Outcome
_ENHANCED = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")


register(
    Kind(
        AWAY,
        label="Mail cannot be sent",
        title="Mail could not be sent for a day",
        sentence="The mail server did not take a notice for 24 hours. What is still open stays in"
        " line, and is sent once the server takes mail again.",
        button="Look at the queues",
        severity=Severity.BROKEN,
        to_operators=True,
    )
)


class Result(StrEnum):
    """What the mail server made of a message."""

    TAKEN = "taken"
    ADDRESS_REFUSED = "address_refused"
    NOT_TAKEN = "not_taken"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    result: Result
    code: str = ""


def gave_up(code: str, *, dispatch_id: str) -> None:
    """Every attempt raised: the row says so. Runs in the job's transaction."""
    row = _locked(dispatch_id)
    if row.ended_at is None:
        _end(row, Outcome.FAILED, code)


@work.job("send_notice", gave_up=gave_up)
def send(claim: work.Claim, *, dispatch_id: str) -> None:
    """The message is with the mail server, or its row says why not."""
    with tenancy.transaction():
        claim.hold()
        message = _intended(dispatch_id)
        claim.hold()
    if message is None:
        return
    step("notice.intended")
    answer = _handed_over(message)
    step("notice.answered")
    with tenancy.transaction():
        wait = _settle(dispatch_id, answer)
    if wait:
        raise work.RetryLater(answer.code or answer.result, seconds=wait, free=True)


def _intended(dispatch_id: str) -> EmailMultiAlternatives | None:
    """The message, with the intent to send it written down; None when there is nothing to do."""
    row = _locked(dispatch_id)
    if row.ended_at is not None:
        return None
    if row.intent_at is not None and row.attempts >= MOST_SENDS:
        _end(row, Outcome.IN_DOUBT)
        return None
    if row.user is None or bounces.is_open(row.user.id):
        _wait_again(row)
        _end(row, Outcome.DROPPED, BOUNCED)
        return None
    notices = _still_needed(row)
    if not notices:
        _end(row, Outcome.DROPPED)
        return None
    now = clock.now()
    unsaid = _unsaid(row).filter(notice_id__in=[notice.id for notice in notices])
    unsaid.update(told_at=now)
    row.intent_at, row.attempts, row.address = now, row.attempts + 1, row.user.email
    row.save(update_fields=["intent_at", "attempts", "address"])
    return letters.compose(row, notices)


def _locked(dispatch_id: str) -> Dispatch:
    rows = Dispatch.objects.select_for_update(of=("self",)).select_related("user")
    found: Dispatch = rows.get(id=dispatch_id)
    return found


def _unsaid(row: Dispatch) -> QuerySet[Receipt]:
    """The message's copies that nobody has read and that no other message has told."""
    known = Q(told_at=None) | Q(told_at=row.intent_at)
    by_itself = Q(read_at=F("notice__resolved_at"))  # what is over counts as read
    unread = Q(read_at=None) | by_itself
    found: QuerySet[Receipt] = Receipt.objects.filter(known, unread, dispatch_id=row.id)
    return found


def _still_needed(row: Dispatch) -> list[Notice]:
    """Its notices that are still open, to somebody who may still see them; locked as they are."""
    found = Notice.objects.select_for_update(no_key=True).filter(
        id__in=_unsaid(row).values("notice_id"), resolved_at=None
    )
    assert row.user_id is not None
    may_see = audience.seer(row.user_id)
    return [notice for notice in found.order_by("id") if may_see(notice)]


def _handed_over(message: EmailMultiAlternatives) -> Answer:
    """What became of it. Until the server has greeted us, nothing can have been sent."""
    line = get_connection()
    try:
        line.open()
    except (OSError, smtplib.SMTPException) as error:
        return Answer(Result.NOT_TAKEN, type(error).__name__)
    try:
        taken = line.send_messages([message])
        return Answer(Result.TAKEN if taken else Result.UNKNOWN)
    except smtplib.SMTPRecipientsRefused as error:
        return _refused(error)
    except (smtplib.SMTPResponseException, smtplib.SMTPNotSupportedError) as error:
        return Answer(Result.NOT_TAKEN, type(error).__name__)
    except (OSError, smtplib.SMTPException) as error:
        return Answer(Result.UNKNOWN, type(error).__name__)
    finally:
        _closed(line)


def _closed(line: Any) -> None:
    try:
        line.close()
    except (OSError, smtplib.SMTPException):
        log.info("mail.line_broken")


def _refused(error: smtplib.SMTPRecipientsRefused) -> Answer:
    """A 5xx says that the address does not work; 4xx asks us to come back (RFC 5321 4.2.1)."""
    code, said = next(iter(error.recipients.values()))
    enhanced = _ENHANCED.search(said.decode("ascii", "replace") if said else "")
    status = enhanced[1] if enhanced else str(code)
    return Answer(Result.ADDRESS_REFUSED if code >= 500 else Result.NOT_TAKEN, status)


def _settle(dispatch_id: str, answer: Answer) -> float:
    """The row says what became of it; how many seconds until it is tried again, or 0."""
    row = _locked(dispatch_id)
    if row.ended_at is not None or row.user is None:
        return 0
    if answer.result is Result.TAKEN:
        _end(row, Outcome.SENT)
        transaction.on_commit(_is_back, using=roles.current(), robust=True)
        return 0
    if answer.result is Result.ADDRESS_REFUSED:
        bounces.note(row.user, row.address, status=answer.code, source="smtp")
        _wait_again(row)
        _end(row, Outcome.REFUSED, answer.code)
        return 0
    if answer.result is Result.NOT_TAKEN:
        _unsaid(row).filter(told_at__isnull=False).update(told_at=None)
        row.intent_at, row.attempts = None, row.attempts - 1
        row.save(update_fields=["intent_at", "attempts"])
    if clock.now() - row.created_at > TRIED_FOR:
        _leave_for_later(row, answer)
        return 0
    tries = max(1, int((clock.now() - row.created_at).total_seconds() // 60).bit_length())
    return work.backoff_seconds(tries)


def _leave_for_later(row: Dispatch, answer: Answer) -> None:
    """The message is given up and operators are told; what is still open becomes another one.

    Not so when the server may have taken it: that would be a third copy.
    """
    if row.attempts == 0:
        _wait_again(row)
        work.later(
            "gather_notices",
            run_at=clock.now() + AGAIN_AFTER,
            dedupe=f"gather:{row.user_id}:after:{row.id}",
            user_id=row.user_id or "",
        )
    _end(row, Outcome.FAILED, answer.code)
    transaction.on_commit(_is_away, using=roles.current(), robust=True)


def _is_away() -> None:
    with tenancy.elsewhere(tenancy.PLATFORM), tenancy.transaction():
        tell(
            AWAY,
            subject=platform(),
            audience=operators(),
            dedupe=AWAY,
            url=reverse("platform_queues"),
        )


def _is_back() -> None:
    with tenancy.elsewhere(tenancy.PLATFORM), tenancy.transaction():
        resolve(AWAY)


def _wait_again(row: Dispatch) -> None:
    """Its copies wait for another message, or until the person has confirmed their address."""
    _unsaid(row).update(told_at=None)
    Receipt.objects.filter(dispatch_id=row.id, told_at=None).update(dispatch=None)


def _end(row: Dispatch, outcome: str, code: str = "") -> None:
    Dispatch.objects.filter(id=row.id).update(outcome=outcome, code=code[:80], ended_at=clock.now())
    log.info("notice.ended", extra={"dispatch": str(row.id), "outcome": str(outcome), "code": code})
