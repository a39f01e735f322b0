"""The form of what a connection syncs, and for how long it is kept."""

from __future__ import annotations

from typing import Any

from django import forms

from connections import registry
from connections.flows import plan
from connections.flows.sync_choice import KEEP_DAYS
from connections.forms import ProblemForm
from connections.models import Connection
from connections.queries.costs import Costs

FOR_EVER = "0"


class SyncChoiceForm(ProblemForm):
    """The lists to read, those that the others hang on ticked in any case."""

    streams = forms.MultipleChoiceField(
        choices=(),
        widget=forms.CheckboxSelectMultiple,
        label="Lists",
        required=False,
        help_text="Each with about how many requests a whole reading takes. Lists of a workspace"
        " are read every day; lists of a repository once, then where something changed, and whole"
        " about once a week. What was read of a list stays when you take it out. Lists that others"
        " need are read in any case.",
    )
    keep_days = forms.ChoiceField(
        label="Keep builds, pipelines and deployments",
        choices=[
            *((str(days), f"For {days:,} days after they ended") for days in KEEP_DAYS),
            (FOR_EVER, "For ever"),
        ],
    )
    costs = ""

    @classmethod
    def of(cls, connection: Connection, values: Any = None, **options: Any) -> SyncChoiceForm:
        """The form as it stands, or as it was sent."""
        days = plan.settings_of(connection).keep_days
        initial = {"streams": list(plan.chosen(connection)), "keep_days": str(days or FOR_EVER)}
        form = cls(values, initial=initial, prefix="sync", **options)
        offered = plan.linked_for(connection)
        costs = Costs.of(connection)
        named = {s.key: ": ".join(filter(None, (s.title, costs.words(s)))) for s in offered}
        form.choose("streams", list(named.items()))
        form.costs = costs.whole(plan.chosen(connection).values())
        form.explain(connection)
        return form

    def explain(self, connection: Connection) -> None:
        """The choice says what the product has no list of."""
        found = registry.connectors().get(connection.connector)
        if found is not None and found.manifest.unlisted:
            field = self.fields["streams"]
            field.help_text = f"{field.help_text} {found.manifest.unlisted}"

    def choose(self, name: str, choices: list[tuple[str, str]]) -> None:
        """The choices of a field, which depend on the connection."""
        field: Any = self.fields[name]
        field.choices = choices

    @property
    def keep(self) -> int | None:
        """Days, None for ever."""
        return int(self.cleaned_data["keep_days"]) or None
