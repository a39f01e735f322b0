"""What a person reads for each error code, in the order of `errors.py`, then of what ends a link.

`{product}` stands for the product's name. No Django here.
"""

from __future__ import annotations

from connections.errors import Who
from connections.explanation import Button, Explanation

VENDOR = (
    Explanation(
        "unavailable",
        "{product} is not answering",
        "{product} did not answer in time, or answered that it is in trouble.",
        "Nothing is lost. We try again by ourselves, at growing intervals.",
    ),
    Explanation(
        "answer_lost",
        "An answer of {product} was lost",
        "The request was sent, and the connection broke before the whole answer came back.",
        "We ask again and go by what {product} says then.",
    ),
    Explanation(
        "rate_limited",
        "{product} asked us to slow down",
        "The request budget of this account is used up for now. All its other uses count too.",
        "We go on as soon as {product} allows it.",
    ),
    Explanation(
        "budget_spent",
        "The hour's requests are used up",
        "{product} allows this account so many requests an hour, and no more are left for this "
        "sync. A part is kept for people who wait and for renewing tokens.",
        "We go on as soon as the hour has more. Nothing that was read is read again.",
    ),
    Explanation(
        "reauthorization_required",
        "{product} no longer accepts this credential",
        "The token was refused. It was withdrawn, has expired, or belongs to another form.",
        "Link it again. Name, settings and history stay.",
        Who.MEMBER,
        Button.LINK_AGAIN,
    ),
    Explanation(
        "scope_missing",
        "A permission is missing",
        "{product} refused a request because the credential lacks a scope.",
        "Link it again with the scopes that are marked as missing, or drop the capability.",
        Who.MANAGER,
        Button.LINK_AGAIN,
    ),
    Explanation(
        "access_denied",
        "The linked account may not see something",
        "{product} refused a request for another reason than scopes: the account has no right to "
        "the object.",
        "Give the account that right at {product}, then verify again.",
        Who.MANAGER,
        Button.VERIFY,
    ),
    Explanation(
        "remote_gone",
        "Something no longer exists at {product}",
        "{product} does not find it any more, or no longer shows it to this account.",
        "If it was moved or deleted on purpose, nothing needs doing. What we kept is marked as "
        "gone.",
    ),
    Explanation(
        "endpoint_removed",
        "{product} removed an interface we use",
        "{product} announced this removal and has carried it out.",
        "The portal has to be upgraded. Other parts of this connection go on working.",
        Who.OPERATOR,
        state="broken",
    ),
    Explanation(
        "refused",
        "{product} refused a request",
        "{product} understood the request and said no.",
        "Verify again. If it stays, the reference beside it helps to find out why.",
        Who.US,
        Button.VERIFY,
    ),
    Explanation(
        "unexpected_response",
        "{product} gave an answer we cannot read",
        "The answer was incomplete or not of the kind that {product} documents.",
        "We try again. Nothing of the answer was kept.",
        Who.US,
    ),
    Explanation(
        "misconfigured",
        "The OAuth consumer is set up wrongly",
        "{product} does not accept the consumer's key, secret or callback address. Your grant is "
        "not the problem.",
        "Whoever registered the consumer compares key, secret and callback address with {product}.",
        Who.OPERATOR,
        Button.CONSUMERS,
        state="broken",
    ),
    Explanation(
        "blocked",
        "This address cannot be reached from here",
        "The portal does not send requests to this address.",
        "The people who run this portal decide which addresses may be reached.",
        Who.OPERATOR,
        state="broken",
    ),
    Explanation(
        "tls_failed",
        "No safe connection to {product}",
        "The certificate or the encryption that {product} offered is not acceptable.",
        "A company proxy between us and {product} is the usual reason. We look again by ourselves.",
        Who.MANAGER,
        state="broken",
    ),
    Explanation(
        "signature_invalid",
        "A message was not signed correctly",
        "A message that claims to come from {product} has a wrong signature. It was not used.",
        "If it comes again, replace the webhook's secret.",
        Who.US,
    ),
    Explanation(
        "bad_payload",
        "A message that cannot be read",
        "A message of {product} was signed correctly and is not written as its messages are. It "
        "was not used.",
        "What it was about is found at the next look. Nothing needs doing.",
        Who.US,
    ),
    Explanation(
        "event_unknown",
        "A message of an unknown kind",
        "{product} told us about something this portal does not know yet.",
        "Nothing needs doing.",
    ),
    Explanation(
        "crypto_error",
        "A stored credential does not open",
        "What is sealed for this connection was changed or moved, or its key is missing. It was "
        "not used.",
        "Whoever runs this portal looks at the keys and the log. Linking again seals a new one.",
        Who.OPERATOR,
        Button.LINK_AGAIN,
        state="broken",
    ),
    Explanation(
        "subject_changed",
        "The credential now belongs to another account",
        "{product} says that the token acts as another account than the one that was linked. "
        "Nothing was read with it.",
        "Link it again with the account named here, or confirm the change there.",
        Who.MANAGER,
        Button.LINK_AGAIN,
        state="broken",
    ),
    Explanation(
        "unreadable",
        "One item could not be read",
        "The rest of its page was kept.",
        "Look at it at {product}. It is tried again at the next sync.",
    ),
    Explanation(
        "unidentified",
        "One item could not be read, nor which it is",
        "The rest of its page was kept. Nothing of this list is removed meanwhile.",
        "Look for it at {product}. It is tried again at the next sync.",
    ),
    Explanation(
        "not_live",
        "The connection was paused or revoked",
        "What was read until then was kept.",
        "Resume the connection, or link it again.",
        Who.MANAGER,
    ),
    Explanation(
        "vendor_error",
        "{product} reported a problem",
        "{product} could not do what was asked.",
        "Try again in a few minutes.",
        Who.US,
        Button.START_OVER,
    ),
)

LINK = (
    Explanation(
        "denied",
        "You did not allow the access",
        "{product} told us that access was declined. Nothing was linked.",
        "If that was a mistake, go there once more. To ask for less, change what you chose.",
        Who.MEMBER,
        Button.START_OVER,
    ),
    Explanation(
        "expired",
        "This took longer than ten minutes",
        "The way back from {product} is good for ten minutes. Nothing was linked.",
        "Start once more. What you chose is still here.",
        Who.MEMBER,
        Button.START_OVER,
    ),
    Explanation(
        "wrong_session",
        "This link was begun in another session",
        "A link can only be finished in the browser session that began it.",
        "Start it again here.",
        Who.MEMBER,
        Button.START_OVER,
    ),
    Explanation(
        "wrong_issuer",
        "The answer came from somebody else",
        "The answer names another sender than {product}. We did not use it.",
        "Start once more. If it happens again, tell the people who run this portal.",
        Who.OPERATOR,
        Button.START_OVER,
    ),
    Explanation(
        "no_code",
        "{product} sent you back without an answer",
        "The address you came back with lacks the code that links the account.",
        "Start once more.",
        Who.MEMBER,
        Button.START_OVER,
    ),
    Explanation(
        "account_taken",
        "This account is linked already",
        "Another connection of this organization uses the same {product} account. Nothing was "
        "changed.",
        "Use that connection, or sign in to {product} with another account.",
        Who.MEMBER,
        Button.CONNECTIONS,
    ),
    Explanation(
        "name_taken",
        "Another connection took this name meanwhile",
        "Two links with the same name were under way. Nothing was linked by this one.",
        "Choose another name. What else you chose is still here.",
        Who.MEMBER,
        Button.FIX_FORM,
    ),
    Explanation(
        "default_taken",
        "The organization has its default connection already",
        "Another connection without a team was linked meanwhile. Nothing was linked by this one.",
        "Choose a team for it.",
        Who.MEMBER,
        Button.FIX_FORM,
    ),
    Explanation(
        "another_account",
        "This is another account than before",
        "The credential belongs to another {product} account than this connection.",
        "Sign in at {product} with the account named here, or confirm the change.",
        Who.MEMBER,
        Button.START_OVER,
    ),
    Explanation(
        "no_consumer",
        "No OAuth consumer is registered yet",
        "Signing in at {product} needs a consumer, and there is none for this organization.",
        "An owner or admin can register one in the settings. A token works without it.",
        Who.MANAGER,
        Button.CONSUMERS,
    ),
    Explanation(
        "not_reached",
        "The portal could not connect to this address",
        "Nothing that the portal may ask answered there. Nothing was linked.",
        "Check how it is spelled, that it begins with https, and that it can be reached from this "
        "portal. A server inside a private network has to be allowed first by the people who run "
        "the portal.",
        Who.MEMBER,
        Button.FIX_FORM,
    ),
    Explanation(
        "not_allowed",
        "Your role changed meanwhile",
        "When the answer came back you were no longer allowed to link connections here.",
        "Ask an owner or admin of this organization.",
        Who.MANAGER,
    ),
    Explanation(
        "attempts_used_up",
        "It did not work after several tries",
        "We tried several times and stopped.",
        "Start once more. What you chose is still here.",
        Who.US,
        Button.START_OVER,
    ),
)
