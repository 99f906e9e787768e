"""The data that everything else speaks of, frozen and without behaviour of its own."""

from flask_chainfix.model.environment import Environment, Settings
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
from flask_chainfix.model.history import History, Landing
from flask_chainfix.model.plans import Confirmation, NewRevision, Plan, Reason, Relink
from flask_chainfix.model.schema import Action, Effect, Footprint, Kind, Opaque, SchemaObject

__all__ = [
    "Action",
    "Confirmation",
    "Edit",
    "Effect",
    "Environment",
    "Finding",
    "Footprint",
    "Header",
    "History",
    "Kind",
    "Landing",
    "Location",
    "MigrationFile",
    "NewRevision",
    "Opaque",
    "Plan",
    "Problem",
    "ProblemKind",
    "Reason",
    "Relink",
    "SchemaObject",
    "Settings",
    "Severity",
    "Span",
    "Unreadable",
]
