"""Failures explained for the user: the cause, the place, and the remedy."""

from __future__ import annotations

import re
import traceback
from collections.abc import Collection, Iterator, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError, SQLAlchemyError, StatementError

from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.quoting import word
from flask_chainfix.common.remedies import Remedy, way
from flask_chainfix.common.wording import beginning_of
from flask_chainfix.databases.database_errors import remedy_for_migrating, trouble_of
from flask_chainfix.databases.drivers import missing_driver
from flask_chainfix.environment.messages import masked, message_of
from flask_chainfix.model.databases import Trouble
from flask_chainfix.model.rehearsal import ON_PATH_BY_ENV_PY, SERVERS, FailureKind, RehearsalFailure


class ForeignConnection(Exception):
    """The app, ``env.py`` or a migration tries to connect to a database that is not ours."""


# Something is missing, or there already.
_OF_CHAIN = {
    *(Trouble.EXISTS, Trouble.NO_TABLE, Trouble.NO_COLUMN, Trouble.NO_OBJECT),
    *(Trouble.NO_FUNCTION, Trouble.FOREIGN_KEY, Trouble.ID_TOO_LONG),
}

_OF_SERVER = {
    *(Trouble.FULL, Trouble.LOST, Trouble.NO_RIGHTS, Trouble.READ_ONLY, Trouble.NO_EXTENSION),
    Trouble.TOO_SLOW,
}

_OF_SQLITE = {Trouble.NOT_KNOWN_THERE, Trouble.NO_FUNCTION, Trouble.LOCKED}


def kind_of(error: BaseException, direction: str, round_: int, dialect: str) -> FailureKind:
    """The cause of an exception that a migration raised."""
    errors = list(causes(error))
    if any(isinstance(each, ForeignConnection) for each in errors):
        return FailureKind.CONNECTION
    if any(missing_driver(each) for each in errors):
        return FailureKind.DRIVER
    if any(isinstance(each, ModuleNotFoundError) for each in errors):
        return FailureKind.MODULE
    trouble = _trouble_in(error)
    if trouble in _OF_SERVER:
        return FailureKind.DATABASE
    if dialect == "sqlite" and trouble in _OF_SQLITE:
        return FailureKind.SQLITE
    if direction == "down":
        return FailureKind.DOWNGRADE
    if trouble in _OF_CHAIN:
        # If a revision has run once, it only fails because of an incomplete downgrade().
        return FailureKind.CHAIN if round_ < 2 else FailureKind.DOWNGRADE
    return FailureKind.MIGRATION


def _trouble_in(error: BaseException) -> Trouble | None:
    """The kind of error from a database, or from Alembic instead; ``None`` if from neither."""
    return next(filter(None, map(_trouble, causes(error))), None)


def _trouble(error: BaseException) -> Trouble | None:
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return Trouble.LOST
    if isinstance(error, SQLAlchemyError | NotImplementedError):
        return trouble_of(error, getattr(error, "statement", None) or "")
    if isinstance(error, KeyError | ValueError):
        frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
        if any(frame.f_globals.get("__name__") == "alembic.operations.batch" for frame in frames):
            return Trouble.NO_OBJECT  # Alembic looks up the table's columns and constraints
    return None


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and its causes, each once."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


_ANYWHERE = (FailureKind.CONNECTION, FailureKind.DRIVER, FailureKind.MODULE)
_Frames = Sequence[traceback.FrameSummary]
_LACKS = re.compile(r"module '.*' has no attribute '(up|down)grade'")


@dataclass()
class Scene:
    """The current state of the process, to describe a failure.

    Attributes:
        dialect: the dialect of the scratch databases.
        migrations: the files of the chain.
        env_py: the environment's own.
        doing: the kind of failure if no migration causes it.
        passwords: the passwords to hide.
        step: the running revision, direction, round and bind; ``None`` between steps.
        place: a description of the allowed databases.
    """

    dialect: str
    migrations: Collection[str]
    env_py: str
    doing: FailureKind = FailureKind.ENVIRONMENT
    passwords: set[str] = field(default_factory=set)
    step: tuple[str, str, int, str] | None = None
    place: str = "the scratch database"


def describe(error: BaseException, scene: Scene) -> dict[str, Any]:
    """The fields of a ``RehearsalFailure``, as JSON values."""
    revision, direction, round_, bind = scene.step or (None, "", 0, "")
    innermost, frames = _frames(error, scene)
    kind = kind_of(error, direction, round_, scene.dialect)
    if scene.step is None and kind not in _ANYWHERE:
        kind = scene.doing
        if kind is FailureKind.CHAIN and _last(frames, scene.migrations):
            kind = FailureKind.MIGRATION
        # Alembic itself reports a migration without a function.
        if isinstance(error, AttributeError) and (found := _LACKS.fullmatch(str(error))):
            kind = FailureKind.DOWNGRADE if found[1] == "down" else FailureKind.MIGRATION
    trouble = _trouble_in(error)
    path, line = _place(frames, scene)
    foreign = next((each for each in causes(error) if isinstance(each, ForeignConnection)), None)
    message = f"this wants to connect to {foreign}, which is not {scene.place}"
    return {
        "kind": kind.value,
        "message": masked(message if foreign else message_of(error), scene.passwords),
        "revision": revision,
        "direction": direction,
        "round": round_,
        "bind": bind,
        "path": path,
        "line": line,
        "trouble": None if trouble is None else trouble.value,
        "refuses": direction == "down" and _raises_it(frames, scene),
        "operation": masked(_operation(innermost, frames, scene), scene.passwords),
    }


def _frames(error: BaseException, scene: Scene) -> tuple[BaseException, _Frames]:
    """The traceback into a migration, of the exception or one of its causes."""
    found: list[tuple[BaseException, _Frames]] = []
    for each in causes(error):
        frames = list(traceback.extract_tb(each.__traceback__))
        if isinstance(each, SyntaxError) and each.filename:
            frames.append(traceback.FrameSummary(each.filename, each.lineno or 1, ""))
        found.append((each, frames))
    inside = [each for each in found if _last(each[1], scene.migrations)]
    return inside[-1] if inside else found[0]


def _last(frames: _Frames, files: Collection[str]) -> int:
    """The 1-based position of the last frame in one of the files; 0 if there is none."""
    return max((n for n, frame in enumerate(frames, 1) if frame.filename in files), default=0)


def _place(frames: _Frames, scene: Scene) -> tuple[str | None, int | None]:
    below = (frame.filename for frame in frames if frame.filename.startswith(str(Path.cwd())))
    own = [name for name in below if "site-packages" not in name]
    for files in (scene.migrations, (scene.env_py,), own):
        if number := _last(frames, files):
            return frames[number - 1].filename, frames[number - 1].lineno or 1
    return None, None


def _raises_it(frames: _Frames, scene: Scene) -> bool:
    """Whether the migration raised the exception itself, with ``raise``."""
    last = frames[-1] if frames else None
    return (
        last is not None
        and last.filename in scene.migrations
        and (last.line or "").startswith("raise ")
    )


def _operation(error: BaseException, frames: _Frames, scene: Scene) -> str:
    """The operation that the migration called, or the start of its SQL."""
    number = _last(frames, scene.migrations)
    for frame in frames[number:] if number else ():
        if Path(frame.filename).parts[-3:-1] == ("alembic", "operations"):
            name = frame.name  # ``batch_op`` calls others by the shorter name
            if name != "<lambda>":
                return f"op.{name if name == 'batch_alter_table' else name.removeprefix('batch_')}"
    if isinstance(error, StatementError) and error.statement:
        return beginning_of(" ".join(error.statement.split()), 60)
    return ""


# --- What to do -----------------------------------------------------------------------------------
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

_TYPE = re.compile(r'^type "?([^"(]+).* (already exists|does not exist)')  # PostgreSQL's words
_MISSING = (Trouble.NO_TABLE, Trouble.NO_COLUMN, Trouble.NO_OBJECT, Trouble.NO_FUNCTION)
_ALTERS = re.compile(
    r"ALTER TABLE|op\.((add|alter|drop)_column|drop_constraint|create_(\w+_(constraint|key)))",
    re.IGNORECASE,
)
_NEAR = re.compile(r'near "([^\W\d]\w*)": syntax error')  # SQLite's words
_MODULE = re.compile(r"No module named '([^']+)'")


def remedy_for(failure: RehearsalFailure, app_dialect: str, on_server: str) -> str | Remedy:
    """The remedy for a failure; ``on_server`` is the command that rehearses on the app's server."""
    if failure.kind is FailureKind.MODULE:
        found = _MODULE.search(failure.message)
        module = found[1] if found else "the module"
        return (
            Remedy.of(
                f"the chain is not to blame: install what provides {module} into the environment"
                " that runs this command"
            )
            | "correct the import, where the module has another name now"
            | ON_PATH_BY_ENV_PY
        )
    if "async driver" in failure.message:
        return "give --database a URL with an asynchronous driver: sqlite+aiosqlite:///NEW_FILE"
    if failure.kind is FailureKind.SQLITE and failure.trouble is not Trouble.LOCKED:
        if app_dialect in SERVERS:
            return way("the chain is not to blame: rehearse on the app's own server", on_server)
        return Remedy.of(f"the order of the chain is not to blame: {_for_sqlite(failure)}") | (
            "give --database the URL of a server, where the app uses one"
        )
    if failure.kind is FailureKind.DOWNGRADE:
        return _of_downgrade(failure)
    return _of_type(failure) or remedy_for_migrating(failure.trouble) or _REMEDIES[failure.kind]


def _for_sqlite(failure: RehearsalFailure) -> str:
    """The remedy for an operation on SQLite, which can alter tables only in batch mode."""
    what = "write types, defaults and options that SQLite knows"
    if "can't render element" in failure.message:  # SQLAlchemy's words for a type
        return what
    if _ALTERS.match(failure.operation) or "ALTER" in failure.message:
        return "write it for SQLite, in batch mode: with op.batch_alter_table(…)"
    if not failure.operation.startswith("op.") or failure.operation == "op.execute":
        return "write it in SQL that SQLite understands, too"
    found = _NEAR.search(failure.message)
    if found is None:
        return what
    name = found[1]
    return (
        f"if {name} is a name, quote it, because it is a keyword of SQLite:"
        f' sa.sql.quoted_name("{name}", quote=True); else {what}'
    )


def remedy_for_stamp(graph: Graph, rows: Collection[str], ran: Collection[str]) -> Remedy:
    """The remedy for a stamp whose rows prevent an upgrade."""
    unknown = sorted(set(rows).difference(graph))
    if unknown:
        return way(
            f"the new chain has no {', '.join(unknown)}: find out what happened to it",
            "{fixchain} check{asked}",
        )
    tops = sorted(row for row in rows if row not in graph.required(set(rows) - {row}))
    missing = sorted(graph.required(tops).difference(ran, tops))
    if missing:
        return way(
            f"{', '.join(missing)} never ran there, and would be skipped: undo the repair, and"
            " repair again with that database named",
            "{fixchain} undo{databases}",
        )
    return way(f"move the stamp to {' '.join(tops)}", "{fixchain} restamp{databases}")


def _of_type(failure: RehearsalFailure) -> str:
    """The remedy for a PostgreSQL type."""
    if (found := _TYPE.search(failure.message)) is None:
        return ""
    name, how = found.groups()
    if how == "already exists":
        return (
            f"the type {name} is created twice: where it is there already, write"
            f' postgresql.ENUM(…, name="{name}", create_type=False)'
        )
    return (
        "create the type first, as add_column does not:"
        f' sa.Enum(…, name="{name}").create(op.get_bind(), checkfirst=True); or the extension that'
        " has it"
    )


def _of_downgrade(failure: RehearsalFailure) -> str | Remedy:
    """The remedy for a ``downgrade()`` that fails, or one that was incomplete."""
    if failure.refuses and failure.revision is not None:
        return way(
            "the way up is proven: leave this downgrade() as it is, if nobody will ever go"
            " back, and rehearse what comes after it",
            f"{{fixchain}} rehearse --stairway --from {word(failure.revision)}",
        )
    missing = failure.trouble in _MISSING
    found = _TYPE.search(failure.message)
    if failure.direction == "down":
        advice = remedy_for_migrating(failure.trouble)
        if missing:
            advice = "drop only what upgrade() creates, in the opposite order"
        correct = f"correct this downgrade(){f': {advice}' if advice else ''}"
    elif missing:
        correct = "a downgrade() drops more than its upgrade() creates: correct that one"
    elif failure.trouble is Trouble.EXISTS and found is not None:
        correct = (
            f"the downgrade() of {failure.revision} leaves the type {found[1]} behind: add"
            f' sa.Enum(name="{found[1]}").drop(op.get_bind(), checkfirst=True) at its end'
        )
    else:
        correct = (
            "a downgrade() leaves something behind, most likely that of"
            f" {failure.revision}: drop it there"
        )
    return f"{correct} (the way up is proven, so upgrades can rely on the chain)"
