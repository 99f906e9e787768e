"""Immutable questions to a chain of revisions."""

from flask_chainfix.graph.chain import Graph

__all__ = ["Graph"]
