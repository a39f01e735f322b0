"""The mail that brings connect links to one person: their addresses are in no other place."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from smtplib import SMTPException
from typing import Any

from django.core.mail import send_mail
from django.db import transaction
from django.template.loader import render_to_string

from connections import registry
from connections.models import ConnectLink
from portal import roles, tenancy
from portal.models import Organization
from portal.policy import Actor

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Sent:
    """A connect link and its address; the address is known only in the moment it is made.

    Once the transaction is over, `mail_failed` says whether the mail could not be sent.
    """

    link: ConnectLink
    address: str
    mail_failed: bool = False


def later(sent: Sequence[Sent], actor: Actor) -> None:
    """The mail goes out once the transaction is over."""
    words = letter(sent, actor)
    transaction.on_commit(lambda: _mail(sent, words), using=roles.current(), robust=True)


def letter(sent: Sequence[Sent], actor: Actor) -> dict[str, Any]:
    """What the mail with these links says, all for one person."""
    organization = Organization.objects.get(id=tenancy.organization_id())
    first = sent[0].link
    return {
        "organization": str(organization),
        "sent_by": actor.name,
        "product": ", ".join(sorted({_product(each) for each in sent})),
        "to_name": first.to_name,
        "message": first.message,
        "expires_at": first.expires_at,
        "links": [
            {"name": each.link.name, "product": _product(each), "address": each.address}
            for each in sent
        ],
    }


def _product(sent: Sent) -> str:
    return registry.get(sent.link.connector).manifest.name


def _mail(sent: Sequence[Sent], words: dict[str, Any]) -> None:
    try:
        post(words, sent[0].link.to_email)
    except (OSError, SMTPException) as error:
        for each in sent:
            each.mail_failed = True
        log.warning("mail.not_sent", extra={"error": type(error).__name__})


def post(words: dict[str, Any], address: str) -> None:
    """The mail is with the mail server; raises OSError or SMTPException when it did not take it."""
    subject = " ".join(render_to_string("emails/connect_link_subject.txt", words).split())
    send_mail(subject, render_to_string("emails/connect_link.txt", words), None, [address])
