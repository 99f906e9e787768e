"""Linking bases and heads: what must run first, what ranks the rest, the strategies."""
