"""POST …/devinfo/…/bulk: the request is checked whole, then each entity for itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from integrations.sandbox.atlassian.errors import development
from integrations.sandbox.jira import rules
from integrations.sandbox.jira.checks import (
    has_both,
    subjects,
    wrong,
    wrong_properties,
    wrong_subjects,
)
from integrations.sandbox.jira.development import (
    KINDS,
    Development,
    Entity,
    Provider,
    Repository,
    replaces,
)
from integrations.sandbox.jira.smart import Smart
from integrations.sandbox.jira.triggers import fire
from integrations.sandbox.jira.world import JiraSite

Json = dict[str, Any]
MOST_REPOSITORIES, MOST_OF_A_KIND, MOST_ENTITIES = 100, 400, 1000
LONGEST_MESSAGE, MOST_FILES = 1024, 10
TOO_LARGE = "Data is too large. Submit fewer devinfo entities in each payload."
BOTH = "issueKeys and associations are mutually exclusive, please specify only one of them"


@dataclass(slots=True)
class Outcome:
    """What a bulk answer says."""

    accepted: dict[str, Json] = field(default_factory=dict)
    failed: dict[str, Json] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    def body(self, *, tells_unknown: bool) -> Json:
        return {
            "acceptedDevinfoEntities": self.accepted,
            "failedDevinfoEntities": self.failed,
            "unknownIssueKeys": list(dict.fromkeys(self.unknown)) if tells_unknown else [],
            "unknownAssociations": [],
        }


def check_request(body: Json) -> list[Json]:
    """Return the repositories of a request. Raises ApiError 400 or 413."""
    repositories = body.get("repositories")
    if not isinstance(repositories, list) or not repositories:
        raise development(400, "No repositories or development information entities were provided")
    if not all(isinstance(each, dict) and each.get("id") for each in repositories):
        raise development(400, "'id' of each repository is required")
    if len(repositories) > MOST_REPOSITORIES:
        raise development(400, f"No more than {MOST_REPOSITORIES} repositories may be submitted")
    said = wrong_properties(body.get("properties"))
    if said:
        raise development(400, said)
    if body.get("operationType", "NORMAL") not in {"NORMAL", "BACKFILL"}:
        raise development(400, "'operationType' must be one of NORMAL, BACKFILL")
    ids = [each["id"] for each in repositories]
    if len(set(ids)) < len(ids):
        raise development(400, "Repositories must not contain duplicates")
    for repository in repositories:
        check_lists(repository)
    if count(repositories) > MOST_ENTITIES:
        raise development(413, TOO_LARGE)
    return repositories


def check_lists(repository: Json) -> None:
    for kind in KINDS:
        found = repository.get(kind) or []
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise development(400, f"'{kind}' is invalid")
        if len(found) > MOST_OF_A_KIND:
            raise development(400, f"'{kind}' must not contain more than {MOST_OF_A_KIND} entities")
        ids = [str(each.get("id")) for each in found]
        if len(set(ids)) < len(ids):
            raise development(400, f"'{kind}' must not contain duplicate entity ids")
        if any(map(has_both, found)):
            raise development(400, BOTH)


def count(repositories: list[Json]) -> int:
    return sum(len(each.get(kind) or ()) for each in repositories for kind in KINDS)


@dataclass(frozen=True, slots=True)
class Submission:
    """One accepted request of a provider at a site."""

    site: JiraSite
    data: Development
    provider: Provider
    smart: Smart
    body: Json
    apply_seconds: float
    now: float

    def run(self) -> Outcome:
        outcome = Outcome()
        for repository in self.body["repositories"]:
            self._take(repository, outcome)
        return outcome

    def _take(self, repository: Json, outcome: Outcome) -> None:
        identifier = str(repository["id"])
        said = wrong(repository, rules.REPOSITORY)
        if said:
            outcome.failed[identifier] = {"errorMessages": messages(said)}
            return
        self._later(partial(self._store_repository, identifier, repository))
        accepted: Json = {kind: [] for kind in KINDS}
        failed: Json = {kind: [] for kind in KINDS}
        for kind in KINDS:
            for entity in repository.get(kind) or ():
                said = wrong_entity(kind, entity)
                if said:
                    failed[kind].append({"id": entity.get("id"), "errorMessages": messages(said)})
                    continue
                accepted[kind].append(entity["id"])
                issues = self._issues(entity, outcome)
                self._later(partial(self._store, identifier, kind, entity, issues))
        outcome.accepted[identifier] = accepted
        if any(failed.values()):
            outcome.failed[identifier] = {"errorMessages": [], **failed}

    def _issues(self, entity: Json, outcome: Outcome) -> list[str]:
        """Return the ids of the issues that an entity names, and note the unknown keys."""
        found = []
        for key in subjects(entity):
            issue = self.site.issue(key)
            if issue is None:
                outcome.unknown.append(key)
            else:
                found.append(issue.id)
        return list(dict.fromkeys(found))

    def _later(self, deed: Callable[[], None]) -> None:
        self.data.later(self.apply_seconds, deed)

    def _store_repository(self, identifier: str, repository: Json) -> None:
        old = self.provider.repositories.get(identifier)
        body = {name: value for name, value in repository.items() if name not in KINDS}
        sequence = repository["updateSequenceId"]
        if old is None:
            old = self.provider.repositories[identifier] = Repository(body, sequence)
        elif replaces(old, sequence):
            old.body, old.sequence = body, sequence
        old.properties |= {k: str(v) for k, v in (self.body.get("properties") or {}).items()}

    def _store(self, identifier: str, kind: str, entity: Json, issues: list[str]) -> None:
        """Store an entity unless a newer one is there; a new one that has no issue is not kept."""
        repository = self.provider.repositories.get(identifier)
        if repository is None:
            return
        held = repository.entities[kind]
        old, sequence = held.get(entity["id"]), entity["updateSequenceId"]
        if not replaces(old, sequence) or (old is None and not issues):
            return
        body = dict(entity)
        if kind == "commits":
            body["message"] = body["message"][:LONGEST_MESSAGE]
        held[entity["id"]] = Entity(body, sequence, issues, self.data.next_order())
        before = old.body if old else None
        fire(self.data, self.smart, self.body, kind, before, body, self.now)


def wrong_entity(kind: str, entity: Json) -> list[str]:
    """Return what is wrong with an entity and with what lies inside it."""
    found = wrong(entity, rules.KINDS[kind]) + wrong_subjects(entity)
    if found:
        return found
    if kind == "branches":
        last = entity["lastCommit"]
        found += [f"lastCommit: {each}" for each in wrong_commit(last)]
        if "issueKeys" not in last and "associations" not in last:
            found.append("lastCommit: 'issueKeys' is required")
        return found + [f"lastCommit: {each}" for each in wrong_subjects(last)]
    if kind == "commits":
        return wrong_commit(entity)
    for reviewer in entity.get("reviewers") or ():
        found += wrong(reviewer, rules.REVIEWER)
    return found + wrong(entity["author"], rules.AUTHOR)


def wrong_commit(commit: Json) -> list[str]:
    found = wrong(commit, rules.COMMIT)
    if found:
        return found
    files = commit.get("files") or ()
    if len(files) > MOST_FILES:
        found.append(f"'files' must not contain more than {MOST_FILES} entries")
    for one in files:
        found += wrong(one, rules.FILE)
    if not set(commit.get("flags") or ()) <= {"MERGE_COMMIT"}:
        found.append("'flags' must be one of MERGE_COMMIT")
    return found + wrong(commit["author"], rules.AUTHOR)


def messages(said: list[str]) -> list[Json]:
    return [{"message": each} for each in said]
