"""Real databases: where they stand in a chain, and how their version rows are moved.

Everything is bounded in time, and nothing but the rows of Alembic's version table is changed.
"""
