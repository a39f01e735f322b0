"""Smart commits as Jira runs them by itself when development information arrives.

Written after Atlassian's description and not after the portal, so that the two can be compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from integrations.sandbox.atlassian.world import Account
from integrations.sandbox.jira.render import moment
from integrations.sandbox.jira.world import Issue, JiraSite, Transition

Json = dict[str, Any]
ONE = r"(?<![&=?>^!~/\-])\b[A-Z][A-Z0-9]+-[0-9]+\b"
RUN = re.compile(rf"{ONE}(?:,?\s*{ONE})*")
KEY = re.compile(ONE)
WORD = re.compile(r"(?:^|\s)#([A-Za-z][A-Za-z-]*)")
TIME = re.compile(r"(?:\d+(?:\.\d+)?[wdhm]\s*)+")
PART = re.compile(r"(\d+(?:\.\d+)?)([wdhm])")
SECONDS = {"w": 5 * 8 * 3600, "d": 8 * 3600, "h": 3600, "m": 60}


def orders(message: str) -> Iterator[tuple[str, str, str]]:
    """Yield the issue, the word and the text of each command."""
    for line in message.splitlines():
        runs = list(RUN.finditer(line))
        for run, following in zip(runs, [*runs[1:], None], strict=False):
            text = line[run.end() : following.start() if following else len(line)]
            pieces = WORD.split(text)[1:]
            for word, argument in zip(pieces[::2], pieces[1::2], strict=True):
                for key in KEY.findall(run[0]):
                    yield key, word, argument.strip()


@dataclass(frozen=True, slots=True)
class Smart:
    """What runs the commands of commits at one site; `people` are its members."""

    site: JiraSite
    people: Iterable[Account]

    def run(self, commit: Json, now: float) -> list[str]:
        """Return a line for each command: what was done, or why it was not."""
        asked = list(orders(commit["message"]))
        author = self._author(commit["author"]) if asked else None
        if asked and author is None:
            email = commit["author"].get("email", "")
            return [f"Can't find JIRA user with given author email: {email}"]
        return [self._one(author, *each, now) for each in asked if author is not None]

    def _author(self, raw: Json) -> Account | None:
        email = str(raw.get("email", "")).lower()
        found = [each for each in self.people if email and each.email.lower() == email]
        if len(found) > 1:
            found = [each for each in found if each.name == raw.get("name")]
        return found[0] if len(found) == 1 else None

    def _one(self, author: Account, key: str, word: str, text: str, now: float) -> str:
        issue = self.site.issue(key)
        if issue is None:
            return f"Issue has not been found :{key}"
        signed = {
            "id": self.site.next_id(),
            "author": {"accountId": author.account_id, "displayName": author.name},
            "created": moment(now),
            "updated": moment(now),
        }
        if word.lower() == "comment":
            issue.comments.append({**signed, "body": document(text)})
            return f"{key} comment"
        if word.lower() == "time":
            return self._log(issue, signed, text)
        done = self._move(issue, author, word, now)
        if done and text:
            issue.comments.append({**signed, "body": document(text)})
        return done or f"{key} {word}: not exactly one transition fits"

    def _log(self, issue: Issue, signed: Json, text: str) -> str:
        found = TIME.search(text)
        if found is None:
            return f"{issue.key} time: no time"
        seconds = int(sum(float(n) * SECONDS[unit] for n, unit in PART.findall(found[0])))
        issue.seconds_spent += seconds
        kept = {"timeSpent": found[0].strip(), "timeSpentSeconds": seconds, "issueId": issue.id}
        issue.worklogs.append({**signed, **kept, "comment": document(TIME.sub("", text).strip())})
        return f"{issue.key} time"

    def _move(self, issue: Issue, author: Account, word: str, now: float) -> str:
        """Return what was done; nothing where not exactly one transition fits."""
        meant = matching(word, issue.project.workflow.open_to(issue.status, admin=False))
        if len(meant) != 1:
            return ""
        (step,) = meant
        issue.history.append(
            {"by": author.account_id, "name": step.name, "since": issue.status, "to": step.to,
             "at": moment(now)}
        )  # fmt: skip
        issue.status = step.to
        return f"{issue.key} {step.name}"


def matching(word: str, steps: list[Transition]) -> list[Transition]:
    word = word.lower()
    same = [step for step in steps if step.name.lower() == word]
    begun = [step for step in steps if step.name.lower().startswith(word)]
    spaced = [step for step in steps if step.name.lower().startswith(word.replace("-", " "))]
    return same[:1] or begun or spaced


def document(text: str) -> Json:
    content = [{"type": "text", "text": text}] if text else []
    return {"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": content}]}
