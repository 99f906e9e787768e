"""Bases and heads come into one chain: what has to run first, what ranks the rest, and how."""
