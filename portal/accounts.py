"""How people come in: allauth's adapters with the portal's sign-up rules.

Who may sign up is the setting SIGNUP; an open invitation always opens the door for its own address.
A person who comes by OpenID Connect is known by issuer and subject, never by their e-mail address.
"""

from __future__ import annotations

import logging
import re
from smtplib import SMTPException
from typing import Any

import requests
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from portal import fields, invitations, sign_ins
from portal.invitations import FoundInvitation
from portal.models import User

log = logging.getLogger(__name__)

_PLAIN_PATH = re.compile(r"/(?!/)[\w\-./~]*(\?[\w\-.~=&+:,%]*)?", re.ASCII)
INVITATION_KEY = "invitation"  # in the session: the hash of the link's token


def invitation_in(request: HttpRequest) -> FoundInvitation | None:
    """The open invitation whose link this browser has followed."""
    kept = request.session.get(INVITATION_KEY, "")
    return invitations.by_hash(bytes.fromhex(kept)) if kept else None


def confirmed_addresses(user: User) -> set[str]:
    """The person's addresses that they have shown to be theirs, in lower case."""
    found = EmailAddress.objects.filter(user=user, verified=True)
    return {address.lower() for address in found.values_list("email", flat=True)}


# What somebody waits for in their mailbox; the same whether the address has an account or not.
_AWAITED = frozenset(
    f"account/email/{letter}"
    for letter in (
        "account_already_exists",
        "email_confirmation",
        "email_confirmation_signup",
        "password_reset_key",
        "unknown_account",
    )
)
NOT_MAILED = "We could not send the mail just now; try again in a few minutes."


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    error_messages = DefaultAccountAdapter.error_messages | {
        "email_password_mismatch": "This address and password do not belong together.",
        "too_many_login_attempts": "Too many attempts. Wait five minutes, then try again.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return settings.SIGNUP != "invitation" or invitation_in(request) is not None

    def clean_email(self, email: str) -> str:
        """Raises ValidationError for an address that the setting SIGNUP keeps out.

        allauth asks this for each new address, also when a signed-in person adds one.
        """
        request = context.request
        if settings.SIGNUP == "open" or request.user.is_authenticated:
            return email
        found = invitation_in(request)
        if found is not None and found.email == email.lower():
            return email
        if (
            settings.SIGNUP == "domain"
            and email.lower().rpartition("@")[2] in settings.SIGNUP_DOMAINS
        ):
            return email
        raise ValidationError(_kept_out(found))

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        user.email = form.cleaned_data["email"].lower()
        saved: User = super().save_user(request, user, form, commit=commit)
        return saved

    def is_safe_url(self, url: str | None) -> bool:
        """Only a plain path of this portal; nothing encoded, nothing absolute (O26 to O34)."""
        return bool(url and _PLAIN_PATH.fullmatch(url) and super().is_safe_url(url))

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """The mail is sent, or the person reads that it could not be; what they did stays done."""
        try:
            super().send_mail(template_prefix, email, context)
        except (OSError, SMTPException) as error:
            log.warning("mail.not_sent", extra={"error": type(error).__name__})
            if template_prefix in _AWAITED:
                self.request.mail_failed = True
                messages.error(self.request, NOT_MAILED)

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        sign_ins.failed(str(credentials.get("email", "")))

    def add_message(self, request: HttpRequest, *args: Any, **options: Any) -> None:
        """The page after signing in or out says it by itself; only what was sent is called so."""
        template = options.get("message_template") or (args[1] if len(args) > 1 else "")
        unsaid = {"account/messages/logged_in.txt", "account/messages/logged_out.txt"}
        if getattr(request, "mail_failed", False):
            unsaid.add("account/messages/email_confirmation_sent.txt")
        if template not in unsaid:
            super().add_message(request, *args, **options)


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """Refuses an answer whose two halves name different people.

        https://openid.net/specs/openid-connect-core-1_0.html#UserInfoResponse (section 5.3.2)
        """
        answer = sociallogin.account.extra_data
        subjects = {
            str(part["sub"])
            for part in (answer.get("userinfo"), answer.get("id_token"))
            if isinstance(part, dict) and "sub" in part
        }
        if len(subjects) != 1:
            sign_ins.failed("")
            raise ImmediateHttpResponse(self._refused(request))
        sociallogin.token = None  # allauth would keep it in the session while a form is filled in

    def populate_user(self, request: HttpRequest, sociallogin: Any, data: dict[str, Any]) -> User:
        user: User = super().populate_user(request, sociallogin, data)
        name = fields.CleanText(max_length=120, required=False)
        try:
            user.name = name.clean(str(data.get("name") or "")[:120])
        except ValidationError:
            user.name = ""
        return user

    def get_signup_form_initial_data(self, sociallogin: Any) -> dict[str, Any]:
        initial: dict[str, Any] = super().get_signup_form_initial_data(sociallogin)
        return initial | {"name": sociallogin.user.name}

    def get_requests_session(self) -> requests.Session:
        """Neither the environment's proxies nor ~/.netrc, and no redirects."""
        session: requests.Session = super().get_requests_session()
        session.trust_env = False
        session.max_redirects = 0
        return session

    def _refused(self, request: HttpRequest) -> HttpResponse:
        messages.error(request, "The sign-in service gave an answer that does not fit together.")
        return redirect("account_login")


def _kept_out(found: FoundInvitation | None) -> str:
    if found is not None:
        return f"Your invitation was sent to {found.email}. Sign up with that address."
    domains = ", ".join(settings.SIGNUP_DOMAINS)
    return f"Sign-up is open for addresses at {domains}, and to people with an invitation."
