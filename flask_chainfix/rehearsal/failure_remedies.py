"""What to do about each kind of failure."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from flask_chainfix.chain.graph import Graph
from flask_chainfix.common.remedies import Remedy, way
from flask_chainfix.databases.database_errors import remedy_for_migrating
from flask_chainfix.model.databases import Trouble
from flask_chainfix.model.rehearsal import SERVERS, FailureKind, RehearsalFailure

_REMEDIES: dict[FailureKind, str | Remedy] = {
    FailureKind.CHAIN: way("see what is wrong with the chain", "{fixchain} check"),
    FailureKind.DRIVER: "the chain is not to blame: install the driver, or name another one in the"
    " URL",
    FailureKind.ENVIRONMENT: way(
        "the chain is not to blame: correct env.py or the app until this works",
        "{alembic} current",
    ),
    FailureKind.CONNECTION: "the connection was refused, and nothing was touched there; where the"
    " environment variable FIXCHAIN_REHEARSAL is set, let env.py take its URL from"
    ' config.get_main_option("sqlalchemy.url"), and let nothing else connect',
    FailureKind.DATABASE: "the chain is not to blame: check the disk and the database server,"
    " then rehearse again",
    FailureKind.STAMP: way("move the stamp", "{fixchain} restamp"),
    FailureKind.STRANDED: "upgrade never runs them on such a database: apply them there by hand, or"
    " choose another order with --attach",
    FailureKind.COMPARISON: way(
        "the chain itself is proven: correct env.py or the models until this works",
        "{alembic} check",
    ),
    FailureKind.MIGRATION: "correct the migration",
}

# By how the names of types, functions and operator classes of PostgreSQL's extensions begin.
_EXTENSIONS = (
    ("uuid-ossp", ("uuid_generate_",)),
    ("pgcrypto", ("gen_random_", "crypt", "digest")),
    ("pg_trgm", ("gin_trgm", "gist_trgm", "similarity")),
    ("postgis", ("geometry", "geography", "st_")),
    *((name, (name,)) for name in ("citext", "hstore", "ltree", "unaccent", "vector")),
)
_NAMED = re.compile(r'^(type|function|operator class) "?([^"(]+).* (already exists|does not exist)')
_MISSING = (Trouble.NO_TABLE, Trouble.NO_COLUMN, Trouble.NO_OBJECT, Trouble.NO_FUNCTION)
_MODULE = re.compile(r"No module named '([^']+)'")


def remedy_for(failure: RehearsalFailure, app_dialect: str, on_server: str) -> str | Remedy:
    """The advice for a failure.

    Args:
        failure: what has happened.
        app_dialect: the kind of the app's own database; ``""`` where nothing says it.
        on_server: the command that rehearses on a server of that kind.
    """
    if failure.kind is FailureKind.MODULE:
        return _of_module(failure.message)
    if "async driver" in failure.message:
        return "give --database a URL with an asynchronous driver: sqlite+aiosqlite:///NEW_FILE"
    if failure.kind is FailureKind.SQLITE and failure.trouble is not Trouble.LOCKED:
        return _of_sqlite(app_dialect, on_server)
    if failure.kind is FailureKind.DOWNGRADE:
        return _of_downgrade(failure)
    return _of_type(failure) or remedy_for_migrating(failure.trouble) or _REMEDIES[failure.kind]


def remedy_for_stamp(graph: Graph, rows: Collection[str], ran: Collection[str]) -> Remedy:
    """Where the stamp has to be moved that keeps a chain from being upgraded.

    Args:
        graph: of the chain.
        rows: the revisions that the version table holds.
        ran: the revisions that have run in this database.
    """
    unknown = sorted(set(rows).difference(graph))
    if unknown:
        return way(
            f"the new chain has no {', '.join(unknown)}: see what has become of it",
            "{fixchain} check --database",
        )
    tops = sorted(row for row in rows if row not in graph.required(set(rows) - {row}))
    missing = sorted(graph.required(tops).difference(ran, tops))
    if missing:
        return way(
            f"{', '.join(missing)} never ran there, and would be skipped: undo the repair, and"
            " repair again with that database named",
            "{fixchain} undo",
        )
    return way(f"move the stamp to {' '.join(tops)}", "{fixchain} restamp")


def _of_sqlite(app_dialect: str, on_server: str) -> Remedy:
    if app_dialect in SERVERS:
        return way("the chain is not to blame: rehearse on the app's own server", on_server)
    batch = "write it for SQLite, in batch mode: with op.batch_alter_table(…)"
    return Remedy.of(f"the order of the chain is not to blame: {batch}") | (
        "give --database the URL of a server, where the app uses one"
    )


def _of_module(message: str) -> Remedy:
    """Nothing of the chain: what is imported is not there."""
    found = _MODULE.search(message)
    name = found[1] if found else ""
    top = name.partition(".")[0]
    correct = "correct the import, where the module has another name now"
    with suppress(ImportError, ValueError):
        if top in sys.stdlib_module_names or (top != name and find_spec(top) is not None):
            return Remedy.of(f"{top} is installed, and has no module {name}: correct the import")
    if top and (Path(top).is_dir() or Path(f"{top}.py").is_file()):
        search = (
            f"{top} lies in this directory, which is not searched for modules: write"
            " prepend_sys_path = . below [alembic] in alembic.ini"
        )
        return Remedy.of(search) | correct
    install = (
        f"the chain is not to blame: install what provides {name or 'the module'} into the"
        " environment that runs this command"
    )
    return Remedy.of(install) | correct


def _of_type(failure: RehearsalFailure) -> str:
    """What is to be known of a type or function of PostgreSQL."""
    found = _NAMED.search(failure.message)
    if found is None:
        return ""
    noun, name, how = found.groups()
    if how == "already exists":
        if noun != "type":
            return ""
        return (
            f"the type {name} is created twice: where it is there already, write"
            f' postgresql.ENUM(…, name="{name}", create_type=False)'
        )
    extension = next((own for own, starts in _EXTENSIONS if name.lower().startswith(starts)), "")
    if extension:
        return (
            f"create the extension first:"
            f" op.execute('CREATE EXTENSION IF NOT EXISTS \"{extension}\"')"
        )
    if noun != "type" or failure.direction == "down":
        return ""
    return (
        "create the type first, as add_column does not:"
        f' sa.Enum(…, name="{name}").create(op.get_bind(), checkfirst=True)'
    )


def _of_downgrade(failure: RehearsalFailure) -> str:
    """What is wrong with a ``downgrade()``: the one that fails, or one that has left a trace."""
    missing = failure.trouble in _MISSING
    found = _NAMED.search(failure.message)
    if failure.direction == "down":
        advice = remedy_for_migrating(failure.trouble)
        if missing:
            advice = "drop only what upgrade() creates, in the opposite order"
        correct = f"correct this downgrade(){f': {advice}' if advice else ''}"
    elif missing:
        correct = "a downgrade() drops more than its upgrade() creates: correct that one"
    elif failure.trouble is Trouble.EXISTS and found is not None and found[1] == "type":
        correct = (
            f"the downgrade() of {failure.revision} leaves the type {found[2]} behind: add"
            f' sa.Enum(name="{found[2]}").drop(op.get_bind(), checkfirst=True) at its end'
        )
    else:
        correct = (
            "a downgrade() leaves something behind, most likely that of"
            f" {failure.revision}: drop it there"
        )
    return f"{correct} (the way up is proven, so upgrades can rely on the chain)"
