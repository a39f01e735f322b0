"""Sign-ins on the platform's record; other sessions end when a password or second step changes.

allauth and Django tell of these by signals; this file is the only one that listens.
"""

from __future__ import annotations

from typing import Any

from allauth.account import signals as account_signals
from allauth.mfa import signals as mfa_signals
from allauth.usersessions.models import UserSession
from django.contrib.auth import signals as auth_signals
from django.dispatch import receiver
from django.http import HttpRequest

from portal import audit, roles, tenancy
from portal.audit import Action
from portal.models import User
from portal.people import person
from portal.policy import Actor
from portal.refusals import platform


def put_on_record(action: Action, user: User | None, **details: object) -> None:
    """On the platform's chain; allauth tells some of it inside a transaction of its own."""
    actor = person(user) if user else Actor(kind="visitor", id=None, name="Somebody")
    inside = roles.connection().in_atomic_block
    scope = tenancy.borrowed_transaction if inside else tenancy.transaction
    with tenancy.acting_for(tenancy.PLATFORM), scope():
        audit.record(action, actor=actor, subject=user or platform(), **details)


def failed(email: str) -> None:
    """A sign-in failed. An address that belongs to nobody is not kept: it may be a mistyped
    password."""
    user = User.objects.filter(email=email.strip().lower()).first() if email else None
    put_on_record(Action.SIGN_IN_FAILED, user, address_known=user is not None)


@receiver(account_signals.user_signed_up)
def signed_up(*, user: User, sociallogin: Any = None, **_: Any) -> None:
    put_on_record(Action.SIGNED_UP, user, by="single sign-on" if sociallogin else "password")


@receiver(account_signals.user_logged_in)
def signed_in(*, user: User, sociallogin: Any = None, **_: Any) -> None:
    put_on_record(Action.SIGNED_IN, user, by="single sign-on" if sociallogin else "password")


@receiver(auth_signals.user_logged_out)
def signed_out(*, user: User | None, **_: Any) -> None:
    if user is not None:
        put_on_record(Action.SIGNED_OUT, user)


@receiver(mfa_signals.authentication_failed)
def second_step_failed(*, user: User, **_: Any) -> None:
    put_on_record(Action.SIGN_IN_FAILED, user, address_known=True, step="second")


@receiver([account_signals.password_changed, account_signals.password_set])
def password_changed(*, request: HttpRequest, user: User, **_: Any) -> None:
    put_on_record(Action.PASSWORD_CHANGED, user)
    end_other_sessions(request, user)


@receiver(account_signals.password_reset)
def password_reset(*, request: HttpRequest, user: User, **_: Any) -> None:
    put_on_record(Action.PASSWORD_CHANGED, user, by="e-mail")
    end_other_sessions(request, user)


@receiver([account_signals.email_added, account_signals.email_removed])
def email_changed(*, user: User, **_: Any) -> None:
    put_on_record(Action.EMAIL_CHANGED, user)


@receiver([mfa_signals.authenticator_added, mfa_signals.authenticator_reset])
def second_step_changed(*, request: HttpRequest, user: User, authenticator: Any, **_: Any) -> None:
    put_on_record(Action.TWO_STEP_CHANGED, user, kind=authenticator.type, now="on")
    end_other_sessions(request, user)


@receiver(mfa_signals.authenticator_removed)
def second_step_removed(*, request: HttpRequest, user: User, authenticator: Any, **_: Any) -> None:
    put_on_record(Action.TWO_STEP_CHANGED, user, kind=authenticator.type, now="off")
    end_other_sessions(request, user)


def end_other_sessions(request: HttpRequest, user: User) -> None:
    """Whoever else is signed in as this person is signed out."""
    others = UserSession.objects.filter(user=user).exclude(session_key=request.session.session_key)
    ended = 0
    for session in others:
        session.end()
        ended += 1
    if ended:
        put_on_record(Action.SESSIONS_ENDED, user, sessions=ended)
