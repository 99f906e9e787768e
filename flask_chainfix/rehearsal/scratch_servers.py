"""The servers on which scratch databases are made, of the kinds that are needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from flask_chainfix.common.errors import NoScratchDatabase
from flask_chainfix.common.remedies import way
from flask_chainfix.databases.drivers import parse_url
from flask_chainfix.databases.targets import Target
from flask_chainfix.environment.locate import Runtime
from flask_chainfix.model.rehearsal import SERVERS
from flask_chainfix.rehearsal.app_databases import OWN_SERVER

if TYPE_CHECKING:
    from sqlalchemy.engine import URL


class ScratchServer(NamedTuple):
    """Where scratch databases are to be made.

    Attributes:
        url: the URL of a server, or ``OWN_SERVER`` for that of each database; ``None`` where nobody
            has named one, with which only those of SQLite can be made.
        command: the command that needs them, as the user has typed it.
    """

    url: str | None
    command: str = "trace --exact"

    def place_for(self, target: Target) -> str | None:
        """Where the scratch database of one is to be; ``None`` for a temporary SQLite file.

        Raises:
            NoScratchDatabase: nobody has named a server of its kind.
        """
        if target.backend == "sqlite":
            return None
        kind = SERVERS[target.backend]
        kind = f"{kind} or MariaDB" if target.backend == "mysql" else kind
        if self.url == OWN_SERVER:
            return _without_database(target.url)
        elsewhere = f"{{fixchain}} {self.command} --server URL{{databases}}"
        if self.url is None:
            raise NoScratchDatabase(
                f"the chain has to run on {kind} for that, in a database that is made there and"
                " dropped again",
                way(
                    "make it on the same server",
                    f"{{fixchain}} {self.command} --server{{databases}}",
                )
                | way("or on another one", elsewhere),
            )
        url = parse_url(self.url, NoScratchDatabase)
        if _kind(url.get_backend_name()) != target.backend:
            raise NoScratchDatabase(
                f"it is a {kind} database, and --server names a server of another kind",
                way("name one of its kind", elsewhere),
            )
        return _without_database(url)


def servers_for(
    runtime: Runtime, named: Sequence[str], again: Callable[[str], str]
) -> tuple[str | None, ...]:
    """Where the chains are to run; the first is of the project's own kind.

    Args:
        runtime: the environment.
        named: the URLs of servers, and ``OWN_SERVER`` for that of the project's own database.
        again: the command that was typed, with an option more.

    Returns:
        For each server what ``built`` takes; ``None`` is a temporary SQLite file.

    Raises:
        NoScratchDatabase: none is of the project's kind, or nothing tells that.
    """
    own = _kind(runtime.environment.dialect or "")
    kinds = {server: own if server == OWN_SERVER else _kind_of(server) for server in named}
    servers: list[str | None] = list(dict.fromkeys(named))
    if own == "sqlite" and "sqlite" not in kinds.values():
        servers.insert(0, None)
    elif not own and not servers:
        raise NoScratchDatabase(
            "nothing tells on which kind of database this project runs, and the chain has to run"
            " there to be squashed",
            way("name a server; the scratch databases are dropped", again(" --server URL"))
            | way("if it is SQLite, say so", again(" --server sqlite://")),
        )
    elif own and own != "sqlite" and own not in kinds.values():
        raise NoScratchDatabase(
            f"this project runs on {SERVERS.get(own, own)}, and the chain has to run there to be"
            " squashed, in a database that is made for it and dropped again",
            way("make it on the server of the app's own database", again(" --server"))
            | way("or on another one", again(" --server URL")),
        )
    first = next((each for each in servers if each and kinds[each] == own), servers[0])
    return (first, *(each for each in servers if each != first))


def _kind_of(server: str) -> str:
    return _kind(parse_url(server, NoScratchDatabase).get_backend_name())


def _kind(backend: str) -> str:
    return {"mariadb": "mysql"}.get(backend, backend)


def _without_database(url: URL) -> str:
    """The URL of a server, the same for all databases there.

    A search path that leads to the schema of a tenant leads nowhere in a new database.
    """
    options = url.query.get("options", "")
    if "search_path" in str(options):
        url = url.difference_update_query(["options"])
    return url.set(database="").render_as_string(hide_password=False)
