"""Workers write an export into pieces in the database, and delete it when its time is over.

It is read page by page, each in a transaction of its own: memory stays flat, and a crash begins the
file anew. The record ends where it stood at the beginning.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from django.utils import timezone

from connections import access, places
from connections.archive import packing, sections
from connections.flows.exports import EXPIRE
from connections.models import Credential, Export, ExportPiece
from portal import audit, tenancy, vault_many, work
from portal.keys import IntakeSealer, lp
from portal.models import AuditEvent, AuditHead, Organization, User
from portal.policy import SYSTEM, Actor, Permission, allows, present
from portal.steps import step

State = Export.State
KEPT_FOR: Final = timedelta(hours=24)
NOT_ALLOWED: Final = "not_allowed"
LABEL: Final = "portal/v1/export"
SCRIPTS: Final = ("verify.py", "open_credentials.py")
FOLDER: Final = Path(sections.__file__).parent
README: Final = """An export of an organization.

manifest.json       what is here, with a SHA-256 for each file
*.jsonl             one row a line; ids refer to each other
record.jsonl        the record, chained: python verify.py checks it and every file
credentials.sealed.jsonl, where it is here: python open_credentials.py open KEYFILE
"""


class Stopped(Exception):
    """Somebody cancelled it meanwhile."""


@dataclass(slots=True)
class Writing:
    """One export being written: where it is, and how much of it is there."""

    claim: work.Claim
    export: Export
    number: int = 0
    rows: int = 0
    now: str = ""
    head: dict[str, Any] = field(default_factory=dict)

    def keep(self, piece: bytes) -> None:
        """The piece is a row; raises Stopped when nobody wants it any more."""
        with tenancy.transaction():
            self.still_wanted()
            ExportPiece.objects.create(export_id=self.export.id, number=self.number, content=piece)
            Export.objects.filter(id=self.export.id).update(done=self.rows, now_writing=self.now)
        self.number += 1
        step("export.piece_kept")

    def still_wanted(self) -> None:
        self.claim.hold()
        wanted = Export.objects.filter(id=self.export.id, state=State.RUNNING)
        if not wanted.exists():
            raise Stopped


def perform(claim: work.Claim, *, export_id: str) -> None:
    """The file is there, with its hash, until it expires."""
    writing = _begin(claim, export_id)
    if writing is None:
        return
    pieces = packing.Pieces(writing.keep)
    try:
        _write(writing, packing.begun(pieces))
        sha256 = pieces.finish()
    except Stopped:
        return
    step("export.written")
    with tenancy.transaction():
        writing.still_wanted()
        export = Export.objects.select_for_update().get(id=export_id)
        export.state, export.finished_at = State.READY, timezone.now()
        export.expires_at = export.finished_at + KEPT_FOR
        export.size, export.sha256 = pieces.size, sha256
        export.done = export.total = writing.rows
        export.now_writing = ""
        export.save()
        work.later(
            EXPIRE, priority=work.HOUSEKEEPING, run_at=export.expires_at, export_id=export.id
        )
        audit.record(
            audit.Action.EXPORT_FINISHED,
            actor=SYSTEM,
            subject=export,
            rows=writing.rows,
            bytes=export.size,
            sha256=sha256,
            credentials_sealed_to=export.fingerprint or None,
        )
        claim.done()


def _begin(claim: work.Claim, export_id: str) -> Writing | None:
    """What an earlier try left is deleted; None when nothing is to be written.

    Whoever may not export any more gets nothing: it has failed.
    """
    with tenancy.transaction():
        claim.hold()
        export = Export.objects.select_for_update().get(id=export_id)
        if export.state not in {State.QUEUED, State.RUNNING}:
            return None
        if not _may(export):
            gave_up(NOT_ALLOWED, export_id=export_id)
            return None
        ExportPiece.objects.filter(export_id=export.id).delete()
        head = AuditHead.objects.first()
        export.state, export.started_at = State.RUNNING, export.started_at or timezone.now()
        export.record_sequence = head.sequence if head else 0
        export.save()
        told = {"last_sequence": head.sequence, "last_hash": bytes(head.hash).hex()} if head else {}
        return Writing(claim=claim, export=export, head=told)


def _may(export: Export) -> bool:
    """Whether who asked may still have it; asked again, because time has passed (T19)."""
    user = User.objects.filter(id=export.user_id).first() if export.user_id else None
    actor = present(Actor("person", user.id, str(user))) if user else None
    return actor is not None and allows(actor, Permission.ORGANIZATION_EXPORT)


def gave_up(code: str, *, export_id: str) -> None:
    """The job ended in vain: the page says so. Runs inside the job's transaction."""
    for export in Export.objects.filter(id=export_id, state__in=[State.QUEUED, State.RUNNING]):
        export.state, export.error, export.finished_at = State.FAILED, code[:40], timezone.now()
        export.save(update_fields=["state", "error", "finished_at"])
        ExportPiece.objects.filter(export_id=export.id).delete()


def expire(claim: work.Claim, *, export_id: str) -> None:
    """Nothing of a file that is over is left; who asked for it, and when, stays."""
    with tenancy.transaction():
        claim.hold()
        export = Export.objects.select_for_update().get(id=export_id)
        is_over = export.expires_at is not None and export.expires_at <= timezone.now()
        if export.state == State.READY and is_over:
            export.state = State.EXPIRED
            export.save(update_fields=["state"])
        if export.state in {State.EXPIRED, State.CANCELLED, State.FAILED, State.REFUSED}:
            ExportPiece.objects.filter(export_id=export.id).delete()
        claim.done()


# ── The files ─────────────────────────────────────────────────────────────────────────────────


def _write(writing: Writing, archive: packing.Archive) -> None:
    with tenancy.transaction():
        of = Organization.objects.get(id=tenancy.organization_id())
    about = {"id": str(of.id), "slug": of.slug, "name": of.name}
    archive.text("README.txt", README)
    for name in SCRIPTS:
        archive.text(name, (FOLDER / name).read_text("utf-8"))
    for section in sections.SECTIONS:
        writing.now = section.name
        archive.lines(section.name, _rows(writing, section))
    if writing.export.is_sealed:
        writing.now = "credentials.sealed.jsonl"
        archive.lines(writing.now, _sealed(writing))
    writing.now = "record.jsonl"
    archive.lines(writing.now, _record(writing))
    export = writing.export
    archive.finish(
        {
            "format": "portal-export",
            "version": 1,
            "export": str(export.id),
            "organization": about,
            "made_at": timezone.now().astimezone(UTC).isoformat(),
            "asked_by": export.user_name,
            "credentials_sealed_to": export.fingerprint or None,
            "record": writing.head,
        }
    )


def _rows(writing: Writing, section: sections.Section) -> Iterator[dict[str, Any]]:
    after: UUID | None = None
    while True:
        writing.claim.stay()
        rows = section.portion(after)
        yield from sections.lines(rows)
        writing.rows += len(rows)
        if len(rows) < sections.PORTION:
            return
        after = rows[-1]["id"]


def _record(writing: Writing) -> Iterator[dict[str, Any]]:
    after, last = 0, writing.head.get("last_sequence", 0)
    while after < last:
        writing.claim.stay()
        with tenancy.transaction():
            found = AuditEvent.objects.filter(sequence__gt=after, sequence__lte=last)
            events = list(found.order_by("sequence")[: sections.PORTION])
        for event in events:
            yield {
                "row": audit.row_of(event),
                "hash": bytes(event.hash).hex(),
                "previous": bytes(event.previous_hash).hex(),
            }
        writing.rows += len(events)
        after = events[-1].sequence if events else last


# ── Credentials, sealed to the owner's key ────────────────────────────────────────────────────


def _sealed(writing: Writing) -> Iterator[dict[str, Any]]:
    """Each stored secret of a current credential, sealed to the key that was approved."""
    sealer, after = IntakeSealer(bytes(writing.export.public_key or b"")), None
    while True:
        writing.claim.stay()
        with tenancy.transaction():
            found = Credential.objects.filter(replaced_at=None).order_by("id")
            found = found.filter(id__gt=after) if after else found
            credentials = list(found[: sections.PORTION])
            lines = _lines_of(writing.export, credentials, sealer)
        yield from lines
        writing.rows += len(credentials)
        if len(credentials) < sections.PORTION:
            return
        after = credentials[-1].id


def _lines_of(
    export: Export, credentials: list[Credential], sealer: IntakeSealer
) -> list[dict[str, Any]]:
    wanted = {
        places.of_credential(credential, name): (credential, name)
        for credential in credentials
        for name in _fields_of(credential)
    }
    lines = []
    for place, secret in vault_many.open_many(wanted).items():
        if secret is None:
            continue
        credential, name = wanted[place]
        context = lp(LABEL, export.id, credential.connection_id, credential.id, name)
        sealed = sealer.seal(secret.reveal().encode(), context)
        lines.append(
            {
                "connection_id": str(credential.connection_id),
                "credential_id": str(credential.id),
                "field": name,
                "sealed": base64.b64encode(sealed).decode(),
            }
        )
    return lines


def _fields_of(credential: Credential) -> tuple[str, ...]:
    usable = access.secret_field(credential)
    return (usable, places.REFRESH, places.SECRET) if credential.refreshable else (usable,)
