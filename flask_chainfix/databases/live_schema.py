"""Read what databases hold, to compare it with what the migrations create."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import replace

from sqlalchemy import bindparam, inspect, text
from sqlalchemy.engine import Connection

from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.common.wording import Progress, listing
from flask_chainfix.databases.applied.by_schema import TracedDatabase
from flask_chainfix.databases.applied.rows import stood_for
from flask_chainfix.databases.applied.verdicts import trace
from flask_chainfix.databases.connecting import Obstacle, no_answer
from flask_chainfix.databases.facts import Facts
from flask_chainfix.databases.pool import Job, jobs_for, over_one_connection, run
from flask_chainfix.databases.reflecting import read_whole
from flask_chainfix.databases.targets import Target
from flask_chainfix.git.upstream import read_published
from flask_chainfix.model.databases import DatabaseStatus
from flask_chainfix.model.files import Header
from flask_chainfix.schema.footprint import PROPERTIES, Key, Kind, SchemaObject, key_of, table_of
from flask_chainfix.schema.live import Live, states_of
from flask_chainfix.schema.object_history import State
from flask_chainfix.schema.reflected import Reflected

_ALWAYS = frozenset({Kind.TABLE, Kind.COLUMN, Kind.INDEX})
# MySQL does not keep the names of primary keys.
_LOOKED = {
    "postgresql": _ALWAYS | {Kind.CONSTRAINT, Kind.TYPE, Kind.VALUE},
    "sqlite": _ALWAYS | {Kind.CONSTRAINT},
    "mysql": _ALWAYS,
}
# PostgreSQL truncates longer names, MySQL refuses them.
_LONGEST = {"postgresql": 63, "mysql": 64}
# Types and their values, which downgrades leave behind, and what comes from other tables.
_POSTGRESQL = """
SELECT n.nspname::text, 'type', '', t.typname::text
FROM pg_catalog.pg_type t
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
WHERE n.nspname IN :schemas AND t.typelem = 0 AND (t.typtype <> 'c' OR c.relkind = 'c')
UNION ALL
SELECT n.nspname::text, 'value', t.typname::text, e.enumlabel::text
FROM pg_catalog.pg_enum e
JOIN pg_catalog.pg_type t ON t.oid = e.enumtypid
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
WHERE n.nspname IN :schemas
UNION ALL
SELECT n.nspname::text, 'column', c.relname::text, a.attname::text
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN :schemas AND a.attinhcount > 0 AND NOT a.attisdropped
UNION ALL
SELECT n.nspname::text, 'constraint', c.relname::text, k.conname::text
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN :schemas AND k.coninhcount > 0
UNION ALL
SELECT n.nspname::text, 'index', '', c.relname::text
FROM pg_catalog.pg_inherits i
JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN :schemas AND c.relkind IN ('i', 'I')
"""
_SQLITE = "SELECT name, sql FROM main.sqlite_master WHERE type = 'table'"
_CONSTRAINT = re.compile(r"""\bCONSTRAINT\s+(?:(["'`])(.+?)\1|\[([^]]+)\]|(\w+))""", re.IGNORECASE)


def trace_databases(
    now: Facts, targets: Mapping[str, Target], progress: Progress
) -> tuple[tuple[TracedDatabase, ...], tuple[str, ...]]:
    """Compare what databases hold with what the migrations create.

    Args:
        now: the chain, with the status of its databases.
        targets: the databases that can be reached, by identity.
        progress: called with the databases done, the databases in all, and the last one's name.

    Returns:
        The trace of each database, and notices.
    """
    published, notices = read_published(now) if now.environment.asks_git else ((), ())
    # A published chain with other revisions below may have built them.
    headers = (
        [file.reading for file in chain.files if isinstance(file.reading, Header)]
        for chain in published
    )
    chains = [*now.old, *map(Graph, headers)]
    lives = read_schemas(tuple(targets.values()), now.named_schemas, progress)
    of_kinds: dict[str | None, Facts] = {None: now}
    found = []
    for status in now.databases.statuses:
        target = targets.get(status.identity)
        # What a migration does depends on the kind of the database.
        kind = None if target is None else _kind(now, target)
        if kind is not None and kind not in of_kinds:
            of_kinds[kind] = now.read_for(kind)
        found.append(_traced(of_kinds[kind], status, lives.get(status.identity), chains))
    return tuple(found), notices


def with_schemas(now: Facts, targets: Mapping[str, Target], progress: Progress) -> Facts:
    """The chain with the full schemas of its databases, and notices of those not read in full.

    Args:
        now: the chain, with the status of its databases.
        targets: the databases that can be reached, by identity.
        progress: called with the databases done, the databases in all, and the last one's name.
    """
    kinds = {target.backend for target in targets.values()}
    if len(kinds) == 1 and now.environment.dialect is None:
        now = now.read_for(*kinds)
    # What a migration does depends on the kind of the database.
    readable = [
        targets[status.identity]
        for status in now.databases.statuses
        if status.tables is not None
        and status.is_known
        and status.identity in targets
        and _kind(now, targets[status.identity]) is None
    ]
    lives = read_schemas(readable, now.named_schemas, progress)
    distinct: dict[object, Live] = {}  # most of a thousand tenants have the same schema
    schemas = {
        status.seen: distinct.setdefault(_contents(live), live)
        for status in now.databases.statuses
        if isinstance(live := lives.get(status.identity), Live)
    }
    names: dict[str, list[str]] = {}  # by what keeps them from being read
    for target in readable:
        live = lives[target.identity]
        if isinstance(live, Obstacle):
            names.setdefault(live.problem, []).append(target.name)
    unread = (
        f"only the tables and columns of {listing(each)} were compared, as all else could not be"
        f" read: {problem}"
        for problem, each in names.items()
    )
    databases = replace(now.databases, notices=(*now.databases.notices, *unread))
    return replace(now, databases=databases, schemas=schemas)


def _contents(live: Live) -> object:
    """Everything that may differ between databases of one kind."""
    spelled = frozenset((live.spelled or {}).items())
    known = live.schemas, live.unclear, live.is_public, live.bind
    return (frozenset(live.found.items()), spelled, *known)


def _kind(now: Facts, target: Target) -> str | None:
    """The dialect of a database, if the migrations are not read for that dialect anyway."""
    told = now.environment.dialect
    same = target.backend == ("mysql" if told == "mariadb" else told)
    return None if same else target.backend


def _traced(
    now: Facts, status: DatabaseStatus, live: Live | Obstacle | None, chains: Sequence[Graph]
) -> TracedDatabase:
    claimed = stood_for(now.graph, status.rows)
    problem, remedy = "", status.remedy
    if not status.is_known:
        problem = status.problem or "there is no such database"
    elif status.tables is None:
        problem = "this user may not see all tables: grant SELECT on the whole database"
    elif not status.own and any(key.database for key in now.evidence.mentioned):
        problem = "the migrations work on several binds, and a URL does not tell which one it is"
    elif live is None:
        problem = "it cannot be reached from here"
    elif isinstance(live, Obstacle):
        problem, remedy = live.problem, live.remedy
    else:
        return TracedDatabase(status, claimed, trace(now, live, claimed, chains))
    return TracedDatabase(status, claimed, None, problem, remedy)


def read_schemas(
    targets: Sequence[Target], schemas: Set[str], progress: Progress
) -> Mapping[str, Live | Obstacle]:
    """Read what several databases hold.

    Args:
        targets: the databases.
        schemas: further schemas that migrations name, besides that of the version table.
        progress: called with the databases done, the databases in all, and the last one's name.

    Returns:
        What each holds, by identity, or why it could not be read.
    """

    def work(job: Job[Target]) -> Iterator[tuple[int, Live | Obstacle]]:
        def read(connection: Connection, target: Target) -> Live:
            return read_live(connection, target, schemas, job.heard)

        return over_one_connection(job, read)

    found = run(
        jobs_for(targets, lambda target: target),
        work,
        lambda *_: no_answer(),
        lambda done, target: progress(done, len(targets), target.name),
    )
    return {target.identity: found[index] for index, target in enumerate(targets)}


def read_live(
    connection: Connection,
    target: Target,
    schemas: Set[str] = frozenset(),
    heard: Callable[[], None] = lambda: None,
) -> Live:
    """Read the tables of a database with all their parts.

    Args:
        connection: to the database, in a transaction.
        target: the database.
        schemas: further schemas that migrations name, in lower case.
        heard: called each time that the database has answered.

    Raises:
        Obstacle: this user may not use the schema.
    """
    backend = target.backend
    own = _own_schema(connection, target)
    names = inspect(connection).get_schema_names() if schemas else ()
    places = {own: ""} | {name: name.casefold() for name in names if name.casefold() in schemas}
    twice = Counter(name.casefold() for name in places)
    reading = read_whole(connection, target.schema, schemas - {own.casefold()}, heard)
    held, unclear = _states(reading.schema, backend)
    unclear.update(key_of(thing) for thing in _unclear(connection, backend, places, reading.schema))
    spelled = {
        key_of(thing): thing.name for thing in reading.schema if thing.name != thing.name.casefold()
    }
    if own.casefold() in schemas:  # migrations may use that name, too
        held |= {_within(key, own): state for key, state in held.items() if not key.schema}
        unclear |= {_within(key, own) for key in unclear if not key.schema}
        spelled |= {_within(key, own): name for key, name in spelled.items() if not key.schema}
    bind = target.bind
    return Live(
        {key._replace(database=bind): state for key, state in held.items()} if bind else held,
        _LOOKED[backend],
        frozenset({""} | {name for name in schemas if twice[name] <= 1}),
        _LONGEST.get(backend),
        frozenset(key._replace(database=bind) for key in unclear),
        spelled if backend == "postgresql" and not bind else None,
        backend != "postgresql" or own == "public",
        bind,
    )


def _own_schema(connection: Connection, target: Target) -> str:
    """The schema that holds the version table.

    Raises:
        Obstacle: this user may not use it.
    """
    if target.backend != "postgresql":
        return target.schema or str(inspect(connection).default_schema_name)
    own = target.schema or connection.execute(text("SELECT current_schema()")).scalar()
    usable = text("SELECT has_schema_privilege(:schema, 'USAGE')")
    if own is None or not connection.execute(usable, {"schema": own}).scalar():
        raise Obstacle(
            "this user may not use the schema of the version table",
            "connect as a user that may, or GRANT USAGE ON SCHEMA to this one",
        )
    return own


def _within(key: Key, schema: str) -> Key:
    return key._replace(schema=schema.casefold())


def _states(schema: Reflected, backend: str) -> tuple[dict[Key, State], set[Key]]:
    """The state of each object, and the names that databases may give to several objects."""
    held: dict[Key, State] = {}
    unclear: set[Key] = set()
    for thing, properties in schema.items():
        key = key_of(thing)
        if key in held:
            unclear.add(key)
        held[key] = True
        if thing.kind is Kind.COLUMN and schema[table_of(thing)]["type"] == "table":
            held.update((key._replace(kind=kind), state) for kind, state in states_of(properties))
        elif thing.kind is Kind.CONSTRAINT and properties["definition"].startswith("UNIQUE"):
            held[key_of(thing._replace(kind=Kind.INDEX))] = True  # it is one in all but name
    return held, unclear


def _unclear(
    connection: Connection, backend: str, places: Mapping[str, str], schema: Reflected
) -> Iterator[SchemaObject]:
    """Objects whose presence or absence proves nothing about migrations."""
    if backend == "mysql":  # a foreign key's index has the name of its column
        for thing in schema:
            if thing.kind is Kind.INDEX and thing._replace(kind=Kind.COLUMN) in schema:
                yield thing
    elif backend == "sqlite":
        for table, sql in connection.execute(text(_SQLITE)):
            for _, *names in _CONSTRAINT.findall(sql or ""):
                thing = SchemaObject(Kind.CONSTRAINT, "".join(names), table)
                if thing not in schema:  # SQLAlchemy does not report the name
                    yield thing
    else:
        query = text(_POSTGRESQL).bindparams(bindparam("schemas", expanding=True))
        found = connection.execute(query, {"schemas": list(places)})
        for place, kind, table, name in found:
            thing = SchemaObject(Kind(kind), name, table, places[place])
            yield thing
            if thing.kind is Kind.COLUMN:
                yield from (thing._replace(kind=kind) for kind in PROPERTIES)
