"""Git: when migrations landed, what happened to lost ones, and chains at earlier commits.

Git is only read: nothing is checked out, fetched or written.
"""
