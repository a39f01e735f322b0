"""A link that an approval allows: held while it is settled, and used by the first that is made."""

from __future__ import annotations

from django.utils import timezone

from connections.contracts import BASE_URL
from connections.flows import link_inputs as inputs, rights
from connections.models import LinkRequest, PendingLink
from portal.policy import Actor


def hold(actor: Actor, pending: PendingLink) -> None:
    """What allows this one link is locked until the transaction ends, and allows what it makes.

    Raises PermissionDenied when another link has used it meanwhile, FlowProblem for more than it
    names.
    """
    rights.allowed_once(actor, pending.relink, pending.connector, held=True)
    if not pending.connect_link_id:
        inputs.keep_to_approval(actor, pending, pending.capabilities, pending.team_id)


def spend(pending: PendingLink) -> None:
    """What this link was allowed by is used; in the transaction in which the link was made.

    Raises PermissionDenied when nothing allowed it.
    """
    who = Actor("person", pending.user_id, "")
    once = rights.allowed_once(who, pending.relink, pending.connector, held=True)
    host = rights.allowed_host(who, pending.connector, pending.fields.get(BASE_URL, ""))
    used = [each.id for each in (once, host) if each is not None]
    LinkRequest.objects.filter(id__in=used).update(used_at=timezone.now())
    if once is None:
        rights.by_role(who, pending.relink)
