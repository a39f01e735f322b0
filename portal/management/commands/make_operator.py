"""Makes somebody an operator of the platform (or support), or ends that; it goes on the record."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal import audit, roles, tenancy
from portal.audit import Action
from portal.models import User
from portal.policy import Actor

HOST = Actor(kind="operator", id=None, name="The server's console")


class Command(BaseCommand):
    help = "Makes the person with this address an operator; --support makes them support instead."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--support", action="store_true", help="support, not operator")
        parser.add_argument("--remove", action="store_true", help="end it")

    def handle(self, *args: Any, **options: Any) -> None:
        claim = "is_support" if options["support"] else "is_operator"
        is_given = not options["remove"]
        with roles.using_role("default"):
            changed = change(options["email"], claim, is_given)
        what = "support" if options["support"] else "an operator"
        self.stdout.write(f"{changed.email} is {'now' if is_given else 'no longer'} {what}.")


def change(email: str, claim: str, is_given: bool) -> User:
    """The person has the claim, or no longer; raises CommandError when nobody has the address."""
    with tenancy.acting_for(tenancy.PLATFORM), tenancy.transaction():
        user = User.objects.filter(email=email.strip().lower()).first()
        if user is None:
            raise CommandError(f"Nobody has signed up with {email}.")
        if getattr(user, claim) != is_given:
            setattr(user, claim, is_given)
            user.save(update_fields=[claim])
            audit.record(Action.OPERATOR_CHANGED, actor=HOST, subject=user, **{claim: is_given})
    return user
