"""Operators' pages: counts, work, keys and the platform's own record; no tenant's content."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from portal import chain, cursor, key_advice, key_away, platform, queries, tenancy
from portal.record_words import told
from portal.requests import OrganizationRequest
from portal.staff import operator_required


@require_GET
@operator_required
def index(request: OrganizationRequest) -> HttpResponse:
    """How the platform is, in a few lines, each with the way to more."""
    processes, jobs, keys = platform.processes(), platform.jobs(request.user.id), platform.keys()
    context = {
        "organizations": len(platform.organizations(request.user.id)),
        "workers": sum(one.is_alive and one.kind == "worker" for one in processes),
        "due": sum(one.due for one in jobs),
        "failed": sum(one.failed_today for one in jobs),
        "oldest": min((one.oldest_due for one in jobs if one.oldest_due), default=None),
        "keys_wrong": sum(line.strangers for line in keys),
        "keys_unheld": sum(not line.holders for line in keys if line.stage == "active"),
    }
    return render(request, "portal/platform.html", context)


@require_GET
@operator_required
def organizations(request: OrganizationRequest) -> HttpResponse:
    words = request.GET.get("q", "").strip()[:100]
    found = platform.organizations(request.user.id)
    shown = [one for one in found if words.lower() in f"{one.name} {one.slug}".lower()]
    context = {
        "rows": shown[:500],
        "total": len(found),
        "matching": len(shown),
        "q": words,
        "labels": platform.count_labels(),
    }
    return render(request, "portal/platform_organizations.html", context)


@require_GET
@operator_required
def workers(request: OrganizationRequest) -> HttpResponse:
    processes = platform.processes()
    context = {
        "processes": processes,
        "has_worker": any(one.is_alive and one.kind == "worker" for one in processes),
        "jobs": platform.jobs(request.user.id),
    }
    return render(request, "portal/platform_workers.html", context)


@require_GET
@operator_required
def keys(request: OrganizationRequest) -> HttpResponse:
    lines, away, data_keys = platform.keys(), key_away.lines(), platform.data_keys()
    context = {
        "lines": lines,
        "strangers": sum(line.strangers for line in lines),
        "unheld": any(not line.holders for line in lines if line.stage == "active"),
        "elsewhere": [line.domain for line in away if line.stage == key_away.ACTIVE],
        "away": away,
        "lost": any(line.stage == key_away.LOST for line in away),
        "silent": any(line.health == key_away.TROUBLE for line in away),
        "steps": key_advice.next_steps(lines, away),
        "under_way": key_advice.under_way(),
        "data_keys": data_keys,
        "left": key_advice.replaced_so_far(data_keys),
    }
    return render(request, "portal/platform_keys.html", context)


@require_GET
@operator_required
def record(request: OrganizationRequest) -> HttpResponse:
    """Sign-ins and what operators did: the chain that belongs to no organization."""
    with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
        page = queries.audit_events({}, at=request.GET.get("cursor", ""))
        state = chain.state()
    context = {
        "rows": [told(event) for event in page.rows],
        "next": cursor.link(request, page.next),
        "previous": cursor.link(request, page.previous),
        "chain": state,
    }
    return render(request, "portal/platform_record.html", context)
