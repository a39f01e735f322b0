"""The portal's part of the sign-up form: the person's name."""

from __future__ import annotations

from typing import Any

from allauth.core import context
from django import forms
from django.http import HttpRequest

from portal.accounts import invitation_in
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

    def __init__(self, *args: Any, **options: Any) -> None:
        """An invited person finds the address that was invited filled in."""
        super().__init__(*args, **options)
        found = invitation_in(context.request) if context.request else None
        if found is not None:
            self.initial.setdefault("email", found.email)

    def signup(self, request: HttpRequest, user: User) -> None:
        """Called by allauth when the person is saved."""
        user.name = self.cleaned_data["name"]
        user.save(update_fields=["name"])
