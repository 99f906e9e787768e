"""The stamps of databases: the rows of their version tables, and the tables beside them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import bindparam, column, select, table, text
from sqlalchemy.engine import Connection
from sqlalchemy.sql import quoted_name

from flask_chainfix.common.errors import BadDatabase
from flask_chainfix.common.wording import Progress
from flask_chainfix.databases.connecting import (
    Obstacle,
    connected,
    is_missing,
    no_answer,
    obstacles_of,
    reading,
    transaction,
)
from flask_chainfix.databases.facts import Facts
from flask_chainfix.databases.pool import Job, jobs_for, run
from flask_chainfix.databases.reflecting import is_path_forbidden, no_usage
from flask_chainfix.databases.targets import Target, distinct, named
from flask_chainfix.model.databases import DatabaseState, DatabaseStatus, Trouble

# Every table that a transaction reads uses up one of a PostgreSQL server's locks.
_PER_TRANSACTION = 50
PASSING = 2  # seconds for all databases that are read in passing


def read_statuses(
    targets: Sequence[Target],
    progress: Progress,
    within: float | None = None,
    chain: Facts | None = None,
) -> tuple[DatabaseStatus, ...]:
    """The status of each database, in the same order, also if it cannot be read.

    Args:
        targets: the databases.
        progress: called with the databases done, the databases in all, and the last one's name.
        within: the time limit in seconds; ``None`` for as long as they answer.
        chain: the chain, which shows with each database where its tables are (``apart``); ``None``
            if the targets have that from an earlier look.
    """
    made: frozenset[str] | None = None
    if chain is not None and any(target.apart for target in targets):
        made = chain.tables_without_schema
        named = () if made else chain.named_schemas
        made = None if named else made  # the names decide, not what is beside
        targets = [
            replace(each, apart=each.apart and (each.schema or "").casefold() not in named)
            for each in targets
        ]
    found = run(
        jobs_for(targets, lambda target: target, within),
        lambda job: _read(job, made),
        lambda target, _: _without_rows(target, no_answer(within)),
        lambda done, target: progress(done, len(targets), target.name),
    )
    binds = [target.bind if target.own else None for target in targets]
    return tuple(replace(found[index], bind=bind) for index, bind in enumerate(binds))


def as_found(
    targets: Mapping[str, Target], statuses: Iterable[DatabaseStatus]
) -> Mapping[str, Target]:
    """The databases, by identity, with what their own statuses show about their tables' schema."""
    apart = {status.identity for status in statuses if status.apart}
    return {name: replace(each, apart=name in apart) for name, each in targets.items()}


def _read(job: Job[Target], made: frozenset[str] | None) -> Iterator[tuple[int, DatabaseStatus]]:
    left = dict(job.items)
    first = next(iter(left.values()))
    try:
        if is_missing(first):
            raise Obstacle(f"there is no file {first.file}", "", Trouble.NO_DATABASE)
        with connected(first) as connection:
            job.answered()
            with transaction(connection, first), obstacles_of(first):
                catalog = _read_catalog(connection, left.values())
            while left:
                job.answered()
                with transaction(connection, first):
                    yield from _read_some(connection, catalog, left, made)
    except Obstacle as obstacle:
        for index, target in left.items():
            yield index, _without_rows(target, obstacle)


def _read_some(
    connection: Connection, catalog: _Catalog, left: dict[int, Target], made: frozenset[str] | None
) -> Iterator[tuple[int, DatabaseStatus]]:
    """Read as many as fit into one transaction, and remove them from ``left``."""
    for index, target in list(islice(left.items(), _PER_TRANSACTION)):
        unstamped, listed = _beside(catalog, target, made)
        rows: tuple[str, ...] = ()
        try:
            # MySQL does not list tables on which the user has no right.
            if listed or target.backend == "mysql":
                with obstacles_of(target):
                    rows = read_rows(connection, target)
            else:
                unstamped = replace(unstamped, versioned=False)
        except Obstacle as obstacle:
            if obstacle.lost:
                raise
            gone = obstacle.kind in (Trouble.NO_TABLE, Trouble.NO_DATABASE)
            none = replace(unstamped, versioned=False)
            yield index, none if gone else _without_rows(target, obstacle)
            del left[index]
            return  # PostgreSQL has aborted this transaction
        state = DatabaseState.STAMPED
        yield index, replace(unstamped, state=state, rows=rows) if rows else unstamped
        del left[index]


def _without_rows(target: Target, obstacle: Obstacle) -> DatabaseStatus:
    name, identity, problem = target.name, target.identity, obstacle.problem
    if obstacle.kind is not Trouble.NO_DATABASE:
        state, remedy = DatabaseState.UNREACHABLE, obstacle.remedy
        return DatabaseStatus(name, identity, state, own=target.own, problem=problem, remedy=remedy)
    # A database in memory always exists, and is new each time.
    in_memory = target.backend == "sqlite" and target.file is None
    state = DatabaseState.EMPTY if in_memory else DatabaseState.MISSING
    problem = "" if in_memory else problem
    return DatabaseStatus(name, identity, state, (), frozenset(), target.own, problem=problem)


# --- The tables of schemas ------------------------------------------------------------------------
_AT_ONCE = 1_000  # schemas in one query

# Objects of extensions belong to no migration.
_POSTGRESQL = """
SELECT n.nspname, c.relname FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm') AND n.nspname IN :schemas AND NOT EXISTS (
    SELECT 1 FROM pg_catalog.pg_depend d
    WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
"""

_MYSQL = (
    "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema IN :schemas"
)

# The schemas that have tables; and whether MySQL shows this user every table of a database.
_POSTGRESQL_USED = """
SELECT DISTINCT n.nspname::text FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^(pg_|information_schema$)' AND NOT EXISTS (
    SELECT 1 FROM pg_catalog.pg_depend d
    WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
"""

_MYSQL_SEEN = """
SELECT DATABASE() FROM information_schema.user_privileges
WHERE privilege_type = 'SELECT' AND REPLACE(grantee, CHAR(39), SPACE(0)) = CURRENT_USER()
UNION SELECT DATABASE() FROM information_schema.schema_privileges
WHERE privilege_type = 'SELECT' AND REPLACE(grantee, CHAR(39), SPACE(0)) = CURRENT_USER()
AND DATABASE() LIKE table_schema
"""

# The widths, in characters, of columns with the name of Alembic's.
_POSTGRESQL_WIDTHS = """
SELECT n.nspname, c.relname, CASE
    WHEN a.atttypid IN ('varchar'::regtype, 'bpchar'::regtype) AND a.atttypmod > 4
    THEN a.atttypmod - 4 ELSE 2147483647 END
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE a.attname = 'version_num' AND NOT a.attisdropped AND n.nspname IN :schemas
"""

_MYSQL_WIDTHS = """
SELECT table_schema, table_name, COALESCE(character_maximum_length, 2147483647)
FROM information_schema.columns
WHERE column_name = 'version_num' AND table_schema IN :schemas
"""

_POSTGRESQL_PATH = """
SELECT place::text FROM unnest(current_schemas(false)) WITH ORDINALITY AS path(place, rank)
ORDER BY rank
"""


_CATALOG = {
    "postgresql": (_POSTGRESQL, _POSTGRESQL_WIDTHS),
    "mysql": (_MYSQL, _MYSQL_WIDTHS),
}


class _Catalog(NamedTuple):
    """The tables of some schemas.

    Attributes:
        default: the schemas that are searched if none is named, in this order.
        tables: the names of tables by schema.
        used: the schemas that have all tables of the database; ``None`` if this user may not see
            all tables.
        widths: the width of a version table's column in characters, by schema and table.
    """

    default: tuple[str, ...]
    tables: Mapping[str, Set[str]]
    used: Set[str] | None
    widths: Mapping[tuple[str, str], int] = MappingProxyType({})


def _beside(
    catalog: _Catalog, target: Target, made: frozenset[str] | None
) -> tuple[DatabaseStatus, bool]:
    """The status of a database as if it had no rows, and whether it has a version table.

    ``made`` are the tables that migrations make without naming a schema; ``None`` if it is known
    whether the version table is apart from them.
    """
    places = catalog.default if target.schema is None else (target.schema,)
    having = (each for each in places if target.version_table in catalog.tables.get(each, ()))
    version_schema = next(having, next(iter(places), ""))
    names = frozenset(catalog.tables.get(version_schema, ()))
    default = next(iter(catalog.default), "")
    others = names - {target.version_table}, catalog.tables.get(default, ())
    apart = target.apart and (made is None or _are_elsewhere(made, *others))
    tables_schema = default if apart else version_schema
    tables = frozenset(catalog.tables.get(tables_schema, ())) - {target.version_table}
    used = catalog.used
    status = DatabaseStatus(
        target.name,
        target.identity,
        DatabaseState.UNSTAMPED if tables else DatabaseState.EMPTY,
        (),
        None if used is None else tables,
        target.own,
        complete=used is not None and used <= {version_schema, tables_schema},
        apart=apart,
        width=catalog.widths.get((version_schema, target.version_table)),
    )
    return status, target.version_table in names


def _are_elsewhere(made: frozenset[str], beside: Set[str], default: Collection[str]) -> bool:
    """Whether the tables that migrations make are in the default schema.

    Beside the version table, others may have some of their names; if no migration can be read, any
    table there counts as one of theirs.
    """
    here, there = (len(made.intersection(map(str.casefold, each))) for each in (beside, default))
    return here <= there if made else not beside


def _read_catalog(connection: Connection, targets: Iterable[Target]) -> _Catalog:
    """Read which tables exist in the schemas of some targets of one database."""
    targets = list(targets)
    wanted = {target.schema for target in targets if target.schema is not None}
    kind = targets[0].backend
    if kind == "sqlite":
        return _sqlite_catalog(connection)
    path = _POSTGRESQL_PATH if kind == "postgresql" else "SELECT DATABASE()"
    default = tuple(row[0] for row in connection.execute(text(path)) if row[0] is not None)
    if not (default or wanted) and is_path_forbidden(connection):
        raise no_usage()
    tables: dict[str, set[str]] = {}
    widths: dict[tuple[str, str], int] = {}
    of_tables, of_widths = (
        text(each).bindparams(bindparam("schemas", expanding=True)) for each in _CATALOG[kind]
    )
    schemas = sorted(wanted.union(default))
    for start in range(0, len(schemas), _AT_ONCE):
        part = {"schemas": schemas[start : start + _AT_ONCE]}
        for schema, name in connection.execute(of_tables, part):
            tables.setdefault(schema, set()).add(name)
        for schema, name, width in connection.execute(of_widths, part):
            widths[schema, name] = int(width)  # MariaDB's is a Decimal
    is_mysql = kind == "mysql"
    used = set(connection.execute(text(_MYSQL_SEEN if is_mysql else _POSTGRESQL_USED)).scalars())
    return _Catalog(default, tables, used if used or not is_mysql else None, widths)


def _sqlite_catalog(connection: Connection) -> _Catalog:
    attached = [row[1] for row in connection.execute(text("PRAGMA database_list"))]
    return _Catalog(
        ("main",),
        {
            schema: set(
                connection.execute(
                    select(column("name"))
                    .select_from(table("sqlite_master", schema=schema))
                    .where(column("type").in_(["table", "view"]))
                    .where(column("name").notlike("sqlite_%"))
                ).scalars()
            )
            for schema in attached
        },
        {"main"},
    )


# --- Version tables -------------------------------------------------------------------------------
def version_table(target: Target) -> Any:
    """A target's version table, for SQL in any dialect."""
    schema = None if target.schema is None else _exact(target.schema)
    return table(_exact(target.version_table), column("version_num"), schema=schema)


def _exact(name: str) -> quoted_name:
    """A name that is quoted if necessary; SQLAlchemy overlooks a trailing line end."""
    return quoted_name(name, quote=None if name.isidentifier() else True)


def read_rows(connection: Connection, target: Target, *, locking: bool = False) -> tuple[str, ...]:
    """The ids in a target's version table, sorted; needs a transaction to lock them in MySQL.

    Raises:
        Obstacle: the table holds something that is no id.
    """
    query: Any = select(column("version_num")).select_from(version_table(target))
    values = list(connection.execute(query.with_for_update() if locking else query).scalars())
    for value in values:
        if not isinstance(value, str):
            held = "NULL" if value is None else repr(value)
            raise Obstacle(
                f"a row of {target.shown_table} holds {held} instead of the id of a revision",
                "delete that row, or write the right id into it; all rows are shown by"  # noqa: S608
                f" SELECT * FROM {target.shown_table}",
            )
    return tuple(sorted(values))


# --- The schemas that hold a version table --------------------------------------------------------
_HOLDING = {
    "postgresql": """
SELECT n.nspname FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = :name AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
""",
    "mysql": "SELECT table_schema FROM information_schema.tables WHERE table_name = :name",
}


def in_schemas(targets: Sequence[Target], pattern: str) -> tuple[Target, ...]:
    """The schemas of databases that hold a version table, instead of the databases themselves.

    The pattern for their names is a shell pattern: ``tenant_*``. A database that does not answer
    stays as it is. An app's database without schemas is left out if there are others.

    Raises:
        BadDatabase: a database has no schemas, or none matches.
    """
    without = [target for target in targets if target.backend == "sqlite"]
    for target in without:
        if not target.own or len(without) == len(targets):
            raise BadDatabase(
                f"{target.name} is a SQLite database, which has no schemas",
                "leave --schemas out, or name databases on a server",
            )
    targets = [target for target in targets if target not in without]
    jobs = [Job({index: target}) for index, target in enumerate(targets)]
    found = run(jobs, _schemas, lambda *_: no_answer())
    expanded = []
    for index, target in enumerate(targets):
        schemas = found[index]
        if isinstance(schemas, Obstacle):  # reading its stamp will report the same
            expanded.append(target)
            continue
        name = target.name.removesuffix(named("", target.schema))
        expanded += [
            replace(target, name=named(name, schema), schema=schema, apart=False)
            for schema in schemas
            if fnmatchcase(schema, pattern)
        ]
    if not expanded:
        names = ", ".join(target.name for target in targets)
        raise BadDatabase(
            f"no schema with a version table matches {pattern!r} in {names or 'no database'}",
            "correct the pattern; the version table is the one that env.py or the setting"
            " version_table names",
        )
    return distinct(expanded)


def _schemas(job: Job[Target]) -> Iterator[tuple[int, list[str] | Obstacle]]:
    for index, target in job.items.items():
        found: list[str] | Obstacle
        try:
            with reading(target) as connection:
                query = text(_HOLDING[target.backend])
                names = connection.execute(query, {"name": target.version_table}).scalars()
                found = sorted(names)
        except Obstacle as obstacle:
            found = [] if obstacle.kind is Trouble.NO_DATABASE else obstacle
        yield index, found
