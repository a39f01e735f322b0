"""The last word to the owners of an erased organization: one mail each, of what stays elsewhere.

They are members of nothing any more, so no inbox of theirs can hold it. Their ids were noted before
the memberships went; what the mail says stands on the platform's record.
"""

from __future__ import annotations

from email.utils import parseaddr
from smtplib import SMTPException
from typing import Final
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string

from portal import bounces, tenancy, work
from portal.audit import Action
from portal.models import AuditEvent, User
from portal.steps import step

KIND: Final = "mail_of_erasure"
TRIES: Final = 150  # more than a day, as other mail


def later(user_ids: list[str], erased_id: UUID) -> None:
    """Each of them is written to, after the platform's open transaction."""
    for user_id in user_ids:
        work.later(KIND, max_attempts=TRIES, user_id=user_id, erased_id=erased_id)


@work.job(KIND)
def send(claim: work.Claim, *, user_id: str, erased_id: str) -> None:
    """The mail is with the server. After a crash it may go out again, by the same Message-ID."""
    with tenancy.transaction():
        claim.hold()
        letter = _letter(user_id, erased_id)
    if letter is None:
        return
    try:
        letter.send()
    except (OSError, SMTPException) as error:
        raise work.RetryLater(type(error).__name__) from None
    step("erase.mailed")


def _letter(user_id: str, erased_id: str) -> EmailMessage | None:
    """None when the person is gone or their address refuses our mail."""
    person = User.objects.filter(id=user_id, is_active=True).first()
    told = AuditEvent.objects.filter(action=Action.KEYS_DESTROYED, subject_id=erased_id)
    event = told.order_by("-sequence").first()
    if person is None or event is None or bounces.is_open(person.id):
        return None
    words = {
        "name": event.subject_name,
        "at": event.at,
        "left": event.details.get("left_at_vendors", []),
        "backup_days": settings.BACKUP_DAYS,
    }
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    return EmailMessage(
        subject=" ".join(f"{event.subject_name} is erased".split()),
        body=render_to_string("emails/erased.txt", words),
        to=[person.email],
        headers={
            "Message-ID": f"<erased.{event.id.hex}.{person.id.hex}@{domain}>",
            "Auto-Submitted": "auto-generated",  # RFC 3834
        },
    )
