"""The chat channel when it is off: who waits, what is on record, and what is posted afterwards."""

from __future__ import annotations

from datetime import timedelta

import pytest

from portal import chat, clock, posting, roles
from portal.audit import Action
from portal.models import ChatHook, Dispatch, Intake
from tests.hooks import CHANNEL, ChatService, channel, chat_service, hook, sealing
from tests.telling import Bells, bells

__all__ = ["bells", "channel", "chat_service", "sealing"]


@pytest.fixture
def off(bells: Bells, channel: ChatService) -> ChatService:
    """A channel whose service said that its address is gone."""
    channel.always = 410
    only_ada(bells, "first")
    bells.wait()
    assert hook(bells).disabled_at is not None
    channel.always = 200
    channel.posted.clear()
    return channel


def only_ada(bells: Bells, name: str) -> None:
    bells.trouble(name, audience={bells.cast["ada"].id})


def heads(channel: ChatService) -> list[str]:
    return sorted(text.splitlines()[0] for text in channel.texts if " is broken" in text)


def test_a_short_wish_to_come_back_does_not_shorten_our_own_waits(
    bells: Bells, channel: ChatService
) -> None:
    channel.answers = [(429, {"Retry-After": "1"})] * 2
    only_ada(bells, "code")
    bells.wait()
    bells.wait(seconds=20)
    assert len(channel.posted) == 1

    bells.wait(seconds=60)
    assert len(channel.posted) == 2


def test_what_opens_while_it_is_off_is_posted_when_a_test_arrives(
    bells: Bells, off: ChatService
) -> None:
    only_ada(bells, "second")
    bells.wait()
    assert off.posted == []

    bells.cast.client("ada").post(CHANNEL + "test/")
    bells.drain()

    assert heads(off) == ["first is broken", "second is broken"]
    assert Action.CHAT_CHANNEL_RESUMED.value in bells.cast.actions()
    assert [one.resolved_at is None for one in bells.notices("chat_disabled")] == [False]


def test_what_is_older_than_a_week_is_not_posted_then(bells: Bells, off: ChatService) -> None:
    clock.shift(chat.KEPT)
    only_ada(bells, "second")
    bells.cast.client("ada").post(CHANNEL + "again/")
    bells.wait()

    assert heads(off) == ["second is broken"]


@pytest.mark.parametrize("removed", [False, True])
def test_another_address_ends_the_notice_about_the_one_before(
    removed: bool, bells: Bells, off: ChatService
) -> None:
    ada = bells.cast.client("ada")
    if removed:
        ada.post(CHANNEL + "remove/")
        assert [one.resolved_at is None for one in bells.notices("chat_disabled")] == [False]
    ada.post(CHANNEL, {"address": off.address})
    bells.drain()

    assert [one.resolved_at is None for one in bells.notices("chat_disabled")] == [False]
    assert heads(off) == ["first is broken"]


def test_a_post_that_fails_after_it_was_removed_switches_nothing_off(
    bells: Bells, channel: ChatService
) -> None:
    before = hook(bells)
    bells.cast.client("ada").post(CHANNEL + "remove/")
    with bells.works():
        chat.switch_off(before, "http_410")

    assert bells.notices("chat_disabled") == []


def test_an_address_that_no_worker_sealed_in_time_ends_and_admins_know(
    bells: Bells, sealing: None, chat_service: ChatService
) -> None:
    bells.cast.client("ada").post(CHANNEL, {"address": chat_service.address})
    only_ada(bells, "code")
    late = timedelta(days=1, minutes=1)
    with roles.using_role("worker"), bells.cast.inside():
        Intake.objects.all().delete()
        ChatHook.objects.update(added_at=clock.now() - late)
    bells.wait()

    assert chat_service.posted == []
    assert (hook(bells).last_code, len(bells.notices("chat_disabled"))) == (chat.LATE, 1)
    page = bells.cast.client("ada").get(CHANNEL).content.decode()
    assert "no worker sealed it within a day" in page
    with bells.cast.inside():
        outcomes = Dispatch.objects.filter(channel="chat").values_list("outcome", flat=True)
        assert posting.Outcome.WAITING not in set(outcomes)
