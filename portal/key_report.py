"""What `manage.py keys status` prints: every key, what lies under it, how far a move has come."""

from __future__ import annotations

from collections.abc import Iterator

from portal import key_advice, key_away, platform


def lines() -> Iterator[str]:
    """One line each, and then what to do next; the same as `/platform/keys/` shows."""
    held, away = platform.keys(), key_away.lines()
    for line in held:
        yield (
            f"{line.domain}/v{line.version}  {line.fingerprint}  {line.stage:<8}"
            f" {line.holders} hold it, {line.users} seal with it,"
            f" {line.data_keys:,} data keys under it"
        )
    yield from map(str, away)
    for one in key_advice.under_way():
        yield f"{one.domain}: {one.done:,} of {one.total:,} data keys wrapped anew"
    yield from key_advice.replaced_so_far(platform.data_keys())
    yield from map(str, key_advice.next_steps(held, away))
