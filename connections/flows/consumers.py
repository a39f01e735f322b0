"""Register, replace and remove OAuth consumers, of an organization or of the platform."""

from __future__ import annotations

from datetime import timedelta

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils import timezone

from connections import lookups, places, registry
from connections.flows import hosts, pace
from connections.flows.problems import FlowProblem
from connections.models import Consumer
from portal import audit, roles, tenancy, vault, work
from portal.policy import Actor, Permission, authorize
from portal.secret import Secret

NAME_TAKEN = "Choose a name that no other consumer has."
WAITS = timedelta(days=1)  # for a worker; then it has to be pasted again


def available(connector: str) -> list[Consumer]:
    """The consumers this organization may link with: its own first, then the platform's."""
    found = Consumer.everywhere.filter(connector=connector, removed_at=None).order_by("name")
    return sorted(found, key=lambda each: each.organization_id == tenancy.PLATFORM)


def create(
    *,
    actor: Actor,
    connector: str,
    name: str,
    client_id: str,
    secret: Secret,
    base_url: str = "",
) -> Consumer:
    """The consumer is registered; a worker seals its secret.

    One of a self-hosted product belongs to its base URL for good: it is sent nowhere else.
    """
    actor = _authorize(actor)
    pace.keep("consumer", actor)
    manifest = registry.get(connector).manifest
    if manifest.oauth is None:
        raise FlowProblem("connector", "connector", "This connector has no OAuth.")
    name = " ".join(name.split())[:80]
    same = Consumer.objects.filter(connector=connector, name__iexact=name, removed_at=None)
    if not name or same.exists():
        raise FlowProblem("name", "name", NAME_TAKEN)
    known_at = (
        ""
        if manifest.self_hosted is None
        else hosts.entered(actor=actor, manifest=manifest, text=base_url)
    )
    consumer = _inserted(connector, name, _key(client_id), known_at)
    _hand_in(consumer, secret)
    where = {"base_url": known_at} if known_at else {}
    audit.record(
        audit.Action.CONSUMER_CREATED,
        actor=actor,
        subject=consumer,
        connector=connector,
        **where,
    )
    return consumer


def _inserted(connector: str, name: str, client_id: str, base_url: str) -> Consumer:
    """The row; when the same form arrives twice at once, the second finds the name taken."""
    try:
        with transaction.atomic(using=roles.current()):
            made: Consumer = Consumer.objects.create(
                connector=connector, name=name, client_id=client_id, base_url=base_url
            )
    except IntegrityError:
        raise FlowProblem("name", "name", NAME_TAKEN) from None
    return made


def replace_secret(*, actor: Actor, consumer: Consumer, client_id: str, secret: Secret) -> None:
    """Key and secret are replaced; connections keep working with the new ones."""
    actor = _authorize(actor)
    pace.keep("consumer", actor)
    if consumer.removed_at is not None:
        raise FlowProblem("removed", "", "This consumer was removed. Register a new one.")
    consumer.client_id = _key(client_id)
    consumer.save(update_fields=["client_id"])
    _hand_in(consumer, secret)
    audit.record(audit.Action.CONSUMER_CHANGED, actor=actor, subject=consumer)


def remove(*, actor: Actor, consumer: Consumer) -> None:
    """Nobody links with it any more. Refused while connections depend on it."""
    actor = _authorize(actor)
    used = lookups.using_consumer(consumer.id)
    if used:
        word = "connection renews its tokens" if used == 1 else "connections renew their tokens"
        raise FlowProblem("in_use", "", f"{used} {word} with it. Revoke or re-link first.")
    consumer.removed_at = timezone.now()
    consumer.save(update_fields=["removed_at"])
    work.later("forget_consumer", consumer_id=consumer.id)
    audit.record(audit.Action.CONSUMER_REMOVED, actor=actor, subject=consumer)


def seal(claim: work.Claim, *, consumer_id: str) -> None:
    """What was handed in is sealed to stay. Runs in a worker."""
    with tenancy.transaction():
        claim.hold()
        consumer = Consumer.objects.get(id=consumer_id)
        try:
            vault.reseal(places.of_consumer(consumer))
        except LookupError:
            return  # an earlier run did it
        secret = vault.open(places.of_consumer(consumer))
        consumer.secret_last_four, consumer.sealed_at = secret.last_four, timezone.now()
        consumer.save(update_fields=["secret_last_four", "sealed_at"])
        claim.done()


def forget(claim: work.Claim, *, consumer_id: str) -> None:
    """A removed consumer's secret is gone. Runs in a worker."""
    with tenancy.transaction():
        for consumer in Consumer.objects.filter(id=consumer_id).exclude(removed_at=None):
            vault.discard(places.of_consumer(consumer))
            vault.forget(places.of_consumer(consumer))


def _authorize(actor: Actor) -> Actor:
    if tenancy.organization_id() != tenancy.PLATFORM:
        return authorize(actor, Permission.CONSUMER_EDIT)
    if actor.kind != "operator":
        raise PermissionDenied("Only an operator edits the platform's consumers.")
    return actor


def _key(client_id: str) -> str:
    client_id = client_id.strip()
    if not client_id or len(client_id) > 200 or not client_id.isprintable():
        raise FlowProblem("client_id", "client_id", "Paste the key from the consumer's page.")
    return client_id


def _hand_in(consumer: Consumer, secret: Secret) -> None:
    if not secret.reveal().strip():
        raise FlowProblem("secret", "secret", "Paste the secret from the consumer's page.")
    vault.take_in(places.of_consumer(consumer), secret, expires_at=timezone.now() + WAITS)
    work.later("seal_consumer", priority=work.WAITING, consumer_id=consumer.id)
