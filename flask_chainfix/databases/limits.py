"""How long databases are waited for, and how many at once."""

from __future__ import annotations

CONNECTING = 5  # seconds


WAITING = 5  # seconds for a lock; a statement may take twice that where the server can be told


PASSING = 2  # seconds for all databases that are looked at in passing


SILENCE = 15  # seconds without any sign of life, after which nobody waits any longer


WORKERS = 8


# Fewer schemas than that are not worth a connection of their own.
AT_LEAST_EACH = 25
