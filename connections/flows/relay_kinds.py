"""What a link may do: its target's rules, the options that are on, and who may run it."""

from __future__ import annotations

from typing import Final

from connections import registry
from connections.contracts import RelayKind, RelayRules, RelayWay
from connections.models import Link
from portal.policy import Actor, Permission, authorize

NO_RULES: Final = RelayRules(ways=())


def may(actor: Actor, link: Link, permission: Permission) -> Actor:
    """The actor as somebody who may do this with both ends of the link; PermissionDenied else."""
    for end in (link.source, link.target):
        actor = authorize(actor, permission, team_id=end.team_id)
    return actor


def runner(actor: Actor, link: Link) -> Actor:
    """The actor as somebody who may pause the link, and have things sent again."""
    return may(actor, link, Permission.RELAY_RUN)


def editor(actor: Actor, link: Link) -> Actor:
    """The actor as somebody who may make, change and remove it."""
    return may(actor, link, Permission.RELAY_EDIT)


def rules_of(link: Link) -> RelayRules:
    """What the link's target takes; nothing where its connector is not installed."""
    connector = registry.connectors().get(link.target.connector)
    rules = connector.manifest.relay if connector is not None else None
    return rules or NO_RULES


def way_of(link: Link) -> RelayWay:
    """The way that the link goes; KeyError where the target has no such way any more."""
    return rules_of(link).way(link.way)


def options_of(link: Link) -> frozenset[str]:
    """The options that are on; one that nobody chose is as the target says."""
    rules = rules_of(link)
    return frozenset(each.key for each in rules.options if link.options.get(each.key, each.default))


def travelling(link: Link) -> frozenset[RelayKind]:
    """The kinds that this link sends: its way's, without those that an option leaves out."""
    rules, on = rules_of(link), options_of(link)
    try:
        way = rules.way(link.way)
    except KeyError:
        return frozenset()
    off = {kind for each in rules.options if each.key not in on for kind in each.kinds}
    return frozenset(way.kinds) - off


def obeys(link: Link) -> bool:
    """Whether we run the commands in commits: wanted, possible, and not done by the target."""
    rules = rules_of(link)
    wanted = rules.commands_option in options_of(link)
    return bool(rules.commands) and wanted and not way_of(link).obeys
