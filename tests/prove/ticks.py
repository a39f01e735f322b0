"""A schedule for the proof of work, whose workers load this module, and nobody else: whoever has a
schedule runs it, and the table that this one writes to is the proof's alone."""

from __future__ import annotations

from portal import work
from tests.prove import deeds


@work.every("proof.tick", deeds.SECONDS)
def tick() -> None:
    deeds.write("INSERT INTO proof_tick DEFAULT VALUES")
