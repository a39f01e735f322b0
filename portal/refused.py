"""What a flow refuses although the person may ask for it; the text is written for them."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied


class Impossible(Exception):
    """The present state of things does not allow it; the message says what to do first."""


class NotGrantable(PermissionDenied):
    """The role lies above what the actor's own role may give or take."""
