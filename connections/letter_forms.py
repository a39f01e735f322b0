"""What people type when they decide about failed deliveries."""

from __future__ import annotations

from connections.flows.dead_letters import LONGEST_REASON
from connections.forms import ProblemForm
from portal.fields import CleanText


class DiscardForm(ProblemForm):
    """Why deliveries are put away; the record repeats it. The pages draw the field themselves."""

    reason = CleanText(
        max_length=LONGEST_REASON,
        label="Why",
        error_messages={"required": "Say why they are discarded."},
    )

    @property
    def problem(self) -> str:
        """What is wrong with the reason; "" when nothing is."""
        return " ".join(map(str, self.errors.get("reason", ())))
