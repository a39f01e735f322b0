"""What people may tick several of: each such field is one that a request may repeat."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from django import forms
from django.conf import settings

from portal.middleware import CleanInputMiddleware

REPEATABLE = CleanInputMiddleware.REPEATABLE
BOX = re.compile(r'<input type="checkbox" name="([\w-]+)" value="\{\{')
ROOT = Path(settings.BASE_DIR)


def test_every_field_of_several_values_may_be_sent_several_times() -> None:
    import_module(settings.ROOT_URLCONF)
    without_prefix = {name.rpartition("-")[2] for name in REPEATABLE}
    found = {
        name
        for form in every(forms.BaseForm)
        for name, field in getattr(form, "base_fields", {}).items()
        if isinstance(field, forms.MultipleChoiceField)
    }

    assert len(found) > 4 and not found - without_prefix


def test_every_box_that_templates_repeat_may_be_sent_several_times() -> None:
    pages = (ROOT / "templates").rglob("*.html")
    found = {name for page in pages for name in BOX.findall(page.read_text())}

    assert len(found) > 2 and not found - REPEATABLE


def every(kind: type) -> Iterator[type]:
    for each in kind.__subclasses__():
        yield each
        yield from every(each)
