"""Reads the parts of ALTER TABLE and says what each means; see preflight_effects.py."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from portal.preflight_effects import Effect, Lock, Seen, Verdict, Work, bracketed, parts, words

NAME = r'(?:"?public"?\.)?"?(\w+)"?'
_ALTER = re.compile(rf"ALTER TABLE (?:IF EXISTS )?(?:ONLY )?{NAME} (.*)", re.I | re.S)
_REFERENCES = re.compile(rf"REFERENCES {NAME}", re.I)
# Values that differ from row to row cannot be kept beside the table: every row is written.
_VOLATILE = re.compile(r"random|uuid_generate|clock_timestamp|nextval|SERIAL|STORED", re.I)

OLD_CODE = "the version before"
Read = Callable[[str, re.Match[str], Seen], Effect]


def altered(sql: str, seen: Seen) -> list[Effect] | None:
    """Each part of this ALTER TABLE, or None when one is not known here."""
    found = _ALTER.fullmatch(sql)
    if found is None:
        return None
    table = found[1]
    effects = [_part(table, text, seen) for text in parts(found[2])]
    return None if None in effects else [effect for effect in effects if effect]


def _part(table: str, text: str, seen: Seen) -> Effect | None:
    for pattern, read in _READERS:
        if (found := re.match(pattern, text, re.I | re.S)) is not None:
            return read(table, found, seen)
    return None


def whole(table: str, what: str) -> Effect:
    """Nobody else reads or writes the table until the transaction ends."""
    return Effect(what, ((table, Lock.ACCESS_EXCLUSIVE),))


# ── Columns ───────────────────────────────────────────────────────────────────────────────────


def _add_column(table: str, found: re.Match[str], seen: Seen) -> Effect:
    column, rest = found[1], found[2]
    required = bool(re.search(r"\bNOT NULL\b", rest, re.I))
    filled = bool(re.search(r"\bDEFAULT\b|\bGENERATED\b", rest, re.I))
    seen.columns.add((table, column))
    if required:
        seen.required.add((table, column))
    target = _REFERENCES.search(rest)
    locks = [(table, Lock.ACCESS_EXCLUSIVE)]
    work = Work.REWRITE if _VOLATILE.search(rest) else Work.NONE
    if target:
        locks.append((target[1], Lock.SHARE_ROW_EXCLUSIVE))
        work = work if work is Work.REWRITE else Work.SCAN
    kind = "required" if required else "nullable"
    effect = Effect(f"adds the {kind} column {table}.{column}", tuple(locks), work)
    if required and not filled:
        return effect.judged(Verdict.DANGER, f"{OLD_CODE} does not fill it; give it a db_default")
    return effect


def _drop_default(table: str, found: re.Match[str], seen: Seen) -> Effect:
    key = (table, found[1])
    effect = whole(table, f"takes the default from {table}.{found[1]}")
    if key in seen.columns and key not in seen.required:
        return effect
    return effect.judged(Verdict.DANGER, f"{OLD_CODE} does not fill it; give it a db_default")


def _set_not_null(table: str, found: re.Match[str], seen: Seen) -> Effect:
    effect = Effect(
        f"requires {table}.{found[1]}", ((table, Lock.ACCESS_EXCLUSIVE),), work=Work.SCAN
    )
    return effect.judged(Verdict.DANGER, f"{OLD_CODE} may leave it empty")


def _drop_not_null(table: str, found: re.Match[str], seen: Seen) -> Effect:
    effect = whole(table, f"lets {table}.{found[1]} be empty")
    return effect.judged(Verdict.NOTE, f"{OLD_CODE} may meet an empty one")


def _retype(table: str, found: re.Match[str], seen: Seen) -> Effect:
    """A longer varchar, or text for a varchar, is a note in the catalogue and nothing else."""
    column, kind = found[1], found[2]
    now, then = seen.facts.longest(table, column), re.match(r"varchar\((\d+)\)", kind, re.I)
    grows = now is not None and (
        kind.lower().startswith("text") or bool(then and int(then[1]) >= now)
    )
    if grows:
        return whole(table, f"makes room in {table}.{column}")
    locks = ((table, Lock.ACCESS_EXCLUSIVE),)
    effect = Effect(f"changes the type of {table}.{column}", locks, Work.REWRITE)
    return effect.judged(Verdict.DANGER, f"{OLD_CODE} reads and writes another type")


def _drop_column(table: str, found: re.Match[str], seen: Seen) -> Effect:
    effect = whole(table, f"drops the column {table}.{found[1]}")
    return effect.judged(Verdict.DANGER, f"{OLD_CODE} reads it; drop it one version later")


def _rename(table: str, found: re.Match[str], seen: Seen) -> Effect:
    effect = whole(table, f"renames {table} or a part of it")
    return effect.judged(Verdict.DANGER, f"{OLD_CODE} knows the old name")


# ── Constraints ───────────────────────────────────────────────────────────────────────────────


def _unique(table: str, found: re.Match[str], seen: Seen) -> Effect:
    columns = words(bracketed(found[2]))
    effect = Effect(
        f"makes ({', '.join(columns)}) unique in {table}",
        ((table, Lock.ACCESS_EXCLUSIVE),),
        Work.INDEX,
    )
    return unless_unique_anyway(effect, table, columns, seen)


def unless_unique_anyway(effect: Effect, table: str, columns: list[str], seen: Seen) -> Effect:
    """Dangerous unless old code leaves a column empty, or the primary key is among them."""
    key = seen.facts.primary_key(table)
    if seen.is_new(table, columns) or (key and key <= set(columns)):
        return effect
    return effect.judged(Verdict.DANGER, f"{OLD_CODE} may write the same twice")


def _check(table: str, found: re.Match[str], seen: Seen) -> Effect:
    later = re.search(r"NOT VALID", found[0], re.I)
    effect = Effect(
        f"checks rows of {table} ({found[1]})",
        ((table, Lock.ACCESS_EXCLUSIVE),),
        Work.NONE if later else Work.SCAN,
    )
    if table in seen.tables or seen.all_new(table, re.findall(r'"(\w+)"', found[2])):
        return effect
    return effect.judged(Verdict.DANGER, f"{OLD_CODE} may write what it refuses")


def _foreign_key(table: str, found: re.Match[str], seen: Seen) -> Effect:
    columns, target = words(found[2]), found[3]
    later = re.search(r"NOT VALID", found[0], re.I)
    effect = Effect(
        f"ties {table} ({', '.join(columns)}) to {target}",
        ((table, Lock.SHARE_ROW_EXCLUSIVE), (target, Lock.SHARE_ROW_EXCLUSIVE)),
        Work.NONE if later else Work.SCAN,
    )
    if seen.is_new(table, columns):
        return effect
    return effect.judged(Verdict.DANGER, f"{OLD_CODE} may write what it refuses")


def _validate(table: str, found: re.Match[str], seen: Seen) -> Effect:
    locks = ((table, Lock.SHARE_UPDATE_EXCLUSIVE),)
    return Effect(f"proves {found[1]} of {table}", locks, Work.SCAN)


def _drop_constraint(table: str, found: re.Match[str], seen: Seen) -> Effect:
    effect = whole(table, f"drops the constraint {found[1]} of {table}")
    return effect.judged(Verdict.NOTE, f"{OLD_CODE} may count on it")


# ── Row-level security and the rest ───────────────────────────────────────────────────────────


def _force(table: str, found: re.Match[str], seen: Seen) -> Effect:
    return whole(table, f"holds the owner of {table} to its policies, or for a moment not")


def _enable(table: str, found: re.Match[str], seen: Seen) -> Effect:
    effect = whole(table, f"fences {table} by row-level security")
    return effect.judged(Verdict.DANGER, f"{OLD_CODE} does not name an organization to it")


def _settings(table: str, found: re.Match[str], seen: Seen) -> Effect:
    return Effect(f"changes how {table} is stored", ((table, Lock.SHARE_UPDATE_EXCLUSIVE),))


_COLUMN = r'"?(\w+)"?'
_READERS: tuple[tuple[str, Read], ...] = (
    (r"ADD COLUMN (?:IF NOT EXISTS )?" + _COLUMN + r" (.*)", _add_column),
    (rf"ALTER (?:COLUMN )?{_COLUMN} DROP DEFAULT", _drop_default),
    (rf"ALTER (?:COLUMN )?{_COLUMN} SET NOT NULL", _set_not_null),
    (rf"ALTER (?:COLUMN )?{_COLUMN} DROP NOT NULL", _drop_not_null),
    (rf"ALTER (?:COLUMN )?{_COLUMN} TYPE (.*)", _retype),
    (rf"ALTER (?:COLUMN )?{_COLUMN} SET (?:DEFAULT|STATISTICS|STORAGE)", _settings),
    (rf"DROP COLUMN (?:IF EXISTS )?{_COLUMN}", _drop_column),
    (r"RENAME", _rename),
    (rf"ADD CONSTRAINT {_COLUMN} (UNIQUE.*|PRIMARY KEY.*)", _unique),
    (rf"ADD CONSTRAINT {_COLUMN} CHECK (.*)", _check),
    (
        rf"ADD CONSTRAINT {_COLUMN} FOREIGN KEY \(([^)]*)\) REFERENCES {NAME}.*",
        _foreign_key,
    ),
    (rf"VALIDATE CONSTRAINT {_COLUMN}", _validate),
    (rf"DROP CONSTRAINT (?:IF EXISTS )?{_COLUMN}", _drop_constraint),
    (r"(?:NO )?FORCE ROW LEVEL SECURITY", _force),
    (r"ENABLE ROW LEVEL SECURITY", _enable),
    (r"(?:SET|RESET) \(", _settings),
)


def referenced(sql: str) -> Iterator[str]:
    """The tables that foreign keys in this statement point to."""
    yield from dict.fromkeys(_REFERENCES.findall(sql))
