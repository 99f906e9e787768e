"""Schemas that chains make: compared with those of databases, and written down as operations."""
