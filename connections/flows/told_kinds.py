"""The kinds of notices about connections: their words, buttons and default channels."""

from __future__ import annotations

from datetime import timedelta

from portal.notices import Kind, Severity, register

REFUSED, NEEDS_LINK, RECOVERED = (
    "connection_refused",
    "connection_needs_link",
    "connection_recovered",
)
EXPIRES, DRIFT, QUARANTINED = "credential_expires", "drift_found", "sync_quarantined"
OWNER_LEFT, RESTORED = "owner_left", "restored_quarantine"
STORM, STORM_OVER = "provider_storm", "provider_well"
STORM_OPERATORS, STORM_OVER_OPERATORS = "provider_storm_operators", "provider_well_operators"
STOPPED, STOPPED_OPERATORS = "connection_stopped", "connection_stopped_operators"
RECOVERED_OPERATORS = "connection_recovered_operators"
INBOX_LATE, INBOX_WELL = "inbox_late_operators", "inbox_well_operators"
KEY_EXPIRES = "service_key_expires"
ROTATION_FAILED, WITHDRAW = "credential_rotation_failed", "credential_to_withdraw"
LEFT_AT_VENDOR, WAITS = "token_left_at_vendor", "replacement_waits"
ROTATION_DUE, ROTATION_OVERDUE = "rotation_due", "rotation_overdue"
ROTATION_ESCALATED, ROTATION_MANY = "rotation_escalated", "rotation_many"
ROTATION_PERSONAL, ROTATION_OWN = "rotation_personal", "rotation_own"
CAMPAIGN, CAMPAIGN_OVERDUE, CAMPAIGN_OVER = "campaign", "campaign_overdue", "campaign_over"

register(
    Kind(
        REFUSED,
        label="A vendor refuses a credential for the first time",
        title="{subject} was refused",
        sentence="The vendor refused its credential. We look twice more within a quarter of an"
        " hour before we believe it.",
        button="Look at it",
        chat=False,
    ),
    Kind(
        NEEDS_LINK,
        label="A connection needs a new link",
        title="{subject} needs a new link",
        sentence="The vendor does not accept its credential any more. Name, settings and history"
        " stay when you link it again.",
        button="Link again",
        severity=Severity.BROKEN,
        email=True,
    ),
    Kind(
        RECOVERED,
        label="A connection works again",
        title="{subject} works again",
        sentence="The vendor accepts its credential. Nothing needs doing.",
        button="Look at it",
        severity=Severity.NEWS,
        email=True,
    ),
    Kind(
        STOPPED,
        label="Connections have no token any more",
        title="{subject} gives no tokens",
        sentence="The last token has ended, and no new one came. Nobody withdrew anything.",
        button="Look at it",
        severity=Severity.BROKEN,
        email=True,
    ),
    Kind(
        EXPIRES,
        label="A credential expires soon",
        title="{subject} expires soon",
        sentence="Its credential does not renew itself. Make a new one at the vendor and replace it"
        " here before then.",
        button="Replace it",
        email=True,
    ),
    Kind(
        KEY_EXPIRES,
        label="A service key expires soon",
        title="The service key {subject} expires soon",
        sentence="Its service gets no tokens from then on. Make a new key, give it to the service,"
        " and revoke this one; or choose a later day.",
        button="Look at it",
        email=True,
    ),
    Kind(
        ROTATION_DUE,
        label="A credential has to be replaced soon",
        title="Replace the credential of {subject} soon",
        sentence="Your rotation policy asks for a new one. Name, address and history stay.",
        button="Replace it",
        email=True,
    ),
    Kind(
        ROTATION_OVERDUE,
        label="A credential is older than the policy allows",
        title="The credential of {subject} should have been replaced by now",
        sentence="It still works. Make a new one at the vendor and replace it here.",
        button="Replace it",
        severity=Severity.BROKEN,
        email=True,
    ),
    Kind(
        ROTATION_ESCALATED,
        label="A credential is overdue for long",
        title="The credential of {subject} is overdue",
        sentence="Your rotation policy asks owners and admins to see to it: have it replaced, or"
        " except the connection with a reason and an end.",
        button="Look at it",
        severity=Severity.BROKEN,
        email=True,
    ),
    Kind(
        ROTATION_MANY,
        label="Many credentials are older than the policy allows",
        title="Many credentials should have been replaced by now",
        sentence="They still work. Start a campaign, so that each owner knows what to do by when.",
        button="See them",
        severity=Severity.BROKEN,
        email=True,
    ),
    Kind(
        ROTATION_OWN,
        label="Many credentials of yours or of your team come due",
        title="Many credentials come due",
        sentence="Make new ones at the vendor and replace them here. Name, address and history"
        " stay.",
        button="See them",
        email=True,
        chat=False,
    ),
    Kind(
        ROTATION_PERSONAL,
        label="Credentials act as a person against the policy",
        title="Some connections should not act as a person",
        sentence="They stop when that person leaves or loses a right. Link each with a credential"
        " that belongs to nobody, or except it with a reason and an end.",
        button="See them",
        email=True,
    ),
    Kind(
        CAMPAIGN,
        label="A campaign needs you",
        title="{subject} needs you",
        sentence="Some connections that you may mend are part of it.",
        button="See what is left",
        email=True,
    ),
    Kind(
        CAMPAIGN_OVERDUE,
        label="A campaign is overdue",
        title="{subject} is overdue",
        sentence="Some connections that you may mend are part of it.",
        button="See what is left",
        severity=Severity.BROKEN,
        email=True,
    ),
    Kind(
        CAMPAIGN_OVER,
        label="A campaign is over",
        title="{subject} is over",
        sentence="Nothing more is asked of you.",
        button="Look at it",
        severity=Severity.NEWS,
    ),
    Kind(
        ROTATION_FAILED,
        label="An automatic rotation failed",
        title="{subject} could not be rotated",
        sentence="The token in use stays in use. See why, and replace it by hand if it has to be.",
        button="Look at it",
        email=True,
    ),
    Kind(
        WITHDRAW,
        label="An old credential still works at the vendor",
        title="{subject}: withdraw the old credential",
        sentence="It was replaced here and is not used any more. Withdraw it at the vendor, so that"
        " nobody else can use it.",
        button="See where",
        email=True,
    ),
    Kind(
        LEFT_AT_VENDOR,
        label="A token that we made is left at the vendor",
        title="{subject}: withdraw a token that we made",
        sentence="It is not used, and could not be withdrawn. Withdraw it at the vendor.",
        button="Look at it",
        email=True,
    ),
    Kind(
        WAITS,
        label="A checked credential waits to be used",
        title="{subject}: a new credential waits",
        sentence="It was checked and is not in use. Switch to it or leave it; in a week it is"
        " forgotten.",
        button="Decide",
        email=True,
    ),
    Kind(
        DRIFT,
        label="What a vendor allows has changed",
        title="{subject} may do other things than before",
        sentence="The last verification found something else than the one before.",
        button="Look at it",
    ),
    Kind(
        QUARANTINED,
        label="A sync held removals back",
        title="{subject}: much seems to be gone",
        sentence="So much is missing from the last reading that nothing was removed. Agree to it if"
        " it is right, or find out at the vendor why it is missing.",
        button="Look at it",
        severity=Severity.BROKEN,
        email=True,
    ),
    Kind(
        RESTORED,
        label="A restore left a connection behind",
        title="{subject} is held back after a restore",
        sentence="The backup that was restored is older than its credential. Link it again.",
        button="Link again",
        severity=Severity.BROKEN,
        email=True,
        pause=timedelta(minutes=4),  # all of many are told within five
    ),
    Kind(
        STORM,
        label="A vendor is in trouble for hours",
        title="{subject} has been refusing us for hours",
        sentence="Many connections of many organizations fail at the same time, so your grants are"
        " most likely fine. We go on trying; nothing needs linking again.",
        button="See your connections",
        email=True,
    ),
    Kind(
        STORM_OVER,
        label="A vendor is well again",
        title="{subject} answers as usual again",
        sentence="Tokens renew themselves again.",
        button="See your connections",
        severity=Severity.NEWS,
        email=True,
    ),
)
