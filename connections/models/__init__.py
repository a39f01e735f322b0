"""The first floor's rows: the life of a connection."""

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
from connections.models.service_key import (
    KeyScope,
    KeyUse,
    Lease,
    LeaseOutcome,
    ServiceKey,
)
from connections.models.sync_run import LIVE, RunState, StreamRun, SyncFailure, SyncRun
from connections.models.verification import Check, CheckOutcome, Outcome, Verification
from connections.models.workspace import Member, Project, Repository, Workspace

__all__ = [
    "AT_WORK",
    "ENDED",
    "LIVE",
    "Breaker",
    "BreakerState",
    "Candidate",
    "Check",
    "CheckOutcome",
    "Connection",
    "ConnectionState",
    "Consumer",
    "Credential",
    "Export",
    "ExportPiece",
    "ExportState",
    "HeldBack",
    "HeldBackBecause",
    "ImportBatch",
    "ImportRow",
    "ImportState",
    "KeyScope",
    "KeyUse",
    "Lease",
    "LeaseOutcome",
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
    "RowLevel",
    "RowOutcome",
    "RunState",
    "ServiceKey",
    "StreamRun",
    "SyncFailure",
    "SyncRun",
    "Verification",
    "WithdrawnHow",
    "Workspace",
    "bump",
    "credential_of",
]
