"""The words of a notice's mail: plain text and HTML, in the reader's zone, without a secret."""

from __future__ import annotations

import re
from email.utils import parseaddr
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from portal import tenancy
from portal.models import Dispatch, Notice, NoticeSettings, Organization, Severity
from portal.notice_kinds import kind_of
from portal.phrases import plural

LISTED = 25
LONGEST_SUBJECT = 200
AT_ONCE = "They came within a short time, so this is one mail."
DAILY = "This is what came since your last mail."
_ORDER = Severity.values
_MESSAGE_ID = re.compile(r"<notice\.([0-9a-f]{32})\.([0-9a-f]{32})@")


def compose(row: Dispatch, notices: list[Notice]) -> EmailMultiAlternatives:
    """The message to one person, with a Message-ID of its own that stays when it is sent again."""
    organization = Organization.objects.get(id=row.organization_id)
    chosen = NoticeSettings.objects.filter(user_id=row.user_id).first()
    listed = sorted(notices, key=lambda one: (_ORDER.index(one.severity), one.title))
    preferences = whole(page("notice_settings"))
    words = {
        "organization": organization,
        "heading": _heading(row.kind, listed),
        "notices": [(one, whole(one.url)) for one in listed[:LISTED]],
        "is_digest": len(listed) > 1,
        "why": AT_ONCE if row.kind else DAILY,
        "shared": listed[0].body if len({one.body for one in listed}) == 1 else "",
        "more": len(listed) - LISTED,
        "inbox": whole(page("notices")),
        "preferences": preferences,
    }
    with timezone.override(ZoneInfo(chosen.time_zone if chosen else "UTC")):
        text = render_to_string("emails/notice.txt", words)
        html = render_to_string("emails/notice.html", words)
    message = EmailMultiAlternatives(
        subject=f"{words['heading']} · {organization.name}"[:LONGEST_SUBJECT],
        body=text,
        from_email=settings.MAIL_BOUNCES_TO or None,
        to=[row.address],
        headers={
            "From": settings.DEFAULT_FROM_EMAIL,
            "Message-ID": message_id(row.organization_id, row.id),
            "List-Unsubscribe": f"<{preferences}>",
            "Auto-Submitted": "auto-generated",  # RFC 3834: nobody's holiday notice answers it
        },
    )
    message.attach_alternative(html, "text/html")
    return message


def message_id(organization_id: UUID, dispatch_id: UUID) -> str:
    """Names the message to those who send it back; nobody can guess it."""
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    return f"<notice.{organization_id.hex}.{dispatch_id.hex}@{domain}>"


def named_in(text: str) -> tuple[UUID, UUID] | None:
    """Organization and message of a Message-ID of ours; None for anybody else's."""
    found = _MESSAGE_ID.search(text)
    return (UUID(hex=found[1]), UUID(hex=found[2])) if found else None


def page(name: str, *ids: UUID) -> str:
    """The path of a page about notices of the acting organization."""
    if tenancy.organization_id() == tenancy.PLATFORM:
        return reverse(f"platform_{name}", args=list(ids))
    slug = Organization.objects.get(id=tenancy.organization_id()).slug
    return reverse(name, args=[slug, *ids])


def whole(path: str) -> str:
    """A path of ours as an address that works in a mail."""
    return str(settings.PORTAL_URL) + path


def _heading(kind: str, notices: list[Notice]) -> str:
    """What the subject says; line breaks cannot be in it (abuse case I10)."""
    if len(notices) == 1:
        return " ".join(notices[0].title.split())
    if kind:
        return f"{kind_of(kind).label} ({len(notices)})"
    return plural(len(notices), "notice")
