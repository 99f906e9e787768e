"""The rows of databases in the journal: what each was before it was moved, and what it became.

They lie beside the journal of the repair that they belong to, one line of JSON for each database.
A chain is repaired files first, then rows, and undone rows first, then files.

The order of steps of a repair, and what a crash behind each leaves:

1. the files are changed, as ``writing`` has it; rows that stay are taken down, each as its own
   before and after; the journal is marked as done: files new, rows old;
2. in a transaction of each database, its version table is locked, and its rows are compared with
   those that were read: files new, rows old;
3. where the rows follow no repair, a journal without files is written: an ``undo`` that has
   nothing to do but to delete it;
4. the line of this database is written and synced: a line, whole or torn, of a move that has not
   come about;
5. its rows are replaced and read back: the same, as the server takes back what is not final;
6. its transaction is made final: files new, its rows new; those of the next database are at step 2.

And of ``undo``:

7. the files are compared with what the repair has written, and the old contents are written beside
   them: files new, rows new;
8. database by database, as in steps 2, 5 and 6, the rows are put back: files new, some databases'
   rows old and some new;
9. the files are put back, as ``writing`` has it, which needs no space any more: some files old,
   some new, all rows old; by that the next command knows it, and ``repair`` refuses;
10. the lines are deleted, then the journal: files old, rows old; then there is nothing to undo.

So no crash leaves a file older than a row. With the new files an old row means what it meant
before, which the line or the journal tells, or Alembic refuses it; with the old files a new row
would lie. A row is never anything but the old or the new one, as each database changes in one
transaction.

Up to step 8 both ways are open: ``restamp`` moves what is left, and ``undo`` puts back what has
moved; each looks at the rows and lets be what is right already, so that both can be run again. In
step 9 ``undo`` finishes what it has begun. A line counts for nothing while the database still
holds the rows before it; half a line is taken away before the next one is written.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from threading import Lock

from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.common.errors import CannotRead, CannotWrite
from flask_chainfix.disk.journal import Journal, create
from flask_chainfix.disk.safe_files import (
    BINARY,
    NOFOLLOW,
    NotOurs,
    Seal,
    known_key,
    open_private,
    own_key,
    sync_directory,
    write_all,
)
from flask_chainfix.model.databases import Move


class RowLog:
    """Records moves, from any thread, until its block ends.

    They go into the journal of the repair that they follow, else into a new one without files.

    Args:
        environment: the environment's directory; its lock is held by the caller.
        journal: ``None`` where the moves follow no repair.
        graph: the chain for which the rows are right afterwards.
    """

    def __init__(self, environment: Path, journal: Journal | None, graph: Graph) -> None:
        self._environment = environment
        self._graph = graph
        self._opened: tuple[int, Seal] | None = None
        self._lock = Lock()
        self.journal = journal

    def record(self, *moves: Move) -> None:
        """Record moves, so that they are on the disk when this returns.

        Raises:
            CannotWrite: they cannot be written.
        """
        if not moves:
            return
        with self._lock:
            try:
                if self._opened is None:
                    self._opened = self._open()
                descriptor, seal = self._opened
                lines = (seal.signed(self._line(move)) + b"\n" for move in moves)
                write_all(descriptor, b"".join(lines))
            except OSError as error:
                self._close()  # the next one, if it has begun already, finds half a line
                raise CannotWrite(
                    f"the journal cannot be written: {error}",
                    "no further row was moved; make room or give rights, then try again",
                ) from error

    def _line(self, move: Move) -> bytes:
        import json

        means = meaning(self._graph, move.after)
        values = [move.identity, move.name, list(move.before), list(move.after), means]
        return json.dumps(values).encode()

    def _open(self) -> tuple[int, Seal]:
        if self.journal is None:
            self.journal = create(self._environment, ())
        seal = _seal(self.journal, own_key())
        path = self.journal.rows_path
        _close_last_line(path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | NOFOLLOW | BINARY
        descriptor = os.open(path, flags, 0o600)
        try:
            sync_directory(path.parent)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor, seal

    def __enter__(self) -> RowLog:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        if self._opened is not None:
            with suppress(OSError):  # every line has been seen to the disk
                os.close(self._opened[0])
            self._opened = None


def recorded_moves(journal: Journal) -> tuple[Move, ...]:
    """What the journal says of each database: its rows before the first move and after the last.

    A move from other rows than the last one left is the first: the database has gone on by itself.

    Raises:
        CannotRead: the record is damaged, or holds a line that this user has not signed here.
    """
    path = journal.rows_path
    moves: dict[str, Move] = {}
    try:
        with os.fdopen(open_private(path), "rb") as file:
            lines = file.read().split(b"\n")
        seal = _seal(journal, known_key())
    except FileNotFoundError:
        return ()
    except (OSError, NotOurs) as error:
        raise _damaged(path, error) from error
    import json  # most commands find no moves

    for signed in lines[:-1]:  # behind the last line end there is nothing, or half a line
        try:
            line = seal.opened(signed)
            identity, name, before, after, *means = json.loads(line)
            (told,) = _ids(means) or ("",)
            move = Move(str(name), str(identity), _ids(before), _ids(after), told)
        except (NotOurs, ValueError, TypeError) as error:
            raise _damaged(path, error) from error
        last = moves.get(move.identity)
        goes_on = last is not None and move.before in (last.before, last.after)
        moves[move.identity] = replace(move, before=last.before) if last and goes_on else move
    return tuple(moves.values())


def still_means(move: Move, graph: Graph) -> bool:
    """Whether the rows of a move in the journal stand for what they stood for when it was made."""
    return move.means in ("", meaning(graph, move.after))


@lru_cache(maxsize=256)  # most databases of a project stand at the same few places
def meaning(graph: Graph, rows: tuple[str, ...]) -> str:
    """A digest of what has run where these rows are, by a chain."""
    from hashlib import sha256  # as in the journal

    run = graph.required(row for row in rows if row in graph)
    return sha256("\n".join(sorted(run)).encode()).hexdigest()[:16]


def _seal(journal: Journal, key: bytes) -> Seal:
    return Seal(key, f"rows {journal.path.stem}")


def _ids(values: object) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError("it does not hold ids")
    return tuple(values)


def _close_last_line(path: Path) -> None:
    """Remove the half line of a process that was killed while it wrote it."""
    try:
        descriptor = os.open(path, os.O_RDWR | NOFOLLOW | BINARY)
    except FileNotFoundError:
        return
    with os.fdopen(descriptor, "r+b") as file:
        data = file.read()
        if not data.endswith(b"\n"):
            file.truncate(data.rfind(b"\n") + 1)


def _damaged(path: Path, error: Exception) -> CannotRead:
    return CannotRead(
        f"the journal of rows {path} cannot be read: {error}",
        "if you know that these rows are not to be put back, move the file elsewhere",
    )
