"""What people do with pull requests: open, change, approve, object, comment, merge, decline."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, Generic

from integrations.sandbox.code.parts import P, R, U, W
from integrations.sandbox.code.planting import note
from integrations.sandbox.code.pushing import Pushing
from integrations.sandbox.code.records import Comment, Participant, PullRequest
from integrations.sandbox.code.stage import Change, Deed, Stage

Json = dict[str, Any]


class Reviewing(Generic[W, R, P, U]):
    """One method for each deed, which gives the number of the comment it wrote, or 0."""

    def __init__(self, stage: Stage[W, R, P, U], pushing: Pushing[W, R, P, U]) -> None:
        self._stage = stage
        self._pushing = pushing
        self.deeds: dict[str, Callable[[P, U, PullRequest, Json], int]] = {
            "update": self._update,
            "approve": self._approve,
            "unapprove": self._unapprove,
            "request_changes": self._request_changes,
            "withdraw_request": self._withdraw_request,
            "comment": self._comment,
            "merge": self._merge,
            "decline": self._decline,
        }

    def do(self, place: P, actor: U, deed: str, wish: Json) -> PullRequest:
        """Do one thing to the pull request `id`. Raises LookupError or ValueError."""
        if deed == "create":
            return self.create(place, actor, wish)
        if deed not in self.deeds:
            raise ValueError(f"do is create or one of {', '.join(self.deeds)}")
        one = place.contents.pull_requests[int(wish["id"])]
        if one.state != "OPEN" and deed != "comment":
            raise ValueError(f"pull request {one.id} is {one.state}")
        before = deepcopy(one)
        comment = self.deeds[deed](place, actor, one, wish)
        self._stage.reviewed(place)
        told = Deed(deed, self._stage.now(), before, comment)
        self._stage.tell_of_review(place, actor, one, told)
        return one

    def create(self, place: P, actor: U, wish: Json) -> PullRequest:
        """Open a pull request from an existing branch."""
        contents, now = place.contents, self._stage.now()
        source = str(wish["source"])
        destination = str(wish.get("destination") or place.repository.mainbranch)
        tip, base = contents.branches[source], contents.branches[destination]
        made = PullRequest(
            id=max(contents.pull_requests, default=0) + 1,
            title=str(wish.get("title") or source),
            description=str(wish.get("description") or ""),
            state="OPEN",
            draft=bool(wish.get("draft", False)),
            author=actor.uuid,
            source=source,
            source_hash=tip,
            destination=destination,
            destination_hash=base,
            commits=[one.hash for one in contents.log([tip], [base])],
            created_on=now,
            updated_on=now,
            close_source_branch=bool(wish.get("close_source_branch", True)),
        )
        contents.pull_requests[made.id] = made
        self._ask(made, wish)
        note(made, "update", actor.uuid, now)
        self._stage.reviewed(place)
        self._stage.tell_of_review(place, actor, made, Deed("create", now, made))
        return made

    def _ask(self, one: PullRequest, wish: Json) -> None:
        """Set the reviewers, when the wish names any, by anything that finds a person."""
        for name in wish.get("reviewers", ()):
            user = self._stage.user(str(name))
            if user is None:
                raise LookupError(f"no user {name!r}")
            if user.uuid not in one.reviewers:
                one.reviewers.append(user.uuid)
            self._participant(one, user.uuid).role = "REVIEWER"

    def _participant(self, one: PullRequest, user: str) -> Participant:
        found = next((each for each in one.participants if each.user == user), None)
        if found is None:
            found = Participant(user, "REVIEWER" if user in one.reviewers else "PARTICIPANT")
            one.participants.append(found)
        return found

    def _update(self, place: P, actor: U, one: PullRequest, wish: Json) -> int:
        one.title = str(wish.get("title") or one.title)
        one.description = str(wish.get("description", one.description))
        one.draft = bool(wish.get("draft", one.draft))
        self._ask(one, wish)
        note(one, "update", actor.uuid, self._stage.now())
        return 0

    def _approve(self, place: P, actor: U, one: PullRequest, wish: Json) -> int:
        return self._say(one, actor, "approved")

    def _unapprove(self, place: P, actor: U, one: PullRequest, wish: Json) -> int:
        return self._say(one, actor, None)

    def _request_changes(self, place: P, actor: U, one: PullRequest, wish: Json) -> int:
        return self._say(one, actor, "changes_requested")

    def _withdraw_request(self, place: P, actor: U, one: PullRequest, wish: Json) -> int:
        return self._say(one, actor, None)

    def _say(self, one: PullRequest, actor: U, state: str | None) -> int:
        """Write down somebody's verdict. Whether it moves `updated_on` is a switch."""
        date, before = self._stage.now(), one.updated_on
        seen = self._participant(one, actor.uuid)
        gone = {"approved": "approval", "changes_requested": "changes_requested"}
        if state is None:
            kept = [a for a in one.activity if a.user != actor.uuid or a.kind not in gone.values()]
            one.activity[:] = kept
            one.updated_on = date
        else:
            note(one, gone[state], actor.uuid, date)
        seen.state, seen.approved, seen.participated_on = state, state == "approved", date
        if not self._stage.reviews_move_pull_request:
            one.updated_on = before
        return 0

    def _comment(self, place: P, actor: U, one: PullRequest, wish: Json) -> int:
        date = self._stage.now()
        place.contents.comments += 1
        number = place.contents.comments
        text = str(wish.get("text") or "A remark.")
        one.comments.append(Comment(number, actor.uuid, text, date, date))
        self._participant(one, actor.uuid).participated_on = date
        before = one.updated_on
        note(one, "comment", actor.uuid, date, comment=number)
        if not self._stage.comments_move_pull_request:
            one.updated_on = before
        return number

    def _merge(self, place: P, actor: U, one: PullRequest, wish: Json) -> int:
        """Merge with a commit, close the source branch where so wished, and push both."""
        contents, now = place.contents, self._stage.now()
        base = contents.branches[one.destination]
        merged = contents.commit(
            parents=(base, one.source_hash),
            raw=f"{actor.display_name} <{actor.email}>",
            author=actor.uuid,
            message=f"Merged in {one.source} (pull request #{one.id})\n\n{one.title}\n",
            date=now,
        )
        contents.branches[one.destination] = merged.hash
        one.state, one.merge_commit, one.destination_hash = "MERGED", merged.hash, base
        one.closed_by, one.draft = actor.uuid, False
        note(one, "update", actor.uuid, now)
        commits = tuple(contents.log([merged.hash], [base]))
        changes = [Change("branch", one.destination, base, merged.hash, commits)]
        if one.close_source_branch and one.source in contents.branches:
            gone = contents.branches.pop(one.source)
            changes.append(Change("branch", one.source, gone, None))
        place.repository.updated_on = now
        self._pushing.told(place, actor, changes)
        return 0

    def _decline(self, place: P, actor: U, one: PullRequest, wish: Json) -> int:
        one.state, one.closed_by = "DECLINED", actor.uuid
        one.reason = str(wish.get("reason") or "")
        note(one, "update", actor.uuid, self._stage.now())
        return 0
