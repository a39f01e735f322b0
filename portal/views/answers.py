"""What the views of an organization's pages share."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import BadRequest, ObjectDoesNotExist
from django.forms import Form
from django.http import Http404, HttpResponse

from portal.refused import Impossible

View = Callable[..., HttpResponse]


def found_or_404(view: View) -> View:
    """What is not in this organization does not exist."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(*args, **kwargs)
        except ObjectDoesNotExist:
            raise Http404 from None

    return guarded


def done(form: Form, flow: Callable[[dict[str, Any]], Any], *, field: str | None = None) -> Any:
    """What the flow makes of a valid form's values, or True when it returns nothing; None when the
    form is not valid or the flow finds it Impossible, which then is an error of the form."""
    if not form.is_valid():
        return None
    try:
        return flow(form.cleaned_data) or True
    except Impossible as error:
        form.add_error(field, str(error))
        return None


def one_of(value: str, allowed: Any, what: str) -> str:
    """The value, which must be empty or one of the allowed; else 400 (abuse case F15)."""
    if value and value not in allowed:
        raise BadRequest(f"This page cannot {what} that.")
    return value
