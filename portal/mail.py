"""Development mail: one readable file per message, and a line on the console."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from django.core.mail.backends.filebased import EmailBackend
from django.core.mail.message import EmailMessage

log = logging.getLogger(__name__)


class ConsoleAndFileBackend(EmailBackend):
    def send_messages(self, email_messages: Sequence[EmailMessage]) -> Any:
        sent = super().send_messages(email_messages)
        for message in email_messages:
            log.info("mail.written", extra={"to": message.to, "subject": message.subject})
        return sent
