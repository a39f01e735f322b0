"""An organization's chat channel: a Slack-compatible address that its notices are posted to.

The address is a secret: whoever has it can post. It is pasted once, sealed, and afterwards only its
host and last four characters are shown. How it is reached is the business of whoever registers with
`reached_by`: the ground floor has no network door.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from django.db import IntegrityError, transaction

from portal import audit, clock, gathering, letters, notices, roles, tenancy, vault, work
from portal.audit import Action
from portal.limits import Limit
from portal.models import Channel, ChatHook, Dispatch, Receipt
from portal.policy import SYSTEM, Actor, Permission, authorize
from portal.refused import Impossible
from portal.secret import Secret
from portal.vault import Place

WAITS = timedelta(days=1)  # for a worker; then it has to be pasted again
KEPT = timedelta(days=7)  # what is posted after the channel was mended
CHANGES = Limit(most=20, seconds=3600)
TESTS = Limit(most=10, seconds=600)
DISABLED: Final = "chat_disabled"
LATE: Final = "not_sealed"
TABLE, FIELD = "portal_chathook", "address"


class NotPosted(Exception):
    """The channel did not take it; `seconds` is its own wish for when to come back."""

    def __init__(self, code: str, *, seconds: float | None = None) -> None:
        super().__init__(code)
        self.code, self.seconds = code, seconds


class Gone(NotPosted):
    """The channel says that the address is no more (404, 410)."""


class NotUnderstood(NotPosted):
    """The channel will not take this text however often it is sent (400)."""


HostOf = Callable[[str], str]
Post = Callable[[Secret, dict[str, Any]], None]
_ways: list[tuple[HostOf, Post]] = []


def reached_by(host_of: HostOf, post: Post) -> None:
    """Register the way out: `host_of` reads an address or raises Impossible, `post` sends JSON."""
    _ways[:] = [(host_of, post)]


def place_of(hook: ChatHook) -> Place:
    return Place(hook.organization_id, TABLE, hook.id, FIELD)


def current() -> ChatHook | None:
    """The acting organization's channel."""
    found: ChatHook | None = ChatHook.objects.filter(removed_at=None).first()
    return found


def set_address(*, actor: Actor, address: Secret) -> ChatHook:
    """Notices are posted to this address from now on, instead of the one before."""
    actor = authorize(actor, Permission.ORGANIZATION_EDIT)
    if CHANGES.wait_seconds(f"chat:{tenancy.organization_id()}"):
        raise Impossible("The address was changed many times within the hour. Wait a little.")
    host = _ways[0][0](address.reveal())
    before = current()
    if before is not None:
        _take_away(before)
    hook = _inserted(
        ChatHook(
            organization_id=tenancy.organization_id(),
            host=host,
            last_four=address.last_four,
            added_by_name=actor.name[:200],
            added_at=clock.now(),
        )
    )
    vault.take_in(place_of(hook), address, expires_at=clock.now() + WAITS)
    work.later("seal_chat_hook", priority=work.WAITING, hook_id=hook.id)
    action = Action.CHAT_CHANNEL_REPLACED if before else Action.CHAT_CHANNEL_ADDED
    audit.record(action, actor=actor, subject=hook)
    return hook


def test(*, actor: Actor) -> None:
    """A line is posted to the channel, and the page shows what came of it."""
    authorize(actor, Permission.ORGANIZATION_EDIT)
    hook = _required()
    if TESTS.wait_seconds(f"chat-test:{hook.id}"):
        raise Impossible("The channel was tested many times just now. Wait a few minutes.")
    work.later("test_chat_hook", priority=work.WAITING, dedupe=f"test:{hook.id}", hook_id=hook.id)


def try_again(*, actor: Actor) -> None:
    """A channel that was given up is used again, and what it missed in a week is posted."""
    actor = authorize(actor, Permission.ORGANIZATION_EDIT)
    hook = _required()
    if hook.disabled_at is None:
        return
    ChatHook.objects.filter(id=hook.id).update(disabled_at=None, failing_since=None, last_code="")
    _catch_up()
    audit.record(Action.CHAT_CHANNEL_RESUMED, actor=actor, subject=hook)


def remove(*, actor: Actor) -> None:
    """Nothing is posted any more, and the address is forgotten."""
    actor = authorize(actor, Permission.ORGANIZATION_EDIT)
    hook = _required()
    _take_away(hook)
    audit.record(Action.CHAT_CHANNEL_REMOVED, actor=actor, subject=hook)


def post(hook: ChatHook, payload: dict[str, Any]) -> None:
    """The text is in the channel; raises NotPosted. Workers only, outside transactions."""
    with tenancy.transaction():
        address = vault.open(place_of(hook))
    _ways[0][1](address, payload)


# ── Off and on again ──────────────────────────────────────────────────────────────────────────


def switch_off(hook: ChatHook, code: str) -> None:
    """Nothing is posted there any more, and admins know. One that was removed stays forgotten."""
    used = ChatHook.objects.filter(id=hook.id, disabled_at=None, removed_at=None)
    if used.update(disabled_at=clock.now(), last_code=code[:40]):
        notices.tell(
            DISABLED,
            subject=hook,
            audience=notices.who_may(Permission.ORGANIZATION_EDIT),
            dedupe=f"{DISABLED}:{hook.id}",
            url=letters.page("chat_channel"),
        )


def works(hook: ChatHook) -> None:
    """The channel took a post: it is used, also when it had been given up."""
    stored = ChatHook.objects.select_for_update(no_key=True).get(id=hook.id)
    ChatHook.objects.filter(id=hook.id).update(
        posted_at=clock.now(), failing_since=None, disabled_at=None, last_code=""
    )
    notices.resolve(f"{DISABLED}:{hook.id}")
    if stored.disabled_at is not None and stored.removed_at is None:
        audit.record(Action.CHAT_CHANNEL_RESUMED, actor=SYSTEM, subject=hook)
    if stored.disabled_at is not None or stored.posted_at is None:
        _catch_up()


def came_late(hook: ChatHook) -> bool:
    """Whether no worker sealed the address while it could: it has to be pasted again."""
    return hook.sealed_at is None and clock.now() - hook.added_at >= WAITS


def _catch_up() -> None:
    """What was missed in a week is posted, and nothing older."""
    since = clock.now() - KEPT
    missed = Dispatch.objects.filter(
        channel=Channel.CHAT,
        outcome__in=(Dispatch.Outcome.FAILED, Dispatch.Outcome.DROPPED),
        created_at__gt=since,
    )
    copies = Receipt.objects.filter(user=None)
    copies.filter(dispatch__in=missed).update(dispatch=None, told_at=None)
    untold = copies.filter(dispatch=None, told_at=None, created_at__lte=since)
    untold.update(wanted=False)
    gathering.again(None)


# ── The address ───────────────────────────────────────────────────────────────────────────────


@work.job("seal_chat_hook")
def seal(claim: work.Claim, *, hook_id: str) -> None:
    """What was handed in is sealed to stay, and the channel says hello."""
    with tenancy.transaction():
        claim.hold()
        hook = ChatHook.objects.filter(id=hook_id, removed_at=None).first()
        if hook is None:
            return
        try:
            vault.reseal(place_of(hook))
        except LookupError:
            if hook.sealed_at is None:  # else an earlier run did it
                switch_off(hook, LATE)
            return
        ChatHook.objects.filter(id=hook.id).update(sealed_at=clock.now())
        work.later(
            "test_chat_hook", priority=work.WAITING, dedupe=f"test:{hook.id}", hook_id=hook.id
        )
        claim.done()


@work.job("forget_chat_hook")
def forget(claim: work.Claim, *, hook_id: str) -> None:
    """A removed channel's address is gone."""
    with tenancy.transaction():
        for hook in ChatHook.objects.filter(id=hook_id).exclude(removed_at=None):
            vault.discard(place_of(hook))
            vault.forget(place_of(hook))


def _required() -> ChatHook:
    hook = current()
    if hook is None:
        raise Impossible("There is no channel. Add its address first.")
    return hook


def _take_away(hook: ChatHook) -> None:
    hook.removed_at = clock.now()
    hook.save(update_fields=["removed_at"])
    notices.resolve(f"{DISABLED}:{hook.id}")
    work.later("forget_chat_hook", hook_id=hook.id)


def _inserted(hook: ChatHook) -> ChatHook:
    """The row; of two that come at once the second finds the first."""
    try:
        with transaction.atomic(using=roles.current()):
            hook.save(force_insert=True)
    except IntegrityError:
        raise Impossible("Somebody changed the channel in this moment. Look at it again.") from None
    return hook
