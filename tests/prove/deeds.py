"""A kind of job for the proof of work.

Each run writes that it began, at once, and what it did together with the job's end.
"""

from __future__ import annotations

import time

from portal import roles, tenancy, work

KIND = "proof_deed"
SECONDS = 2  # between two ticks (`ticks.py`)

TABLES = """
CREATE TABLE proof_begun (job uuid, at timestamptz DEFAULT clock_timestamp());
CREATE TABLE proof_done (job uuid, at timestamptz DEFAULT clock_timestamp());
CREATE TABLE proof_tick (at timestamptz DEFAULT clock_timestamp());
GRANT SELECT, INSERT ON proof_begun, proof_done, proof_tick TO portal_worker;
"""


@work.job(KIND)
def deed(claim: work.Claim, *, seconds: str) -> None:
    write("INSERT INTO proof_begun (job) VALUES (%s)", claim.id)
    time.sleep(float(seconds))
    with tenancy.transaction():
        write("INSERT INTO proof_done (job) VALUES (%s)", claim.id)
        claim.done()


def write(statement: str, *values: object) -> None:
    with roles.connection().cursor() as cursor:
        cursor.execute(statement, values)
