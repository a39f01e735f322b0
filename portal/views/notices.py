"""What one was told: the bell, the list, and what one wants by mail; operators have their own."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from portal import bounces, cursor, inbox, notice_choices, tenancy
from portal.accounts import NOT_MAILED
from portal.fields import CleanText
from portal.inbox import Filter
from portal.notice_choices import NoticeForm
from portal.notice_kinds import kind_of
from portal.refused import Impossible
from portal.requests import OrganizationRequest
from portal.staff import operator_required
from portal.views.answers import done, found_or_404, one_of

View = Callable[..., HttpResponse]

SHOWN = {"": "Everything", "unread": "Unread"}


class CodeForm(Form):
    code = CleanText(label="Code from the mail", max_length=20)


@require_GET
def notices(request: OrganizationRequest) -> HttpResponse:
    wanted = _wanted(request)
    found = inbox.page(request.user.id, wanted, at=request.GET.get("cursor", ""))
    context = {
        "page": found,
        "next": cursor.link(request, found.next),
        "previous": cursor.link(request, found.previous),
        "wanted": wanted,
        "show": "unread" if wanted.unread else "",
        "about": str(wanted.about or ""),
        "shown": list(SHOWN.items()),
        "kinds": [("", "Any kind"), *((key, kind_of(key).label) for key in _kinds(request))],
        "subjects": [("", "Anything"), *_subjects(request)],
        "unread": inbox.unread(request.user.id),
        "all_read": "Mark these as read" if wanted.kind or wanted.about else "Mark all as read",
        "query": _query(request),
    }
    return render(request, "portal/notices.html", context | _frame(request))


@require_GET
def bell(request: OrganizationRequest) -> HttpResponse:
    """What the bell says, for the page to look again."""
    return render(request, "portal/_bell_count.html", {"count": inbox.unread(request.user.id)})


@require_POST
@found_or_404
def follow(request: OrganizationRequest, receipt_id: UUID) -> HttpResponse:
    """On to the page that mends it; the notice is read."""
    return redirect(inbox.read(request.user.id, receipt_id).notice.url)


@require_POST
@found_or_404
def read(request: OrganizationRequest, receipt_id: UUID) -> HttpResponse:
    inbox.read(request.user.id, receipt_id)
    return redirect(address(request, "notices") + _query(request))


@require_POST
def read_all(request: OrganizationRequest) -> HttpResponse:
    """All that the list shows, not only this page of it."""
    inbox.read_all(request.user.id, _wanted(request))
    return redirect(address(request, "notices") + _query(request))


@require_http_methods(["GET", "POST"])
def settings(request: OrganizationRequest) -> HttpResponse:
    form = NoticeForm(request.POST or None, user_id=request.user.id)
    if request.method == "POST" and form.is_valid():
        notice_choices.save(
            request.user.id,
            email=form.email(),
            digest=form.cleaned_data["digest"],
            time_zone=form.cleaned_data["time_zone"],
        )
        messages.success(request, "Your choices are saved.")
        return redirect(address(request, "notice_settings"))
    return _settings_page(request, form=form, status=400 if form.is_bound else 200)


@require_POST
def send_code(request: OrganizationRequest) -> HttpResponse:
    """A code goes to the address that refused our mail; what is said of it is true."""

    def told(is_sent: bool) -> None:
        if is_sent:
            messages.success(request, f"A code is on its way to {request.user.email}.")
        else:
            messages.error(request, NOT_MAILED)

    try:
        bounces.send_code(request.user, told=told)
    except Impossible as error:
        messages.error(request, str(error))
    return redirect(address(request, "notice_settings"))


@require_POST
def confirm_address(request: OrganizationRequest) -> HttpResponse:
    """The right code says that the address works, and what waited is sent."""
    form = CodeForm(request.POST)
    if done(form, lambda values: bounces.confirm(request.user, values["code"]), field="code"):
        messages.success(request, "Your address works. What waited for it is on its way.")
        return redirect(address(request, "notice_settings"))
    return _settings_page(request, code_form=form, status=400)


def of_platform(view: View) -> View:
    """The same page for an operator, of the platform's own notices."""

    @operator_required
    @wraps(view)
    def within(request: HttpRequest, **ids: UUID) -> HttpResponse:
        with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
            return view(request, **ids)

    return within


def address(request: OrganizationRequest, name: str, *ids: UUID) -> str:
    """The page of that name where the request is: an organization's, or the platform's."""
    organization = getattr(request, "organization", None)
    if organization is None:
        return reverse(f"platform_{name}", args=ids)
    return reverse(name, args=[organization.slug, *ids])


def _settings_page(request: OrganizationRequest, *, status: int, **forms: Any) -> HttpResponse:
    context = {
        "form": NoticeForm(user_id=request.user.id),
        "code_form": CodeForm(),
        "bounce": bounces.open_for(request.user.id),
        **forms,
    }
    return render(request, "portal/notice_settings.html", context | _frame(request), status=status)


def _frame(request: OrganizationRequest) -> dict[str, Any]:
    """In which frame the page stands, and where its neighbours are."""
    is_platform = getattr(request, "organization", None) is None
    names = ("notices", "notices_bell", "notices_read_all", "notice_settings")
    return {
        "layout": "layouts/platform.html" if is_platform else "layouts/app.html",
        "place": "platform_" if is_platform else "",
        "slug": None if is_platform else request.organization.slug,
        "at": {name: address(request, name) for name in names},
        "address_code": address(request, "notice_address"),
        "address_confirm": address(request, "notice_address_confirm"),
    }


def _wanted(request: OrganizationRequest) -> Filter:
    show = one_of(request.GET.get("show", ""), SHOWN, "show")
    kind = one_of(request.GET.get("kind", ""), _kinds(request), "filter by")
    return Filter(unread=show == "unread", kind=kind, about=_uuid(request.GET.get("about", "")))


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise BadRequest("This page cannot filter by that.") from None


def _kinds(request: OrganizationRequest) -> list[str]:
    return inbox.kinds_of(request.user.id)


def _subjects(request: OrganizationRequest) -> list[tuple[str, str]]:
    return [(str(one), name) for one, name in inbox.subjects_of(request.user.id)]


def _query(request: OrganizationRequest) -> str:
    """The list's filters as they are, without the place in it."""
    kept = request.GET.copy()
    kept.pop("cursor", None)
    return f"?{kept.urlencode()}" if kept else ""
