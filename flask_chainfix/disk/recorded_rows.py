"""The rows of databases in the journal: before and after each move.

They are recorded beside the journal of their repair, one line of JSON for each database. A repair
changes files first, then rows; an undo changes rows first, then files.

The steps of a repair, with the state that a crash after each leaves:

1. the files are changed, see ``writing``; rows that stay are recorded with the same rows before and
after; the journal is marked as finished: files new, rows old;
2. in a transaction of each database, its version table is locked, and its rows are compared with
those that were read: files new, rows old;
3. if the rows follow no repair, a journal without files is written: an ``undo`` would only delete
it;
4. the line of this database is written and synced: the line, whole or torn, of a move that has not
happened;
5. its rows are replaced and read back: the same, as the server rolls back;
6. its transaction is committed: files new, its rows new; the next database is at step 2.

The steps of ``undo``:

7. the files are compared with what the repair wrote, and the old contents are written beside them:
files new, rows new;
8. database by database, as in steps 2, 5 and 6, the rows are restored: files new, some databases'
rows old and some new;
9. the files are restored, see ``writing``, which needs no more space: some files old, some new, all
rows old; the next command recognizes this, and ``repair`` refuses;
10. the lines are deleted, then the journal: files old, rows old; there is nothing left to undo.

So no crash leaves an old file with new rows. With new files, an old row keeps its meaning through
its line or the journal, or Alembic refuses it; with old files, a new row would be wrong. A row is
always the old or the new one, because each database changes in one transaction.

Up to step 8 both directions work: ``restamp`` moves the remaining rows, and ``undo`` restores the
moved ones; each leaves rows alone that are right already, so both can be run again. In step 9 only
``undo`` can continue. A line is ignored while the database still has the rows before it; a torn
line is removed before the next one is written.
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
from flask_chainfix.disk.journal import Journal, create_journal
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

    The moves are recorded with the journal of the repair that they follow, or a new one without
    files.

    Args:
        environment: the environment's directory; the caller holds its lock.
        journal: ``None`` if the moves follow no repair.
        graph: the chain that the rows are right for afterwards.
    """

    def __init__(self, environment: Path, journal: Journal | None, graph: Graph) -> None:
        self._environment = environment
        self._graph = graph
        self._opened: tuple[int, Seal] | None = None
        self._lock = Lock()
        self.journal = journal

    def record(self, *moves: Move) -> None:
        """Record moves; they are on the disk when this returns.

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
                self._close()  # if the next move has begun already, it finds a torn line
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
            self.journal = create_journal(self._environment, ())
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
            with suppress(OSError):  # every line has been synced
                os.close(self._opened[0])
            self._opened = None


def recorded_moves(journal: Journal) -> tuple[Move, ...]:
    """The recorded rows of each database, before the first move and after the last.

    A move that does not start from the last one's rows starts anew: the database has changed since.

    Raises:
        CannotRead: the record is damaged, or has a line that this user has not signed here.
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

    for signed in lines[:-1]:  # after the last line end there is nothing, or a torn line
        try:
            line = seal.opened(signed)
            identity, name, before, after, *means = json.loads(line)
            (meaning,) = _ids(means) or ("",)
            move = Move(str(name), str(identity), _ids(before), _ids(after), meaning)
        except (NotOurs, ValueError, TypeError) as error:
            raise _damaged(path, error) from error
        last = moves.get(move.identity)
        goes_on = last is not None and move.before in (last.before, last.after)
        moves[move.identity] = replace(move, before=last.before) if last and goes_on else move
    return tuple(moves.values())


def still_means(move: Move, graph: Graph) -> bool:
    """Whether the rows of a recorded move still stand for the same revisions."""
    return move.means in ("", meaning(graph, move.after))


@lru_cache(maxsize=256)  # most databases of a project have the same few stamps
def meaning(graph: Graph, rows: tuple[str, ...]) -> str:
    """A digest of the revisions that rows stand for in a chain."""
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
    """Remove the torn line of a process that was killed while it wrote."""
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
