"""Jira as a target: by which ways things travel there, and each way's requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from connections.contracts import (
    Packing,
    Parcel,
    Reach,
    RelayEvent,
    RelayKind,
    RelayOption,
    RelayRules,
    RelayWay,
    Sent,
)
from integrations.jira import parcels, remote_links, sending
from integrations.jira.issue_keys import PATTERN, keys_of

DEVELOPMENT: Final = "development"
LINKS: Final = "remote-links"
NOTHING: Final[frozenset[int]] = frozenset()
SERVICES: Final = ("devinfo", "builds", "deployments")

ENDPOINTS: Final = (
    *(f"jira/{service}/0.1/cloud/{{site}}/bulk" for service in SERVICES),
    *(f"jira/{service}/0.1/cloud/{{site}}/bulkByProperties" for service in SERVICES),
    "jira/devinfo/0.1/cloud/{site}/existsByProperties",
    "jira/devinfo/0.1/cloud/{site}/repository/{repository}/{kind}/{entity}",
    "jira/builds/0.1/cloud/{site}/pipelines/{pipeline}/builds/{number}",
    "jira/deployments/0.1/cloud/{site}/pipelines/{pipeline}/environments/{environment}/"
    "deployments/{number}",
    "rest/api/3/issue/{issue}/remotelink",
    "rest/api/3/issue/{issue}/comment",
    "rest/api/3/issue/{issue}/worklog",
    "rest/api/3/issue/{issue}/transitions",
)

RULES: Final = RelayRules(
    ways=(
        RelayWay(
            DEVELOPMENT,
            "Development panel",
            "relay-development",
            tuple(RelayKind),
            obeys=True,
        ),
        RelayWay(
            LINKS,
            "Links at the issue",
            "relay-links",
            tuple(RelayKind),
            loses=(
                "Commits, branches, pull requests, builds and deployments appear as plain web "
                "links of the issue, at most twenty issues each: there is no development panel, "
                "no board or release view shows them, JQL cannot find them, workflow triggers do "
                "not act on them, and nobody is notified. For those, link Jira by OAuth "
                "credentials of the site."
            ),
            by_mark=False,
        ),
    ),
    options=(
        RelayOption("commits", "Commits", kinds=(RelayKind.COMMIT,)),
        RelayOption("branches", "Branches", kinds=(RelayKind.BRANCH,)),
        RelayOption(
            "pull_requests",
            "Pull requests and their reviews",
            kinds=(RelayKind.PULL_REQUEST,),
        ),
        RelayOption("builds", "Builds", kinds=(RelayKind.BUILD,)),
        RelayOption("deployments", "Deployments", kinds=(RelayKind.DEPLOYMENT,)),
        RelayOption(
            parcels.COMMANDS,
            "Smart commits",
            "Comments, time and transitions that people write into their commits' messages are "
            "carried out at the issue, each once. Through the development panel Jira does this by "
            "itself, and without it no workflow trigger acts either: Jira has one switch for both. "
            "A back-fill never does it.",
        ),
        RelayOption(
            parcels.QUIET,
            "Keep Jira quiet",
            "Workflow triggers and Jira's own smart commits do not act on what arrives.",
            default=False,
        ),
    ),
    subject="issue",
    subjects="issues",
    pattern=PATTERN,
    batch=2000,
    share=400,  # of one list of a repository in a request
    commands="relay-links",
    commands_option=parcels.COMMANDS,
)


def subjects(event: RelayEvent) -> tuple[str, ...]:
    """The keys that the event names."""
    return keys_of(event)


def pack(
    events: Sequence[RelayEvent],
    *,
    way: str,
    mark: str,
    options: frozenset[str] = frozenset({parcels.COMMANDS}),
    back_fill: bool = False,
) -> Packing:
    """The fewest requests of this way."""
    if way == LINKS:
        return remote_links.pack(events, mark=mark)
    return parcels.pack(events, mark=mark, options=options, back_fill=back_fill)


def send(reach: Reach, parcel: Parcel) -> Sent:
    """The parcel at the destination, and its word on each event."""
    if parcel.path == remote_links.PATH:
        return remote_links.send(reach, parcel)
    return sending.send(reach, parcel)


def erase(reach: Reach, *, way: str, mark: str, known: Sequence[RelayEvent] = ()) -> int:
    """Jira is told to forget; of the development panel everything of the link, or `known` alone."""
    if way == LINKS:
        return remote_links.erase(reach, known, mark)
    if known:
        for event in known:
            taken = parcels.withdrawal(event)
            paths = (taken.path if taken else "", parcels.branch_withdrawal(event, leaves=True))
            for path in filter(None, paths):
                sending.ask(reach, "DELETE", path, None, sending.GONE)
        return 0
    for service in SERVICES:
        path = f"jira/{service}/0.1/cloud/{{site}}/bulkByProperties?{_property(mark)}"
        sending.ask(reach, "DELETE", path, None, NOTHING)
    return 0


def remains(reach: Reach, *, way: str, mark: str, known: Sequence[RelayEvent] = ()) -> bool:
    """Whether something is still there, as far as Jira answers by the mark: it does for development
    information and has no such question for builds and deployments."""
    if way == LINKS:
        return remote_links.remains(reach, known, mark)
    if known:
        return False
    path = f"jira/devinfo/0.1/cloud/{{site}}/existsByProperties?{_property(mark)}"
    answer = sending.ask(reach, "GET", path, None, NOTHING)
    return isinstance(answer.body, dict) and answer.body.get("hasDataMatchingProperties") is True


def _property(mark: str) -> str:
    return f"{parcels.MARK}={quote(mark, safe='')}"
