"""The ground floor's rows."""

from portal.models.audit import AuditEvent, AuditHead
from portal.models.keys import DataKey, Intake, KeyCheck, SealedValue
from portal.models.organization import Invitation, Membership, Organization, Team, TeamMembership
from portal.models.support import SupportLook
from portal.models.user import User
from portal.models.work import Heartbeat, Job

__all__ = [
    "AuditEvent",
    "AuditHead",
    "DataKey",
    "Heartbeat",
    "Intake",
    "Invitation",
    "Job",
    "KeyCheck",
    "Membership",
    "Organization",
    "SealedValue",
    "SupportLook",
    "Team",
    "TeamMembership",
    "User",
]
