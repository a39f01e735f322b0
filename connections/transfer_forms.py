"""The forms of importing and exporting; what they mean is decided by the flows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms

from connections.flows.imports import ROTATE_DAYS
from connections.forms import ProblemForm
from portal.fields import CleanText, OnceKey

SKIP, REPLACE = "skip", "replace"


class ImportForm(ProblemForm):
    """A file of connections, and what is done with those that are linked already."""

    file = forms.FileField(
        label="File",
        help_text="CSV or JSON, UTF-8, at most 16 MB and 20,000 rows.",
        widget=forms.FileInput(attrs={"accept": ".csv,.json,.jsonl,.ndjson,.txt"}),
        error_messages={"required": "Choose the file.", "empty": "This file is empty."},
    )
    team = forms.ChoiceField(
        label="For whom, where a row names no team",
        required=False,
        help_text="Only one connection of a product can belong to the whole organization.",
    )
    consumer = forms.ChoiceField(
        label="OAuth consumer, where a row names none",
        required=False,
        help_text="For tokens that renew themselves: they work with the consumer that they were"
        " given to, and with no other.",
    )
    duplicates = forms.ChoiceField(
        label="When an account is linked here already",
        choices=(
            (SKIP, "Skip the row, and name the connection that is there"),
            (REPLACE, "Replace that connection’s credential in place"),
        ),
        initial=SKIP,
        widget=forms.RadioSelect,
    )
    key = OnceKey()

    def __init__(
        self,
        *args: Any,
        teams: Sequence[tuple[str, str]],
        consumers: Sequence[tuple[str, str]] = (),
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        fields: Any = self.fields
        fields["team"].choices = [("", "The whole organization"), *teams]
        fields["consumer"].choices = [("", "Each row names its own"), *consumers]
        if len(consumers) < 2:  # there is nothing to choose
            del fields["consumer"]

    def too_large(self) -> None:
        """The file was larger than it may be; the upload was not kept."""
        self.errors.pop("file", None)
        self.add_error("file", "This file is larger than 16 MB. Split it and upload the parts.")


class StartForm(ProblemForm):
    """Whether what was used elsewhere is to be replaced, and by when."""

    rotate = forms.BooleanField(
        label="Mark each credential to be replaced",
        required=False,
        initial=True,
        help_text="Somebody else’s system has held these secrets. They appear in the calendar with"
        " their owners, who are reminded.",
    )
    rotate_days = forms.IntegerField(
        label="Within days",
        required=False,
        initial=30,
        min_value=ROTATE_DAYS.start,
        max_value=ROTATE_DAYS.stop - 1,
    )

    def days(self) -> int | None:
        """Within how many days, or None for no mark."""
        if not self.cleaned_data["rotate"]:
            return None
        return int(self.cleaned_data["rotate_days"] or 30)


class ExportForm(ProblemForm):
    """What the export is for, and to which key credentials are sealed, if any are wanted."""

    why = CleanText(
        max_length=300,
        min_length=10,
        label="What it is for",
        help_text="One sentence. It stands on the record, and who has to agree reads it.",
    )
    public_key = forms.CharField(
        max_length=100,
        required=False,
        label="Public key, to bring the credentials along",
        help_text="Leave it empty for an export without credentials. Otherwise paste the key that"
        " “open_credentials.py keygen” printed on your own computer.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    confirmed = forms.CharField(max_length=100, required=False, widget=forms.HiddenInput)
    key = OnceKey()
