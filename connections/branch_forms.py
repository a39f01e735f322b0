"""The form of a new branch: shape is checked here, what git takes by the flow."""

from __future__ import annotations

from typing import Final

from django import forms

from connections.branch_words import LONGEST_NAME
from connections.forms import ProblemForm
from portal.fields import CleanText

PLAIN: Final = {"spellcheck": "false", "autocapitalize": "none", "autocomplete": "off"}


class BranchForm(ProblemForm):
    """How it is called, and at which branch it begins; the page lists those that there are."""

    name = CleanText(
        max_length=LONGEST_NAME,
        random=True,  # an issue's key and a long title are as mixed as a token
        label="Name",
        error_messages={"required": "Write the name of the branch."},
        help_text="With the issue’s key in it, the branch appears at the issue.",
        widget=forms.TextInput(attrs=PLAIN),
    )
    start = CleanText(
        max_length=300,
        random=True,
        label="Begins at",
        error_messages={"required": "Name the branch that it begins at."},
        help_text="A branch of this repository; the new one begins where that stands now.",
        widget=forms.TextInput(attrs={**PLAIN, "list": "starts"}),
    )
