"""The form of how a connection's events arrive: which hooks, which triggers, who mends them."""

from __future__ import annotations

from typing import Any

from django import forms

from connections.contracts import HookRules
from connections.flows import hook_rounds as rounds
from connections.flows.hook_choice import LEVELS, Offer
from connections.forms import ProblemForm
from connections.hook_matching import offered
from connections.models import Arrival, Connection


class HookChoiceForm(ProblemForm):
    """Webhooks of workspaces or of repositories, with the triggers that are told of."""

    arrival = forms.ChoiceField(
        choices=(), widget=forms.RadioSelect, label="Where webhooks are made"
    )
    events = forms.MultipleChoiceField(
        choices=(),
        widget=forms.CheckboxSelectMultiple,
        label="Triggers",
        error_messages={"required": "Choose at least one."},
        help_text="Each tells of one kind of change at once. What has no trigger is found by"
        " asking at intervals.",
    )
    mends_itself = forms.BooleanField(
        label="Make and repair webhooks by itself, in new repositories too",
        required=False,
        help_text="Otherwise you see what is missing or wrong, and repair it with one click.",
    )

    @classmethod
    def of(
        cls, connection: Connection, offer: Offer, product: str, values: Any = None
    ) -> HookChoiceForm:
        """The form as it stands, or as it was sent; the triggers of the issue where none is chosen
        yet."""
        plan = rounds.plan_of(connection)
        ways = [way for way in offer.arrivals if way in LEVELS]
        initial = {
            "arrival": plan.arrival if plan.arrival in ways else ways[-1] if ways else "",
            "events": plan.events or _usual(offer.rules),
            "mends_itself": plan.mends_itself,
        }
        form = cls(values, initial=initial, prefix="hooks")
        form.choose("arrival", [(way.value, _WAYS[way].format(product=product)) for way in ways])
        form.choose("events", _triggers(offer.rules, ways))
        return form

    def choose(self, name: str, choices: list[tuple[str, str]]) -> None:
        """The choices of a field, which depend on the product."""
        field: Any = self.fields[name]
        field.choices = choices


_WAYS = {
    Arrival.WORKSPACE: "One for each workspace. Its administrators alone may make it, and it tells"
    " of every repository.",
    Arrival.REPOSITORY: "One for each repository. Whoever administers a repository may make it.",
}


def _usual(rules: HookRules | None) -> list[str]:
    return [event.key for event in rules.events if event.default] if rules else []


def _triggers(rules: HookRules | None, ways: list[Arrival]) -> list[tuple[str, str]]:
    if rules is None:
        return []
    known = {event.key: event.title for way in ways for event in offered(rules, LEVELS[way])}
    return [(event.key, event.title) for event in rules.events if event.key in known]
