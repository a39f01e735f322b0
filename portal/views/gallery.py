"""Every component in every state, for those who build pages; routed in development only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

LAYOUTS = {"organization": "app", "platform": "platform", "support": "support", "plain": "plain"}
ROWS = (
    ("acme-web", "Bitbucket Cloud", "working", "312", 4, ""),
    ("acme-mobile", "Bitbucket Cloud", "attention", "41", 52, "Two scopes are missing"),
    ("Ünïcode & <b>angle</b> brackets", "Jira", "broken", "0", 300, "Access was withdrawn"),
    ("فريق التطوير", "Confluence", "paused", "18", 3000, ""),
    ("a-very-long-connection-name-" * 4, "Spacelift", "unverified", "10000", 90000, ""),
)
FACTS = ("Account", "acme-robot"), ("Method", "OAuth 2.0"), ("Granted by", "Alice Adams")


@dataclass(frozen=True)
class Happening:
    icon: str
    tone: str
    title: str
    minutes: int
    body: str = ""
    url: str = ""

    @property
    def at(self) -> object:
        return timezone.now() - timedelta(minutes=self.minutes)


HAPPENINGS = (
    Happening("circle-check", "good", "Verified: 11 of 12 checks passed", 4, url="#"),
    Happening("refresh", "plain", "Renewed 14 times", 52, "Each after about two hours."),
    Happening("alert-triangle", "warning", "Bitbucket asked us to slow down", 190),
    Happening(
        "alert-circle", "danger", "Reading acme-web stopped half-way", 1500, "Taken up again."
    ),
    Happening("link", "plain", "Linked by Alice Adams", 43200),
)


class SampleForm(forms.Form):
    """One field of each kind."""

    name = forms.CharField(max_length=40, help_text="Shown in lists and on record.")
    email = forms.EmailField(label="Atlassian account e-mail")
    token = forms.CharField(
        label="API token", widget=forms.PasswordInput, help_text="Starts with ATATT or ATCTT."
    )
    note = forms.CharField(label="Description", widget=forms.Textarea, required=False)
    workspace = forms.ChoiceField(choices=[("acme", "acme"), ("labs", "acme-labs")])
    kind = forms.ChoiceField(
        label="Whose token is it?",
        widget=forms.RadioSelect,
        choices=[("user", "A person's"), ("repository", "A repository's")],
    )
    capabilities = forms.MultipleChoiceField(
        label="What should it do?",
        widget=forms.CheckboxSelectMultiple,
        choices=[("read", "Read repositories"), ("hooks", "Manage webhooks")],
        help_text="Tick only what you need.",
    )
    agree = forms.BooleanField(
        label="Repeat the verification every day", required=False, help_text="Takes 12 requests."
    )


@login_not_required
def gallery(request: HttpRequest) -> HttpResponse:
    """`?area=platform` shows another frame, `?errors=1` the form sent empty."""
    area = request.GET.get("area", "organization")
    place(request, area)
    messages.success(request, "acme-web is linked. The first verification has begun.")
    messages.error(request, "Bitbucket refused the token. Nothing was stored.")
    form = SampleForm(
        {} if "errors" in request.GET else None, initial={"name": "acme-web", "kind": "user"}
    )
    context = sample_context() | {
        "form": form,
        "layout": f"layouts/{LAYOUTS.get(area, 'app')}.html",
    }
    return render(request, "portal/gallery.html", context)


def place(request: HttpRequest, area: str) -> None:
    """Pretends that the request came to an organization with a friend beside it."""
    here = SimpleNamespace(slug="acme", name="Acme Corporation", role="admin")
    friend = SimpleNamespace(slug="globex", name="Globex Research and Development", role="member")
    person = SimpleNamespace(
        is_authenticated=True,
        is_operator=True,
        is_support=True,
        name="Alice Adams",
        email="alice@acme.example",
    )
    values = {"organization": here, "memberships": [here, friend], "area": area, "user": person}
    for name, value in values.items():
        setattr(request, name, value)


def sample_context() -> dict[str, object]:
    now = timezone.now()
    rows = [
        dict(zip(("name", "product", "state", "repositories", "seen", "trouble"), row, strict=True))
        | {"at": now - timedelta(minutes=row[4])}
        for row in ROWS
    ]
    squares = [
        {"label": row[0], "url": "#", "state": row[2], "words": row[5] or "nothing to do"}
        for row in ROWS * 12
    ]
    return {
        "rows": rows,
        "squares": squares,
        "states": ("working", "attention", "broken", "paused", "unverified"),
        "tones": ("plain", "good", "warning", "danger"),
        "counts": [("broken", 1), ("attention", 2), ("unverified", 4), ("working", 1312)],
        "happenings": HAPPENINGS,
        "facts": FACTS,
        "soon": now + timedelta(minutes=52, seconds=5),
        "filter_states": [("", "Any state"), ("working", "Working"), ("broken", "Broken")],
        "crumbs": [{"label": "Connections", "url": "#"}, {"label": "acme-web", "url": "#"}],
        "tabs": sample_tabs(),
        "steps": sample_steps(),
    }


def sample_tabs() -> list[dict[str, object]]:
    labels = ("Overview", "Verification", "Repositories", "Sync", "Record", "Settings")
    return [
        {
            "label": label,
            "url": "#",
            "active": label == "Overview",
            "count": 312 if at == 2 else None,
        }
        for at, label in enumerate(labels)
    ]


def sample_steps() -> list[dict[str, str]]:
    states = ("done", "done", "current", "todo")
    labels = ("What for", "How", "Consent", "Check")
    return [{"label": a, "state": b, "url": "#"} for a, b in zip(labels, states, strict=True)]
