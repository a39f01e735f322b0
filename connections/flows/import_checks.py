"""The dry run of a file of connections: every row judged, every secret sealed, nobody asked.

The secrets are sealed for the workers at once; what is kept beside them holds none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from itertools import islice
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models.functions import Lower
from django.utils import timezone

from connections import places, registry
from connections.contracts import Manifest
from connections.flows import consumers, hosts, link_inputs as inputs, pace, policies
from connections.flows.policies import Rule
from connections.flows.problems import FlowProblem
from connections.imports import reading
from connections.imports.columns import Raw
from connections.imports.findings import FileRefused, Finding, Level
from connections.imports.judging import judge
from connections.imports.known import Judged, Known, KnownConsumer
from connections.models import Connection, ImportBatch, ImportRow, RotationPolicy
from portal import audit, clock, intake_many, roles, work
from portal.fields import is_known_token, looks_secret as looks_random, made_once
from portal.models import Team
from portal.policy import Actor, Permission, authorize
from portal.secret import Secret
from portal.vault import Place

Outcome = ImportRow.Outcome

FORGET: Final = "forget_import"
PORTION: Final = 500
DECIDED_WITHIN: Final = timedelta(hours=24)
SEALED_FOR: Final = timedelta(hours=72)  # also while a vendor's budget makes it wait


def check(
    *,
    actor: Actor,
    file_name: str,
    content: bytes,
    team_id: UUID | None,
    replaces: bool,
    key: UUID,
    consumer_id: UUID | None = None,
) -> ImportBatch:
    """The file's rows with what was found, and their secrets sealed for workers.

    The consumer is that of rows which name none. The same form sent again finds the first one
    (abuse case F03). Raises FlowProblem for a file that cannot be read whole; nothing of it is
    kept then.
    """
    actor = authorize(actor, Permission.CONNECTION_IMPORT)
    if (before := _made_before(actor, key)) is not None:
        return before
    pace.keep("import", actor)
    known = _known(actor, team_id, replaces, consumer_id)
    try:
        with transaction.atomic(using=roles.current()):
            opened = reading.opened(content, list(known.manifests.values()))
            batch = _begun(actor, file_name, opened.shape, replaces, key)
            for portion in _portions(opened.rows):
                _keep(batch, portion, known)
            batch.save()
    except FileRefused as refusal:
        raise FlowProblem("file", "file", refusal.message) from None
    except IntegrityError:
        if (before := _made_before(actor, key)) is None:
            raise
        return before
    work.later(FORGET, priority=work.HOUSEKEEPING, run_at=batch.expires_at, batch_id=batch.id)
    audit.record(
        audit.Action.IMPORT_CHECKED,
        actor=actor,
        subject=batch,
        rows=batch.total,
        ready=batch.sound + batch.warned,
        broken=batch.broken,
    )
    return batch


def _made_before(actor: Actor, key: UUID) -> ImportBatch | None:
    found: ImportBatch | None = ImportBatch.objects.filter(id=made_once(actor.id, key)).first()
    return found


def _begun(actor: Actor, file_name: str, shape: str, replaces: bool, key: UUID) -> ImportBatch:
    made: ImportBatch = ImportBatch.objects.create(
        id=made_once(actor.id, key),
        file_name=_file_name(file_name),
        shape=shape,
        user_id=actor.id,
        user_name=actor.name[:200],
        replaces=replaces,
        expires_at=timezone.now() + DECIDED_WITHIN,
    )
    return made


def _file_name(given: str) -> str:
    """The last part of what the browser said, as one line that is fit to be shown."""
    last = re.split(r"[/\\]", given)[-1]
    name = " ".join("".join(c if c.isprintable() else " " for c in last).split())[:120]
    return "a file" if not name or looks_random(name) else name


def _portions(rows: Iterator[Raw]) -> Iterator[list[Raw]]:
    while portion := list(islice(rows, PORTION)):
        yield portion


def _known(actor: Actor, team_id: UUID | None, replaces: bool, consumer_id: UUID | None) -> Known:
    manifests = {slug: each.manifest for slug, each in registry.connectors().items()}
    teams = {name.lower(): key for key, name in Team.objects.values_list("id", "name")}
    if team_id is not None and team_id not in teams.values():
        raise FlowProblem("team", "team", "Choose one of the teams in the list.")
    usable = _consumers(manifests)
    if consumer_id is not None and consumer_id not in {one.id for one in usable}:
        raise FlowProblem("consumer", "consumer", "Choose a registered OAuth consumer.")
    standing = Connection.objects.exclude(state=Connection.State.REVOKED)
    return Known(
        manifests=manifests,
        teams=teams,
        consumers=usable,
        consumer_id=consumer_id,
        default_team=team_id,
        replaces=replaces,
        good_name=inputs.NAME,
        looks_secret=looks_secret,
        is_token=is_known_token,
        base_url=_base_urls(actor),
        now=clock.now(),
        forbids_personal=_forbids_personal(replaces),
        defaults=set(standing.filter(team=None).values_list("connector", flat=True)),
    )


def _forbids_personal(replaces: bool) -> Callable[[str], Level | None]:
    """How the rotation policy stands to what acts as a person: by the name, as nobody knows yet.

    What is replaced in place is found by its account, and its own policy decides then.
    """
    rule, now = Rule(forbids_personal=policies.forbids_personal(None)), clock.now()
    own: dict[str, bool] = {}
    if replaces:
        found = RotationPolicy.objects.exclude(connection=None).select_related("connection")
        own = {
            one.connection.name.lower(): policies.holding(one, rule, now).forbids_personal
            for one in found
            if one.connection
        }
    may_replace = not rule.forbids_personal or not all(own.values())
    worst = Level.WARNING if replaces and may_replace else Level.ERROR
    return lambda name: worst if own.get(name, rule.forbids_personal) else None


def looks_secret(text: str) -> bool:
    """Ids of other programs look random and are none: only an address or a name is random here."""
    return is_known_token(text) or ("@" not in text and "://" not in text and looks_random(text))


def _consumers(manifests: dict[str, Manifest]) -> list[KnownConsumer]:
    return [
        KnownConsumer(
            id=one.id,
            connector=slug,
            names=frozenset({one.name.lower(), one.client_id.lower()}),
            name=one.name,
            base_url=one.base_url,
        )
        for slug, manifest in manifests.items()
        if manifest.oauth is not None
        for one in consumers.available(slug)
    ]


def _base_urls(actor: Actor) -> Callable[[Manifest, str], str]:
    """The canonical form of an address; each one of a file is looked at once."""
    seen: dict[tuple[str, str], str | FlowProblem] = {}

    def canonical(manifest: Manifest, text: str) -> str:
        key = (manifest.slug, text)
        if key not in seen:
            try:
                seen[key] = hosts.entered(
                    actor=actor, manifest=manifest, text=text, counted_as="import_host"
                )
            except FlowProblem as problem:
                seen[key] = problem
        found = seen[key]
        if isinstance(found, FlowProblem):
            raise ValueError(found.message)
        return found

    return canonical


def _keep(batch: ImportBatch, portion: Sequence[Raw], known: Known) -> None:
    names = [" ".join(raw.values.get("name", "").lower().split()) for raw in portion]
    existing = Connection.objects.annotate(lower=Lower("name")).filter(lower__in=names)
    known.taken.update(existing.values_list("lower", flat=True))
    rows: list[ImportRow] = []
    sealed: list[tuple[Place, Secret]] = []
    for raw in portion:
        judged = judge(raw, known)
        row = _row(batch, judged)
        rows.append(row)
        sealed += [
            (places.of_import(row.organization_id, row.id, field), secret)
            for field, secret in judged.secrets.items()
        ]
        _count(batch, judged)
    ImportRow.objects.bulk_create(rows)
    intake_many.take_in_many(sealed, expires_at=batch.created_at + SEALED_FOR)


def _row(batch: ImportBatch, judged: Judged) -> ImportRow:
    refused = not judged.can_be_imported
    return ImportRow(
        organization_id=batch.organization_id,
        batch=batch,
        number=judged.number,
        connector=judged.connector,
        method=judged.method,
        name=judged.name,
        team_id=judged.team_id,
        consumer_id=judged.consumer_id,
        fields=judged.fields,
        capabilities=judged.capabilities,
        labels=judged.labels,
        description=judged.description,
        last_four="" if refused else judged.last_four,
        expires_at=judged.expires_at,
        refreshable=judged.refreshable,
        level=judged.level,
        findings=[finding.stored() for finding in _first(judged.findings)],
        outcome=Outcome.REFUSED if refused else Outcome.WAITING,
        done_at=timezone.now() if refused else None,
    )


def _first(findings: Sequence[Finding]) -> list[Finding]:
    """Errors before warnings, each once."""
    return sorted(dict.fromkeys(findings), key=lambda each: each.level != Level.ERROR)


def _count(batch: ImportBatch, judged: Judged) -> None:
    batch.total += 1
    if not judged.can_be_imported:
        batch.broken += 1
    elif judged.level == Level.WARNING:
        batch.warned += 1
    else:
        batch.sound += 1
