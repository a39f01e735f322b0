"""The platform's network allow-list: asked by one operator, decided by another."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from connections.flows import allow_list
from connections.models import AllowListEntry
from connections.network_forms import DecisionForm, EntryForm
from connections.queries import network
from connections.views.consumers import OperatorRequest, for_platform
from connections.views.doors import SeeOther, attempt, made, status_of
from portal import approvals
from portal.models import Approval
from portal.refused import Impossible
from portal.step_up import proof_wanted


@require_GET
@for_platform
def entries(request: OperatorRequest) -> HttpResponse:
    """What waits, what is in force, and what is over."""
    current, over = network.entry_lines(request.actor)
    context = {"current": current, "over": over}
    return render(request, "connections/network/list.html", context)


@require_http_methods(["GET", "POST"])
@for_platform
def new(request: OperatorRequest) -> HttpResponse:
    """The form; who fills it in has just proved who they are."""
    if asked := proof_wanted(request, reverse("platform_network_new")):
        return asked
    form = EntryForm(request.POST or None, actor=request.actor)
    if request.method == "POST" and (wanted := made(form, lambda: _asked(request, form))):
        messages.success(request, "Another operator has been told. It is not in force yet.")
        return _to(wanted)
    return render(request, "connections/network/new.html", {"form": form}, status=status_of(form))


def _asked(request: OperatorRequest, form: EntryForm) -> AllowListEntry:
    given = form.cleaned_data
    return allow_list.ask(
        actor=request.actor,
        host=given["host"],
        networks=given["networks"],
        ports=given["ports"],
        http=given["http"],
        ca_pem=given["ca_pem"],
        organizations=form.organization_ids(network.organization_ids(request.actor)),
        why=given["why"],
    )


@require_GET
@for_platform
def entry(request: OperatorRequest, entry_id: UUID) -> HttpResponse:
    """One entry: its terms, who asked and who decided, and what ending it would break."""
    return _page(request, _entry(entry_id), DecisionForm(actor=request.actor))


@require_POST
@for_platform
def decide(request: OperatorRequest, entry_id: UUID) -> HttpResponse:
    """The second operator's yes or no."""
    found = _entry(entry_id)
    if asked := proof_wanted(request, reverse("platform_network_entry", args=[found.id])):
        return asked
    approval = approvals.latest(allow_list.KIND, found.id)
    form = DecisionForm(request.POST, actor=request.actor)
    if approval is None:
        raise Http404
    yes = request.POST.get("answer") == "yes"
    if form.is_valid() and _decided(request, form, approval, yes=yes):
        return _to(found)
    return _page(request, found, form)


def _decided(
    request: OperatorRequest, form: DecisionForm, approval: Approval, *, yes: bool
) -> bool:
    try:
        approvals.decide(
            actor=request.actor, approval=approval, yes=yes, why=form.cleaned_data["why"]
        )
    except (Impossible, PermissionDenied) as problem:
        form.add_error("why" if str(problem) == approvals.NO_WHY else None, str(problem))
        return False
    said = "It is in force from now on." if yes else "It is refused. Who asked is told."
    messages.success(request, said)
    return True


@require_POST
@for_platform
def withdraw(request: OperatorRequest, entry_id: UUID) -> HttpResponse:
    """The host is not listed any more; the page before showed whom that touches."""
    found = _entry(entry_id)
    if asked := proof_wanted(request, reverse("platform_network_entry", args=[found.id])):
        return asked
    if " ".join(request.POST.get("confirm_name", "").split()) != found.host:
        messages.error(request, "Type the host exactly. Nothing was withdrawn.")
        return _to(found)
    attempt(
        request,
        lambda: allow_list.withdraw(actor=request.actor, entry=found),
        f"{found.host} is withdrawn. Calls to it are refused from now on.",
    )
    return _to(found)


@require_POST
@for_platform
def again(request: OperatorRequest, entry_id: UUID) -> HttpResponse:
    """A question that nobody answered in time is put once more."""
    found = _entry(entry_id)
    attempt(
        request,
        lambda: allow_list.ask_again(actor=request.actor, entry=found),
        "The other operators have been told again.",
    )
    return _to(found)


def _page(request: OperatorRequest, found: AllowListEntry, form: DecisionForm) -> HttpResponse:
    context = {"page": network.entry_page(request.actor, found), "form": form}
    return render(request, "connections/network/entry.html", context, status=status_of(form))


def _entry(entry_id: UUID) -> AllowListEntry:
    found: AllowListEntry | None = AllowListEntry.objects.filter(id=entry_id).first()
    if found is None:
        raise Http404
    return found


def _to(found: AllowListEntry) -> SeeOther:
    return SeeOther(reverse("platform_network_entry", args=[found.id]))
