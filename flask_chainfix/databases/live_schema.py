"""Read what databases hold, to compare it with what the migrations create."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence, Set
from dataclasses import replace

from sqlalchemy import bindparam, text
from sqlalchemy.engine import Connection

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.wording import Progress
from flask_chainfix.databases.connecting import Obstacle, no_answer
from flask_chainfix.databases.facts import Facts, Uncompared
from flask_chainfix.databases.pool import Job, jobs_for, over_one_connection, run
from flask_chainfix.databases.reflecting import (
    default_schema,
    no_default_schema,
    no_schema,
    no_usage,
    read_several,
    schemas_there,
)
from flask_chainfix.databases.targets import Target
from flask_chainfix.model.databases import DatabaseStatus
from flask_chainfix.schema.footprint import PROPERTIES, Key, Kind, SchemaObject, key_of, table_of
from flask_chainfix.schema.live import Live, states_of
from flask_chainfix.schema.object_history import State
from flask_chainfix.schema.reflected import Described, Reflected, Unread

_ALWAYS = frozenset({Kind.TABLE, Kind.COLUMN, Kind.INDEX})
# MySQL does not keep the names of primary keys.
_LOOKED = {
    "postgresql": _ALWAYS | {Kind.CONSTRAINT, Kind.TYPE, Kind.VALUE},
    "sqlite": _ALWAYS | {Kind.CONSTRAINT},
    "mysql": _ALWAYS,
}
# PostgreSQL truncates longer names, MySQL refuses them.
_LONGEST = {"postgresql": 63, "mysql": 64}
_AT_ONCE = 50  # schemas in one transaction
_USABLE = """
SELECT nspname::text FROM pg_catalog.pg_namespace
WHERE nspname IN :schemas AND has_schema_privilege(oid, 'USAGE')
"""
# What comes from other tables.
_INHERITED = """
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
_LABEL = re.compile(r"'((?:[^']|'')*)'")
_SQLITE = "SELECT name, sql FROM main.sqlite_master WHERE type = 'table'"
_CONSTRAINT = re.compile(r"""\bCONSTRAINT\s+(?:(["'`])(.+?)\1|\[([^]]+)\]|(\w+))""", re.IGNORECASE)


def with_schemas(now: Facts, targets: Mapping[str, Target], progress: Progress) -> Facts:
    """The chain with the full schemas of its databases.

    Args:
        now: the chain, with the status of its databases.
        targets: the databases that can be reached, by identity.
        progress: called with the databases done, the databases in all, and the last one's name.
    """
    kinds = {target.backend for target in targets.values()}
    if len(kinds) == 1 and now.environment.dialect is None:
        now = now.read_for(*kinds)
    statuses = [each for each in now.databases.statuses if each.identity in targets]
    has_binds = bool(statuses) and now.evidence.has_binds
    hindered = {each.identity: _hindrance(each, has_binds=has_binds) for each in statuses}
    readable = [targets[name] for name, problem in hindered.items() if not problem]
    read = read_schemas(readable, now.named_schemas if readable else frozenset(), progress)
    distinct: dict[object, Live] = {}  # most of a thousand tenants have the same schema
    contents = {id(live): _contents(live) for live in read.values() if isinstance(live, Live)}
    schemas: dict[Hashable, Live | Uncompared] = {}
    for status in statuses:
        live = read.get(status.identity)
        if isinstance(live, Live):
            schemas[status.seen] = distinct.setdefault(contents[id(live)], live)
        elif live is not None:
            schemas[status.seen] = Uncompared(live.problem, live.remedy)
        else:
            schemas[status.seen] = Uncompared(hindered[status.identity], status.remedy)
    return replace(now, schemas=schemas)


def _hindrance(status: DatabaseStatus, *, has_binds: bool) -> str:
    """Why a database cannot be compared; ``""`` if it can."""
    if not status.is_known:
        return status.problem or "there is no such database"
    if status.tables is None:
        return "this user may not see all tables: grant SELECT on the whole database"
    if has_binds and not status.own:
        return "the migrations work on several binds, and a URL does not show which one it is"
    return ""


def _contents(live: Live) -> object:
    """Everything that may differ between databases."""
    found, spelled = (frozenset(each.items()) for each in (live.found, live.spelled or {}))
    known = live.schemas, live.unclear, live.is_public, live.bind, live.dialect, live.unread
    built = frozenset(live.built), live.views
    return (found, spelled, *built, live.looked, live.left_out, *known)


def read_schemas(
    targets: Sequence[Target], schemas: Set[str], progress: Progress
) -> Mapping[str, Live | Obstacle]:
    """Read what several databases hold.

    Args:
        targets: the databases.
        schemas: further schemas that migrations name, besides that of the version table.
        progress: called with the databases done, the databases in all, and the last one's name.

    Returns:
        What each holds, by identity, or why it could not be read. Databases that are read together
        and hold the same share one object.
    """

    def work(job: Job[Target]) -> Iterator[tuple[int, Live | Obstacle]]:
        def read(connection: Connection, some: Sequence[Target]) -> list[Live | Obstacle]:
            return read_together(connection, some, schemas, job.answered)

        return over_one_connection(job, read, _AT_ONCE)

    found = run(
        jobs_for(targets, lambda target: target),
        work,
        lambda *_: no_answer(),
        lambda done, target: progress(done, len(targets), target.name),
    )
    return {target.identity: found[index] for index, target in enumerate(targets)}


def read_together(
    connection: Connection,
    targets: Sequence[Target],
    schemas: Set[str],
    answered: Callable[[], None],
) -> list[Live | Obstacle]:
    """Read some schemas of one database, and those that migrations name once for all of them."""
    backend = targets[0].backend
    default = default_schema(connection)
    own = [target.tables_schema or default for target in targets]
    there = schemas_there(connection, {name for name in own if name is not None}, schemas)
    usable = there
    if backend == "postgresql":
        query = text(_USABLE).bindparams(bindparam("schemas", expanding=True))
        usable = set(connection.execute(query, {"schemas": ["", *there]}).scalars())
    named = {name: name.casefold() for name in there if name.casefold() in schemas}
    parts = _parts(connection, backend, sorted(usable.intersection(own) | named.keys()), answered)
    by_parts: dict[object, Live] = {}
    found: list[Live | Obstacle] = []
    for target, name in zip(targets, own, strict=True):
        if name is None:
            found.append(no_default_schema(connection))
        elif name not in there:
            found.append(no_schema(name))
        elif name not in usable:
            found.append(no_usage(name))
        else:
            is_public = backend != "postgresql" or name == "public"
            others = {each: label for each, label in named.items() if each != name}
            if name.casefold() in schemas:  # migrations may use that name, too
                others[name] = name.casefold()
            together = parts[name], is_public, target.bind, tuple(others)
            if together not in by_parts:
                twice = Counter(each.casefold() for each in {name, *named})
                looked = frozenset({""} | {each for each in schemas if twice[each] <= 1})
                labelled = [
                    (parts[name], ""),
                    *((parts[each], label) for each, label in others.items()),
                ]
                by_parts[together] = _live(labelled, looked, target, is_public=is_public)
            found.append(by_parts[together])
    return found


@dataclass(frozen=True, eq=False)
class _Part:
    """What one schema holds, as if it were the default one; see ``Live``."""

    found: Mapping[Key, State]
    unclear: frozenset[Key]
    spelled: Mapping[Key, str]
    unread: frozenset[Key]
    unlooked: frozenset[Kind]
    left_out: tuple[str, ...]
    built: Mapping[Key, SchemaObject]
    views: frozenset[Key]


def _live(
    parts: Sequence[tuple[_Part, str]], schemas: frozenset[str], target: Target, *, is_public: bool
) -> Live:
    """The contents of a database, from those of some schemas with their names."""
    backend, bind = target.backend, target.bind
    found: dict[Key, State] = {}
    unclear: set[Key] = set()
    unread: set[Key] = set()
    views: set[Key] = set()
    spelled: dict[Key, str] = {}
    built: dict[Key, SchemaObject] = {}
    for part, schema in parts:

        def there(key: Key, schema: str = schema) -> Key:
            return key._replace(schema=schema, database=bind) if schema or bind else key

        found |= {there(key): state for key, state in part.found.items()}
        spelled |= {there(key): name for key, name in part.spelled.items()}
        unclear.update(map(there, part.unclear))
        unread.update(map(there, part.unread))
        views.update(map(there, part.views))
        for key, thing in part.built.items():
            built[there(key)] = thing._replace(schema=schema, database=bind)
    unlooked = frozenset[Kind]().union(*(part.unlooked for part, _ in parts))
    return Live(
        found,
        _LOOKED[backend] - unlooked,
        schemas,
        _LONGEST.get(backend),
        frozenset(unclear),
        spelled if backend == "postgresql" else None,
        is_public,
        bind,
        backend,
        frozenset(unread),
        tuple(dict.fromkeys(words for part, _ in parts for words in part.left_out)),
        built,
        frozenset(views),
    )


def _parts(
    connection: Connection, backend: str, schemas: Sequence[str], answered: Callable[[], None]
) -> Mapping[str, _Part]:
    """The contents of some schemas; equal ones are one object."""
    read = read_several(connection, schemas, answered) if schemas else {}
    doubts = _inherited(connection, [*read]) if read and backend == "postgresql" else {}
    distinct: dict[object, _Part] = {}
    parts = {}
    for schema, things in read.items():
        unclear = frozenset(doubts.get(schema, ()))
        known = id(things), unclear
        if known not in distinct:
            distinct[known] = _part(connection, backend, things, unclear)
        parts[schema] = distinct[known]
    return parts


def _part(
    connection: Connection,
    backend: str,
    things: Sequence[Described | Unread],
    unclear: frozenset[SchemaObject],
) -> _Part:
    schema = dict(each for each in things if not isinstance(each, Unread))
    unread = [each for each in things if isinstance(each, Unread) and each.kinds]
    held, twice = _states(schema)
    doubtful = {*unclear, *_types(schema), *_unclear(connection, backend, schema)}
    return _Part(
        held,
        frozenset(twice | set(map(key_of, doubtful))),
        {key_of(each): each.name for each in schema if each.name != each.name.casefold()},
        frozenset(key_of(SchemaObject(Kind.TABLE, each.table)) for each in unread if each.table),
        frozenset(kind for each in unread if not each.table for kind in each.kinds),
        tuple(each.words for each in unread),
        {key_of(thing): thing for thing in _built(schema, backend)},
        frozenset(
            key_of(thing)
            for thing, properties in schema.items()
            if thing.kind is Kind.TABLE and properties["type"].endswith("view")
        ),
    )


def _built(schema: Reflected, backend: str) -> Iterator[SchemaObject]:
    """The indexes and constraints with names that do not come on their own.

    MariaDB adds checks to columns, and indexes to foreign keys under the same name.
    """
    kinds = ("UNIQUE", "FOREIGN KEY", "EXCLUDE", *(() if backend == "mysql" else ("CHECK",)))
    for thing, properties in schema.items():
        if thing.kind is Kind.INDEX:
            if thing._replace(kind=Kind.CONSTRAINT) not in schema:
                yield thing
        elif thing.kind is Kind.CONSTRAINT:
            definition = properties["definition"]
            if thing.name != definition and definition.startswith(kinds):
                yield thing


def _states(schema: Reflected) -> tuple[dict[Key, State], set[Key]]:
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


def _unclear(connection: Connection, backend: str, schema: Reflected) -> Iterator[SchemaObject]:
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


def _types(schema: Reflected) -> Iterator[SchemaObject]:
    """The types with their values, which downgrades leave behind."""
    for thing, properties in schema.items():
        if thing.kind is Kind.TYPE:
            yield thing
            for label in _LABEL.findall(properties["type"]):
                name = label.replace("''", "'").replace("\\\\", "\\")
                yield SchemaObject(Kind.VALUE, name, thing.name)


def _inherited(
    connection: Connection, schemas: Sequence[str]
) -> Mapping[str, Sequence[SchemaObject]]:
    """The objects in schemas of PostgreSQL that come from other tables: they prove nothing."""
    found: dict[str, list[SchemaObject]] = {}
    asked = text(_INHERITED).bindparams(bindparam("schemas", expanding=True))
    for schema, kind, table, name in connection.execute(asked, {"schemas": schemas}):
        thing = SchemaObject(Kind(kind), name, table)
        kinds = (Kind.COLUMN, *PROPERTIES) if thing.kind is Kind.COLUMN else (thing.kind,)
        found.setdefault(schema, []).extend(thing._replace(kind=kind) for kind in kinds)
    return found
