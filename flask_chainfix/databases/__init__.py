"""Real databases: which revisions they have run, and how their version rows are changed.

Every operation has a time limit. Only the rows of Alembic's version table are changed.
"""
