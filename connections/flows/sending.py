"""Workers send the connect links of a campaign: a mail for each person, with a link for each of
their connections.

The links are stored before the mail goes out and marked after it. A worker that dies in between
gives those of that one mail new addresses, and mails them again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from smtplib import SMTPException, SMTPRecipientsRefused
from typing import Any, Final
from uuid import UUID, uuid4

from django.core.exceptions import PermissionDenied
from django.utils import timezone

from connections.flows import connect_links, connect_mail, sendings
from connections.flows.connect_links import Recipient
from connections.flows.connect_mail import Sent
from connections.flows.problems import FlowProblem
from connections.flows.sendings import Share
from connections.models import Connection, ConnectLink, ConnectSending
from portal import audit, tenancy, work
from portal.limits import Limit
from portal.models import User
from portal.policy import SYSTEM, Actor, Permission, allows, present
from portal.steps import step

log = logging.getLogger(__name__)

State = ConnectSending.State
PER_MAIL: Final = 50
MAILS: Final = Limit(most=120, seconds=600)  # of one organization: nobody is flooded through it
MOST_NAMED: Final = 200
NOT_ALLOWED, OVER, AWAY = "not_allowed", "campaign_over", "mail_away"
REFUSED: Final = "The mail server refused the address."
NOT_YOURS: Final = "Who sends may not link it again."


class Stopped(Exception):
    """Nothing more is to be sent; `code` says why, empty when it had ended before."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def perform(claim: work.Claim, *, sending_id: str) -> None:
    """Everybody has their mail, or is named with the reason why not.

    Raises RetryLater while the mail server does not answer, or when enough mails went out for now.
    """
    try:
        _mail_again(claim, sending_id)
        for share in _shares(claim, sending_id):
            _mail_share(claim, sending_id, share)
        _end(claim, sending_id)
    except Stopped as stop:
        if stop.code:
            with tenancy.transaction():
                claim.hold()
                gave_up(stop.code, sending_id=sending_id)


def gave_up(code: str, *, sending_id: str) -> None:
    """It has stopped; what was mailed stays good, and the rest may be sent again."""
    held = ConnectSending.objects.select_for_update().get(id=sending_id)
    if held.is_running:
        _finish(held, State.STOPPED, code)


def _mail_again(claim: work.Claim, sending_id: str) -> None:
    """The links of a mail that nobody knows of have other addresses, and are mailed first."""
    with tenancy.transaction():
        held, _ = _held(claim, sending_id)
        waiting = list(sendings.unmailed(held))
    for _, links in groupby(waiting, key=attrgetter("to_email")):
        _patience(held)
        _mail(claim, sending_id, _readdressed(claim, sending_id, list(links)))


def _shares(claim: work.Claim, sending_id: str) -> list[Share]:
    """What is left; an address that was refused before is not tried again."""
    with tenancy.transaction():
        held, _ = _held(claim, sending_id)
        to = Recipient(held.to_name, held.to_email) if held.to_email else None
        shares = sendings.plan(held.campaign, to=to, owner_id=held.owner_id).shares
        ended = ConnectLink.objects.filter(sending_id=held.id, mailed_at=None)
        refused = set(ended.exclude(revoked_at=None).values_list("to_email", flat=True))
        return [each for each in shares if each.to.email not in refused]


def _mail_share(claim: work.Claim, sending_id: str, share: Share) -> None:
    """Mails of so many links at most, until one is refused."""
    for start in range(0, len(share.connection_ids), PER_MAIL):
        with tenancy.transaction():
            held, _ = _held(claim, sending_id)
        _patience(held)
        ids = share.connection_ids[start : start + PER_MAIL]
        if not _mail(claim, sending_id, _made(claim, sending_id, share.to, ids)):
            return


def _patience(sending: ConnectSending) -> None:
    wait = MAILS.wait_seconds(f"connect_sending:{sending.organization_id}")
    if wait:
        raise work.RetryLater("slow_down", seconds=wait, free=True)


Letter = tuple[list[Sent], dict[str, Any]]


def _made(claim: work.Claim, sending_id: str, to: Recipient, ids: Iterable[UUID]) -> Letter:
    """The links of one mail are stored; those that cannot be are named in `left_out`."""
    with tenancy.transaction():
        held, actor = _held(claim, sending_id)
        whom = Recipient(to.name, to.email, held.message)
        still = sendings.left_to_send(held.campaign).filter(id__in=list(ids))
        made = list(_links(held, actor, whom, still))
        words = connect_mail.letter(made, actor) if made else {}
    step("sending.made")
    return made, words


def _links(
    held: ConnectSending, actor: Actor, to: Recipient, connections: Iterable[Connection]
) -> Iterator[Sent]:
    for connection in connections:
        wish = connect_links.again(connection, campaign_id=held.campaign_id)
        try:
            yield connect_links.make(actor, wish, to, uuid4(), sending_id=held.id)
        except FlowProblem as problem:
            _leave_out(held, connection.name, problem.message)
        except PermissionDenied:
            _leave_out(held, connection.name, NOT_YOURS)


def _readdressed(claim: work.Claim, sending_id: str, links: list[ConnectLink]) -> Letter:
    with tenancy.transaction():
        _, actor = _held(claim, sending_id)
        sent = [connect_links.readdress(each) for each in links]
        return sent, connect_mail.letter(sent, actor)


def _mail(claim: work.Claim, sending_id: str, letter: Letter) -> bool:
    """The mail went out and its links are marked; False when its address was refused."""
    sent, words = letter
    if not sent:
        return True
    refused = False
    try:
        connect_mail.post(words, sent[0].link.to_email)
    except SMTPRecipientsRefused:
        refused = True
    except (OSError, SMTPException) as error:
        log.warning("mail.not_sent", extra={"error": type(error).__name__})
        raise work.RetryLater(AWAY) from error
    step("sending.mailed")
    with tenancy.transaction():
        claim.hold()
        links = ConnectLink.objects.filter(id__in=[each.link.id for each in sent])
        if not refused:
            links.update(mailed_at=timezone.now())
            return True
        held = ConnectSending.objects.select_for_update().get(id=sending_id)
        for each in links:
            connect_links.end(each, "Portal")
            _leave_out(held, each.name, REFUSED)
    return False


def _leave_out(held: ConnectSending, name: str, why: str) -> None:
    if len(held.left_out) < MOST_NAMED and [name, why] not in held.left_out:
        held.left_out = [*held.left_out, [name, why]]
        held.save(update_fields=["left_out"])


def _end(claim: work.Claim, sending_id: str) -> None:
    with tenancy.transaction():
        held, _ = _held(claim, sending_id)
        _finish(held, State.DONE)
        claim.done()


def _finish(held: ConnectSending, state: str, error: str = "") -> None:
    sendings.finish(held, state, error[:40])
    audit.record(
        audit.Action.CONNECT_SENDING_ENDED,
        actor=SYSTEM,
        subject=held,
        state=state,
        mailed=sendings.mailed(held),
        left_out=len(held.left_out),
    )


def _held(claim: work.Claim, sending_id: str) -> tuple[ConnectSending, Actor]:
    """The sending, locked, and who sends as they are now; raises Stopped when no more may go."""
    claim.hold()
    held: ConnectSending = ConnectSending.objects.select_for_update().get(id=sending_id)
    if not held.is_running:
        raise Stopped("")
    if not held.campaign.is_open:
        raise Stopped(OVER)
    return held, _actor(held)


def _actor(held: ConnectSending) -> Actor:
    user = User.objects.filter(id=held.sent_by_id).first() if held.sent_by_id else None
    actor = present(Actor("person", user.id, str(user))) if user else None
    if actor is None or not allows(actor, Permission.CONNECT_LINK_SEND):
        raise Stopped(NOT_ALLOWED)
    return actor
