"""The network allow-list: one operator asks, another one approves, either of them withdraws.

An entry lifts what is not public, for one host and inside the networks it names (trust.md §8.1).
What may never be dialled can never be listed, and the portal's own places neither.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any
from uuid import UUID

from django.urls import reverse
from django.utils import timezone

from connections import addresses, authorities, lookups, own_places
from connections.addresses import Network
from connections.errors import Blocked
from connections.flows.problems import FlowProblem
from connections.hostnames import Host, bracketed, canonical
from connections.models import AllowListEntry, AllowState
from portal import approvals, audit, tenancy
from portal.audit import Action
from portal.models import Approval, ApprovalState
from portal.policy import Actor
from portal.refused import Impossible

KIND = "allow_list.entry"
MOST_NETWORKS = 16
MOST_PORTS = 8
NEVER = (
    "It holds addresses that are never dialled: loopback, link-local, metadata or multicast."
    " Name the networks of this host alone."
)
OWN = "It holds an address of the portal itself. Name the networks of this host alone."
State = AllowState


@dataclass(frozen=True, slots=True)
class Touched:
    """One organization whose connections go through an entry."""

    id: UUID
    slug: str
    name: str
    live: int


@dataclass(frozen=True, slots=True)
class Terms:
    """What an entry permits, checked and in one spelling."""

    host: str
    networks: tuple[str, ...]
    ports: tuple[int, ...]
    http: bool
    ca_pem: str


def _name_of(entry_id: UUID) -> str:
    return str(AllowListEntry.objects.get(id=entry_id))


def _url_of(entry_id: UUID) -> str:
    return reverse("platform_network_entry", args=[entry_id])


def _decided(approval: Approval, actor: Actor) -> None:
    """The second operator's word is on the entry; what it replaces is over."""
    entry = AllowListEntry.objects.select_for_update().get(id=approval.subject_id)
    if entry.state != State.ASKED:
        raise Impossible(approvals.OVER)
    if approval.state == ApprovalState.REFUSED:
        _end(entry, actor, State.REFUSED)
        return
    for older in replaced_by(entry):
        _end(older, actor, State.WITHDRAWN)
        audit.record(Action.ALLOW_LIST_WITHDRAWN, actor=actor, subject=older, replaced_by=entry.id)
    entry.state, entry.approved_at = State.APPROVED, timezone.now()
    entry.approved_by_name = actor.name[:200]
    entry.save(update_fields=["state", "approved_at", "approved_by_name"])
    audit.record(Action.ALLOW_LIST_APPROVED, actor=actor, subject=entry, **terms_told(entry))


approvals.register(
    approvals.ApprovalKind(
        KIND,
        title="A host for the network allow-list",
        name_of=_name_of,
        url_of=_url_of,
        on_decided=_decided,
    )
)


def ask(
    *,
    actor: Actor,
    host: str,
    networks: Sequence[str],
    ports: Sequence[int],
    http: bool,
    ca_pem: str,
    organizations: Sequence[UUID],
    why: str,
) -> AllowListEntry:
    """The entry waits for another operator. Raises FlowProblem naming the field that is wrong."""
    actor = approvals.operator(actor)
    terms = checked(host=host, networks=networks, ports=ports, http=http, ca_pem=ca_pem)
    with tenancy.transaction():
        _asking(lambda: approvals.require_askable(actor=actor, kind=KIND, why=why))
        _refuse_twice(terms.host, organizations)
        entry: AllowListEntry = AllowListEntry.objects.create(
            host=terms.host,
            networks=list(terms.networks),
            ports=list(terms.ports),
            http=terms.http,
            ca_pem=terms.ca_pem,
            organizations=sorted(set(organizations), key=str),
            why=" ".join(why.split())[:500],
            asked_by_name=actor.name[:200],
        )
        audit.record(Action.ALLOW_LIST_ASKED, actor=actor, subject=entry, **terms_told(entry))
        approvals.ask(actor=actor, kind=KIND, subject_id=entry.id, why=why)
    return entry


def ask_again(*, actor: Actor, entry: AllowListEntry) -> None:
    """A question that nobody answered in time is put once more."""
    actor = approvals.operator(actor)
    if entry.state != State.ASKED:
        raise FlowProblem("over", "", approvals.OVER)
    _asking(
        lambda: approvals.ask(actor=actor, kind=KIND, subject_id=entry.id, why=entry.why),
    )


def withdraw(*, actor: Actor, entry: AllowListEntry) -> None:
    """The host is not listed any more; calls to it are refused from now on. One operator does."""
    actor = approvals.operator(actor)
    with tenancy.transaction():
        held = AllowListEntry.objects.select_for_update().get(id=entry.id)
        if held.state not in {State.ASKED, State.APPROVED}:
            raise FlowProblem("over", "", "This entry is over already.")
        approval = approvals.latest(KIND, held.id)
        if approval is not None and approval.state == ApprovalState.ASKED:
            approvals.withdraw(actor=actor, approval=approval)
        _end(held, actor, State.WITHDRAWN)
        audit.record(Action.ALLOW_LIST_WITHDRAWN, actor=actor, subject=held, **terms_told(held))


def touched(actor: Actor, entry: AllowListEntry) -> list[Touched]:
    """The organizations whose live connections dial this host by this entry, with how many."""
    if actor.id is None:
        return []
    rows = [Touched(*row) for row in lookups.at_host(actor.id, bracketed(entry.host))]
    return [row for row in rows if not entry.organizations or row.id in entry.organizations]


def replaced_by(entry: AllowListEntry) -> list[AllowListEntry]:
    """The entries in force that this one takes the place of: same host, same organizations."""
    same = AllowListEntry.objects.filter(host=entry.host, state=State.APPROVED)
    return list(same.filter(organizations=entry.organizations).exclude(id=entry.id))


def checked(
    *, host: str, networks: Sequence[str], ports: Sequence[int], http: bool, ca_pem: str
) -> Terms:
    """The terms in canonical spelling; FlowProblem for what cannot be listed."""
    known = _host(host)
    ranges = _networks(networks)
    if known.literal and not addresses.is_within(known.name, ranges):
        raise FlowProblem("networks", "networks", f"Name the network that holds {known.name}.")
    if http and not ranges:
        raise FlowProblem(
            "networks", "networks", "Name the networks: without TLS nothing may leave them."
        )
    try:
        pem = authorities.bundle(ca_pem, now=timezone.now())
    except authorities.NotAuthorities as wrong:
        raise FlowProblem("ca_pem", "ca_pem", str(wrong)) from None
    return Terms(known.name, tuple(map(str, ranges)), _ports(ports), http, pem)


def terms_told(entry: AllowListEntry) -> dict[str, Any]:
    """The terms for the record; of a CA its fingerprint."""
    return {
        "networks": entry.networks,
        "ports": entry.ports,
        "http": entry.http,
        "ca": [each.fingerprint for each in authorities.told(entry.ca_pem)],
        "organizations": entry.organizations,
        "why": entry.why,
    }


def _host(text: str) -> Host:
    try:
        host = canonical(_unbracketed(text.strip()))
    except Blocked:
        raise FlowProblem(
            "host", "host", "Give a host name or an address, without https:// and without a port."
        ) from None
    if host.name in own_places.hosts():
        raise FlowProblem("host", "host", "This is the portal itself. It cannot be listed.")
    if host.literal and addresses.is_hard(ip_network(host.name)):
        raise FlowProblem("host", "host", "This address is never dialled, whoever lists it.")
    if host.name == "localhost" or host.name.endswith(".localhost"):
        raise FlowProblem("host", "host", "This name is loopback. It is never dialled.")
    return host


def _unbracketed(text: str) -> str:
    """An IPv6 address as the parser wants it: in brackets."""
    return f"[{text}]" if text.count(":") > 1 and not text.startswith("[") else text


def _networks(texts: Sequence[str]) -> tuple[Network, ...]:
    found = tuple(dict.fromkeys(_network(text) for text in texts if text.strip()))
    if len(found) > MOST_NETWORKS:
        raise FlowProblem("networks", "networks", f"Name at most {MOST_NETWORKS} networks.")
    return found


def _network(text: str) -> Network:
    try:
        network = ip_network(text.strip())
    except ValueError:
        raise FlowProblem(
            "networks", "networks", f"{text.strip()[:43]} is no network. Write it as 10.20.0.0/16."
        ) from None
    if addresses.is_hard(network):
        raise FlowProblem("networks", "networks", f"{network} cannot be listed. {NEVER}")
    if any(_lies_in(own, network) for own in own_places.addresses()):
        raise FlowProblem("networks", "networks", f"{network} cannot be listed. {OWN}")
    return network


def _lies_in(text: str, network: Network) -> bool:
    address = ip_address(text)
    return address.version == network.version and address in network


def _ports(given: Sequence[int]) -> tuple[int, ...]:
    ports = tuple(sorted(set(given)))
    if not ports or len(ports) > MOST_PORTS or not all(0 < port < 65536 for port in ports):
        raise FlowProblem("ports", "ports", f"Name one to {MOST_PORTS} ports, such as 443.")
    return ports


def _refuse_twice(host: str, organizations: Sequence[UUID]) -> None:
    wanted = set(organizations)
    for other in AllowListEntry.objects.filter(host=host, state=State.ASKED):
        if not wanted or not other.organizations or wanted & set(other.organizations):
            raise FlowProblem(
                "host", "host", "This host waits for a second operator already. Look at that entry."
            )


def _asking(deed: Callable[[], object]) -> None:
    try:
        deed()
    except Impossible as problem:
        field = "why" if str(problem) == approvals.NO_WHY else ""
        raise FlowProblem("second_person", field, str(problem)) from None


def _end(entry: AllowListEntry, actor: Actor, state: AllowState) -> None:
    entry.state, entry.ended_at, entry.ended_by_name = state, timezone.now(), actor.name[:200]
    entry.save(update_fields=["state", "ended_at", "ended_by_name"])
