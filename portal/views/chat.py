"""The organization's chat channel: its address is pasted here, and never shown again."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from portal import chat
from portal.fields import CleanForm
from portal.models import Dispatch
from portal.policy import Permission, authorize
from portal.refused import Impossible
from portal.requests import OrganizationRequest
from portal.secret import Secret
from portal.views.answers import done

LONGEST = 1000


class AddressForm(CleanForm):
    """The address is a secret: it is never put back into the form."""

    address = forms.CharField(
        label="Address of the incoming webhook",
        max_length=LONGEST,
        help_text="As Slack, Mattermost or another service that speaks the same language gives it.",
        widget=forms.PasswordInput(
            render_value=False,
            attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"},
        ),
    )

    def clean_address(self) -> str:
        value: str = self.cleaned_data["address"]
        if not value.isascii() or not value.isprintable() or " " in value:
            raise forms.ValidationError("This is no address. Copy it whole, without spaces.")
        return value


@require_http_methods(["GET", "POST"])
def channel(request: OrganizationRequest) -> HttpResponse:
    authorize(request.actor, Permission.ORGANIZATION_EDIT)
    if request.method == "GET":
        return _page(request)
    form = AddressForm(request.POST, actor=request.actor)
    hook = done(
        form,
        lambda values: chat.set_address(actor=request.actor, address=Secret(values["address"])),
        field="address",
    )
    if hook is None:
        return _page(request, form=form)
    messages.success(request, f"Notices go to {hook.host} from now on. A first line is on its way.")
    return redirect("chat_channel", request.organization.slug)


@require_GET
def state(request: OrganizationRequest) -> HttpResponse:
    """How the channel is, for the page to look again."""
    authorize(request.actor, Permission.ORGANIZATION_EDIT)
    return render(request, "portal/_chat_state.html", _context())


@require_POST
def test(request: OrganizationRequest) -> HttpResponse:
    return _did(request, chat.test, "A line is on its way to the channel.")


@require_POST
def again(request: OrganizationRequest) -> HttpResponse:
    return _did(request, chat.try_again, "The channel is used again. What it missed is on its way.")


@require_POST
def remove(request: OrganizationRequest) -> HttpResponse:
    return _did(request, chat.remove, "Nothing is posted any more, and the address is forgotten.")


def _did(request: OrganizationRequest, flow: Any, words: str) -> HttpResponse:
    try:
        flow(actor=request.actor)
    except Impossible as error:
        messages.error(request, str(error))
    else:
        messages.success(request, words)
    return redirect("chat_channel", request.organization.slug)


def _page(request: OrganizationRequest, form: AddressForm | None = None) -> HttpResponse:
    context = {"form": form or AddressForm(actor=request.actor), **_context()}
    status = 400 if form else 200
    return render(request, "portal/chat_channel.html", context, status=status)


def _context() -> dict[str, Any]:
    waiting = Dispatch.objects.filter(channel="chat", outcome=Dispatch.Outcome.WAITING)
    hook = chat.current()
    return {"hook": hook, "waiting": waiting.count(), "said": _said(hook.last_code if hook else "")}


def _said(code: str) -> str:
    """What the channel did with the last post that it did not take."""
    if code.startswith("http_"):
        return f"answered {code.removeprefix('http_')}"
    if code == chat.LATE:
        return "has no address any more: no worker sealed it within a day"
    return "may not be reached from here" if code == "blocked" else "did not answer"
