"""The accounts and sites that are there from the start: the people whom Bitbucket knows, and more.

An Atlassian account has one id and one address everywhere, so people are Bitbucket's.
"""

from __future__ import annotations

import random

from integrations.sandbox.atlassian.world import Account, Site, World
from integrations.sandbox.bitbucket_cloud.seed import people

CLOUD_IDS = {
    "acme": "5c1d6a52-8f0e-4b8d-9a3c-0f6b7e21ac01",
    "fjord": "5c1d6a52-8f0e-4b8d-9a3c-0f6b7e21ac02",
}
# nickname, name, e-mail, what for; two of them are called alike, and share no address.
MORE = (
    ("sam", "Sam Okafor", "sam.okafor@acme.example", "has a namesake at acme"),
    ("sam-too", "Sam Okafor", "s.okafor@acme.example", "the namesake"),
)
BOT = "bot"
BOT_EMAIL = "portal-bot-5c1d@serviceaccount.atlassian.com"


def build(seed: int) -> World:
    """Return the accounts of this seed and both sites."""
    world = World()
    for user in people(random.Random(seed)):
        world.accounts[user.nickname] = Account(
            user.account_id, user.nickname, user.display_name, user.email, user.about
        )
    for place, (nickname, name, email, about) in enumerate(MORE):
        identifier = f"712020:8d3c1f00-0000-4000-8000-00000000000{place + 1}"
        world.accounts[nickname] = Account(identifier, nickname, name, email, about)
    bot = "712020:8d3c1f00-0000-4000-8000-0000000000b0"
    world.accounts[BOT] = Account(
        bot, BOT, "Portal Bot", BOT_EMAIL, "a service account at acme", kind="app"
    )
    world.sites["acme"] = Site(
        "acme",
        "Acme Robotics",
        CLOUD_IDS["acme"],
        ["jira", "confluence"],
        [a.account_id for a in world.accounts.values() if is_at_acme(a)],
        [world.accounts["dana"].account_id],
    )
    both = [world.accounts[name].account_id for name in ("rashid", "dana")]
    world.sites["fjord"] = Site(
        "fjord", "Fjord & Söhne <R&D>", CLOUD_IDS["fjord"], ["jira"], both, both[:1]
    )
    return world


def is_at_acme(account: Account) -> bool:
    return account.kind == "app" or account.email.endswith("@acme.example")
