"""Immutable questions to a chain of revisions."""

from flask_chainfix.graph.chain import Graph
from flask_chainfix.graph.redundancy import redundant_parents

__all__ = ["Graph", "redundant_parents"]
