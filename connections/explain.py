"""Error code → what a person reads: what happened, who must act, and the button that mends it.

No Django here.
"""

from __future__ import annotations

from dataclasses import replace

from connections.errors import Who
from connections.explanation import Button as Button, Explanation as Explanation
from connections.explanations import LINK, VENDOR
from connections.grant_explanations import GRANT
from connections.replacement_explanations import REPLACEMENT

_ALL = {each.code: each for each in VENDOR + GRANT + LINK + REPLACEMENT}
_UNKNOWN = Explanation(
    "unknown",
    "Something went wrong on our side",
    "This has been logged.",
    "Try again. If it stays, tell the people who run this portal.",
    Who.US,
    Button.START_OVER,
)

# While a link is being made, the way out is in the wizard rather than on the connection's page.
_IN_THE_WIZARD = {
    Button.LINK_AGAIN: Button.FIX_FORM,
    Button.VERIFY: Button.START_OVER,
    Button.NONE: Button.START_OVER,
}

# What is given here was never accepted before.
_LINK_WORDS = {
    "reauthorization_required": (
        "{product} does not accept this credential",
        "It was refused: it is mistyped, was withdrawn, has expired, or belongs to another form.",
    ),
}

# A link that is being made has no history to keep and no schedule to wait for.
_LINK_REMEDIES = {
    "reauthorization_required": "Check that you copied it whole, that it has not expired, and that "
    "it is of the kind this form asks for.",
    "scope_missing": "Tick the missing scope at the vendor, or ask for less here.",
    "access_denied": "Check that the account may see what you entered, and how it is spelled.",
    "remote_gone": "Check how you spelled it: the vendor does not find it, or does not show it to "
    "this credential.",
}

CODES = frozenset(_ALL)
CURES_ITSELF = frozenset(code for code, each in _ALL.items() if each.who is Who.NOBODY)
BROKEN = frozenset(code for code, each in _ALL.items() if each.state == "broken")


def explain(code: str, *, product: str) -> Explanation:
    """The explanation of this code in the words of this product; an unknown code has one too."""
    found = _ALL.get(code, _UNKNOWN)
    return replace(
        found,
        title=_filled(found.title, product),
        happened=_filled(found.happened, product),
        remedy=_filled(found.remedy, product),
    )


def explain_link(code: str, *, product: str) -> Explanation:
    """The same while a link is under way: the button leads back into the wizard."""
    found = explain(code, product=product)
    if code in _LINK_WORDS:
        title, happened = _LINK_WORDS[code]
        found = replace(found, title=_filled(title, product), happened=happened)
    if code in _LINK_REMEDIES:
        found = replace(found, remedy=_LINK_REMEDIES[code])
    elif found.who is Who.NOBODY:
        found = replace(
            found, remedy="We tried several times and stopped. Try again in a few minutes."
        )
    return replace(found, button=_IN_THE_WIZARD.get(found.button, found.button))


def _filled(text: str, product: str) -> str:
    return text.replace("{product}", product)
