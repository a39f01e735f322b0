"""Form fields that every form is made of: clean text, and a key against sending twice.

Invisible text counts as none, control characters are refused, and what looks like a credential is
neither stored nor shown again; the attempt goes on record without the value.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from copy import copy
from typing import Any
from uuid import UUID, uuid4, uuid5

from django import forms
from django.core.exceptions import ValidationError

from portal import audit, tenancy
from portal.audit import Action
from portal.models import Organization
from portal.policy import Actor
from portal.refusals import platform

LOOKS_SECRET = "looks_secret"
SECRET_WORDS = (
    "This looks like a token or a password, so it was not saved."
    " Enter credentials only where a page asks for one."
)
VISITOR = Actor(kind="visitor", id=None, name="A visitor")

# Letters that show nothing: Hangul fillers, braille blank, soft hyphen and the like.
_BLANK = "\u3164\u115f\u1160\uffa0\u2800\u00ad\u034f\u061c\u180e\u17b4\u17b5"
_INVISIBLE = re.compile(rf"[\s{_BLANK}\u200b-\u200f\u2060-\u2064\ufeff\u202a-\u202e\u2066-\u2069]+")
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")  # they make text read other than it is
_SHAPES = re.compile(
    r"AT(?:ATT|CTT|STT|OA)[\w\-=.]{8,}|ATBB\w{8,}|BBDC-[\w\-]{8,}|-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|ptl_\w{20,}|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w\-]{15,}|xox[abprs]-[\w\-]{10,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}|eyJ[\w\-]{8,}\.eyJ[\w\-]{8,}\.[\w\-]*"
)
_APART = re.compile(r"[\s\"'<>(){}\[\],;:/?&|]+")
# Expressions, as they read a megabyte in a moment: Unicode's categories Cc and Cs but line feeds.
_CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_SPACES = re.compile("[\x01-\x09\x0b-\x1f\x7f-\x9f]")
_KINDS = tuple(map(re.compile, ("[A-Z]", "[a-z]", "[0-9]")))


def looks_secret(text: str) -> bool:
    """Whether some part has the shape of a known token, or is long and random enough to be one."""
    return is_known_token(text) or any(_is_random(word) for word in _APART.split(text))


def is_known_token(text: str) -> bool:
    """Whether it has the shape of a vendor's token; for fields whose own values look random."""
    return bool(_SHAPES.search(text))


def _is_random(word: str) -> bool:
    if len(word) < 24 or not word.isascii() or not all(kind.search(word) for kind in _KINDS):
        return False
    counts = Counter(word).values()
    return -sum(n / len(word) * math.log2(n / len(word)) for n in counts) >= 3.9


class CleanText(forms.CharField):
    """One line of visible text; with `multiline`, control characters become spaces instead.

    Where its own values look `random`, only what has the shape of a vendor's token is kept out.
    """

    def __init__(
        self, *, max_length: int, multiline: bool = False, random: bool = False, **options: Any
    ) -> None:
        self.multiline, self.random = multiline, random
        if multiline:
            options.setdefault("widget", forms.Textarea(attrs={"rows": 4}))
        super().__init__(max_length=max_length, **options)

    def to_python(self, value: object) -> str:
        text = unicodedata.normalize("NFC", str(value)) if value not in self.empty_values else ""
        if not _INVISIBLE.sub("", text):
            return ""
        text = text.strip().strip(_BLANK + "\u200b\u2060\ufeff").strip()
        return _spaced(text) if self.multiline else text

    def validate(self, value: Any) -> None:
        super().validate(value)
        if _CONTROLS.search(value):
            raise ValidationError("Remove the control characters.", code="control")
        if not self.multiline and ("\n" in value or _TURNING.search(value)):
            raise ValidationError("Enter one line of plain text.", code="control")
        if is_known_token(value) if self.random else looks_secret(value):
            raise ValidationError(SECRET_WORDS, code=LOOKS_SECRET)


def _spaced(text: str) -> str:
    return _SPACES.sub(" ", text.replace("\r\n", "\n"))


class OnceKey(forms.UUIDField):
    """A random value in a hidden field: the same form sent again carries the same one."""

    def __init__(self) -> None:
        super().__init__(widget=forms.HiddenInput, initial=uuid4)


def made_once(actor_id: UUID | None, key: UUID) -> UUID:
    """The id of what this person makes with this form; nobody else's form can lead to it."""
    return uuid5(actor_id or UUID(int=0), str(key))


class CleanForm(forms.Form):
    """A form of clean fields. `actor` is who fills it in, for the record of a pasted secret."""

    def __init__(self, *args: Any, actor: Actor = VISITOR, **options: Any) -> None:
        self.actor = actor
        super().__init__(*args, **options)

    def full_clean(self) -> None:
        super().full_clean()
        if self.is_bound:
            self._forget_secrets()

    def _forget_secrets(self) -> None:
        """What looks like a secret is not shown again, and goes on record without the value."""
        found = [
            name
            for name, errors in self.errors.as_data().items()
            if any(error.code == LOOKS_SECRET for error in errors)
        ]
        if not found:
            return
        kept: Any = copy(self.data)
        for name in found:
            kept[self.add_prefix(name)] = ""
        self.data = kept
        note_secret(self.actor, fields=found, form=type(self).__name__)


def note_secret(actor: Actor, **details: object) -> None:
    """Record that something like a secret was kept out; on the platform's chain outside of any
    organization."""
    if tenancy.is_inside():
        place = Organization.objects.get(id=tenancy.organization_id())
        audit.record(Action.INPUT_LOOKS_SECRET, actor=actor, subject=place, **details)
        return
    with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
        audit.record(Action.INPUT_LOOKS_SECRET, actor=actor, subject=platform(), **details)
