"""The record: what was done, by whom, to what, in the same transaction as the deed.

Rows are numbered and chained by SHA-256 within each organization. The chain's head is locked last
in a transaction, so that deeds do not queue behind each other for longer than the insert.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from django.utils import timezone

from portal import context_vars, tenancy
from portal.models import AuditEvent, AuditHead
from portal.policy import Actor

GENESIS = bytes(32)
_CHAINED = (
    "sequence",
    "action",
    "actor_kind",
    "actor_id",
    "actor_name",
    "subject_kind",
    "subject_id",
    "subject_name",
    "details",
    "request_id",
    "address",
)


class Action(StrEnum):
    """What goes on record, named `subject.deed`; the label is what a person reads."""

    label: str

    def __new__(cls, value: str, label: str) -> Action:
        member = str.__new__(cls, value)
        member._value_ = value
        member.label = label
        return member

    ORGANIZATION_CREATED = "organization.created", "created the organization"
    ORGANIZATION_RENAMED = "organization.renamed", "renamed the organization"
    ORGANIZATION_TRANSFERRED = "organization.transferred", "transferred ownership"
    MEMBER_INVITED = "member.invited", "invited"
    INVITATION_REVOKED = "member.invitation_revoked", "revoked the invitation of"
    MEMBER_JOINED = "member.joined", "joined"
    MEMBER_ROLE_CHANGED = "member.role_changed", "changed the role of"
    MEMBER_REMOVED = "member.removed", "removed"
    MEMBER_LEFT = "member.left", "left"
    TEAM_CREATED = "team.created", "created the team"
    TEAM_CHANGED = "team.changed", "changed the team"
    TEAM_REMOVED = "team.removed", "removed the team"
    LINK_BEGUN = "link.begun", "began to link"
    LINK_REFUSED = "link.refused", "could not link"
    CONNECTION_LINKED = "connection.linked", "linked"
    CONNECTION_RELINKED = "connection.relinked", "linked again"
    CONNECTION_ACCOUNT_CHANGED = "connection.account_changed", "moved to another account"
    CONNECTION_EDITED = "connection.edited", "edited"
    CONNECTION_PAUSED = "connection.paused", "paused"
    CONNECTION_RESUMED = "connection.resumed", "resumed"
    CONNECTION_REVOKED = "connection.revoked", "revoked"
    CONNECTION_STATE_CHANGED = "connection.state_changed", "saw a change of state of"
    CONNECTION_HELD_BACK = "connection.held_back", "held back after a restore"
    CONNECTION_ORPHANED = "connection.orphaned", "saw the departure of the owner of"
    WORKSPACES_CHOSEN = "connection.workspaces_chosen", "chose the workspaces of"
    CREDENTIAL_REPLACED = "credential.replaced", "replaced the credential of"
    CREDENTIAL_MADE = "credential.made", "had the vendor make a new token for"
    CREDENTIAL_WENT_BACK = "credential.went_back", "went back to the earlier credential of"
    CREDENTIAL_WITHDRAWN = "credential.withdrawn", "withdrew the earlier credential of"
    CREDENTIAL_END_TOLD = "credential.end_told", "named the end of the credential of"
    REPLACEMENT_BEGUN = "replacement.begun", "began to replace the credential of"
    REPLACEMENT_REFUSED = "replacement.refused", "could not replace the credential of"
    REPLACEMENT_CANCELLED = "replacement.cancelled", "stopped replacing the credential of"
    TOKEN_REFRESHED = "credential.refreshed", "renewed the token of"
    VERIFICATION_REQUESTED = "verification.requested", "asked to verify"
    VERIFICATION_FINISHED = "verification.finished", "verified"
    DRIFT_FOUND = "verification.drifted", "found a change at"
    SYNC_CHOSEN = "sync.chosen", "chose what is synced of"
    SYNC_REQUESTED = "sync.requested", "asked to sync"
    SYNC_FINISHED = "sync.finished", "synced"
    SYNC_CANCELLED = "sync.cancelled", "cancelled the sync of"
    SYNC_QUARANTINED = "sync.quarantined", "held back removals of"
    SYNC_SHRINK_ACCEPTED = "sync.shrink_accepted", "agreed to the removals of"
    HOOK_ENDPOINT_MADE = "hook_endpoint.made", "made the webhook address of"
    HOOK_ENDPOINT_ENABLED = "hook_endpoint.enabled", "switched on the webhook address of"
    HOOK_ENDPOINT_DISABLED = "hook_endpoint.disabled", "switched off the webhook address of"
    HOOK_SECRET_REPLACED = "hook_endpoint.secret_replaced", "replaced the webhook secret of"
    DELIVERIES_REPLAYED = "deliveries.replayed", "had failed deliveries applied again of"
    DELIVERIES_DISCARDED = "deliveries.discarded", "discarded failed deliveries of"
    DELIVERIES_RESTORED = "deliveries.restored", "took back discarded deliveries of"
    DELIVERIES_STOPPED = "deliveries.stopped", "stopped what was being done with"
    DELIVERY_DOWNLOADED = "delivery.downloaded", "downloaded a delivery of"
    TRAIL_ASKED = "trail.asked", "had the vendor asked for a trail of"
    IDENTITY_MAPPED = "identity.mapped", "said which member this is:"
    IDENTITY_NOT_A_PERSON = "identity.not_a_person", "said that this is no person:"
    IDENTITY_TAKEN_BACK = "identity.taken_back", "took back who this is:"
    HOOK_SECRET_ENDED = "hook_endpoint.former_ended", "ended the former webhook secret of"
    HOOKS_CHOSEN = "hooks.chosen", "chose webhooks for"
    HOOKS_STOPPED = "hooks.stopped", "chose polling alone for"
    HOOKS_LOOKED = "hooks.looked", "had the webhooks looked at of"
    HOOKS_REPAIR_ASKED = "hooks.repair_asked", "had the webhooks repaired of"
    HOOKS_CANCELLED = "hooks.cancelled", "stopped the work on the webhooks of"
    HOOKS_TENDED = "hooks.tended", "tended the webhooks of"
    HOOKS_TESTED = "hooks.tested", "had the webhook address tested of"
    RELAY_DRAFTED = "relay.drafted", "drafted the link"
    RELAY_CHANGED = "relay.changed", "changed the link"
    RELAY_DROPPED = "relay.dropped", "dropped the draft of the link"
    RELAY_ACTIVATED = "relay.activated", "activated the link"
    RELAY_PAUSED = "relay.paused", "paused the link"
    RELAY_RESUMED = "relay.resumed", "resumed the link"
    RELAY_ENABLED = "relay.repository_enabled", "let repositories take part in the link"
    RELAY_DISABLED = "relay.repository_disabled", "took repositories out of the link"
    RELAY_JOINED = "relay.repository_joined", "added new repositories to the link"
    RELAY_BACKFILL_STARTED = "relay.backfill_started", "began to send what was before by the link"
    RELAY_BACKFILL_ENDED = "relay.backfill_ended", "sent what was before by the link"
    RELAY_BACKFILL_CANCELLED = "relay.backfill_cancelled", "stopped the back-fill of the link"
    RELAY_REPLAYED = "relay.replayed", "had sent again by the link"
    RELAY_DISCARDED = "relay.discarded", "discarded what failed in the link"
    RELAY_REMOVAL_ASKED = "relay.removal_asked", "began to remove the link"
    RELAY_REMOVED = "relay.removed", "removed the link"
    IMPORT_CHECKED = "import.checked", "checked the file"
    IMPORT_STARTED = "import.started", "began to import"
    IMPORT_FINISHED = "import.finished", "finished importing"
    IMPORT_CANCELLED = "import.cancelled", "cancelled the import of"
    IMPORT_DISCARDED = "import.discarded", "discarded the file"
    IMPORT_UNDONE = "import.undone", "undid the import of"
    CONNECTION_FORGOTTEN = "connection.forgotten", "forgot the imported connection"
    EXPORT_ASKED = "export.asked", "asked for an"
    EXPORT_FINISHED = "export.finished", "finished the"
    EXPORT_DOWNLOADED = "export.downloaded", "downloaded the"
    EXPORT_CANCELLED = "export.cancelled", "cancelled the"
    CONSUMER_CREATED = "consumer.created", "registered the OAuth consumer"
    CONSUMER_CHANGED = "consumer.changed", "changed the OAuth consumer"
    CONSUMER_REMOVED = "consumer.removed", "removed the OAuth consumer"
    CHAT_CHANNEL_ADDED = "chat_channel.added", "added the chat channel"
    CHAT_CHANNEL_REPLACED = "chat_channel.replaced", "replaced the chat channel by"
    CHAT_CHANNEL_RESUMED = "chat_channel.resumed", "switched on again the chat channel"
    CHAT_CHANNEL_REMOVED = "chat_channel.removed", "removed the chat channel"
    APPROVAL_ASKED = "approval.asked", "asked a second person about"
    APPROVAL_GIVEN = "approval.given", "approved"
    APPROVAL_REFUSED = "approval.refused", "refused"
    APPROVAL_WITHDRAWN = "approval.withdrawn", "took back the question about"
    APPROVAL_USED = "approval.used", "used the approval of"
    ALLOW_LIST_ASKED = "allow_list.asked", "asked to list the host"
    ALLOW_LIST_APPROVED = "allow_list.approved", "listed the host"
    ALLOW_LIST_WITHDRAWN = "allow_list.withdrawn", "withdrew the host"
    CONNECT_LINK_SENT = "connect_link.sent", "sent a connect link for"
    CONNECT_LINK_REVOKED = "connect_link.revoked", "revoked the connect link for"
    CONNECT_LINK_OPENED = "connect_link.opened", "opened the connect link for"
    CONNECT_LINK_AGREED = "connect_link.agreed", "agreed to another account for"
    CONNECT_LINK_USED = "connect_link.used", "linked by connect link"
    CONNECT_SENDING_STARTED = "connect_sending.started", "began to send the connect links of"
    CONNECT_SENDING_ENDED = "connect_sending.ended", "ended sending the connect links of"
    CONNECT_SENDING_CANCELLED = "connect_sending.cancelled", "stopped sending the connect links of"
    LINK_REQUESTED = "link_request.asked", "asked for"
    LINK_REQUEST_APPROVED = "link_request.approved", "approved the request for"
    LINK_REQUEST_DECLINED = "link_request.declined", "declined the request for"
    LINK_REQUEST_WITHDRAWN = "link_request.withdrawn", "took back the request for"
    LINK_REQUEST_EXPIRED = "link_request.expired", "let expire the request for"
    SERVICE_KEY_CREATED = "service_key.created", "made the service key"
    SERVICE_KEY_CHANGED = "service_key.changed", "changed the limits of the service key"
    SERVICE_KEY_FROZEN = "service_key.frozen", "froze the service key"
    SERVICE_KEY_THAWED = "service_key.thawed", "let the service key go on"
    SERVICE_KEY_REVOKED = "service_key.revoked", "revoked the service key"
    CAMPAIGN_STARTED = "campaign.started", "started the campaign"
    CAMPAIGN_ITEM_EXCLUDED = "campaign.item_excluded", "excluded a connection from the campaign"
    CAMPAIGN_ITEM_INCLUDED = "campaign.item_included", "took a connection back into the campaign"
    CAMPAIGN_CANCELLED = "campaign.cancelled", "cancelled the campaign"
    CAMPAIGN_ENDED = "campaign.ended", "saw the end of the campaign"
    CAMPAIGN_REOPENED = "campaign.reopened", "opened again the campaign"
    ROTATION_POLICY_CHANGED = "rotation.policy_changed", "changed the rotation policy of"
    ROTATION_EXCEPTED = "rotation.excepted", "made an exception from the rotation policy for"
    ROTATION_EXCEPTION_ENDED = "rotation.exception_ended", "ended the exception of"
    CALENDAR_FEED_MADE = "calendar_feed.made", "made a calendar feed"
    CALENDAR_FEED_REVOKED = "calendar_feed.revoked", "revoked a calendar feed"
    SUPPORT_LOOK_BEGUN = "support.look_begun", "began to look at"
    SUPPORT_LOOKED = "support.looked", "looked at"
    SUPPORT_LOOK_ENDED = "support.look_ended", "stopped looking at"
    ACCESS_REFUSED = "access.refused", "was refused"
    SIGNED_IN = "person.signed_in", "signed in"
    SIGNED_OUT = "person.signed_out", "signed out"
    SIGN_IN_FAILED = "person.sign_in_failed", "failed to sign in"
    SIGNED_UP = "person.signed_up", "signed up"
    PASSWORD_CHANGED = "person.password_changed", "changed the password"
    EMAIL_CHANGED = "person.email_changed", "changed an e-mail address"
    TWO_STEP_CHANGED = "person.two_step_changed", "changed two-step sign-in"
    SESSIONS_ENDED = "person.sessions_ended", "ended the other sessions"
    OPERATOR_CHANGED = "person.operator_changed", "changed the platform role of"
    LEDGERS_CHAINED = "record.ledgers_chained", "took up leases and renewals of"
    JOB_TRIED_AGAIN = "job.tried_again", "tried again the job"
    KEY_STAGED = "key.staged", "staged the key"
    KEY_ACTIVATED = "key.activated", "activated the key"
    KEY_RETIRED = "key.retired", "retired the key"
    KEY_LEAKED = "key.leaked", "declared the leak of the key"
    DATA_KEY_REPLACED = "data_key.replaced", "replaced the data key"
    DATA_KEY_DESTROYED = "data_key.destroyed", "destroyed the data key"
    ERASURE_ASKED = "organization.erasure_asked", "asked to erase the organization"
    ERASURE_CONFIRMED = "organization.erasure_confirmed", "confirmed the erasure of"
    ERASURE_ENDED = "organization.erasure_ended", "took back the erasure of"
    KEYS_DESTROYED = "organization.keys_destroyed", "destroyed the data keys of"
    ORGANIZATION_ERASED = "organization.erased", "erased the organization"
    TOMBSTONES_ADOPTED = "tombstones.adopted", "took up the tombstones that the database knows"
    INPUT_LOOKS_SECRET = "input.looks_secret", "kept a pasted secret out of"


class Subject(Protocol):
    """Anything with an id; its name on record is its text."""

    @property
    def id(self) -> UUID: ...


def record(action: Action, *, actor: Actor, subject: Subject, **details: Any) -> None:
    """Put the deed on the acting organization's record when this transaction ends.

    `details` are JSON values without secrets; ids and times become text.
    """
    event = AuditEvent(
        organization_id=tenancy.organization_id(),
        at=timezone.now(),
        action=action.value,
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_name=actor.name[:200],
        subject_kind=type(subject).__name__.lower(),
        subject_id=subject.id,
        subject_name=str(subject)[:200],
        details=json.loads(json.dumps(details, default=str)),
        request_id=context_vars.request_id.get(),
        address=context_vars.address.get(),
    )
    tenancy.at_end(lambda: _append(event))


def _append(event: AuditEvent) -> None:
    head = _head()
    event.sequence = head.sequence + 1
    event.previous_hash = bytes(head.hash)
    event.hash = chained(event)
    event.save(force_insert=True)
    head.sequence, head.hash = event.sequence, event.hash
    head.save(update_fields=["sequence", "hash"])


def _head() -> AuditHead:
    AuditHead.objects.bulk_create(
        [AuditHead(organization_id=tenancy.organization_id())], ignore_conflicts=True
    )
    found: AuditHead = AuditHead.objects.select_for_update().get()
    return found


def chained(event: AuditEvent) -> bytes:
    """SHA-256 over the previous hash and the row's canonical JSON; `verify` recomputes it."""
    text = json.dumps(row_of(event), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(bytes(event.previous_hash) + text.encode()).digest()


def row_of(event: AuditEvent) -> dict[str, Any]:
    """The row as it is hashed: what an export holds, so that its chain can be checked elsewhere."""
    row = {name: _plain(getattr(event, name)) for name in _CHAINED}
    row["organization"] = str(event.organization_id)
    row["at"] = event.at.astimezone(UTC).isoformat(timespec="microseconds")
    return row


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, UUID | datetime) else value


@dataclass(frozen=True, slots=True)
class Broken:
    """The first row of a chain that does not fit, and why."""

    sequence: int
    reason: str


def verify(*, batch: int = 2000) -> tuple[int, Broken | None]:
    """Walk the acting organization's chain: (rows read, the first row that does not fit or None).

    Call it inside `tenancy.transaction()`.
    """
    previous, expected = GENESIS, 1
    events = AuditEvent.objects.order_by("sequence")
    for event in events.iterator(chunk_size=batch):
        if event.sequence != expected:
            return expected - 1, Broken(expected, "a row is missing or out of order")
        if bytes(event.previous_hash) != previous:
            return expected - 1, Broken(expected, "it does not follow the row before it")
        if chained(event) != bytes(event.hash):
            return expected - 1, Broken(expected, "its content was changed")
        previous, expected = bytes(event.hash), expected + 1
    head = AuditHead.objects.first()
    if head and (head.sequence != expected - 1 or bytes(head.hash) != previous):
        return expected - 1, Broken(expected, "rows at the end are missing")
    return expected - 1, None
