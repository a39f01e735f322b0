"""The forms of links between two connections: shape is checked here, meaning by the flows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from django import forms
from django.utils import timezone

from connections.contracts import RelayRules
from connections.forms import DateInput, ProblemForm, needed_where_shown
from connections.models import Link, LinkChoice
from portal import clock
from portal.fields import CleanText

MOST_NAMES: Final = 2000
NEEDED_BY: Final = {
    "pattern": LinkChoice.PATTERN,
    "names": LinkChoice.LISTED,
    "repositories": LinkChoice.LISTED,
}
SPANS: Final = (
    ("none", "Nothing: begin with what happens from now on"),
    ("30", "The last 30 days"),
    ("365", "The last year"),
    ("day", "Since a day that I choose"),
    ("all", "Everything that was read"),
)


class EndsForm(ProblemForm):
    """From where to where; the page draws the choices itself."""

    source = forms.UUIDField(label="From", error_messages={"required": "Choose where it begins."})
    destination = forms.UUIDField(label="To", error_messages={"required": "Choose where it leads."})
    label = CleanText(
        max_length=200,
        required=False,
        label="Name of the link",
        help_text="Empty for the names of its two connections. You can change it later.",
    )


class ChoiceForm(ProblemForm):
    """Which repositories take part. With few, they are ticked; of many, names are written down."""

    use_required_attribute = False  # what the choice leaves out is not shown

    choice = forms.ChoiceField(
        choices=LinkChoice.choices, widget=forms.RadioSelect, label="Which repositories"
    )
    pattern = CleanText(
        max_length=400,
        random=True,
        label="Pattern",
        error_messages={"required": "Write a pattern, such as acme/web-*."},
        help_text="Of the full name: * stands for any text, ? for one character. Several are"
        " separated by commas, as in acme/web-*, acme/api.",
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocapitalize": "none"}),
    )
    names = CleanText(
        max_length=200_000,
        multiline=True,
        random=True,
        label="Names",
        error_messages={"required": "Name a repository."},
        help_text="The full name of each, one a line.",
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false"}),
    )
    repositories = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple,
        label="Repositories",
        error_messages={"required": "Tick a repository."},
    )
    includes_new = forms.BooleanField(
        required=False,
        label="New repositories join by themselves",
        help_text="As soon as one is read that fits. What was left out by hand stays out.",
    )

    def __init__(self, *args: Any, boxes: Sequence[tuple[str, str]], **options: Any) -> None:
        super().__init__(*args, **options)
        if boxes:
            field: Any = self.fields["repositories"]
            field.choices = boxes
        del self.fields["names" if boxes else "repositories"]
        if self.is_bound:
            chosen = self.data.get(self.add_prefix("choice"))
            for name, choice in NEEDED_BY.items():
                if name in self.fields:
                    self.fields[name].required = chosen == choice

    @classmethod
    def of(
        cls,
        link: Link,
        values: Any = None,
        *,
        boxes: Sequence[tuple[str, str]],
        chosen: Iterable[tuple[UUID, str]],
        **options: Any,
    ) -> ChoiceForm:
        """The form as it stands, or as it was sent."""
        kept = list(chosen)
        initial = {
            "choice": link.choice,
            "pattern": link.pattern,
            "includes_new": link.includes_new,
            "repositories": [str(id_) for id_, _ in kept],
            "names": "\n".join(name for _, name in kept),
        }
        return cls(values, initial=initial, boxes=boxes, **options)

    @property
    def ticked(self) -> list[UUID]:
        return [UUID(each) for each in self.cleaned_data.get("repositories", [])]

    @property
    def lines(self) -> list[str]:
        given = self.cleaned_data.get("names", "").splitlines()
        return [each.strip() for each in given if each.strip()][:MOST_NAMES]

    def missing(self, names: Sequence[str]) -> None:
        """None of the repositories that were read is called so."""
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")
        self.add_error("names", f"Not among what was read: {shown}.")


class OptionsForm(ProblemForm):
    """By which way, and what of it travels; options are the target's own."""

    label = CleanText(
        max_length=200,
        required=False,
        label="Name of the link",
        help_text="Empty for the names of its two connections.",
    )

    def __init__(
        self, *args: Any, rules: RelayRules, ways: Sequence[str], way: str, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self.rules = rules
        self.fields["way"] = forms.ChoiceField(
            choices=[(each.key, each.title) for each in rules.ways if each.key in ways],
            widget=forms.RadioSelect,
            label="How",
            initial=way,
        )
        self.fields["options"] = forms.MultipleChoiceField(
            choices=[(each.key, each.title) for each in rules.options],
            required=False,
            widget=forms.CheckboxSelectMultiple,
            label="What travels",
        )

    @classmethod
    def of(
        cls, link: Link, values: Any = None, *, rules: RelayRules, ways: Sequence[str], **more: Any
    ) -> OptionsForm:
        """The form as it stands, or as it was sent."""
        initial = {"label": link.label, "options": on(link, rules), "way": link.way}
        return cls(values, rules=rules, ways=ways, way=link.way, initial=initial, **more)

    @property
    def chosen(self) -> dict[str, bool]:
        """Each option of the target, on or off."""
        ticked = set(self.cleaned_data["options"])
        return {each.key: each.key in ticked for each in self.rules.options}

    @property
    def ticks(self) -> list[str]:
        """What is ticked as the form is shown."""
        return [str(each) for each in self["options"].value() or ()]


def on(link: Link, rules: RelayRules) -> list[str]:
    """The options that are on; one that nobody chose is as the target says."""
    return [each.key for each in rules.options if link.options.get(each.key, each.default)]


class BackfillForm(ProblemForm):
    """From when on what is known already is sent too."""

    span = forms.ChoiceField(
        choices=SPANS, widget=forms.RadioSelect, label="What happened before", initial="none"
    )
    since = forms.DateField(
        required=False,
        label="Since",
        widget=DateInput(),
        error_messages={"invalid": "Write the day like 2026-09-30."},
    )
    doubles = forms.BooleanField(required=False, label="Start it anyway")

    def __init__(self, *args: Any, doubles: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        if not doubles:
            del self.fields["doubles"]
        needed_where_shown(self, "since")

    def clean(self) -> dict[str, Any]:
        """A chosen day is needed where one is to be chosen."""
        given: dict[str, Any] = super().clean() or self.cleaned_data
        if given.get("span") == "day" and not given.get("since") and "since" not in self.errors:
            self.add_error("since", "Choose the day.")
        if given.get("since") and given["since"] > timezone.now().date():
            self.add_error("since", "Choose a day that is past.")
        if "doubles" in self.fields and not given.get("doubles"):
            self.add_error("doubles", "Tick this to start it anyway.")
        return given

    @property
    def asks(self) -> bool:
        """Whether anything of before is to be sent."""
        return bool(self.cleaned_data.get("span", "none") != "none")

    @property
    def moment(self) -> datetime | None:
        """Since when; None for everything."""
        span, day = self.cleaned_data["span"], self.cleaned_data.get("since")
        if span == "day" and day:
            return datetime.combine(day, time(), timezone.get_current_timezone())
        return clock.now() - timedelta(days=int(span)) if span.isdigit() else None


class AgainForm(BackfillForm):
    """The same for a link that is active: something has to be chosen."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        field: Any = self.fields["span"]
        field.choices, field.initial = SPANS[1:], "30"


class ReasonForm(ProblemForm):
    reason = CleanText(max_length=300, label="Why")


class RemoveForm(ProblemForm):
    """Whether what it wrote goes too; the typed name is checked by the flow."""

    erase = forms.ChoiceField(choices=[("1", "erase"), ("0", "keep")], initial="1")
    confirm_name = forms.CharField(max_length=300)
