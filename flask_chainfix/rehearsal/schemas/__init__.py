"""Schemas that chains make: compared with databases, and rendered as operations."""
