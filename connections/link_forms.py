"""The forms of connect links and of requests; what may be asked is decided by the flows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms

from connections.contracts import BASE_URL, Capability
from connections.forms import ProblemForm, name_field, team_field
from portal.fields import CleanText, OnceKey


class ConnectLinkForm(ProblemForm):
    """Whom to ask, and what for; the page draws the capabilities' boxes itself."""

    to_name = CleanText(
        max_length=80,
        label="Who links",
        help_text="The person who holds the right at the vendor. They need no account here.",
    )
    to_email = forms.EmailField(
        required=False,
        label="E-mail address",
        help_text="The link is mailed there. Empty: you copy it and send it yourself.",
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )
    message = CleanText(
        max_length=500,
        required=False,
        multiline=True,
        label="Your words to them",
        widget=forms.Textarea(attrs={"rows": 2, "dir": "auto"}),
    )
    once = OnceKey()

    def __init__(
        self,
        *args: Any,
        capabilities: Sequence[Capability] = (),
        teams: Sequence[tuple[str, str]] | None = None,
        **options: Any,
    ) -> None:
        """With `teams` it is about a new connection, without about one or more that there are."""
        super().__init__(*args, **options)
        if teams is None:
            return
        self.fields["name"] = name_field()
        self.fields["team"] = team_field(teams)
        self.fields["capabilities"] = forms.MultipleChoiceField(
            choices=[(each.key, each.title) for each in capabilities],
            required=False,
            label="Capabilities",
        )
        self.fields["reason"] = CleanText(
            max_length=300,
            required=False,
            multiline=True,
            label="Why it needs to change things",
            help_text="Only where write access is ticked. The person reads it too.",
            widget=forms.Textarea(attrs={"rows": 2}),
        )

    @property
    def drawn(self) -> list[forms.BoundField]:
        """All fields but the boxes."""
        return [field for field in self if field.name != "capabilities"]


class SendingForm(ProblemForm):
    """To whom the links of a whole campaign are mailed, with which words."""

    EACH, ONE = "each", "one"

    whom = forms.ChoiceField(
        choices=[
            (EACH, "Each to whoever linked or granted it"),
            (ONE, "All to one person"),
        ],
        initial=EACH,
        label="To whom",
        widget=forms.RadioSelect,
    )
    to_name = CleanText(
        max_length=80, required=False, label="Who links", help_text="Only for one person."
    )
    to_email = forms.EmailField(
        required=False,
        label="E-mail address",
        help_text="Only for one person.",
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )
    message = ConnectLinkForm.base_fields["message"]
    once = OnceKey()

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        if given.get("whom") == self.ONE:
            for name in ("to_name", "to_email"):
                if not given.get(name) and name not in self.errors:
                    self.add_error(name, "Name the person and give their address.")
        return given


class AskForm(ProblemForm):
    """Why somebody asks; with capabilities, what for."""

    why = CleanText(
        max_length=500,
        multiline=True,
        label="Why you need it",
        help_text="One or two sentences. An owner or an admin reads them.",
        widget=forms.Textarea(attrs={"rows": 3, "dir": "auto"}),
    )

    def __init__(
        self,
        *args: Any,
        capabilities: Sequence[Capability] | None = None,
        teams: Sequence[tuple[str, str]] | None = None,
        host: bool = False,
        **options: Any,
    ) -> None:
        """With `teams` it is about a new link, with `host` about a server at a new base URL."""
        super().__init__(*args, **options)
        if host:
            self.fields[BASE_URL] = forms.CharField(
                max_length=500, label="Base URL", help_text="Where the server answers."
            )
        if capabilities is not None:
            self.fields["capabilities"] = forms.MultipleChoiceField(
                choices=[(each.key, each.title) for each in capabilities],
                required=False,
                label="What it should do as well" if teams is None else "What it should do",
                widget=forms.CheckboxSelectMultiple,
            )
        if teams is not None:
            self.fields["team"] = forms.ChoiceField(
                choices=teams,
                required=bool(teams) and not any(key == "" for key, _ in teams),
                label="For whom",
            )
        self.order_fields([BASE_URL, "capabilities", "team", "why"])


class DeclineForm(ProblemForm):
    """The reason of a no, which is told to who asked."""

    why = CleanText(
        max_length=500,
        multiline=True,
        label="Why not",
        help_text="Who asked reads it.",
        widget=forms.Textarea(attrs={"rows": 2, "dir": "auto"}),
    )
