"""Whether something brings the same to a link's target already: people are warned before it begins.

A worker reads the hooks that hang at the source's containers; the target's connector knows which
of them lead to it. Other links of the organization are found in our own rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from uuid import UUID

from connections import registry
from connections.budgets import Purpose
from connections.contracts import Container, FindsDoubles, HookRecord, ManagesHooks
from connections.errors import RateLimited, VendorError
from connections.flows import fetching, relay_kinds
from connections.flows.asking import Asking
from connections.flows.chains import container_of, workspace_record
from connections.flows.keep import Place
from connections.models import Link, LinkRepository, LinkState, Repository, Workspace
from portal import clock, phrases, tenancy, work
from portal.policy import Actor

JOB: Final = "look_for_doubles"
MOST_PLACES: Final = 5  # workspaces, and repositories, whose hooks are read
MOST_PAGES: Final = 3
NOT_TOLD: Final = "not_told"  # the source has no hooks that could be read
NOT_LIVE: Final = "not_live"


def ask(*, actor: Actor, link: Link) -> None:
    """A worker looks; what was found before stands until then."""
    relay_kinds.editor(actor, link)
    work.later(JOB, priority=work.WAITING, dedupe=f"{JOB}:{link.id}", link_id=link.id)


def of(link: Link) -> list[str]:
    """Sentences about what brings the same there, as far as it is known now."""
    return [*_own(link), *(link.doubles or ())]


def _own(link: Link) -> Iterator[str]:
    """Links whose repositories are the same at the vendor, by whichever connection."""
    live = Link.objects.filter(destination__remote_id=link.destination.remote_id)
    live = live.exclude(id=link.id).exclude(state__in=(LinkState.DRAFT, LinkState.REMOVED))
    mine = LinkRepository.objects.filter(link_id=link.id, enabled=True)
    ids = mine.values("repository__remote_id")
    for other in live.filter(target__connector=link.target.connector).order_by("created_at"):
        theirs = LinkRepository.objects.filter(link_id=other.id, enabled=True)
        same = theirs.filter(
            repository__remote_id__in=ids, repository__connection__connector=link.source.connector
        ).count()
        if same:
            what = phrases.plural(same, "repository,repositories")
            yield f"The link {other} sends {what} of these there already."


# ── The worker's look ─────────────────────────────────────────────────────────────────────────


def perform(claim: work.Claim, *, link_id: str) -> None:
    """The link says what was found, or why nobody could look."""
    with tenancy.transaction():
        claim.hold()
        rows = Link.objects.select_related("source", "target", "destination")
        link: Link | None = rows.filter(id=UUID(link_id)).first()
        if link is None:
            return
        places = _places(link)
    source = registry.connectors().get(link.source.connector)
    target = registry.connectors().get(link.target.connector)
    if not isinstance(source, ManagesHooks) or not isinstance(target, FindsDoubles):
        _keep(claim, link, [], NOT_TOLD)
        return
    asking = fetching.opened(link.source_id, Purpose.WAITING)
    if asking is None:
        _keep(claim, link, [], NOT_LIVE)
        return
    try:
        _keep(claim, link, list(_found(link, source, target, asking, places)), "")
    except RateLimited as error:
        raise work.RetryLater(error.code, seconds=asking.rest(error), free=True) from error
    except VendorError as error:
        if error.retry and claim.job.attempts < claim.job.max_attempts:
            raise
        _keep(claim, link, [], error.code)
    finally:
        asking.close()


def gave_up(code: str, *, link_id: str) -> None:
    """Whoever waits reads why nobody could look."""
    Link.objects.filter(id=link_id).update(
        doubles=[], doubles_error=code[:40], doubles_at=clock.now()
    )


def _found(
    link: Link,
    source: ManagesHooks,
    target: FindsDoubles,
    asking: Asking,
    places: list[tuple[str, Container]],
) -> Iterator[str]:
    destination = workspace_record(link.destination)
    for name, container in places:
        hooks = list(_hooks(source, asking, container))
        for hook in target.doubles(destination, hooks):
            called = f"“{hook.title[:80]}”" if hook.title else "of the vendor's own"
            yield f"A webhook {called} at {name[:120]} brings the same there already."


def _hooks(source: ManagesHooks, asking: Asking, container: Container) -> Iterator[HookRecord]:
    checkpoint: str | None = None
    for _ in range(MOST_PAGES):
        page = source.hooks(asking.api(), container, asking.connection.fields, checkpoint)
        yield from (each for each in page.records if isinstance(each, HookRecord))
        checkpoint = page.checkpoint
        if checkpoint is None:
            return


def _places(link: Link) -> list[tuple[str, Container]]:
    """The first few containers that take part: where a vendor's own link would hang."""
    here = Repository.objects.filter(links__link_id=link.id, links__enabled=True, gone_at=None)
    spaces = Workspace.objects.filter(id__in=here.values("workspace_id")).order_by("name")
    found = [(one.name, container_of(Place(one, None))) for one in spaces[:MOST_PLACES]]
    rows = here.select_related("workspace").order_by("full_name")[:MOST_PLACES]
    return found + [(one.full_name, container_of(Place(one.workspace, one))) for one in rows]


def _keep(claim: work.Claim, link: Link, found: list[str], error: str) -> None:
    with tenancy.transaction():
        claim.hold()
        Link.objects.filter(id=link.id).update(
            doubles=list(dict.fromkeys(found)), doubles_error=error[:40], doubles_at=clock.now()
        )
