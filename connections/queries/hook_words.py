"""What the Hooks tab says: of each state a hook can be in, and of each end of a test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from connections.flows import hook_trial as trial, hook_trial_vendor as by_vendor
from connections.models import Arrival, HookPlan, HookStand


@dataclass(frozen=True, slots=True)
class StandWords:
    word: str
    icon: str
    tone: str
    says: str = ""


STANDS: Final[Mapping[HookStand, StandWords]] = {
    HookStand.NEW: StandWords("Not looked at yet", "hourglass", "plain"),
    HookStand.PRESENT: StandWords("As it should be", "circle-check", "good"),
    HookStand.MISSING: StandWords("Missing", "circle-x", "danger", "A repair makes it."),
    HookStand.INACTIVE: StandWords(
        "Switched off", "player-pause", "warning", "Somebody switched it off at {product}."
    ),
    HookStand.EVENTS: StandWords(
        "Wrong triggers", "alert-triangle", "warning", "It does not have the triggers you chose."
    ),
    HookStand.ADDRESS: StandWords(
        "Wrong address", "alert-triangle", "danger", "It leads elsewhere, so nothing arrives."
    ),
    HookStand.NO_SECRET: StandWords(
        "No secret", "alert-triangle", "danger", "What it sends is not signed, and is refused."
    ),
    HookStand.FORMER: StandWords(
        "Former secret",
        "key",
        "warning",
        "It was not told the newest secret. It is accepted for as long as both secrets hold.",
    ),
    HookStand.FULL: StandWords(
        "No room",
        "circle-x",
        "danger",
        "{product} allows no more webhooks there. Remove one that nobody needs, then repair.",
    ),
    HookStand.REFUSED: StandWords(
        "Refused",
        "lock",
        "danger",
        "Webhooks are made by who administers the repository, or the workspace: give this account"
        " that right at {product}, then repair.",
    ),
    HookStand.FAILING: StandWords("Out of reach", "circle-x", "warning"),
    HookStand.SURPLUS: StandWords(
        "Not needed any more", "circle-minus", "warning", "A repair removes it."
    ),
}


@dataclass(frozen=True, slots=True)
class TrialWords:
    title: str
    remedy: str
    tone: str = "danger"


@dataclass(frozen=True, slots=True)
class Trial:
    """A test message: whether it arrived, and if not, what to do."""

    stand: str
    title: str
    remedy: str
    tone: str
    by: str
    at: datetime | None

    @property
    def is_waiting(self) -> bool:
        return self.stand == trial.WAITING


_PROXY: Final = "Ask whoever runs this installation to look at what stands before it."
TRIALS: Final[Mapping[str, TrialWords]] = {
    trial.WAITING: TrialWords("On its way", "It is sent to the public address.", "plain"),
    trial.ARRIVED: TrialWords(
        "Arrived",
        "It was signed with the newest secret, sent to the public address, and stored.",
        "good",
    ),
    by_vendor.SENT: TrialWords(
        "Arrived from {product}",
        "{product} sent its own test to the public address, signed, and it was stored.",
        "good",
    ),
    by_vendor.UNSIGNED: TrialWords(
        "{product} reaches this installation",
        "Its test came without a signature, as some versions send it, and was not stored. What it"
        " sends of events is signed.",
        "good",
    ),
    by_vendor.NEVER_CAME: TrialWords(
        "Nothing came from {product}",
        "Our own test arrived, but {product} was asked for one and it did not come. Its server may"
        " not reach the public address: look at its firewall, proxy and trusted certificates.",
        "warning",
    ),
    by_vendor.NOT_SENT: TrialWords(
        "Arrived from here; {product} sent none",
        "Our own test arrived. {product} refused to send one of its own.",
        "warning",
    ),
    trial.NOT_STORED: TrialWords(
        "Answered, but not stored",
        "Something answered {status} in the place of this installation. " + _PROXY,
    ),
    "unsigned": TrialWords(
        "Refused: the signature did not fit",
        "The newest secret may not have reached the receiving process yet. Try again in ten"
        " seconds; if it stays so, replace the secret.",
    ),
    "plain_http": TrialWords(
        "Refused: it did not come by https",
        "The proxy before the receiving process must say that the request came by https. " + _PROXY,
    ),
    "not_found": TrialWords(
        "Not found there",
        "The public address leads somewhere else, or the proxy changes the path. " + _PROXY,
    ),
    trial.OFF: TrialWords(
        "Refused: the address is switched off",
        "Choose webhooks again, and the same address is on.",
    ),
    trial.SLOW: TrialWords(
        "Refused: too many webhooks at once", "Try again in a minute.", "warning"
    ),
    "away": TrialWords(
        "Not stored: the database did not answer",
        "Nothing is lost that was accepted. Try again in a minute. " + _PROXY,
    ),
    trial.ANSWERED: TrialWords(
        "Refused with {status}", "The public address answered {status}. " + _PROXY
    ),
    trial.REDIRECTED: TrialWords(
        "Led elsewhere",
        "The public address answers with a redirect, which no vendor follows. " + _PROXY,
    ),
    trial.UNREACHED: TrialWords(
        "Not reached",
        "Nothing answered at the public address. The receiving process may be down, or its name or"
        " port wrong. " + _PROXY,
    ),
    trial.NO_TLS: TrialWords(
        "Not reached: the certificate is not accepted",
        "Vendors refuse it for the same reason. " + _PROXY,
    ),
    trial.BLOCKED: TrialWords(
        "Not sent",
        "The public address is one that nothing is sent to from here: check HOOKS_URL. " + _PROXY,
    ),
    trial.NO_SECRET: TrialWords(
        "Not sent", "No worker has kept the secret yet. Try again in a few seconds.", "warning"
    ),
    trial.GAVE_UP: TrialWords("Not sent", "No worker could send it. Try again.", "warning"),
}

_ARRIVALS: Final = {
    Arrival.POLLING: "Changes at {product} are found by asking at intervals. No webhooks are used.",
    Arrival.WORKSPACE: "{product} tells of changes by one webhook for each {workspace}.",
    Arrival.REPOSITORY: "{product} tells of changes by one webhook for each repository.",
}


def in_words(plan: HookPlan, product: str, workspace: str = "workspace") -> str:
    """How events arrive, in one sentence."""
    return _ARRIVALS[Arrival(plan.arrival)].format(product=product, workspace=workspace)
