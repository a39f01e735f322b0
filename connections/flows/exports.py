"""Ask for an export, have a second person agree to credentials in it, fetch it, cancel it.

`exporting.py` writes the file. Credentials are in it only when the owner brought a public key, said
that its fingerprint is theirs, and somebody else agreed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from connections.flows import pace
from connections.flows.problems import FlowProblem
from connections.models import Export, ExportPiece
from portal import approvals, audit, roles, tenancy, work
from portal.approvals import ApprovalKind
from portal.fields import made_once
from portal.keys import KEY_BYTES, IntakeSealer, SealBroken
from portal.models import Approval, Organization
from portal.policy import Actor, Permission, authorize
from portal.refused import Impossible

State = Export.State

KIND: Final = "export_credentials"
MAKE: Final = "make_export"
EXPIRE: Final = "expire_export"
_PROBE: Final = b"a key that seals"


def parsed(text: str) -> bytes:
    """The 32 bytes of an X25519 public key in base64; FlowProblem when it is none."""
    try:
        key = base64.b64decode("".join(text.split()), validate=True)
        if len(key) != KEY_BYTES:
            raise ValueError
        IntakeSealer(key).seal(_PROBE, b"")  # refuses points of small order (RFC 7748 §6.1)
    except (binascii.Error, ValueError, SealBroken):
        raise FlowProblem(
            "public_key",
            "public_key",
            "This is no X25519 public key in base64. Paste the line that keygen printed.",
        ) from None
    return key


def fingerprint(key: bytes) -> str:
    """What the owner compares with what stands on their own screen."""
    text = hashlib.sha256(key).hexdigest()[:32]
    return " ".join(text[place : place + 4] for place in range(0, len(text), 4))


def ask(*, actor: Actor, why: str, public_key: str, confirmed: str, key: UUID) -> Export:
    """An export under way; with a public key it waits for a second person first.

    The same form sent again finds the first one (abuse case F03). Raises FlowProblem "confirm" for
    a key whose fingerprint nobody compared yet.
    """
    actor = authorize(actor, Permission.ORGANIZATION_EXPORT)
    sealed_to = parsed(public_key) if public_key.strip() else None
    print_of = fingerprint(sealed_to) if sealed_to else ""
    if sealed_to and confirmed != print_of:
        raise FlowProblem("confirm", "public_key", print_of)
    export_id = made_once(actor.id, key)
    if (before := Export.objects.filter(id=export_id).first()) is not None:
        return before  # type: ignore[no-any-return]
    pace.keep("export", actor)
    try:
        with transaction.atomic(using=roles.current()):
            return _asked(actor, export_id, why, sealed_to)
    except IntegrityError:
        return Export.objects.get(id=export_id)  # type: ignore[no-any-return]
    except Impossible as refusal:
        raise FlowProblem("approval", "", str(refusal)) from None


def _asked(actor: Actor, export_id: UUID, why: str, sealed_to: bytes | None) -> Export:
    made: Export = Export.objects.create(
        id=export_id,
        state=State.ASKED if sealed_to else State.QUEUED,
        user_id=actor.id,
        user_name=actor.name[:200],
        why=why,
        public_key=sealed_to,
        fingerprint=fingerprint(sealed_to) if sealed_to else "",
    )
    audit.record(
        audit.Action.EXPORT_ASKED,
        actor=actor,
        subject=made,
        why=why,
        credentials_sealed_to=made.fingerprint or None,
    )
    if sealed_to:
        approval = approvals.ask(actor=actor, kind=KIND, subject_id=made.id, why=why)
        made.approval_id = approval.id
        made.save(update_fields=["approval_id"])
    else:
        _queue(made)
    return made


def _queue(export: Export) -> None:
    work.later(MAKE, priority=work.FULL, dedupe=f"{MAKE}:{export.id}", export_id=export.id)


def _decided(approval: Approval, actor: Actor) -> None:
    """A second person agreed, and it is written; or did not, and nothing was."""
    export = Export.objects.select_for_update().filter(id=approval.subject_id).first()
    if export is None or export.state != State.ASKED:
        return
    if approval.state == Approval.State.APPROVED:
        approvals.spend(actor=actor, kind=KIND, subject_id=export.id)
        export.state = State.QUEUED
        _queue(export)
    else:
        export.state, export.finished_at = State.REFUSED, timezone.now()
    export.save(update_fields=["state", "finished_at"])


def _name_of(export_id: UUID) -> str:
    return f"The {Export.objects.get(id=export_id)} with its credentials"


def _url_of(export_id: UUID) -> str:
    slug = Organization.objects.get(id=tenancy.organization_id()).slug
    return reverse("exports", args=[slug])


approvals.register(
    ApprovalKind(
        key=KIND,
        title="Export with credentials",
        name_of=_name_of,
        url_of=_url_of,
        permission=Permission.ORGANIZATION_EXPORT,
        on_decided=_decided,
    )
)


def decide(*, actor: Actor, export: Export, yes: bool, why: str) -> None:
    """The second person's answer; raises FlowProblem when it comes too late."""
    actor = authorize(actor, Permission.ORGANIZATION_EXPORT)
    approval = Approval.objects.filter(id=export.approval_id).first()
    if approval is None:
        raise FlowProblem("too_late", "", "Nothing waits for an answer here.")
    try:
        approvals.decide(actor=actor, approval=approval, yes=yes, why=why)
    except Impossible as refusal:
        raise FlowProblem("approval", "", str(refusal)) from None


def cancel(*, actor: Actor, export: Export) -> None:
    """It is not written any further, and what is there of it is deleted."""
    actor = authorize(actor, Permission.ORGANIZATION_EXPORT)
    held = Export.objects.select_for_update().get(id=export.id)
    if held.state in {State.ASKED, State.QUEUED, State.RUNNING, State.READY}:
        approval = Approval.objects.filter(id=held.approval_id, state=Approval.State.ASKED).first()
        if approval is not None:
            approvals.withdraw(actor=actor, approval=approval)
        held.state, held.finished_at = State.CANCELLED, timezone.now()
        held.cancel_requested_at = held.finished_at
        held.save(update_fields=["state", "finished_at", "cancel_requested_at"])
        work.later(EXPIRE, priority=work.WAITING, export_id=held.id)
        audit.record(audit.Action.EXPORT_CANCELLED, actor=actor, subject=held)


def fetch(*, actor: Actor, export: Export) -> Export:
    """The download is on record; the file is given out by `pieces`."""
    actor = authorize(actor, Permission.ORGANIZATION_EXPORT)
    held: Export = Export.objects.select_for_update().get(id=export.id)
    if held.state != State.READY or held.expires_at is None or held.expires_at <= timezone.now():
        raise FlowProblem("gone", "", "This file is not there any more. Ask for a new export.")
    held.downloaded_at = timezone.now()
    held.save(update_fields=["downloaded_at"])
    audit.record(audit.Action.EXPORT_DOWNLOADED, actor=actor, subject=held, sha256=held.sha256)
    return held


def pieces(organization_id: UUID, export_id: UUID) -> Iterator[bytes]:
    """The file, piece by piece; each is read in a transaction of its own, when it is wanted."""
    number = 0
    while True:
        with tenancy.acting_for(organization_id), tenancy.transaction():
            found = ExportPiece.objects.filter(export_id=export_id, number=number)
            content = found.values_list("content", flat=True).first()
        if content is None:
            return
        yield bytes(content)
        number += 1
