"""Who is told that an organization asks to be erased, is confirmed, stays after all, or is gone.

Its people have it in their inbox while there is one. Operators are told on the platform, by a job,
because that is another organization. Of the end its owners have a mail (`portal/erasure_mail.py`):
they are members of nothing any more.
"""

from __future__ import annotations

from typing import Final

from django.urls import reverse

from portal import notices, tenancy, work
from portal.audience import operators, who_may, with_roles
from portal.models import Erasure, Organization, Severity
from portal.notice_kinds import Kind
from portal.policy import Permission, Role

ASKED: Final = "erasure_asked"
CONFIRMED: Final = "erasure_confirmed"
TAKEN_BACK: Final = "erasure_taken_back"
ASKED_OPERATORS: Final = "erasure_asked_operators"
TAKEN_BACK_OPERATORS: Final = "erasure_taken_back_operators"
ERASED_OPERATORS: Final = "organization_erased_operators"
TELL: Final = "tell_of_erasure"

notices.register(
    Kind(
        ASKED,
        label="Somebody asks to erase the organization",
        title="Somebody asks to erase {subject}",
        sentence="An owner asked for it. Nothing changes until an operator confirms it.",
        button="Look at it",
        email=True,
        urgent=True,
    ),
    Kind(
        CONFIRMED,
        label="The organization is about to be erased",
        title="{subject} is about to be erased",
        sentence="An operator confirmed it. An owner can take it back in the settings.",
        button="Look at it",
        severity=Severity.BROKEN,
        email=True,
        urgent=True,
    ),
    Kind(
        TAKEN_BACK,
        label="The organization is not erased after all",
        title="{subject} is not erased",
        sentence="It was taken back. The organization stays as it is.",
        button="Look at it",
        severity=Severity.NEWS,
        email=True,
    ),
    Kind(
        ASKED_OPERATORS,
        label="An organization asks to be erased",
        title="{subject} asks to be erased",
        sentence="An owner asked for it. Ask them by another way whether they mean it, and then"
        " confirm or refuse it.",
        button="Confirm or refuse",
        email=True,
        to_operators=True,
    ),
    Kind(
        TAKEN_BACK_OPERATORS,
        label="An organization is not erased after all",
        title="{subject} is not erased",
        sentence="It was taken back or refused. There is nothing to confirm any more.",
        button="Look at it",
        severity=Severity.NEWS,
        to_operators=True,
    ),
    Kind(
        ERASED_OPERATORS,
        label="An organization was erased",
        title="{subject} is erased",
        sentence="Its data keys are destroyed, and its rows follow.",
        button="Look at it",
        severity=Severity.NEWS,
        to_operators=True,
    ),
)


# ── In the organization, in the transaction of the deed ───────────────────────────────────────


def asked(erasure: Erasure, organization: Organization) -> None:
    """Owners and admins are told who asked, operators that somebody has to decide."""
    who = who_may(Permission.ORGANIZATION_ERASE) | with_roles({Role.ADMIN.value})
    notices.tell(
        ASKED,
        subject=organization,
        audience=who,
        dedupe=_cause(ASKED, erasure),
        url=_settings(organization),
        body=f"{erasure.asked_by} asked for it. Nothing changes until an operator of the platform"
        " confirms it. An owner can take it back in the settings.",
    )
    work.later(TELL, erasure_id=erasure.id)


def confirmed(erasure: Erasure, organization: Organization) -> None:
    """Everybody in the organization is told on which date it goes and how that is stopped."""
    assert erasure.due_at is not None
    due = f"{erasure.due_at.day} {erasure.due_at:%B %Y, %H:%M} UTC"
    notices.resolve(_cause(ASKED, erasure))
    notices.tell(
        CONFIRMED,
        subject=organization,
        audience=with_roles({role.value for role in Role}),
        dedupe=_cause(CONFIRMED, erasure),
        url=_settings(organization),
        title=f"{organization} is erased on {due}",
        body=f"{erasure.asked_by} asked for it and an operator of the platform confirmed it. Until"
        f" {due} an owner can take it back in the settings. After that nothing of it can be opened"
        " any more, by anybody.",
    )
    work.later(TELL, erasure_id=erasure.id)


def taken_back(erasure: Erasure, organization: Organization) -> None:
    """Whoever was told of it is told that the organization stays."""
    for cause in (_cause(ASKED, erasure), _cause(CONFIRMED, erasure)):
        notices.recovered(
            cause,
            kind=TAKEN_BACK,
            url=_settings(organization),
            body=f"{erasure.ended_by} took it back. The organization stays as it is.",
        )
    work.later(TELL, erasure_id=erasure.id)


def _cause(kind: str, erasure: Erasure) -> str:
    return f"{kind}:{erasure.id}"


def _settings(organization: Organization) -> str:
    return reverse("organization_settings", args=[organization.slug])


# ── On the platform ───────────────────────────────────────────────────────────────────────────


@work.job(TELL)
def tell_operators(claim: work.Claim, *, erasure_id: str) -> None:
    """Operators know how the wish stands now; what was overtaken meanwhile is not told."""
    with tenancy.transaction():
        wish = Erasure.objects.select_related("organization").get(id=erasure_id)
        organization = wish.organization
    with tenancy.elsewhere(tenancy.PLATFORM), tenancy.transaction():
        if wish.ended_at is not None:
            notices.recovered(_of(organization), kind=TAKEN_BACK_OPERATORS)
        elif wish.due_at is not None:
            notices.resolve(_of(organization))
        else:
            notices.tell(
                ASKED_OPERATORS,
                subject=organization,
                audience=operators(),
                dedupe=_of(organization),
                url=reverse("platform_erasures"),
            )


def erased(organization: Organization, left: list[str]) -> None:
    """Operators are told that it is gone, and what stays at vendors. In the platform's
    transaction."""
    notices.resolve(_of(organization))
    body = "Its data keys are destroyed, and its rows follow."
    if left:
        body += " Something still works at vendors: the list says what, and where to withdraw it."
    notices.tell(
        ERASED_OPERATORS,
        subject=organization,
        audience=operators(),
        dedupe=f"erased:{organization.id}",
        url=reverse("platform_erasures"),
        body=body,
    )


def _of(organization: Organization) -> str:
    return f"erasure:{organization.id}"
