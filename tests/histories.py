"""Databases with a history: Alembic has upgraded them before their chain broke.

Some are only known by what Git says: somewhere one stands where the main branch does, or a release.
Of some the rows have come to say something else than what has run.

A migration is known by its place in the chain on paper, as a repair may give it another id. What a
database has run is told by Alembic's own upgrade of the chain that it still could load.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from alembic.script import ScriptDirectory
from alembic.util import CommandError, to_tuple
from hypothesis import strategies as st

from flask_chainfix.model.files import Header
from tests.strategies_oracle import reachable, strong_components
from tests.support import Rev, header
from tests.upgrades import Upgraded, scratch_engine, upgrade

_ENGINE = scratch_engine()
LONG = "an_id_that_is_longer_than_thirty_two_"  # a migration that gets it makes the same table
_NUMBER = re.compile(r"_(\d+)\.py$")


@dataclass(frozen=True)
class Database:
    """Where one database stands, and how it has come to that.

    Attributes:
        rows: those of its version table.
        ran: the places of the migrations that have run there.
        told: whether the repair is told of it with ``--stamp``; else it is there for it to see.
        branch: the branch that stands where it does; the repair can learn of it from Git alone.
        lies: whether the rows say something else than what has run.
    """

    rows: tuple[str, ...]
    ran: frozenset[int]
    told: bool = False
    branch: str | None = None
    lies: bool = False


@dataclass(frozen=True)
class History:
    """A chain on paper, and databases that have run parts of it.

    Attributes:
        then: the chain as Alembic could load it for the last time, from its first revisions on.
        now: the chain as it is; what has come since is at its end.
        deeds: what each migration of now does.
        databases: what has run.
    """

    then: tuple[Rev, ...]
    now: tuple[Rev, ...]
    deeds: tuple[object, ...]
    databases: tuple[Database, ...] = ()

    @property
    def has_its_ids(self) -> bool:
        """Whether the migrations are called as they were when Alembic could load the chain."""
        return all(
            then.revision == now.revision for then, now in zip(self.then, self.now, strict=False)
        )

    def tables(self, database: Database) -> set[str]:
        """The tables of a database, beside that for the version."""
        return {name for place in database.ran for name in self.made_by(place)}

    def made_by(self, place: int) -> list[str]:
        """The tables that a migration makes."""
        rev = self.then[place] if place < len(self.then) else self.now[place]
        if rev.upgrade is not None:
            return re.findall(r"create_table\('(\w+)'", " ".join(rev.upgrade))
        return [f"t_{rev.revision.replace(LONG, '')}"] if self.deeds[place] == "table" else []

    def has_run(self, database: Database, place: int) -> bool:
        """Whether a database has run a migration, or one that is the same under the same id."""
        same = (self.now[place].revision, self.deeds[place])
        return any((self.now[each].revision, self.deeds[each]) == same for each in database.ran)


# --- Coming to stand somewhere -------------------------------------------------------------------


def databases(draw: st.DrawFn, history: History) -> Iterator[Database]:
    """Some that have been upgraded once or twice, of which the chain as it is tells the truth."""
    names = [rev.revision for rev in history.then]
    headers = [header(rev) for rev in history.then]
    for _ in range(draw(st.integers(0, 2))):
        rows: tuple[str, ...] = ()
        ran: list[str] = []
        for target in draw(st.lists(st.sampled_from(["heads", *names]), max_size=2)):
            done = _upgraded(headers, rows, target)
            rows = done.rows
            ran += done.ran
        told = draw(st.booleans())
        database = Database(rows, frozenset(map(names.index, ran)), told)
        database = _with_others(draw, history, database)
        if tells_the_truth(history, database):
            lying = not told and history.has_its_ids and not draw(st.integers(0, 3))
            yield _stamped_anew(draw, history, database) if lying else database


def branches(draw: st.DrawFn, history: History) -> Iterator[Database]:
    """Where the main branch and a release stand, for some chains."""
    names = [rev.revision for rev in history.then]
    headers = [header(rev) for rev in history.then]
    known = [(), (), ("main",), ("main", "release-1")] if history.has_its_ids else [()]
    for branch in draw(st.sampled_from(known)):
        targets = draw(st.lists(st.sampled_from(names), min_size=1, max_size=2))
        rows: tuple[str, ...] = ()
        ran: list[str] = []
        for target in targets:
            done = _upgraded(headers, rows, target)
            rows, ran = done.rows, ran + done.ran
        database = Database(rows, frozenset(map(names.index, ran)), branch=branch)
        if ran and tells_the_truth(history, database):
            yield database


def _stamped_anew(draw: st.DrawFn, history: History, database: Database) -> Database:
    """The database after a stamp of another place, or a restore over another one."""
    headers = [header(rev) for rev in history.then]
    target = draw(st.sampled_from(["heads", *(rev.revision for rev in history.then)]))
    rows = _upgraded(headers, (), target).rows
    return replace(database, rows=rows, lies=rows != database.rows)


def _upgraded(headers: Sequence[Header], rows: tuple[str, ...], target: str) -> Upgraded:
    try:
        return upgrade(_ENGINE, headers, rows, target)
    except (CommandError, KeyError):  # it is there already; some dependencies make Alembic stop
        return Upgraded([], rows)


def _with_others(draw: st.DrawFn, history: History, database: Database) -> Database:
    """The database of somebody who has run the other migration with the same id."""
    ran = set(database.ran)
    for place in range(len(history.then), len(history.now)):
        revision = history.now[place].revision
        of_then = next((each for each in ran if history.now[each].revision == revision), None)
        if of_then is not None and draw(st.booleans()):
            ran = ran - {of_then} | {place}
    return replace(database, ran=frozenset(ran))


def tells_the_truth(history: History, database: Database) -> bool:
    """Whether all that the chain as it is hides of a database is below what is seen to be in doubt.

    Changes of a chain that Alembic cannot load any more may leave no trace: of a revision that has
    been put on another one, nobody can tell what it was on when it ran.
    """
    needed: dict[str, tuple[str, ...]] = {}
    for place in sorted(range(len(history.now)), key=database.ran.__contains__):
        rev = history.now[place]  # of those with one id that which has run is the last
        needed[rev.revision] = rev.parents + rev.depends_on
    if not needed.keys() >= set(database.rows):
        return True  # of such rows everybody sees that they are not known
    known = {name: tuple(filter(needed.__contains__, names)) for name, names in needed.items()}
    circles = [set(members) for members in strong_components(known)]
    doubtful = {name for name in needed if known[name] != needed[name]}.union(*circles)
    certain = {
        name: tuple(each for each in names if not any({name, each} <= some for some in circles))
        for name, names in known.items()
    }
    below = set().union(*(reachable(certain, row) for row in database.rows))
    ids = [rev.revision for rev in history.now]
    if any(ids.count(row) > 1 for row in database.rows) and not below.isdisjoint(database.rows):
        return False  # Alembic wrote no such rows of this chain: they tell of a twin that never ran
    told = below.union(database.rows)
    ran = {history.now[place].revision for place in database.ran}
    return told <= ran <= told | _below(history, told & doubtful)


def _below(history: History, revisions: set[str]) -> set[str]:
    """What ran before these revisions when Alembic could load the chain, as it is called now."""
    then = {rev.revision: rev.parents + rev.depends_on for rev in history.then}
    now = {rev.revision: history.now[place].revision for place, rev in enumerate(history.then)}
    return {
        now[below]
        for revision in then
        if now[revision] in revisions
        for below in reachable(then, revision)
    }


# --- On the disk ---------------------------------------------------------------------------------


def create(path: Path, history: History, database: Database) -> None:
    """Make a SQLite database as Alembic has left it; none where nothing has run."""
    if not database.rows and not database.lies:
        return
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    connection.executemany(
        "INSERT INTO alembic_version VALUES (?)", [(row,) for row in database.rows]
    )
    for table in history.tables(database):
        connection.execute(f"CREATE TABLE {table} (id INTEGER)")
    connection.close()


def rows_in(path: Path) -> tuple[str, ...]:
    """The rows of its version table, sorted."""
    if not path.exists():
        return ()
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    connection.close()
    return tuple(sorted(row for (row,) in found))


# --- The proof -----------------------------------------------------------------------------------


def assert_runs_the_rest(
    scripts: ScriptDirectory, history: History, database: Database, rows: tuple[str, ...]
) -> None:
    """Alembic runs from these rows what has not run there, each once, and nothing else.

    Of twins that do nothing, nobody can tell which has run: either may run as well.
    """
    chain = _Chain(scripts)
    have = {name for name, place in chain.places.items() if history.has_run(database, place)}
    ids = [rev.revision for rev in history.now]
    idle = {
        name
        for name, place in chain.places.items()
        if ids.count(ids[place]) > 1 and not history.deeds[place]
    }
    for revision in have - idle:
        assert reachable(chain.parents, revision) <= have | idle
    ran = chain.upgraded(rows)
    assert ran is None or sorted({*ran} - idle) == sorted(chain.parents.keys() - have - idle)
    assert ran is None or len(ran) == len({*ran})


def assert_makes_what_is_missing(
    scripts: ScriptDirectory, history: History, database: Database, rows: tuple[str, ...]
) -> None:
    """Alembic makes from these rows the tables that are not there, and no other."""
    chain = _Chain(scripts)
    ran = chain.upgraded(rows)
    if ran is None:
        return
    made = [
        name
        for revision in ran
        if revision in chain.places
        for name in history.made_by(chain.places[revision])
    ]
    every = {name for place in chain.places.values() for name in history.made_by(place)}
    assert sorted(made) == sorted(every - history.tables(database))


class _Chain:
    """A chain that was repaired, as Alembic has it.

    Attributes:
        parents: what each revision requires.
        places: where a migration stands in the chain on paper, by revision.
    """

    def __init__(self, scripts: ScriptDirectory) -> None:
        self.parents: dict[str, tuple[str, ...]] = {}
        self.places: dict[str, int] = {}
        self._headers = []
        for script in scripts.walk_revisions():
            needed = to_tuple(script.dependencies, default=())
            parents = script._versioned_down_revisions
            self.parents[script.revision] = (*parents, *needed)
            self._headers.append(header(Rev(script.revision, parents, depends_on=needed)))
            number = _NUMBER.search(script.path)
            if number is not None:
                self.places[script.revision] = int(number[1])

    def upgraded(self, rows: tuple[str, ...]) -> list[str] | None:
        """What Alembic runs; ``None`` where some dependencies make it stop."""
        try:
            return upgrade(_ENGINE, self._headers, rows).ran
        except KeyError:
            assert any(each.depends_on for each in self._headers)
            return None
