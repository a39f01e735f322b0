"""The portal's part of the sign-up form: the person's name."""

from __future__ import annotations

from django import forms
from django.http import HttpRequest

from portal.fields import CleanForm, CleanText
from portal.models import User


class SignupForm(CleanForm):
    """allauth derives its own sign-up forms from this one."""

    name = CleanText(
        label="Your name",
        max_length=120,
        widget=forms.TextInput(attrs={"autocomplete": "name", "autofocus": True}),
    )
    field_order = ("name", "email", "password1")

    def signup(self, request: HttpRequest, user: User) -> None:
        """Called by allauth when the person is saved."""
        user.name = self.cleaned_data["name"]
        user.save(update_fields=["name"])
