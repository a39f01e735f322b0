"""Addresses that refuse our mail: noted, shown to the person and their organization, and used again
once the person has typed the code that reached them there."""

from __future__ import annotations

import hmac
import logging
import secrets
from collections.abc import Callable, Iterable
from datetime import timedelta
from hashlib import sha256
from smtplib import SMTPException
from typing import Any
from uuid import UUID

from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import F
from django.template.loader import render_to_string

from portal import clock, gathering, roles, tenancy
from portal.dsn import Report
from portal.limits import Limit
from portal.memberships import memberships_of
from portal.models import Bounce, Dispatch, Receipt, User
from portal.phrases import span
from portal.refused import Impossible

log = logging.getLogger(__name__)

CODE_LIFETIME = timedelta(minutes=30)
MOST_TRIES = 5
CODES = Limit(most=5, seconds=3600)


def is_open(user_id: UUID) -> bool:
    """Whether the person's address refuses our mail, and they have not confirmed it since."""
    return open_for(user_id) is not None


def open_for(user_id: UUID) -> Bounce | None:
    """The refusal of the address that the person has now; an older address's says nothing."""
    return open_among([user_id]).get(user_id)


def open_among(users: Iterable[UUID]) -> dict[UUID, Bounce]:
    """The same for several people."""
    found = Bounce.objects.filter(
        user_id__in=users, cleared_at=None, address__iexact=F("user__email")
    )
    return {bounce.user_id: bounce for bounce in found}


def note(user: User, address: str, *, status: str, source: str) -> None:
    """Nothing more is sent to this address; one that the person no longer has is let go."""
    if address.lower() != user.email.lower():
        return
    old = Bounce.objects.filter(user=user, cleared_at=None).exclude(address__iexact=address)
    old.update(cleared_at=clock.now())
    Bounce.objects.bulk_create(
        [Bounce(user=user, address=address, status=status[:12], source=source, at=clock.now())],
        ignore_conflicts=True,
    )


def record(report: Report) -> str:
    """What a mail server reported is noted when it is about a message of ours; one line about it.

    Temporary trouble is the mail server's own business.
    """
    with tenancy.acting_for(report.organization_id), tenancy.transaction():
        row = Dispatch.objects.filter(id=report.dispatch_id).select_related("user").first()
        if row is None or row.user is None or row.address.lower() != report.address.lower():
            return "Ignored: it names no message that went to this address."
        if not report.is_final:
            return f"Ignored: {report.status} is temporary."
        note(row.user, row.address, status=report.status, source="report")
        Dispatch.objects.filter(id=row.id).update(
            outcome=Dispatch.Outcome.REFUSED, code=report.status
        )
        _wait_again(row.id, row.user.id)
    return f"Noted: an address answers {report.status}."


def _wait_again(dispatch_id: UUID, user_id: UUID) -> None:
    """What the message told and nobody has read waits for an address that works."""
    untold = Receipt.objects.filter(dispatch_id=dispatch_id, read_at=None)
    untold.update(told_at=None, dispatch=None)
    if not is_open(user_id):
        gathering.again(user_id)


def send_code(user: User, *, told: Callable[[bool], None]) -> None:
    """A code goes to the address after commit, and `told` is called with whether it is on its way.

    Raises Impossible when many were sent just now.
    """
    bounce = open_for(user.id)
    if bounce is None:
        return
    wait = CODES.wait_seconds(f"address:{user.id}")
    if wait:
        raise Impossible(f"Many codes were sent just now. Ask for the next one in {span(wait)}.")
    code = f"{secrets.randbelow(10**8):08d}"
    bounce.code_hash, bounce.code_tries = _hashed(bounce, code), 0
    bounce.code_until = clock.now() + CODE_LIFETIME
    bounce.save(update_fields=["code_hash", "code_tries", "code_until"])
    text = render_to_string("emails/address_code.txt", {"code": code})
    letter = EmailMessage("Confirm that this address works", text, None, [bounce.address])
    transaction.on_commit(lambda: told(_is_sent(letter)), using=roles.current(), robust=True)


def _is_sent(letter: EmailMessage) -> bool:
    try:
        letter.send()
    except (OSError, SMTPException) as error:
        log.warning("mail.not_sent", extra={"error": type(error).__name__})
        return False
    return True


def confirm(user: User, code: str) -> None:
    """The address is used again, and what waited for it is sent. Raises Impossible otherwise."""
    bounce = Bounce.objects.select_for_update().filter(user=user, cleared_at=None).first()
    if bounce is None:
        return
    if not _is_right(bounce, code):
        raise Impossible("This code is not right, or no longer. Ask for a new one.")
    bounce.cleared_at, bounce.code_hash = clock.now(), None
    bounce.save(update_fields=["cleared_at", "code_hash"])
    gathering.again(user.id)
    here = tenancy.organization_id()
    transaction.on_commit(lambda: _wake(user, but=here), using=roles.current(), robust=True)


def _wake(user: User, *, but: UUID) -> None:
    """What waits for this person is looked at in their other organizations too."""
    places = {each.organization.id for each in memberships_of(user.id)}
    if user.is_operator:
        places.add(tenancy.PLATFORM)
    for place in places - {but}:
        with tenancy.elsewhere(place), tenancy.transaction():
            gathering.again(user.id)


def _is_right(bounce: Bounce, code: str) -> bool:
    """Each try counts, so that nobody gets through all codes."""
    if bounce.code_hash is None or bounce.code_until is None:
        return False
    Bounce.objects.filter(id=bounce.id).update(code_tries=bounce.code_tries + 1)
    alive = bounce.code_until > clock.now() and bounce.code_tries < MOST_TRIES
    given = _hashed(bounce, "".join(code.split()))
    return alive and hmac.compare_digest(bytes(bounce.code_hash), given)


def _hashed(bounce: Any, code: str) -> bytes:
    return sha256(f"{bounce.pk}:{code}".encode()).digest()
