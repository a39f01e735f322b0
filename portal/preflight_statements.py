"""Reads a migration's statements and says what each does; see preflight_effects.py.

What is not known here is called dangerous, so that a person looks. A migration may argue: its
attribute `argued` maps a name in the statement to the reason why old code keeps running.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from portal.preflight_effects import Effect, Lock, Seen, Verdict, Work, bracketed, words
from portal.preflight_tables import NAME, OLD_CODE, altered, referenced, unless_unique_anyway, whole

Read = Callable[[str, re.Match[str], Seen], Effect]

_CHANGES = re.compile(
    r"\b(CREATE|ALTER|DROP|GRANT|REVOKE|INSERT|UPDATE|DELETE|TRUNCATE|EXECUTE|PERFORM)\b", re.I
)


def read(sql: str, seen: Seen, argued: Mapping[str, str]) -> list[Effect]:
    """What this statement does, part by part; nothing for a comment or an empty one."""
    text = " ".join(re.sub(r"--[^\n]*", "", sql).split()).rstrip("; ")
    if "CANNOT BE WRITTEN AS SQL" in sql:
        text = "RunPython"
    effects = _effects(text, seen) if text else []
    return [_settled(effect, text, seen, argued) for effect in effects]


def _effects(text: str, seen: Seen) -> list[Effect]:
    found = altered(text, seen)
    if found is not None:
        return found
    for pattern, reader in _READERS:
        if (match := re.match(pattern, text, re.I | re.S)) is not None:
            return [reader(text, match, seen)]
    return [_unread(text)]


def _settled(effect: Effect, text: str, seen: Seen, argued: Mapping[str, str]) -> Effect:
    """A table that the same migrations make is nobody's yet; an argument makes a danger a note."""
    locks = tuple((table, lock) for table, lock in effect.locks if table not in seen.tables)
    if effect.locks and effect.table in seen.tables:
        return Effect(effect.what, locks)
    reason = next((why for name, why in argued.items() if re.search(rf"\b{name}\b", text)), "")
    if effect.verdict is Verdict.DANGER and reason:
        effect = effect.judged(Verdict.NOTE, reason)
    return replace(effect, locks=locks)


def _unread(text: str) -> Effect:
    return Effect(f"“{text[:80]}”", verdict=Verdict.DANGER, why="this command cannot judge it")


# ── Tables and indexes ────────────────────────────────────────────────────────────────────────


def _create_table(text: str, found: re.Match[str], seen: Seen) -> Effect:
    seen.tables.add(found[1])
    targets = ((target, Lock.SHARE_ROW_EXCLUSIVE) for target in referenced(text))
    return Effect(f"makes the table {found[1]}", tuple(targets))


def _create_index(text: str, found: re.Match[str], seen: Seen) -> Effect:
    unique, beside, name, table, rest = found.groups()
    seen.indexes.add(name)
    lock = Lock.SHARE_UPDATE_EXCLUSIVE if beside else Lock.SHARE
    columns = words(bracketed(rest))
    work = Work.SCAN if re.match(r"\s*USING brin", rest, re.I) else Work.INDEX
    effect = Effect(f"builds the index {name} on {table}", ((table, lock),), work)
    if not unique:
        return effect
    return unless_unique_anyway(effect, table, columns, seen)


def _drop_index(text: str, found: re.Match[str], seen: Seen) -> Effect:
    beside, name = found.groups()
    table = seen.facts.table_of_index(name) or ""
    lock = Lock.SHARE_UPDATE_EXCLUSIVE if beside else Lock.ACCESS_EXCLUSIVE
    locks = ((table, lock),) if table else ()
    effect = Effect(f"drops the index {name}", locks)
    return effect.judged(Verdict.NOTE, f"{OLD_CODE} may be slow without it, or count on it")


def _drop(text: str, found: re.Match[str], seen: Seen) -> Effect:
    effect = whole(found[2], f"drops the {found[1].lower()} {found[2]}")
    return effect.judged(Verdict.DANGER, f"{OLD_CODE} uses it; drop it one version later")


# ── Rows ──────────────────────────────────────────────────────────────────────────────────────


def _rows(text: str, found: re.Match[str], seen: Seen) -> Effect:
    locks = ((found[2], Lock.ROW_EXCLUSIVE),)
    effect = Effect(f"changes rows of {found[2]}", locks, Work.ROWS)
    return effect.judged(Verdict.NOTE, "the rows it changes are locked until it is done")


def _insert(text: str, found: re.Match[str], seen: Seen) -> Effect:
    return Effect(f"adds rows to {found[1]}", ((found[1], Lock.ROW_EXCLUSIVE),))


# ── Who may do what ───────────────────────────────────────────────────────────────────────────


def _policy(text: str, found: re.Match[str], seen: Seen) -> Effect:
    name, table = found.groups()
    effect = whole(table, f"adds the policy {name} to {table}")
    if not re.search(r"\bAS RESTRICTIVE\b", text, re.I):
        return effect
    return effect.judged(Verdict.DANGER, f"{OLD_CODE} may be refused by it")


def _other_policy(text: str, found: re.Match[str], seen: Seen) -> Effect:
    effect = whole(found[3], f"{found[1].lower()}s the policy {found[2]} of {found[3]}")
    return effect.judged(Verdict.DANGER, f"{OLD_CODE} may be refused")


def _trigger(text: str, found: re.Match[str], seen: Seen) -> Effect:
    locks = ((found[1], Lock.SHARE_ROW_EXCLUSIVE),)
    effect = Effect(f"adds a trigger to {found[1]}", locks)
    return effect.judged(Verdict.DANGER, f"{OLD_CODE} does not know what it does")


def _revoke(text: str, found: re.Match[str], seen: Seen) -> Effect:
    function = re.search(rf"ON FUNCTION {NAME}", text, re.I)
    if function and function[1] in seen.functions:
        return Effect(f"lets only some call {function[1]}")
    return Effect(
        f"“{text[:80]}”", verdict=Verdict.DANGER, why=f"{OLD_CODE} may need what it takes away"
    )


def _function(text: str, found: re.Match[str], seen: Seen) -> Effect:
    replaces, name = found.groups()
    known = bool(replaces) and name not in seen.functions and seen.facts.has_function(name)
    seen.functions.add(name)
    effect = Effect(f"makes the function {name}")
    return effect.judged(Verdict.NOTE, f"{OLD_CODE} calls it too") if known else effect


def _other_function(text: str, found: re.Match[str], seen: Seen) -> Effect:
    effect = Effect(f"changes the function {found[1]}")
    if found[1] in seen.functions:
        return effect
    return effect.judged(Verdict.DANGER, f"{OLD_CODE} calls it")


def _block(text: str, found: re.Match[str], seen: Seen) -> Effect:
    """An anonymous block that only looks, and perhaps raises, is no danger."""
    return _unread(text) if _CHANGES.search(text) else Effect("asks whether it may begin")


def _harmless(text: str, found: re.Match[str], seen: Seen) -> Effect:
    return Effect(f"“{text[:60]}”")


_READERS: tuple[tuple[str, Read], ...] = (
    (rf"CREATE TABLE (?:IF NOT EXISTS )?{NAME} ", _create_table),
    (
        r"CREATE (UNIQUE )?INDEX (CONCURRENTLY )?(?:IF NOT EXISTS )?"
        rf"{NAME} ON (?:ONLY )?{NAME} ?(.*)",
        _create_index,
    ),
    (rf"DROP INDEX (CONCURRENTLY )?(?:IF EXISTS )?{NAME}", _drop_index),
    (rf"DROP (TABLE|VIEW|SEQUENCE|FUNCTION|TRIGGER|TYPE) (?:IF EXISTS )?{NAME}", _drop),
    (rf"(TRUNCATE) (?:TABLE )?(?:ONLY )?{NAME}", _drop),
    (rf"(UPDATE|DELETE FROM) (?:ONLY )?{NAME}", _rows),
    (rf"INSERT INTO {NAME}", _insert),
    (rf"CREATE POLICY {NAME} ON {NAME}", _policy),
    (rf"(ALTER|DROP) POLICY (?:IF EXISTS )?{NAME} ON {NAME}", _other_policy),
    (rf"CREATE (?:OR REPLACE )?(?:CONSTRAINT )?TRIGGER .*? ON {NAME} .*", _trigger),
    (r"REVOKE ", _revoke),
    (rf"CREATE (OR REPLACE )?FUNCTION {NAME} ?\(", _function),
    (rf"ALTER FUNCTION {NAME}", _other_function),
    (r"DO \$", _block),
    (r"GRANT |COMMENT ON |SET |RESET |CREATE (?:VIEW|TYPE|SEQUENCE|EXTENSION)|ANALYZE", _harmless),
)
