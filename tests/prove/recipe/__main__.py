"""A process of the usual recipe in which many threads use one stored token."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import django

os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"  # the vendor is on loopback
django.setup()

from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connections  # noqa: E402
from django.utils import timezone  # noqa: E402
from requests_oauthlib import OAuth2Session  # noqa: E402

from tests.prove.calling import Order, serve  # noqa: E402

VENDOR = os.environ["RECIPE_VENDOR"]


def updater(stored: SocialToken) -> Callable[[dict[str, Any]], None]:
    def save(answer: dict[str, Any]) -> None:
        stored.token = answer["access_token"]
        stored.token_secret = answer.get("refresh_token", "")
        stored.expires_at = datetime.fromtimestamp(answer["expires_at"], UTC)
        stored.save()

    return save


def session(stored: SocialToken) -> OAuth2Session:
    """A session that refreshes by itself and saves what it got."""
    client = {"client_id": stored.app.client_id, "client_secret": stored.app.secret}
    token = {
        "access_token": stored.token,
        "refresh_token": stored.token_secret,
        "token_type": "bearer",
        "expires_in": (stored.expires_at - timezone.now()).total_seconds(),
    }
    return OAuth2Session(
        client["client_id"],
        token=token,
        auto_refresh_url=f"{VENDOR}/site/oauth2/access_token",
        auto_refresh_kwargs=client,
        token_updater=updater(stored),
    )


def use(order: Order) -> None:
    """One call to the API with the stored token."""
    try:
        stored = SocialToken.objects.select_related("app").get()
        session(stored).get(f"{VENDOR}/2.0/user", timeout=60).raise_for_status()
    finally:
        connections.close_all()


def prepare(order: Order) -> None:
    call_command("migrate", verbosity=0, interactive=False)


def plant(order: Order) -> None:
    """One account whose access token has ended; what was there before is forgotten."""
    SocialApp.objects.all().delete()
    SocialAccount.objects.all().delete()
    user, _ = User.objects.get_or_create(username="dana")
    app = SocialApp.objects.create(
        provider="bitbucket_oauth2",
        name="Bitbucket",
        client_id=order["client_id"],
        secret=order["client_secret"],
    )
    SocialToken.objects.create(
        app=app,
        account=SocialAccount.objects.create(user=user, provider=app.provider, uid="dana"),
        token=order["access_token"],
        token_secret=order["refresh_token"],
        expires_at=timezone.now() - timedelta(minutes=1),
    )


def stored(order: Order) -> dict[str, str]:
    """What the table holds now."""
    token = SocialToken.objects.get()
    return {"access": token.token, "refresh": token.token_secret}


if __name__ == "__main__":
    serve(use, {"prepare": prepare, "plant": plant, "stored": stored})
