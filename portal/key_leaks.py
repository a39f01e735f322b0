"""A leaked key of second factors: no stored credential is touched, people renew their own."""

from __future__ import annotations

from typing import Final

from django.urls import reverse

from portal import audit, key_upkeep, notices, tenancy
from portal.audience import with_roles
from portal.audit import Action
from portal.key_ceremony import Version
from portal.key_upkeep import Leak
from portal.models import Notice, Severity
from portal.notice_kinds import Kind
from portal.policy import SYSTEM, Role

RENEW: Final = "second_factors_leaked"

notices.register(
    Kind(
        RENEW,
        label="The key of second factors leaked",
        title="Set up your second factor again",
        sentence="The key under which authenticator apps and recovery codes are stored leaked."
        " Remove your second factor and set it up again, with new recovery codes.",
        button="Set it up again",
        severity=Severity.BROKEN,
        email=True,
        urgent=True,
    )
)


@key_upkeep.on_emergency
def renew_second_factors(leak: Leak) -> None:
    """Everybody in the organization is told once, and its record says why."""
    if leak.domain != "mfa":
        return
    cause = f"{RENEW}:{leak}"
    subject = Version(leak.domain, leak.version, "")
    with tenancy.transaction():
        if Notice.objects.filter(dedupe=cause).exists():
            return
        audit.record(Action.KEY_LEAKED, actor=SYSTEM, subject=subject, because=leak.because)
        notices.tell(
            RENEW,
            subject=subject,
            audience=with_roles({role.value for role in Role}),
            dedupe=cause,
            url=reverse("mfa_index"),
        )
