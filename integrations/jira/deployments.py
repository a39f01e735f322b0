"""Deployments as Jira takes them: what went to which environment, with its issues and commits."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Any, Final

from connections.contracts import BuildState, DeploymentRecord, RelayEvent
from integrations.jira.builds import number_at
from integrations.jira.entity_ids import composed, entity_id, repository_id
from integrations.jira.issue_keys import keys_of
from integrations.jira.wording import LONGEST_NAME, address, cut, moment, present

MOST_ASSOCIATED: Final = 500  # issues and commits of one deployment together
STATES: Final = {
    BuildState.WAITING: "pending",
    BuildState.RUNNING: "in_progress",
    BuildState.SUCCESSFUL: "successful",
    BuildState.FAILED: "failed",
    BuildState.STOPPED: "cancelled",
    BuildState.UNKNOWN: "unknown",
}
# Atlassian's own app for GitHub tells environments apart by these words, in this order.
ENVIRONMENTS: Final = {
    "development": {"development", "dev", "trunk", "develop"},
    "testing": {
        *("testing", "test", "tests", "tst", "integration", "integ", "intg", "int"),
        *("acceptance", "accept", "acpt", "qa", "qc", "control", "quality", "uat", "sit"),
    },
    "staging": {"staging", "stage", "stg", "sta", "preprod", "model", "internal"},
    "production": {"production", "prod", "prd", "live"},
}
MORE_ENVIRONMENTS: Final = {
    "development": {"local", "sandbox"},
    "staging": {"preproduction", "preview", "demo"},
}


@dataclass(frozen=True, slots=True)
class DeploymentKey:
    """What tells a deployment from all others of ours."""

    pipeline: str
    environment: str
    number: int


def deployment_key(event: RelayEvent) -> DeploymentKey | None:
    """The key of an event's deployment; None when it is gone."""
    record = event.record
    if not isinstance(record, DeploymentRecord):
        return None
    return DeploymentKey(
        pipeline=composed(repository_id(event.repository), "deployments"),
        environment=entity_id(record.environment, LONGEST_NAME),
        number=event.number or number_at(record.started_at, record.remote_id),
    )


def deployment(event: RelayEvent) -> dict[str, Any]:
    """The deployment of an event that has a record and at least one key."""
    record, key = event.record, deployment_key(event)
    if not isinstance(record, DeploymentRecord) or key is None:
        raise TypeError("This is no deployment.")
    home, url = event.repository, address(record.url, event.repository.url)
    return present(
        schemaVersion="1.0",
        deploymentSequenceNumber=key.number,
        updateSequenceNumber=event.sequence,
        displayName=cut(_title(event, record), LONGEST_NAME),
        url=url,
        description=cut(f"{home.full_name or home.name} to {record.environment}", LONGEST_NAME),
        lastUpdated=moment(record.completed_at or record.updated_at or event.at),
        state=STATES[record.state],
        pipeline={
            "id": key.pipeline,
            "displayName": cut(home.full_name or home.name, LONGEST_NAME),
            "url": address(home.url) or url,
        },
        environment={
            "id": key.environment,
            "displayName": cut(record.environment, LONGEST_NAME),
            "type": environment_type(record),
        },
        associations=associations(event),
    )


def associations(event: RelayEvent) -> list[dict[str, Any]]:
    """The issues, and the commits that development information told of, up to the limit."""
    keys = keys_of(event)[:MOST_ASSOCIATED]
    home = repository_id(event.repository)
    commits = [
        {"commitHash": commit.remote_id, "repositoryId": home}
        for commit in event.commits[: MOST_ASSOCIATED - len(keys)]
    ]
    found = [{"associationType": "issueIdOrKeys", "values": list(keys)}]
    return [*found, {"associationType": "commit", "values": commits}] if commits else found


def environment_type(record: DeploymentRecord) -> str:
    """Jira's word for an environment: by the source's own kind, else by the words of its name."""
    for text in (record.environment_kind, record.environment):
        plain = unicodedata.normalize("NFKD", text.lower())
        plain = "".join(each for each in plain if not unicodedata.combining(each))
        words = {*re.split(r"[^a-z0-9]+", plain)}
        if "pre" in words and words & ENVIRONMENTS["production"]:
            return "staging"
        for kind, known in (*ENVIRONMENTS.items(), *MORE_ENVIRONMENTS.items()):
            if words & known:
                return kind
    return "unmapped"


def _title(event: RelayEvent, record: DeploymentRecord) -> str:
    """The first line of what was deployed, as people know it."""
    deployed = next((each for each in event.commits if each.remote_id == record.commit), None)
    commit = deployed or next(iter(event.commits), None)
    line = commit.message.strip().splitlines()[0] if commit and commit.message.strip() else ""
    return line or f"{event.repository.name} to {record.environment}"
