"""The calendar of what comes due, its feed for calendar programs, and the board of changes."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag
from django.views.decorators.http import require_GET, require_POST, require_safe

from connections import icalendar
from connections.flows import calendar_feeds
from connections.queries import board
from connections.queries.calendar import KINDS, Wish, calendar
from connections.queries.due import MOST, Entry, Span, entries
from connections.views.doors import requires, to
from portal import clock, tenancy
from portal.memberships import FoundMembership, memberships_of, teams_shown
from portal.models import User
from portal.policy import Actor, Permission, Role, allows, present
from portal.requests import OrganizationRequest, SignedInRequest, with_own_transactions
from portal.staff import operator_required

VIEW = Permission.CONNECTION_VIEW
BACK, AHEAD = timedelta(days=31), timedelta(days=400)


@require_GET
@requires(VIEW)
def index(request: OrganizationRequest) -> HttpResponse:
    """Three months of what ends or comes due, by the filters in the address."""
    wish = Wish.read(request.GET.dict())
    shown = calendar(slug=request.organization.slug, actor=request.actor, wish=wish)
    context = {"shown": shown, "sees_board": True}
    return render(request, "connections/calendar/calendar.html", context)


@require_GET
@requires(VIEW)
def changes(request: OrganizationRequest) -> HttpResponse:
    """What vendors change, whom it hits here, and the button that answers it."""
    context = {
        "board": board.board(actor=request.actor),
        "may_start": allows(request.actor, Permission.CAMPAIGN_EDIT),
    }
    return render(request, "connections/calendar/changes.html", context)


@require_GET
@operator_required
def platform_changes(request: SignedInRequest) -> HttpResponse:
    """The same for everybody at once: counts, and no names."""
    context = {"board": board.platform_board(request.user.id)}
    return render(request, "connections/calendar/platform.html", context)


# ── The feed ──────────────────────────────────────────────────────────────────────────────────


@require_GET
@with_own_transactions
@requires(VIEW)
def feed_settings(request: OrganizationRequest) -> HttpResponse:
    """One's own address, to be copied, replaced or revoked."""
    with tenancy.transaction():
        feed = calendar_feeds.of(request.actor)
    context = {"feed": feed, "address": calendar_feeds.address(feed) if feed else ""}
    with tenancy.transaction():
        return render(request, "connections/calendar/feed.html", context)


@require_POST
@with_own_transactions
@requires(VIEW)
def feed_make(request: OrganizationRequest) -> HttpResponse:
    """A first address, or another one instead."""
    calendar_feeds.make(actor=request.actor)
    messages.success(request, "This is your address from now on. An earlier one is dead.")
    return to(request, "calendar_feed_settings")


@require_POST
@with_own_transactions
@requires(VIEW)
def feed_revoke(request: OrganizationRequest) -> HttpResponse:
    if calendar_feeds.revoke(actor=request.actor):
        messages.success(request, "The address is dead. Calendars that read it find nothing.")
    return to(request, "calendar_feed_settings")


@require_safe
@login_not_required
def feed(request: HttpRequest, token: str) -> HttpResponse:
    """The calendar for a program that knows the address and nothing else (RFC 5545).

    An address that was replaced, or whose person is no member any more, was never there.
    """
    found = calendar_feeds.by_token(token)
    membership = _membership(found) if found else None
    if found is None or membership is None:
        raise Http404
    with tenancy.acting_for(found.organization_id, teams=teams_shown(membership)):
        text = _text(membership, Actor("person", found.user_id, "", Role(membership.role)))
        calendar_feeds.note_read(found.id, token)
    etag = quote_etag(hashlib.sha256(text.encode()).hexdigest()[:32])
    response = HttpResponse(text, content_type="text/calendar; charset=utf-8")
    response["Cache-Control"] = "private, no-cache"
    response["ETag"] = etag
    response["Content-Disposition"] = 'inline; filename="portal.ics"'
    answer: Any = get_conditional_response(request, etag=etag, response=response)
    return answer  # type: ignore[no-any-return]


def _membership(found: calendar_feeds.Found) -> FoundMembership | None:
    """Their place there now; None when it is gone or they may not sign in."""
    if not User.objects.filter(id=found.user_id, is_active=True).exists():
        return None
    places = memberships_of(found.user_id)
    return next((each for each in places if each.organization.id == found.organization_id), None)


def _text(membership: FoundMembership, actor: Actor) -> str:
    now, host = clock.now(), urlsplit(settings.PORTAL_URL).hostname or "portal"
    with tenancy.transaction():
        span = Span(membership.slug, present(actor), now - BACK, now, now)
        parts = [entries(span), entries(replace(span, since=now, until=now + AHEAD))]
    events = [_event(entry, host) for part in parts for entry in part.found]
    if any(part.is_cut for part in parts):
        events.append(_last(events[-1], membership, host))
    return icalendar.calendar(f"{membership.name}: what comes due", events)


def _last(before: icalendar.Event, membership: FoundMembership, host: str) -> icalendar.Event:
    """Says that there is more, at the time of the last that is shown."""
    address = settings.PORTAL_URL + reverse("calendar", args=[membership.slug])
    return icalendar.Event(
        uid=f"more-{membership.slug}@{host}",
        at=before.at,
        summary="There is more than this calendar shows",
        description=f"Each kind ends after {MOST} entries. See all of them there: {address}",
        url=address,
        category=KINDS[""],
        is_day=before.is_day,
    )


def _event(entry: Entry, host: str) -> icalendar.Event:
    address = f"{settings.PORTAL_URL}{entry.url}"
    owner = f"Owner: {entry.owner}" if entry.owner else ""
    return icalendar.Event(
        uid=f"{entry.id}@{host}",
        at=entry.at,
        summary=entry.title,
        description="\n".join(filter(None, (entry.detail, owner, address))),
        url=address,
        category=KINDS[entry.kind],
        is_day=entry.is_day,
    )
