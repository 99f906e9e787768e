"""What migrations seem to create, at a glance: by the words of plain operations in their text.

To read a migration as Python takes a hundred times as long. So a check of a chain that seems sound
reads in full only what this points to. It sees operations as Alembic writes them, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_STRING = rb"""["'](\w+)["']"""
# All begin with a point, which makes the search several times as fast.
_CALL = re.compile(
    rb"\.(create_table|add_column|batch_alter_table|(?:drop|rename)_table|drop_column"
    rb"|[Tt]able|Column)"
    rb"\(\s*(?:" + _STRING + rb"(?:\s*,\s*" + _STRING + rb")?)?"
)
_ITSELF = b"*"  # a table, among its columns


def seem_made_again(migrations: Iterable[bytes]) -> frozenset[bytes]:
    """The tables that seem to be created again, or to get a column again, without a drop before.

    Args:
        migrations: the files of a chain, in an order in which they can run.

    Returns:
        The names of the tables, as the files spell them.
    """
    made: dict[bytes, set[bytes]] = {}
    again: set[bytes] = set()
    for upgrade in _upgrades(migrations):
        table = b""
        for verb, name, second in _CALL.findall(upgrade):
            if verb in (b"Column", b"create_table"):
                part = name
                if verb == b"create_table":
                    table, part = name, _ITSELF
                known = made.setdefault(table, set())
                if part in known:
                    again.add(table)
                known.add(part)
            elif verb == b"drop_column":
                made.get(name if second else table, set()).discard(second or name)
            elif verb in (b"drop_table", b"rename_table"):
                made.pop(name, None)
            elif name or verb != b"add_column":  # in a batch, the batch names the table
                table = b"" if verb in (b"table", b"Table") else name
    return frozenset(again - {b""})


def _upgrades(migrations: Iterable[bytes]) -> Iterator[bytes]:
    """The text of each ``upgrade()``, and of what follows it up to a ``downgrade()``."""
    for data in migrations:
        for part in data.split(b"\ndef downgrade"):
            start = part.find(b"\ndef upgrade")
            if start >= 0:
                yield part[start:]
