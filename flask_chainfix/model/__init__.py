"""The data that everything else speaks of, frozen and without behaviour of its own."""

from flask_chainfix.model.backups import Backup
from flask_chainfix.model.databases import (
    Databases,
    DatabaseState,
    DatabaseWishes,
    LostRevision,
    Move,
    MoveResult,
    MoveState,
    Standing,
    Trouble,
)
from flask_chainfix.model.environment import LOCK_NAME, Environment, Settings
from flask_chainfix.model.explanations import Explanation
from flask_chainfix.model.files import (
    Edit,
    Header,
    MigrationFile,
    Problem,
    ProblemKind,
    Span,
    Unreadable,
)
from flask_chainfix.model.findings import Finding, Location, Severity
from flask_chainfix.model.gate import ChainLock, Published
from flask_chainfix.model.history import Arrival, History, Landing
from flask_chainfix.model.pieces import Call, Piece, PieceState
from flask_chainfix.model.plans import (
    GUESS,
    Confirmation,
    Mend,
    NewRevision,
    Part,
    Plan,
    Reason,
    Relink,
    Wishes,
)
from flask_chainfix.model.rehearsal import (
    SERVERS,
    FailureKind,
    Rehearsal,
    RehearsalFailure,
    RehearsalStep,
)
from flask_chainfix.model.schema import (
    Action,
    ChainTables,
    Effect,
    Footprint,
    Kind,
    Opaque,
    SchemaObject,
)
from flask_chainfix.model.surroundings import OtherEnvironment, Pointer, Surroundings
from flask_chainfix.model.upstream import PublishedChain, Upstream

__all__ = [
    "GUESS",
    "LOCK_NAME",
    "SERVERS",
    "Action",
    "Arrival",
    "Backup",
    "Call",
    "ChainLock",
    "ChainTables",
    "Confirmation",
    "DatabaseState",
    "DatabaseWishes",
    "Databases",
    "Edit",
    "Effect",
    "Environment",
    "Explanation",
    "FailureKind",
    "Finding",
    "Footprint",
    "Header",
    "History",
    "Kind",
    "Landing",
    "Location",
    "LostRevision",
    "Mend",
    "MigrationFile",
    "Move",
    "MoveResult",
    "MoveState",
    "NewRevision",
    "Opaque",
    "OtherEnvironment",
    "Part",
    "Piece",
    "PieceState",
    "Plan",
    "Pointer",
    "Problem",
    "ProblemKind",
    "Published",
    "PublishedChain",
    "Reason",
    "Rehearsal",
    "RehearsalFailure",
    "RehearsalStep",
    "Relink",
    "SchemaObject",
    "Settings",
    "Severity",
    "Span",
    "Standing",
    "Surroundings",
    "Trouble",
    "Unreadable",
    "Upstream",
    "Wishes",
]
