"""The forms of connections: shape and size are checked here, meaning by the flows.

A secret is never put back into a form; what a person typed otherwise stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms

from connections.contracts import Capability, Field
from connections.flows.link_inputs import ENDS_ON
from connections.flows.problems import FlowProblem
from connections.models import Connection, Consumer
from portal.fields import LOOKS_SECRET, SECRET_WORDS, CleanForm, CleanText, is_known_token
from portal.secret import Secret

VERIFY_CHOICES = (
    (1, "Every hour"),
    (6, "Every 6 hours"),
    (12, "Every 12 hours"),
    (24, "Every day"),
    (72, "Every 3 days"),
    (168, "Every week"),
)
SYNC_CHOICES = (
    (15, "Every 15 minutes"),
    (30, "Every 30 minutes"),
    (60, "Every hour"),
    (360, "Every 6 hours"),
    (720, "Every 12 hours"),
    (1440, "Every day"),
)
ABOUT_CONSUMERS = (
    "An OAuth consumer is what the product knows this portal by when it asks you to allow it; "
    "if nobody told you which to choose, keep the first one."
)
DOTS = frozenset("•*●·. ")


class SecretText(forms.CharField):
    """A pasted secret: sealed by the flow, never rendered again, dots are no secret (F18–F20)."""

    widget = forms.PasswordInput

    def __init__(self, *, max_length: int, **options: Any) -> None:
        attributes = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}
        attributes |= options.pop("attrs", {})
        widget = forms.PasswordInput(render_value=False, attrs=attributes)
        super().__init__(max_length=max_length, strip=True, widget=widget, **options)

    def validate(self, value: Any) -> None:
        super().validate(value)
        if value and not set(value) - DOTS:
            raise forms.ValidationError("Those are only dots. Paste the secret itself.")


class DateInput(forms.DateInput):
    """A browser's own picker; it wants and sends ISO 8601."""

    input_type = "date"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d")


class ProblemForm(CleanForm):
    """A form that can say what a flow found: beside the field, or on top when there is none."""

    def refuse(self, problem: FlowProblem) -> None:
        self.add_error(problem.field if problem.field in self.fields else None, problem.message)


def needed_where_shown(form: forms.Form, name: str) -> None:
    """The page hides this field while nothing asks for it, so it is not marked as optional."""
    field: Any = form.fields[name]
    field.is_needed = True


class CapabilitiesForm(ProblemForm):
    """What the connection is for; the page draws the boxes itself."""

    reason = CleanText(
        max_length=300,
        required=False,
        multiline=True,
        label="Why it needs to change things",
        help_text="One sentence. It stands on the record beside the write access.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def __init__(self, *args: Any, capabilities: Sequence[Capability], **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["capabilities"] = forms.MultipleChoiceField(
            choices=[(each.key, each.title) for each in capabilities],
            required=False,
            label="Capabilities",
        )
        needed_where_shown(self, "reason")


class LinkForm(ProblemForm):
    """Name, team, consumer and the method's own fields."""

    def __init__(
        self,
        *args: Any,
        asked: Sequence[Field],
        teams: Sequence[tuple[str, str]],
        usable: Sequence[Consumer],
        is_relink: bool,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self._asked = asked
        for field in asked:
            self.fields[field.name] = _method_field(field)
        if any(field.secret for field in asked):
            self.fields[ENDS_ON] = ends_on_field()
        if not is_relink:
            self.fields["name"] = name_field()
            self.fields["team"] = team_field(
                teams, "A team's connection shows its details only to those who manage it."
            )
        if len(usable) > 1 or any(each.base_url for each in usable):
            self.fields["consumer"] = forms.ChoiceField(
                choices=[(str(each.id), _named(each)) for each in usable],
                label="OAuth consumer",
                help_text=ABOUT_CONSUMERS,
            )

    def method_values(self) -> Mapping[str, str]:
        """The method's fields that are no secret, and when the secret ends."""
        given = {f.name: self.cleaned_data.get(f.name, "") for f in self._asked if not f.secret}
        day = self.cleaned_data.get(ENDS_ON)
        return given | {ENDS_ON: day.isoformat() if day else ""}

    def secret(self) -> Secret | None:
        """The pasted secret; None when the method has none or it was left empty."""
        return next(
            (
                Secret(self.cleaned_data[field.name])
                for field in self._asked
                if field.secret and self.cleaned_data.get(field.name)
            ),
            None,
        )


def _named(consumer: Consumer) -> str:
    """The consumer's name, and of a self-hosted product where it signs people in."""
    return f"{consumer.name} ({consumer.base_url})" if consumer.base_url else consumer.name


def ends_on_field() -> forms.DateField:
    """Until when a pasted secret is good, which no vendor lets us ask."""
    return forms.DateField(
        required=False,
        label="Ends on",
        help_text="The last day that was shown when the secret was made. People are warned a month"
        " before. Leave it empty if it has no end, or you do not know it.",
        widget=DateInput(),
        error_messages={"invalid": "Write the day like 2027-03-31."},
    )


def name_field() -> CleanText:
    """The name of a connection that is to be."""
    return CleanText(
        max_length=80,
        label="Name of the connection",
        help_text="How people here will know it. It never changes, so choose it well.",
    )


def team_field(teams: Sequence[tuple[str, str]], help_text: str = "") -> forms.ChoiceField:
    """Whose it will be; a choice is needed where the organization's default is none of them."""
    return forms.ChoiceField(
        choices=teams,
        required=bool(teams) and not any(key == "" for key, _ in teams),
        label="For whom",
        help_text=help_text,
    )


def _method_field(field: Field) -> forms.Field:
    attributes = {"placeholder": field.placeholder, "autocomplete": "off", "spellcheck": "false"}
    if field.secret:
        return SecretText(
            max_length=field.max_length, label=field.label, help_text=field.help, attrs=attributes
        )
    kind = forms.EmailInput if field.kind == "email" else forms.TextInput
    return CleanText(
        max_length=field.max_length,
        random=field.random,
        label=field.label,
        help_text=field.help,
        widget=kind(attrs=attributes),
    )


class SettingsForm(ProblemForm):
    """What may change of a connection; its name may not."""

    labels = CleanText(
        max_length=840,
        required=False,
        label="Labels",
        help_text="Separated by commas. They find it again in the list.",
    )
    description = CleanText(
        max_length=4000,
        required=False,
        multiline=True,
        label="Description",
        help_text="Markdown. For the people who come after you: what uses it, whom to ask.",
        widget=forms.Textarea(attrs={"rows": 8, "dir": "auto"}),
    )
    verify_every_hours = forms.TypedChoiceField(
        choices=VERIFY_CHOICES, coerce=int, label="Verify by itself"
    )
    sync_every_minutes = forms.TypedChoiceField(
        choices=SYNC_CHOICES, coerce=int, label="Sync by itself"
    )

    @classmethod
    def of(cls, connection: Connection, **options: Any) -> SettingsForm:
        """The form filled with what is set; a schedule set elsewhere stays choosable."""
        form = cls(
            initial={
                "labels": ", ".join(connection.labels),
                "description": connection.description,
                "verify_every_hours": connection.verify_every_hours,
                "sync_every_minutes": connection.sync_every_minutes,
            },
            **options,
        )
        form.allow(connection)
        return form

    def allow(self, connection: Connection) -> None:
        """Keep an unusual schedule among the choices."""
        for name, unit in (("verify_every_hours", "hours"), ("sync_every_minutes", "minutes")):
            field: Any = self.fields[name]
            value = getattr(connection, name)
            if value not in dict(field.choices):
                field.choices = [*field.choices, (value, f"Every {value} {unit}")]

    def label_list(self) -> list[str]:
        return [label for label in self.cleaned_data["labels"].split(",") if label.strip()]


class ConsumerForm(ProblemForm):
    """An OAuth consumer registered at the vendor; with `base_url` at one server of its kind."""

    name = CleanText(max_length=80, label="Name", help_text="How people here will know it.")
    client_id = forms.RegexField(
        r"[\x21-\x7e]+",
        max_length=200,
        label="Key",
        help_text="From the consumer's page at the vendor.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    secret = SecretText(
        max_length=400,
        label="Secret",
        help_text="Sealed when you save, and never shown again.",
    )

    def __init__(self, *args: Any, base_url: Field | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        if base_url is not None:
            self.fields[base_url.name] = _method_field(base_url)
            self.order_fields(["name", base_url.name, "client_id", "secret"])

    def clean_client_id(self) -> str:
        """A token in the place of the key would be stored in clear (abuse case X27)."""
        key = str(self.cleaned_data["client_id"])
        if is_known_token(key):
            raise forms.ValidationError(SECRET_WORDS, code=LOOKS_SECRET)
        return key

    def clean_secret(self) -> Secret:
        return Secret(self.cleaned_data["secret"])


class ReplaceConsumerForm(ConsumerForm):
    """A new key and secret for a consumer that is there; its name stays."""

    name = None  # type: ignore[assignment]


class EndsForm(ProblemForm):
    """Until when the secret in use is good."""

    ends_on = ends_on_field()
