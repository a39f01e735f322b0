"""Pushes: new commits, force pushes, branches and tags made and deleted, several in one."""

from __future__ import annotations

from typing import Any, Generic

from integrations.sandbox.code.parts import P, R, U, W
from integrations.sandbox.code.planting import note
from integrations.sandbox.code.records import Tag
from integrations.sandbox.code.stage import Change, Stage

Json = dict[str, Any]
MOST_COMMITS = 500


class Pushing(Generic[W, R, P, U]):
    """`wish` names one change, or several in `changes`; an empty list is an empty push."""

    def __init__(self, stage: Stage[W, R, P, U]) -> None:
        self._stage = stage

    def push(self, place: P, actor: U, wish: Json) -> Json:
        """Move refs as `git push` does, and tell of it. Raises LookupError or ValueError."""
        wishes = wish.get("changes", [wish])
        changes = [self._change(place, actor, each) for each in wishes]
        place.repository.updated_on = self._stage.now()
        self.told(place, actor, changes)
        return {"changes": [described(one) for one in changes]}

    def told(self, place: P, actor: U, changes: list[Change]) -> None:
        """Tell of a push that has happened, and bring open pull requests up to date."""
        self._stage.tell_of_push(place, actor, changes)
        for one in changes:
            if one.kind == "branch" and one.new is not None:
                self._follow(place, actor, one)

    def _change(self, place: P, actor: U, wish: Json) -> Change:
        if "tag" in wish:
            return self._tag(place, actor, wish)
        name = str(wish.get("branch") or place.repository.mainbranch or "main")
        if wish.get("delete"):
            return Change("branch", name, place.contents.branches.pop(name), None)
        return self._branch(place, actor, name, wish)

    def _branch(self, place: P, actor: U, name: str, wish: Json) -> Change:
        """Add commits to a branch, from `from` when it is new, after going back for `force`."""
        contents = place.contents
        old = contents.branches.get(name)
        base = old or self._start(place, wish)
        for _ in range(int(wish.get("force", 0)) if base else 0):
            base = next(iter(contents.commits[str(base)].parents), base)
        tip, (raw, author) = base, self._author(actor, wish)
        for text in messages(wish, default=0 if old is None and base else 1):
            parents = () if tip is None else (tip,)
            tip = contents.commit(
                parents=parents,
                raw=raw,
                author=author,
                message=text,
                date=self._stage.now(),
            ).hash
        if tip is None:
            raise ValueError("an empty repository takes a push with commits")
        contents.branches[name] = tip
        place.repository.mainbranch = place.repository.mainbranch or name
        before = [old] if old else [mark for n, mark in contents.branches.items() if n != name]
        commits = tuple(contents.log([tip], before))
        forced = old is not None and old not in contents.reachable([tip])
        return Change("branch", name, old, tip, commits, forced)

    def _author(self, actor: U, wish: Json) -> tuple[str, str]:
        """Return what git has as the author, and whose address that is: maybe nobody's."""
        if not wish.get("author"):
            return f"{actor.display_name} <{actor.email}>", actor.uuid
        raw = str(wish["author"])
        known = self._stage.user(raw.partition("<")[2].rstrip(">"))
        return raw, known.uuid if known else ""

    def _start(self, place: P, wish: Json) -> str | None:
        """Return where a new branch begins; nowhere in a repository without commits."""
        revision = str(wish.get("from") or place.repository.mainbranch or "")
        found = place.contents.find(revision) if revision else None
        if found is None and wish.get("from"):
            raise LookupError(f"no revision {revision!r}")
        return None if found is None else found.hash

    def _tag(self, place: P, actor: U, wish: Json) -> Change:
        tags, name = place.contents.tags, str(wish["tag"])
        old = tags.get(name)
        if wish.get("delete"):
            gone = tags.pop(name)
            return Change("tag", name, gone.target, None, old_tag=gone)
        target = place.contents.find(str(wish.get("target") or place.repository.mainbranch))
        if target is None:
            raise LookupError(f"no revision {wish.get('target')!r}")
        made = tags[name] = Tag(name, target.hash)
        if wish.get("message"):
            made.message, made.tagger = str(wish["message"]), actor.uuid
            made.date = self._stage.now()
        before = old.target if old else None
        return Change("tag", name, before, target.hash, (), old is not None, old, made)

    def _follow(self, place: P, actor: U, change: Change) -> None:
        """Open pull requests from a branch that moved are updated."""
        for one in place.contents.pull_requests.values():
            if one.state != "OPEN" or one.source != change.name or change.new is None:
                continue
            former, one.source_hash = one.source_hash, change.new
            base = place.contents.branches.get(one.destination, "")
            one.commits = [each.hash for each in place.contents.log([change.new], [base])]
            note(one, "update", actor.uuid, self._stage.now())
            self._stage.reviewed(place)
            self._stage.tell_of_new_commits(place, actor, one, former)


def messages(wish: Json, default: int) -> list[str]:
    """Return the messages of the commits asked for, by their number or as they are."""
    wanted = wish.get("commits", default)
    if isinstance(wanted, list):
        return [str(text) for text in wanted]
    if not 0 <= int(wanted) <= MOST_COMMITS:
        raise ValueError(f"commits is 0 to {MOST_COMMITS}, or their messages")
    return [f"{wish.get('message', 'Change')} {number}\n" for number in range(1, int(wanted) + 1)]


def described(one: Change) -> Json:
    return {
        "ref": one.kind,
        "name": one.name,
        "old": one.old,
        "new": one.new,
        "commits": [commit.hash for commit in one.commits],
        "forced": one.forced,
    }
