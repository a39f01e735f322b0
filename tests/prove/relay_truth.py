"""What Bitbucket has, and whether Jira has each of it once: in order, and of the right people."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from connections.models import Link
from tests.connections.jira_line import backwards, sequences
from tests.prove import relay_scene
from tests.prove.relay_scene import Linked
from tests.prove.relay_stream import Stream
from tests.prove.stage import Stage

KEY = re.compile(r"(?:^|[^A-Z0-9])([A-Z][A-Z0-9]+-[1-9]\d*)(?![A-Z0-9])")
BUILDS = {"SUCCESSFUL": "successful", "FAILED": "failed", "INPROGRESS": "in_progress"}
PEOPLE = {"dana": "alice@acme.example", "tomas": "tomas@acme.example"}


@dataclass
class Compared:
    """What was looked for of each kind, and what was not as it should be."""

    way: str
    looked: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    backwards: list[str] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    received: int = 0

    @property
    def has_builds(self) -> bool:
        return self.looked["builds"] > 0 and self.looked["deployments"] > 0

    def same(self, what: str, fact: str, found: Any, wanted: Any) -> None:
        if found != wanted:
            self.wrong.append(f"{what}: {fact} is {found} and not {wanted}")


@dataclass(frozen=True)
class Wanted:
    """One thing as Jira should have it. What `may` be there is not missed."""

    kind: str
    home: str
    name: str
    issues: frozenset[str]
    facts: dict[str, Any] = field(default_factory=dict)
    may: bool = False


def compared(stage: Stage, link: Link, stream: Stream) -> Compared:
    site = link.destination.slug
    truth = stage.vendor.ask(f"/atlassian/truth?site={site}")
    one = Compared(link.way, dead=relay_scene.dead(stage, link))
    wanted = [each for home in stream.homes for each in of_home(stream, home.slug, truth["issues"])]
    if link.way == "development":
        one.backwards = [" ".join(key) for key in backwards(truth)]
        one.received = sum(map(len, sequences(truth).values()))
        at_panel(one, wanted, truth["providers"]["acme-site"], str(link.id))
    else:
        shown = links_of(stage, site, truth["issues"])
        one.received = sum(shown.values())
        at_issues(one, wanted, shown)
    one.wrong += [f"dead: {each}" for each in one.dead]
    return one


# ── What should be there ──────────────────────────────────────────────────────────────────────


def of_home(stream: Stream, slug: str, issues: Any) -> list[Wanted]:
    """All of a repository that came about since the links are active."""
    now, before = stream.truth(slug), stream.before[slug]
    home = now["repository"]["uuid"].strip("{}").lower()
    known = {one["hash"] for one in before["commits"]}
    messages = {one["hash"]: one["message"] for one in now["commits"]}

    def at(*texts: str) -> frozenset[str]:
        named = {key for text in texts for key in KEY.findall(text.upper())}
        return frozenset(named & issues.keys())

    found = [
        Wanted("commits", home, one["hash"], at(one["message"]), {"email": who(one["raw"])})
        for one in now["commits"]
        if one["hash"] not in known
    ]
    for name, target in now["branches"].items():
        if name not in before["branches"]:
            titles = [p["title"] for p in now["pull_requests"] if p["source"] == name]
            found.append(Wanted("branches", home, name, at(name, *titles), {"target": target}))
    old = {one["id"] for one in before["pull_requests"]}
    for one in now["pull_requests"]:
        if one["id"] not in old:
            facts = {
                "title": one["title"],
                "status": one["state"],
                "approved": {stream.names[p["user"]] for p in one["participants"] if p["approved"]},
                "by": stream.names[one["author"]],
            }
            keys = at(one["title"], one["source"])
            found.append(Wanted("pullRequests", home, str(one["id"]), keys, facts))
    found += machines(now, before, home, messages, at)
    return found


def machines(now: Any, before: Any, home: str, messages: dict[str, str], at: Any) -> list[Wanted]:
    """Builds and deployments; of commits that no branch reaches they may have stayed away."""
    found = []
    old = {(one["commit"], one["key"]) for one in before["statuses"]}
    for one in now["statuses"]:
        if (one["commit"], one["key"]) not in old and one["key"] == "ci":
            text = messages.get(one["commit"], "")
            found.append(
                Wanted(
                    "builds", home, one["url"], at(text), {"state": BUILDS[one["state"]]}, not text
                )
            )
    runs = {one["uuid"]: one for one in now["pipelines"]}
    for one in now["pipelines"][len(before["pipelines"]) :]:
        text = messages.get(one["commit"], "")
        state = BUILDS.get(one["result"], "in_progress")
        keys = at(one["ref_name"], text)
        found.append(
            Wanted("builds", home, str(one["build_number"]), keys, {"state": state}, not text)
        )
    for one in now["deployments"][len(before["deployments"]) :]:
        text = messages.get(one["commit"], "")
        number = str(runs[one["pipeline"]]["build_number"])
        found.append(
            Wanted("deployments", home, number, at(text), {"state": "successful"}, not text)
        )
    return found


def who(raw: str) -> str:
    """The address that a commit's author has here."""
    address = raw.partition("<")[2].rstrip(">")
    return PEOPLE.get(address.partition("@")[0], address)


# ── The development panel ─────────────────────────────────────────────────────────────────────


def at_panel(one: Compared, wanted: list[Wanted], provider: Any, mark: str) -> None:
    held = shelves(provider, mark)
    for each in wanted:
        rows = held.pop((each.kind, each.home, each.name), [])
        one.looked[each.kind] += bool(each.issues)
        if not rows:
            if each.issues and not each.may:
                one.wrong.append(f"{each.kind} {each.name} is missing")
            continue
        if not each.issues and each.kind in ("commits", "branches", "pullRequests"):
            one.wrong.append(f"{each.kind} {each.name} should not be there")
        if len(rows) > 1:
            one.wrong.append(f"{each.kind} {each.name} is there {len(rows)} times")
        right(one, each, rows[0])
    gone = [key for key in held if key[0] in ("branches", "pullRequests", "deployments")]
    one.wrong += [f"{' '.join(key)} is there and nobody knows why" for key in gone]


def right(one: Compared, each: Wanted, row: Any) -> None:
    """Its latest state, at its issues, by its people."""
    body, facts, what = row["body"], each.facts, f"{each.kind} {each.name}"
    if not each.may:
        found = frozenset(row["issues"])
        is_right = found == each.issues or (
            each.kind in ("builds", "deployments") and found >= each.issues
        )
        if not is_right:
            one.wrong.append(f"{what} at {sorted(found)} and not at {sorted(each.issues)}")
    if "email" in facts:
        one.same(what, "author", body["author"].get("email"), facts["email"])
    if "target" in facts:
        one.same(what, "head", body["lastCommit"]["id"], facts["target"])
    if "state" in facts:
        one.same(what, "state", body["state"], facts["state"])
    if "title" in facts:
        one.same(what, "title", body["title"], facts["title"])
        one.same(what, "status", body["status"], facts["status"])
        said = {p["name"] for p in body.get("reviewers", ()) if p["approvalStatus"] == "APPROVED"}
        one.same(what, "approved", said, facts["approved"])
        one.same(what, "author", body["author"]["name"], facts["by"])


def shelves(provider: Any, mark: str) -> dict[tuple[str, str, str], list[Any]]:
    """What bears this link's mark, by kind, repository and name."""
    found: dict[tuple[str, str, str], list[Any]] = {}
    for home, repository in provider["repositories"].items():
        if repository["properties"].get("portalLink") != mark:
            continue
        for kind in ("commits", "branches", "pullRequests"):
            for key, row in repository[kind].items():
                name = row["body"]["name"] if kind == "branches" else key
                found.setdefault((kind, home, name), []).append(row)
    for row in provider["builds"]:
        body, home = row["body"], row["body"]["pipelineId"]
        is_run = home.endswith(".pipelines")
        name = str(body["buildNumber"]) if is_run else body["url"]
        found.setdefault(("builds", home.rpartition(".")[0], name), []).append(row)
    for row in provider["deployments"]:
        body = row["body"]
        home, name = body["pipeline"]["id"], str(body["deploymentSequenceNumber"])
        found.setdefault(("deployments", home.rpartition(".")[0], name), []).append(row)
    return found


# ── Links at issues ───────────────────────────────────────────────────────────────────────────

KINDS = {"commits": "commit", "branches": "branch", "pullRequests": "pull_request"}


def links_of(stage: Stage, site: str, issues: Any) -> Counter[tuple[str, str, str, str]]:
    """How often each thing hangs at each issue: issue, kind, repository, name."""
    found: Counter[tuple[str, str, str, str]] = Counter()
    for issue in issues:
        shown = stage.vendor.ask(f"/atlassian/panel?site={site}&issue={issue}")
        for one in shown["remoteLinks"]:
            parts = {k: v[-1] for k, v in parse_qs(one["globalId"]).items()}
            (kind,) = parts.keys() - {"system", "link", "repository"}
            found[issue, kind, parts["repository"], parts[kind].removeprefix("branch:")] += 1
    return found


def at_issues(
    one: Compared, wanted: list[Wanted], shown: Counter[tuple[str, str, str, str]]
) -> None:
    for each in wanted:
        kind = KINDS.get(each.kind)
        one.looked[each.kind] += bool(each.issues)
        if kind is None:
            continue
        at = {key[0] for key in shown if key[1:] == (kind, each.home, each.name)}
        one.same(each.kind, each.name, sorted(at), sorted(each.issues))
    one.wrong += [f"{' '.join(key)} is there {n} times" for key, n in shown.items() if n > 1]
    for kind in ("builds", "deployments"):
        things = {key[2:] for key in shown if key[1] == kind.removesuffix("s")}
        least = {(each.home, each.name) for each in wanted
                 if each.kind == kind and each.issues and not each.may}  # fmt: skip
        if len(things) < len(least):
            one.wrong.append(f"{len(things)} {kind} hang at issues, of {len(least)} at least")


# ── The end ───────────────────────────────────────────────────────────────────────────────────


def left(stage: Stage, linked: Linked) -> list[str]:
    """What is still there of ours, and what is gone of others'."""
    found = []
    provider = stage.vendor.ask("/atlassian/truth?site=acme")["providers"]["acme-site"]
    for home, one in provider["repositories"].items():
        if home != "another":
            found.append(f"repository {home} {one['properties']}")
    if "f" * 40 not in provider["repositories"].get("another", {}).get("commits", {}):
        found.append("a commit of another link is gone")
    found += [f"a build {row['body']['url']}" for row in provider["builds"]]
    found += [f"a deployment {row['body']['url']}" for row in provider["deployments"]]
    truth = stage.vendor.ask("/atlassian/truth?site=fjord")
    return found + [f"{n} links at {issue}" for issue, n in truth["links"].items()]
