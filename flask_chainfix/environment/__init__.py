"""Alembic's configuration, our settings, and Alembic's own view of a chain."""
