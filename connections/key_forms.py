"""The forms of service keys: what a key may do, from where, and until when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from django import forms
from django.utils import timezone

from connections import registry
from connections.flows.service_keys import DISTINCT_PER_HOUR, Limits
from connections.forms import ProblemForm
from connections.models import Connection, KeyScope, ServiceKey
from connections.models.service_key import NORMAL_CONNECTIONS
from portal.fields import CleanText, OnceKey

KEPT: Final = "kept"
LIVES: Final = (
    ("30", "In 30 days"),
    ("90", "In 90 days"),
    ("180", "In half a year"),
    ("365", "In a year"),
)


class LimitsForm(ProblemForm):
    """What a key is limited to; both making and changing one ask for it."""

    scopes = forms.MultipleChoiceField(
        choices=KeyScope.choices,
        widget=forms.CheckboxSelectMultiple,
        label="What it may do",
        help_text="A token only reads when all that the product allows it is known to only read."
        " Every other one needs the third choice.",
    )
    connectors = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple, label="For which products"
    )
    connections = CleanText(
        max_length=8000,
        required=False,
        multiline=True,
        label="Only for these connections",
        help_text="A name on each line. Left empty, it is for every connection of these products,"
        " also for those to come.",
        widget=forms.Textarea(attrs={"rows": 3, "dir": "auto"}),
    )
    networks = CleanText(
        max_length=1000,
        required=False,
        multiline=True,
        label="Only from these networks",
        help_text="An address or a network on each line, such as 192.0.2.0/24. Left empty, it may"
        " be used from anywhere.",
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
    )
    distinct_per_hour = forms.IntegerField(
        min_value=DISTINCT_PER_HOUR[0],
        max_value=DISTINCT_PER_HOUR[-1],
        initial=NORMAL_CONNECTIONS,
        label="Different connections in an hour",
        help_text="Twice what it normally uses. A key that asks for more is frozen in that moment,"
        " and you are told.",
    )
    life = forms.ChoiceField(choices=LIVES, initial="90", label="Expires")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        field: Any = self.fields["connectors"]
        field.choices = [(slug, each.manifest.name) for slug, each in registry.connectors().items()]
        if len(field.choices) == 1:
            field.initial = [field.choices[0][0]]

    def limits(self) -> Limits:
        """The limits as the flow takes them."""
        given = self.cleaned_data
        kept = given["life"] == KEPT
        return Limits(
            scopes=given["scopes"],
            connectors=given["connectors"],
            connections=_lines(given["connections"]),
            networks=_lines(given["networks"]),
            distinct_per_hour=given["distinct_per_hour"],
            expires_at=None if kept else timezone.now() + timedelta(days=int(given["life"])),
            keeps_its_end=kept,
        )


def _lines(text: str) -> Sequence[str]:
    return [line for line in text.splitlines() if line.strip()]


class NewKeyForm(LimitsForm):
    """A new key."""

    once = OnceKey()
    name = CleanText(
        max_length=80, label="Name", help_text="The service that will hold it, as people know it."
    )

    field_order = ("name",)


class EditKeyForm(LimitsForm):
    """New limits for a key that is there; its name and its text stay."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        field: Any = self.fields["life"]
        field.choices = [(KEPT, "As it is now"), *LIVES]
        field.initial = KEPT

    @staticmethod
    def shown(key: ServiceKey) -> Mapping[str, object]:
        """What the form begins with."""
        names = Connection.objects.filter(id__in=key.connections).order_by("name")
        return {
            "scopes": key.scopes,
            "connectors": key.connectors,
            "connections": "\n".join(names.values_list("name", flat=True)),
            "networks": "\n".join(key.networks),
            "distinct_per_hour": key.distinct_per_hour,
            "life": KEPT,
        }
