"""Literal chains for tests: what a chain looks like is written where the test is.

    chain("a", "b <- a", "c <- a, b")

is a ``Facts`` of three migration files in the shape of Flask-Migrate's template, with no disk
involved. Each revision may go on with a date, labels, dependencies and a version location, in any
order:

    "c <- a, b  @payments  +d  :2024-05-01  /plugin"

    @payments    declares the branch label ``payments``
    +d           depends on ``d``
    :2024-05-01  was created on that day (``:undated``: the docstring has no Create Date)
    /plugin      lies in the version location ``plugin`` instead of ``versions``

Without a date, each revision is one day younger than the one written before it. ``rev`` makes
what this notation cannot say: ``rev("b <- a", file="other name.py")``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import lru_cache
from itertools import count
from pathlib import Path
from textwrap import indent

from alembic.script.revision import Revision, RevisionMap

from flask_chainfix.chain import source
from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.chain.snapshot import Snapshot
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.numbering import NewIds
from flask_chainfix.model.databases import Databases, DatabaseState, DatabaseStatus
from flask_chainfix.model.environment import Environment, Settings
from flask_chainfix.model.files import ChainLock, Edit, Header, MigrationFile, Unreadable
from flask_chainfix.model.history import GitHistory
from flask_chainfix.model.plans import Mend, Plan, Wishes
from flask_chainfix.planning.edits import edits_for
from flask_chainfix.planning.linking.strategies import make_plan
from flask_chainfix.planning.mending import mend
from flask_chainfix.planning.mending.case import Case

MIGRATIONS = Path("/project/migrations")
_UNDATED = "undated"

_TEMPLATE = '''\
"""add {revision}

Revision ID: {revision}
Revises: {revises}
{create_date}
"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = {revision!r}
down_revision = {down_revision!r}
branch_labels = {labels!r}
depends_on = {depends_on!r}


def upgrade():
{upgrade}


def downgrade():
{downgrade}
'''
_MAKES_A_TABLE = "op.create_table('t_{}', sa.Column('id', sa.Integer(), primary_key=True))"


@dataclass(frozen=True)
class Rev:
    """One migration to be written.

    Attributes:
        revision: its id.
        parents: what it names as ``down_revision``.
        labels: its branch labels.
        depends_on: ids or labels.
        date: the text behind ``Create Date:``; ``None`` for a docstring without that line.
        file: the file's name; ``None`` for the one that Alembic would give it.
        location: the name of the version location.
        upgrade: the statements of ``upgrade()``; ``None`` for one that makes a table of its own.
        downgrade: those of ``downgrade()``.
    """

    revision: str
    parents: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    date: str | None = "2024-01-01"
    file: str | None = None
    location: str = "versions"
    upgrade: tuple[str, ...] | None = None
    downgrade: tuple[str, ...] | None = None

    def doing(self, *statements: str) -> Rev:
        """The same revision with these statements in its ``upgrade()``."""
        return replace(self, upgrade=statements)


# --- Notation ------------------------------------------------------------------------------------


def rev(spec: str, *, file: str | None = None, date: str | None = None) -> Rev:
    """Read the notation of this module for one revision; ``date`` if the notation has none."""
    marks: dict[str, list[str]] = {"@": [], "+": [], ":": [], "/": []}
    words = []
    for word in spec.replace("<-", " <- ").split():
        if word[0] in marks:
            marks[word[0]].append(word[1:])
        else:
            words.append(word)
    revision, _, parents = " ".join(words).partition(" <- ")
    written = marks[":"][0] if marks[":"] else date
    return Rev(
        revision,
        tuple(parent.strip() for parent in parents.split(",") if parent.strip()),
        tuple(marks["@"]),
        tuple(marks["+"]),
        None if written == _UNDATED else written,
        file,
        marks["/"][0] if marks["/"] else "versions",
    )


def revs(*specs: str | Rev) -> tuple[Rev, ...]:
    """Read the notation for a whole chain; each revision a day younger than the one before."""
    first = date(2024, 1, 1)
    return tuple(
        spec
        if isinstance(spec, Rev)
        else rev(spec, date=f"{first + timedelta(days=index)} 00:00:00")
        for index, spec in enumerate(specs)
    )


# --- Files and snapshots -------------------------------------------------------------------------


def migration(rev: Rev) -> bytes:
    """The file of a revision, as Flask-Migrate's template writes it."""
    return _TEMPLATE.format(
        revision=rev.revision,
        revises=", ".join(rev.parents),
        create_date="" if rev.date is None else f"Create Date: {rev.date}\n",
        down_revision=_scalar(rev.parents),
        labels=rev.labels or None,
        depends_on=_scalar(rev.depends_on),
        upgrade=_body(rev.upgrade, _MAKES_A_TABLE.format(rev.revision)),
        downgrade=_body(rev.downgrade, f"op.drop_table('t_{rev.revision}')"),
    ).encode()


def _body(statements: tuple[str, ...] | None, default: str) -> str:
    lines = "\n".join((default,) if statements is None else statements or ("pass",))
    return indent(lines, "    ")


def _scalar(names: tuple[str, ...]) -> str | tuple[str, ...] | None:
    return (names[0] if names else None) if len(names) < 2 else names


def path_of(revision: str, location: str = "versions") -> Path:
    """Where ``chain`` puts the file of a revision."""
    return MIGRATIONS / location / f"{revision}_add_{revision}.py"


def chain(
    *specs: str | Rev, extra: Mapping[str, bytes] | None = None, settings: Settings | None = None
) -> Facts:
    """A snapshot of the files that these revisions make, listed by name as Alembic lists them.

    Args:
        specs: the revisions, in the notation of this module.
        extra: files that the notation cannot say: bytes by name.
        settings: what the ``[fixchain]`` section says.
    """
    written = revs(*specs)
    data: dict[Path, bytes] = {
        MIGRATIONS / "versions" / name: content for name, content in (extra or {}).items()
    }
    for item in written:
        path = path_of(item.revision, item.location)
        if item.file is not None:
            path = path.with_name(item.file)
        while path in data:
            path = path.with_name(f"{path.stem} copy.py")
        data[path] = migration(item)
    locations = tuple(dict.fromkeys(path.parent for path in data)) or (MIGRATIONS / "versions",)
    environment = Environment(MIGRATIONS, locations, settings=settings or Settings())
    return snapshot_of(environment, data)


def snapshot_of(environment: Environment, data: Mapping[Path, bytes]) -> Facts:
    """A snapshot of these files, location by location and by name."""
    place = environment.version_locations.index
    paths = sorted(data, key=lambda path: (place(path.parent), path.name))
    return Facts(
        environment,
        tuple(
            MigrationFile(path.parent, path.name, data[path], _read(data[path], path.name))
            for path in paths
        ),
    )


@lru_cache(maxsize=50_000)
def _read(data: bytes, name: str) -> Header | Unreadable:
    return source.read(data, name)


def read_directory(directory: Path, settings: Settings | None = None) -> Facts:
    """A snapshot of ``directory``: each of its sub-directories is a version location.

    A chain lock in it counts as well.
    """
    locations = tuple(sorted(path for path in directory.iterdir() if path.is_dir()))
    environment = Environment(directory, locations, settings=settings or Settings())
    snapshot = snapshot_of(
        environment,
        {path: path.read_bytes() for place in locations for path in place.glob("*.py")},
    )
    path = environment.lock_path
    return replace(snapshot, lock=ChainLock(path, path.read_bytes()) if path.exists() else None)


def write(snapshot: Facts, directory: Path) -> tuple[Path, ...]:
    """Write the files of a snapshot below another directory; return its version locations."""
    for file in snapshot.files:
        path = directory / file.path.relative_to(snapshot.environment.directory)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.data)
    return tuple(
        directory / place.relative_to(snapshot.environment.directory)
        for place in snapshot.environment.version_locations
    )


# --- Graphs --------------------------------------------------------------------------------------


def header(spec: str | Rev) -> Header:
    """The header of a revision, without a file."""
    item = spec if isinstance(spec, Rev) else rev(spec)
    return Header(
        item.revision,
        item.parents,
        item.labels,
        item.depends_on,
        message="",
        revises=None,
        revision_id=None,
        create_date=item.date,
        spans={},
    )


def graph(*specs: str | Rev | Header) -> Graph:
    """The graph of these revisions, in this order."""
    return Graph(spec if isinstance(spec, Header) else header(spec) for spec in specs)


# --- Repairs -------------------------------------------------------------------------------------


def mended(
    snapshot: Facts, wishes: Wishes | None = None, history: GitHistory | None = None
) -> tuple[Facts, tuple[Mend, ...]]:
    """The chain after what is wrong with single migrations is put right, and what was done."""
    snapshot = replace(snapshot, git_history=history or GitHistory())
    return mend(Case(snapshot, wishes or Wishes(), new_ids(snapshot)))


def new_ids(snapshot: Facts) -> NewIds:
    """``new1``, ``new2`` and so on."""
    return FixedIds(snapshot, (f"new{number}" for number in count(1)))


class FixedIds(NewIds):
    """New ids that the test knows."""

    def __init__(self, snapshot: Facts, ids: Iterator[str]) -> None:
        super().__init__(snapshot)
        self._ids = ids
        self.counting = None

    def next(self, seed: bytes, message: str, old: str = "") -> str:
        return next(self._ids)


def repaired(snapshot: Facts, wishes: Wishes | None = None) -> Facts:
    """The chain after the repair that these wishes ask for."""
    return after(snapshot, make_plan(snapshot, wishes or Wishes()))


def after(snapshot: Facts, plan: Plan) -> Facts:
    """The chain after a plan: changed files as ``edits_for`` has them, new files added."""
    new = (
        Edit(
            revision.location / f"{revision.revision}_merge.py",
            None,
            migration(Rev(revision.revision, revision.down_revision)),
        )
        for revision in plan.new_revisions
    )
    return snapshot.after([*edits_for(snapshot, plan.parents), *new])


def foreseen(snapshot: Facts, plan: Plan) -> Facts:
    """The same as ``after``, only fast: headers change and no file is rewritten."""
    changed = links(plan)
    files = [
        file._replace(reading=file.reading._replace(down_revision=changed[file.reading.revision]))
        if isinstance(file.reading, Header) and file.reading.revision in changed
        else file
        for file in snapshot.files
    ]
    for new in plan.new_revisions:
        data = migration(Rev(new.revision, new.down_revision))
        name = f"{new.revision}_merge.py"
        files.append(MigrationFile(new.location, name, data, _read(data, name)))
    return replace(snapshot, files=tuple(files))


def links(plan: Plan) -> dict[str, tuple[str, ...]]:
    """The parents that a plan changes, by revision."""
    return {relink.revision: relink.after for relink in plan.relinks}


# --- Alembic's own opinion -----------------------------------------------------------------------


@dataclass(frozen=True)
class Loaded:
    """What Alembic makes of a chain: ids, sorted."""

    bases: tuple[str, ...]
    heads: tuple[str, ...]


class Refused(Exception):
    """Alembic cannot load the chain."""


def alembic_loads(headers: Iterable[Header] | Snapshot) -> Loaded:
    """Load a chain into Alembic's ``RevisionMap``, in memory.

    Raises:
        Refused: Alembic raises, or warns that a revision is there twice or not at all.
    """
    if isinstance(headers, Snapshot):
        headers = headers_of(headers)
    given = list(headers)

    def revisions() -> Iterator[Revision]:
        for item in given:
            assert item.revision is not None
            yield Revision(
                item.revision,
                item.down_revision or None,
                dependencies=item.depends_on or None,
                branch_labels=item.branch_labels or None,
            )

    revision_map = RevisionMap(lambda: list(revisions()))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            heads, bases = revision_map.heads, revision_map.bases
    except Exception as error:  # a KeyError as well as a RevisionError: see alembic-facts
        raise Refused(repr(error)) from error
    return Loaded(tuple(sorted(bases)), tuple(sorted(heads)))


def headers_of(snapshot: Snapshot) -> list[Header]:
    """The headers of the files that have one."""
    return [file.reading for file in snapshot.files if isinstance(file.reading, Header)]


def stamped(snapshot: Facts, **rows: Sequence[str]) -> Facts:
    """The chain with databases of these names, whose version tables hold these rows."""
    statuses = tuple(
        DatabaseStatus(
            name,
            name,
            DatabaseState.STAMPED if held else DatabaseState.EMPTY,
            tuple(sorted(held)),
        )
        for name, held in rows.items()
    )
    return replace(snapshot, databases=Databases(statuses))


def without_file(snapshot: Facts, revision: str) -> Facts:
    """The chain as if the first file of a revision had never been committed."""
    gone = snapshot.file(revision)
    return replace(snapshot, files=tuple(file for file in snapshot.files if file is not gone))
