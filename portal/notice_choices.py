"""What a person wants by mail from one organization: which kinds, when, and in which time zone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from django import forms

from portal import gathering, tenancy
from portal.fields import CleanForm
from portal.models import NoticeSettings, Severity
from portal.notice_kinds import Kind, kinds

PREFIX = "email_"


def chosen(user_id: UUID) -> NoticeSettings:
    """The person's choices; the defaults for somebody who made none."""
    found = NoticeSettings.objects.filter(user_id=user_id).first()
    return found or NoticeSettings(user_id=user_id)


def save(user_id: UUID, *, email: Mapping[str, bool], digest: str, time_zone: str) -> None:
    """The person's choices are these; what waits by the old ones goes out by the new."""
    defaults = {kind.key: kind.email for kind in _kinds()}
    differing = {key: on for key, on in email.items() if on != defaults.get(key)}
    own = NoticeSettings(
        organization_id=tenancy.organization_id(),
        user_id=user_id,
        email=differing,
        digest=digest,
        time_zone=time_zone,
    )
    NoticeSettings.objects.bulk_create(
        [own],
        update_conflicts=True,
        unique_fields=["organization", "user"],
        update_fields=["email", "digest", "time_zone"],
    )
    gathering.again(user_id)


GROUPS = (
    (Severity.BROKEN, "What is broken", ""),
    (Severity.ATTENTION, "What needs attention", ""),
    (Severity.NEWS, "What is well again", "Only sent to those who were sent the trouble"),
)


@dataclass(frozen=True, slots=True)
class Group:
    """The kinds that are equally bad."""

    title: str
    note: str
    boxes: list[forms.BoundField]


class NoticeForm(CleanForm):
    """A box for each kind; its field is `email_` and the kind's key."""

    digest = forms.ChoiceField(
        label="When mail is sent", choices=NoticeSettings.Digest.choices, widget=forms.RadioSelect
    )
    time_zone = forms.ChoiceField(
        label="Your time zone", help_text="For times in mails, and for the mail of once a day."
    )

    def __init__(self, *args: Any, user_id: UUID, **options: Any) -> None:
        now = chosen(user_id)
        options["initial"] = {"digest": now.digest, "time_zone": now.time_zone}
        super().__init__(*args, **options)
        zone: Any = self.fields["time_zone"]
        zone.choices = _zones()
        for kind in _kinds():
            self.fields[PREFIX + kind.key] = forms.BooleanField(
                label=kind.label, required=False, initial=now.email.get(kind.key, kind.email)
            )

    def groups(self) -> list[Group]:
        """The boxes as the page draws them: what is worst first."""
        return [
            Group(
                title, note, [self[PREFIX + kind.key] for kind in _kinds() if kind.severity == of]
            )
            for of, title, note in GROUPS
        ]

    def email(self) -> dict[str, bool]:
        return {kind.key: self.cleaned_data[PREFIX + kind.key] for kind in _kinds()}


def _kinds() -> list[Kind]:
    return kinds(to_operators=tenancy.organization_id() == tenancy.PLATFORM)


@lru_cache(maxsize=1)
def _zones() -> list[tuple[str, str]]:
    """UTC first, then the places by name."""
    places = sorted(name for name in available_timezones() if "/" in name and name[:3] != "Etc")
    return [("UTC", "UTC"), *((name, name.replace("_", " ")) for name in places)]
