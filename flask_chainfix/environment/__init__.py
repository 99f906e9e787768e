"""Alembic's configuration and our settings, and what Alembic itself says of a chain."""
