"""Git: when migrations landed, what became of those that are gone, and chains as they once were.

Everything is only read: nothing is checked out, fetched or written.
"""
