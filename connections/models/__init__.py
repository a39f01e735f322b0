"""The first floor's rows: the life of a connection."""

from connections.models.allow_list import AllowListEntry, AllowState
from connections.models.calendar_feed import CalendarFeed
from connections.models.campaign import Campaign, CampaignItem, Goal
from connections.models.connect_link import ConnectLink, connect_link_expiry
from connections.models.connect_sending import ConnectSending, SendingState
from connections.models.connection import (
    Connection,
    ConnectionState,
    Consumer,
    Credential,
    bump,
    credential_of,
)
from connections.models.export import Export, ExportPiece, ExportState
from connections.models.held_back import HeldBack, HeldBackBecause
from connections.models.import_batch import (
    ImportBatch,
    ImportRow,
    ImportState,
    RowLevel,
    RowOutcome,
)
from connections.models.link_request import LinkRequest, RequestKind, RequestState
from connections.models.pending_link import LinkStage, PendingLink
from connections.models.refresh import Breaker, BreakerState, Candidate, RefreshAttempt
from connections.models.replacement import (
    AT_WORK,
    ENDED,
    Replacement,
    ReplacementBecause,
    ReplacementStage,
    WithdrawnHow,
)
from connections.models.rotation_policy import RotationPolicy
from connections.models.service_key import (
    KeyScope,
    KeyUse,
    Lease,
    LeaseOutcome,
    ServiceKey,
)
from connections.models.sync_run import LIVE, RunState, StreamRun, SyncFailure, SyncRun
from connections.models.used_endpoint import UsedEndpoint
from connections.models.verification import (
    Check,
    CheckOutcome,
    Outcome,
    Verification,
    worst_of,
)
from connections.models.workspace import Member, Project, Repository, Workspace

__all__ = [
    "AT_WORK",
    "ENDED",
    "LIVE",
    "AllowListEntry",
    "AllowState",
    "Breaker",
    "BreakerState",
    "CalendarFeed",
    "Campaign",
    "CampaignItem",
    "Candidate",
    "Check",
    "CheckOutcome",
    "ConnectLink",
    "ConnectSending",
    "Connection",
    "ConnectionState",
    "Consumer",
    "Credential",
    "Export",
    "ExportPiece",
    "ExportState",
    "Goal",
    "HeldBack",
    "HeldBackBecause",
    "ImportBatch",
    "ImportRow",
    "ImportState",
    "KeyScope",
    "KeyUse",
    "Lease",
    "LeaseOutcome",
    "LinkRequest",
    "LinkStage",
    "Member",
    "Outcome",
    "PendingLink",
    "Project",
    "RefreshAttempt",
    "Replacement",
    "ReplacementBecause",
    "ReplacementStage",
    "Repository",
    "RequestKind",
    "RequestState",
    "RotationPolicy",
    "RowLevel",
    "RowOutcome",
    "RunState",
    "SendingState",
    "ServiceKey",
    "StreamRun",
    "SyncFailure",
    "SyncRun",
    "UsedEndpoint",
    "Verification",
    "WithdrawnHow",
    "Workspace",
    "bump",
    "connect_link_expiry",
    "credential_of",
    "worst_of",
]
