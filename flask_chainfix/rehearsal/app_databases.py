"""The databases of an environment, and the servers for their scratch databases."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from flask_chainfix.common.errors import CannotPlan, CannotRehearse, NoScratchDatabase
from flask_chainfix.common.quoting import word
from flask_chainfix.common.remedies import way
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.drivers import parse_url
from flask_chainfix.databases.targets import Target, app_engines, configured_urls
from flask_chainfix.environment.locate import Runtime, open_app
from flask_chainfix.environment.messages import as_typed, masked, message_of, shown_url
from flask_chainfix.model.databases import DatabaseStatus
from flask_chainfix.model.rehearsal import SERVERS

if TYPE_CHECKING:
    from sqlalchemy.engine import URL


OWN_SERVER = "own"


@contextmanager
def inside_app(runtime: Runtime, command: str = "rehearse") -> Iterator[Runtime]:
    """Load the app as the command ``flask`` does, if a Flask-Migrate ``env.py`` needs it.

    Args:
        runtime: the environment.
        command: the command to type again if the app cannot be found.

    Raises:
        CannotRehearse: the app cannot be loaded.
    """
    if runtime.loses_app:
        raise CannotRehearse(
            "migrations run in a fresh process, and there the app cannot be loaded, because it"
            " comes from a callback",
            way(
                "name the module and the factory that make the app",
                f"flask --app MODULE:FACTORY {{group}} fixchain {command}",
            ),
        )
    if not runtime.environment.uses_flask or runtime.has_app:
        yield runtime
        return
    try:
        import flask.cli
        from flask.helpers import get_load_dotenv

        if get_load_dotenv():
            flask.cli.load_dotenv()
        app = os.environ.get("FLASK_APP")
        loaded = flask.cli.ScriptInfo(app_import_path=app).load_app()
    except (Exception, SystemExit) as error:  # apps can raise anything
        raise CannotRehearse(
            f"env.py needs the app, which cannot be loaded: {masked(message_of(error))}",
            "have the environment variable FLASK_APP name the app, and run the command where the"
            " app's dependencies are installed",
        ) from error
    with loaded.app_context():
        yield open_app(str(runtime.environment.directory), {"app": app, "x_arg": []})


def scratch_server(runtime: Runtime, database: str | None, source: Target | None) -> str | None:
    """The server or new file for scratch databases; ``None`` for a temporary SQLite file.

    Args:
        runtime: the environment.
        database: the URL that the user names, or ``OWN_SERVER``; ``None`` if none is named.
        source: the database to copy, next to which the copy is made if no server is named.

    Raises:
        CannotRehearse: the server is unknown, or of a different kind than the source.
    """
    if database is None:
        return None if source is None else _beside(source.url)
    url = _own_url(runtime) if database == OWN_SERVER else None
    server = database if url is None else _beside(url)
    kind = _kind_of(server or "sqlite://")
    if source is not None and kind != source.backend:
        names = {"sqlite": "SQLite", **SERVERS}
        raise CannotRehearse(
            f"a {names[source.backend]} database cannot be copied to {names[kind]}",
            way("leave --database out, to copy it on its own server", "{fixchain} rehearse --copy"),
        )
    return server


def _own_url(runtime: Runtime) -> URL:
    if runtime.has_app:
        return app_engines("correct the app's configuration")[None].url
    written = next(iter(configured_urls(runtime).values()), "")
    if not written:
        raise CannotRehearse(
            "the configuration names no database, so its server is not known",
            "give --database the URL of the server",
        )
    return parse_url(written, CannotRehearse)


def binds_of(runtime: Runtime) -> tuple[str, ...]:
    """The names of the databases that ``env.py`` migrates; ``""`` is the default one."""
    if runtime.has_app:
        from flask import current_app

        if "engines" not in dir(current_app.extensions["migrate"].db):  # of another extension
            return ("",)
        return tuple(bind or "" for bind in app_engines("correct the app's configuration"))
    # The multi-database template of ``alembic init -t multidb``.
    parser, section = runtime.options.parser, runtime.options.section
    written = parser.get(section, "databases", fallback="").replace(",", " ").split()
    return tuple(written) if written and all(map(parser.has_section, written)) else ("",)


def refuse_unknown_binds(
    runtime: Runtime, statuses: Iterable[DatabaseStatus], command: str
) -> None:
    """Refuse a URL that does not say which of the several databases of ``env.py`` it is.

    Args:
        runtime: the environment.
        statuses: the databases in which migrations are to run.
        command: the command that the user typed.

    Raises:
        CannotPlan: the bind of a database is unknown.
        CannotRehearse: the app cannot be loaded.
    """
    named = [each for each in statuses if not each.own]
    if not named:
        return
    with inside_app(runtime, command) as opened:
        binds = binds_of(opened)
    if len(binds) > 1:
        raise CannotPlan(
            f"env.py migrates {len(binds)} databases, and it is not known which of them"
            f" {named[0].name} is",
            way("leave it out, and take the app's own", f"{{fixchain}} {command}"),
        )


def sources_of(runtime: Runtime, copy: str, binds: Sequence[str]) -> dict[str, Target]:
    """The databases to copy, by bind.

    Raises:
        CannotRehearse: the databases are unknown.
    """
    if copy != OWN_SERVER:
        if len(binds) > 1:
            raise CannotRehearse(
                f"env.py migrates {len(binds)} databases, and one URL is given to copy",
                way("copy the app's own", "{fixchain} rehearse --copy"),
            )
        urls = {binds[0]: parse_url(copy, CannotRehearse, "--copy")}
    elif runtime.has_app:
        engines = app_engines("correct the app's configuration")
        urls = {bind: engines[bind or None].url for bind in binds}
    else:
        parser, section = runtime.options.parser, runtime.options.section
        written = {
            bind: parser.get(bind or section, "sqlalchemy.url", fallback="") for bind in binds
        }
        if missing := [bind or section for bind, url in written.items() if not url]:
            raise CannotRehearse(
                f"the configuration names no database to copy ({listing(missing)})",
                "write its URL as sqlalchemy.url there, or after --copy",
            )
        urls = {bind: parse_url(url, CannotRehearse) for bind, url in written.items()}
    return {bind: Target(shown_url(url), url) for bind, url in urls.items()}


# --- Servers of the right kinds for scratch databases --------------------------------------------


class ScratchServer(NamedTuple):
    """Where to create scratch databases.

    Attributes:
        url: the URL of a server, or ``OWN_SERVER`` for that of each database; ``None`` if none is
            named, which only works for SQLite.
        command: the command that needs them, as the user typed it.
    """

    url: str | None
    command: str = "trace --exact"

    @property
    def again(self) -> str:
        """The command with the server and the options for its result, without the databases."""
        typed = "" if self.url is None else " --server"
        if self.url not in (None, OWN_SERVER):
            typed += f" {word(as_typed(self.url))}"
        return f"{self.command}{typed}{{how}}"

    def place_for(self, target: Target) -> str | None:
        """The server for a database's scratch database; ``None`` for a temporary SQLite file.

        Raises:
            NoScratchDatabase: no server of its kind is named.
        """
        if target.backend == "sqlite" or self.url == OWN_SERVER:
            return _beside(target.url)
        kind = SERVERS[target.backend]
        kind = f"{kind} or MariaDB" if target.backend == "mysql" else kind
        elsewhere = f"{{fixchain}} {self.command} --server URL{{how}}{{databases}}"
        if self.url is None:
            raise NoScratchDatabase(
                f"the chain has to run on {kind} for that, in a database that is made there and"
                " dropped again",
                way(
                    "make it on the same server",
                    f"{{fixchain}} {self.command} --server{{how}}{{databases}}",
                )
                | way("make it on another server", elsewhere),
            )
        if _kind_of(self.url) != target.backend:
            raise NoScratchDatabase(
                f"it is a {kind} database, and --server names a server of another kind",
                way("name one of its kind", elsewhere),
            )
        return _beside(parse_url(self.url, NoScratchDatabase))


def servers_for(
    runtime: Runtime,
    named: Sequence[str],
    again: Callable[[str], str],
    known: Collection[Target],
) -> tuple[str | None, ...]:
    """The servers on which to run the chains; the first is of the project's own kind.

    Args:
        runtime: the environment.
        named: the URLs of servers, and ``OWN_SERVER`` for that of the project's own database.
        again: returns the typed command with one more option.
        known: the databases that the user names, for a project whose configuration names none.

    Returns:
        For each server the argument for ``built``; ``None`` is a temporary SQLite file.

    Raises:
        NoScratchDatabase: no server is of the project's kind, or that kind is unknown.
    """
    own = _kind(runtime.environment.dialect or "")
    only_own = set(named) <= {OWN_SERVER}
    if not own and only_own and len({each.backend for each in known}) == 1:
        first = next(iter(known))
        own, place = first.backend, _beside(first.url) or "sqlite://"
        named = [place if server == OWN_SERVER else server for server in named]
    kinds = {server: own if server == OWN_SERVER else _kind_of(server) for server in named}
    servers: list[str | None] = list(dict.fromkeys(named))
    if own == "sqlite" and "sqlite" not in kinds.values():
        servers.insert(0, None)
    elif not own and not servers:
        raise NoScratchDatabase(
            "nothing shows which kind of database this project uses, and the chain has to run"
            " there to be squashed",
            way("name a server; the scratch databases are dropped", again(" --server URL"))
            | way("if it is SQLite, say so", again(" --server sqlite://")),
        )
    elif own and own != "sqlite" and own not in kinds.values():
        raise NoScratchDatabase(
            f"this project runs on {SERVERS.get(own, own)}, and the chain has to run there to be"
            " squashed, in a database that is made for it and dropped again",
            way("make it on the server of its own database", again(" --server"))
            | way("make it on another server", again(" --server URL")),
        )
    best = next((each for each in servers if each and kinds[each] == own), servers[0])
    return (best, *(each for each in servers if each != best))


def _kind_of(server: str) -> str:
    return _kind(parse_url(server, NoScratchDatabase).get_backend_name())


def _kind(backend: str) -> str:
    return {"mariadb": "mysql"}.get(backend, backend)


def _beside(url: URL) -> str | None:
    """The server of a database; ``None`` for a temporary SQLite file, never the database's own.

    It has no search path: the schema of a tenant does not exist in a new database.
    """
    if url.get_backend_name() == "sqlite":
        return None
    options = url.query.get("options", "")
    if "search_path" in str(options):
        url = url.difference_update_query(["options"])
    return url.set(database="").render_as_string(hide_password=False)
