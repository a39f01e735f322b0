"""The ground floor's rows."""

from portal.models.approval import Approval, ApprovalState
from portal.models.audit import AuditEvent, AuditHead
from portal.models.erasure import Erasure, Tombstone
from portal.models.keys import DataKey, Intake, KeyCheck, SealedValue
from portal.models.notice import (
    Bounce,
    Channel,
    ChatHook,
    Dispatch,
    Notice,
    NoticeSettings,
    Receipt,
    Severity,
)
from portal.models.organization import Invitation, Membership, Organization, Team, TeamMembership
from portal.models.support import SupportLook
from portal.models.user import User
from portal.models.work import Heartbeat, Job, Priority, Schedule, Turn

__all__ = [
    "Approval",
    "ApprovalState",
    "AuditEvent",
    "AuditHead",
    "Bounce",
    "Channel",
    "ChatHook",
    "DataKey",
    "Dispatch",
    "Erasure",
    "Heartbeat",
    "Intake",
    "Invitation",
    "Job",
    "KeyCheck",
    "Membership",
    "Notice",
    "NoticeSettings",
    "Organization",
    "Priority",
    "Receipt",
    "Schedule",
    "SealedValue",
    "Severity",
    "SupportLook",
    "Team",
    "TeamMembership",
    "Tombstone",
    "Turn",
    "User",
]
