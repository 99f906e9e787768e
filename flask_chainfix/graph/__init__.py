"""Immutable questions to a chain of revisions."""

from flask_chainfix.graph.chain import Graph
from flask_chainfix.graph.redundancy import (
    followed,
    impassable,
    redundant_parents,
    required_among,
    stuck_at,
)

__all__ = ["Graph", "followed", "impassable", "redundant_parents", "required_among", "stuck_at"]
