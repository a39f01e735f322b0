"""The forms of the network allow-list; what may be listed is decided by the flow."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from django import forms

from connections.authorities import LONGEST_PEM
from connections.flows.problems import FlowProblem
from connections.forms import ProblemForm
from portal.fields import LOOKS_SECRET, CleanText

_APART = re.compile(r"[\s,;]+")
KEY_WORDS = "This holds a private key. Nothing was kept. Paste the CA certificate alone."


class PemText(forms.CharField):
    """Certificates in PEM; a private key among them is neither kept nor shown again."""

    def validate(self, value: Any) -> None:
        super().validate(value)
        if "PRIVATE KEY" in value:
            raise forms.ValidationError(KEY_WORDS, code=LOOKS_SECRET)


class NumberList(CleanText):
    """Numbers apart by commas or spaces."""

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        parts = [part for part in _APART.split(text) if part]
        if not all(part.isascii() and part.isdecimal() and len(part) < 6 for part in parts):
            raise forms.ValidationError("Write ports as numbers, such as 443, 8443.")
        return [int(part) for part in parts]


class WordList(CleanText):
    """Words apart by commas, spaces or line breaks."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=4000, multiline=True, **options)

    def clean(self, value: Any) -> Any:
        return [part for part in _APART.split(super().clean(value)) if part]


class EntryForm(ProblemForm):
    """One host and what is permitted there."""

    host = CleanText(
        max_length=253,
        label="Host",
        help_text="A name such as git.corp.example, or an address. No https://, no port.",
        widget=forms.TextInput(attrs={"autocapitalize": "off", "spellcheck": "false"}),
    )
    networks = WordList(
        required=False,
        label="Networks its addresses lie in",
        help_text="One per line, as 10.20.30.0/24. Narrow is better: the host may move only"
        " inside them. Empty when its addresses are public.",
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
    )
    ports = NumberList(max_length=60, label="Ports", initial="443", help_text="Such as 443, 7990.")
    http = forms.BooleanField(
        required=False,
        label="Allow http, without TLS",
        help_text="Tokens then cross these networks in clear. Only inside the networks above.",
    )
    ca_pem = PemText(
        required=False,
        max_length=LONGEST_PEM,
        label="CA certificates",
        help_text="In PEM, when the host's certificate is signed by a CA of your own. It then"
        " counts alone for this host. Skipping the check does not exist.",
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "autocomplete": "off"}),
    )
    organizations = WordList(
        required=False,
        label="For which organizations",
        help_text="Their addresses (the part after /o/), one per line. Empty means all.",
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
    )
    why = CleanText(
        max_length=500,
        multiline=True,
        label="Why",
        help_text="The second operator reads this, and it stands on the record.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def organization_ids(self, known: dict[str, UUID]) -> list[UUID]:
        """The ids of the named organizations; FlowProblem for a name that nobody has."""
        for slug in self.cleaned_data["organizations"]:
            if slug not in known:
                raise FlowProblem(
                    "organizations", "organizations", f"No organization has the address {slug}."
                )
        return [known[slug] for slug in self.cleaned_data["organizations"]]


class DecisionForm(ProblemForm):
    """The second person's word; a no needs its reason."""

    why = CleanText(
        max_length=500,
        required=False,
        multiline=True,
        label="What you checked, or why not",
        help_text="A refusal needs a reason; it is told to who asked.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )
