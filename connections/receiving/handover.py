"""How a worker takes an organization's inbox over, so that nothing is left lying.

A delivery asks for a job unless one waits already. So whoever begins the job first gives its name
back: what arrives from then on asks for a job of its own. Deliveries hold a shared lock while they
are being stored; this waits for them, and finds them afterwards.
"""

from __future__ import annotations

from typing import Final

from portal import roles, tenancy
from portal.models import Job
from portal.work import Claim

KIND: Final = "apply_deliveries"
LOCK: Final = 1751084915  # as in the migration that made `connections_receive`


def take(claim: Claim) -> None:
    """Whatever was stored so far is seen by the transactions after this one; workers only.

    Call it first in the job, outside of transactions. Raises LeaseLost.
    """
    with tenancy.transaction():
        with roles.connection().cursor() as cursor:
            here = str(tenancy.organization_id())
            cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [LOCK, here])
        claim.hold()  # after the lock: who stores waits for a change of this row, and we for them
        Job.objects.filter(id=claim.id).update(dedupe=None)
