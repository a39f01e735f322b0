"""The first floor's rows: the life of a connection."""

from connections.models.allow_list import AllowListEntry, AllowState
from connections.models.branch_wish import BranchWish, WishStand
from connections.models.calendar_feed import CalendarFeed
from connections.models.campaign import Campaign, CampaignItem, Goal
from connections.models.code import (
    Branch,
    Build,
    Commit,
    Deployment,
    Group,
    Permission,
    Pipeline,
    PullRequest,
)
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
from connections.models.delivery import Delivery, DeliveryClaim, DeliveryState, HookEndpoint
from connections.models.dirty_target import DirtyTarget
from connections.models.export import Export, ExportPiece, ExportState
from connections.models.held_back import HeldBack, HeldBackBecause
from connections.models.hook import Arrival, Hook, HookPlan, HookStand, HookWanted
from connections.models.import_batch import (
    ImportBatch,
    ImportRow,
    ImportState,
    RowLevel,
    RowOutcome,
)
from connections.models.inbox import (
    DeedKind,
    DeedState,
    DeliveryHour,
    InboxDeed,
    MissedCause,
    MissedEvent,
)
from connections.models.link import (
    BackfillStand,
    Link,
    LinkChoice,
    LinkRepository,
    LinkState,
    Removal,
)
from connections.models.link_request import LinkRequest, RequestKind, RequestState
from connections.models.pending_link import LinkStage, PendingLink
from connections.models.refresh import Breaker, BreakerState, Candidate, RefreshAttempt
from connections.models.relay import (
    RelayAttempt,
    RelayCause,
    RelayItem,
    RelayState,
    SmartDeed,
    SmartState,
)
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
from connections.models.stream_state import (
    HookMode,
    RequestBudget,
    StreamStand,
    StreamState,
    SyncSettings,
)
from connections.models.sync_run import LIVE, RunState, StreamRun, SyncFailure, SyncRun
from connections.models.trail import (
    IdentityKind,
    IdentitySays,
    Inquiry,
    InquiryState,
    Push,
    VendorIdentity,
)
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
    "Arrival",
    "BackfillStand",
    "Branch",
    "BranchWish",
    "Breaker",
    "BreakerState",
    "Build",
    "CalendarFeed",
    "Campaign",
    "CampaignItem",
    "Candidate",
    "Check",
    "CheckOutcome",
    "Commit",
    "ConnectLink",
    "ConnectSending",
    "Connection",
    "ConnectionState",
    "Consumer",
    "Credential",
    "DeedKind",
    "DeedState",
    "Delivery",
    "DeliveryClaim",
    "DeliveryHour",
    "DeliveryState",
    "Deployment",
    "DirtyTarget",
    "Export",
    "ExportPiece",
    "ExportState",
    "Goal",
    "Group",
    "HeldBack",
    "HeldBackBecause",
    "Hook",
    "HookEndpoint",
    "HookMode",
    "HookPlan",
    "HookStand",
    "HookWanted",
    "IdentityKind",
    "IdentitySays",
    "ImportBatch",
    "ImportRow",
    "ImportState",
    "InboxDeed",
    "Inquiry",
    "InquiryState",
    "KeyScope",
    "KeyUse",
    "Lease",
    "LeaseOutcome",
    "Link",
    "LinkChoice",
    "LinkRepository",
    "LinkRequest",
    "LinkStage",
    "LinkState",
    "Member",
    "MissedCause",
    "MissedEvent",
    "Outcome",
    "PendingLink",
    "Permission",
    "Pipeline",
    "Project",
    "PullRequest",
    "Push",
    "RefreshAttempt",
    "RelayAttempt",
    "RelayCause",
    "RelayItem",
    "RelayState",
    "Removal",
    "Replacement",
    "ReplacementBecause",
    "ReplacementStage",
    "Repository",
    "RequestBudget",
    "RequestKind",
    "RequestState",
    "RotationPolicy",
    "RowLevel",
    "RowOutcome",
    "RunState",
    "SendingState",
    "ServiceKey",
    "SmartDeed",
    "SmartState",
    "StreamRun",
    "StreamStand",
    "StreamState",
    "SyncFailure",
    "SyncRun",
    "SyncSettings",
    "UsedEndpoint",
    "VendorIdentity",
    "Verification",
    "WishStand",
    "WithdrawnHow",
    "Workspace",
    "bump",
    "connect_link_expiry",
    "credential_of",
    "worst_of",
]
