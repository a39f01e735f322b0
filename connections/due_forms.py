"""The forms of campaigns and rotation policies; what they mean is decided by the flows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from django import forms
from django.utils import timezone

from connections.flows.policies import Rule
from connections.flows.policy_settings import AGES, DAYS_OVERDUE
from connections.forms import DateInput, ProblemForm
from connections.models import Campaign
from portal.fields import CleanText, OnceKey
from portal.phrases import plural
from portal.policy import Role

REGIONS: Final = ("Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe")
SEAS: Final = ("Indian", "Pacific")
EVENING: Final = time(18, 0)
MOST_LISTED: Final = 12  # people as boxes to tick; more are a list to choose from


@cache
def zones() -> list[tuple[str, str]]:
    """Every time zone that is named after a place, and UTC."""
    found = sorted(z for z in available_timezones() if z.partition("/")[0] in REGIONS + SEAS)
    return [("UTC", "UTC"), *((each, each.replace("_", " ")) for each in found)]


class TimeInput(forms.TimeInput):
    input_type = "time"

    def __init__(self) -> None:
        super().__init__(format="%H:%M")


class CampaignForm(ProblemForm):
    """What is to be done by when. `expected` is how many connections the person saw."""

    title = CleanText(
        max_length=100, label="Name", help_text="As people will read it: App passwords by Friday."
    )
    goal = forms.ChoiceField(
        choices=Campaign.Goal.choices, widget=forms.RadioSelect, label="What is to be done"
    )
    due_on = forms.DateField(label="By which day", widget=DateInput())
    due_time = forms.TimeField(label="At what time", widget=TimeInput(), initial=EVENING)
    zone = forms.ChoiceField(label="Time zone")
    because = CleanText(
        max_length=300, required=False, label="Why", help_text="It stands in each reminder."
    )
    expected = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    once = OnceKey()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        field: Any = self.fields["zone"]
        field.choices = zones()

    @staticmethod
    def beginning(*, goal: str, title: str, expected: int, zone: str) -> dict[str, object]:
        """What the form begins with."""
        due_on = timezone.now().date() + timedelta(days=14)
        return {
            "goal": goal,
            "title": title,
            "expected": expected,
            "zone": zone,
            "due_on": due_on,
        }

    def due_at(self) -> datetime:
        """The deadline as a moment."""
        given = self.cleaned_data
        return in_zone(given["due_on"], given["due_time"], given["zone"])

    def look_again(self, count: int) -> None:
        """It is not as many connections any more as the person saw; they see the number now."""
        self.add_error(None, f"By now it is {plural(count, 'connection')}. Look again.")
        kept: Any = copy(self.data)
        kept["expected"] = str(count)
        self.data = kept

    def refuse(self, problem: Any) -> None:
        """A wrong moment is shown beside its day."""
        if problem.field == "due_at":
            self.add_error("due_on", problem.message)
        else:
            super().refuse(problem)


class ExcludeForm(ProblemForm):
    because = CleanText(max_length=300, label="Why")


def in_zone(day: date, at: time, zone: str) -> datetime:
    """That time of that day there."""
    return datetime.combine(day, at, ZoneInfo(zone))


def first_error(form: forms.Form) -> str:
    """The first thing that is wrong, for a message; forms without a page of their own have none."""
    problems: Iterable[Any] = form.errors.values()
    return next((str(each[0]) for each in problems), "")


# ── Rotation policies ─────────────────────────────────────────────────────────────────────────


class PolicyForm(ProblemForm):
    """What a policy asks for; the organization's and a connection's are alike."""

    max_age_days = forms.IntegerField(
        min_value=AGES[0],
        max_value=AGES[-1],
        required=False,
        label="Oldest age of a credential, in days",
        help_text="Empty for no limit. What renews itself has no age.",
    )
    forbids_personal = forms.BooleanField(
        required=False,
        label="No credential that acts as a person",
        help_text="Such as an API token or a sign-in of somebody: it stops when they leave.",
    )
    told_roles = forms.MultipleChoiceField(
        choices=Role.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Who is told, by role",
        help_text="Beside those who may mend the connection, who are always told.",
    )
    told_people = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple, label="Who is told, by name"
    )
    escalate_after_days = forms.IntegerField(
        min_value=DAYS_OVERDUE[0],
        max_value=DAYS_OVERDUE[-1],
        required=False,
        label="Owners and admins are told when it is so many days overdue",
        help_text="Empty for never.",
    )

    def __init__(self, *args: Any, members: Sequence[tuple[UUID, str]], **options: Any) -> None:
        super().__init__(*args, **options)
        field: Any = self.fields["told_people"]
        field.choices = [(str(key), name) for key, name in members]
        if len(members) > MOST_LISTED:
            field.widget = forms.SelectMultiple(attrs={"size": 8}, choices=field.choices)

    @staticmethod
    def shown(rule: Rule) -> Mapping[str, object]:
        """What the form begins with."""
        return {
            "max_age_days": rule.max_age_days,
            "forbids_personal": rule.forbids_personal,
            "told_roles": list(rule.told_roles),
            "told_people": [str(each) for each in rule.told_people],
            "escalate_after_days": rule.escalate_after_days,
        }

    def rule(self) -> Rule:
        """The rule as the flow takes it."""
        given = self.cleaned_data
        return Rule(
            max_age_days=given["max_age_days"],
            forbids_personal=given["forbids_personal"],
            told_roles=tuple(given["told_roles"]),
            told_people=tuple(UUID(each) for each in given["told_people"]),
            escalate_after_days=given["escalate_after_days"],
        )


class ExceptionForm(ProblemForm):
    """Until when, and why, the organization's policy does not hold."""

    until = forms.DateField(label="Until", widget=DateInput())
    because = CleanText(max_length=300, label="Why")

    def moment(self) -> datetime:
        """The end of that day, UTC."""
        return in_zone(self.cleaned_data["until"], time(23, 59), "UTC")
