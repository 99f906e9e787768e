"""Which functions from elsewhere are certain to leave the schema alone, called with plain values.

A library that knows nothing of this project, of Alembic or of databases has no way to the database
unless one is handed to it. What belongs to the project may import ``op`` itself.
"""

from __future__ import annotations

import re
from collections.abc import Collection

# Packages and modules that reach databases by themselves, or belong to a migration's own project.
_REACH_DATABASES = re.compile(
    r"alembic|migrat|sql|db|odbc|oracle|orm|psycopg|^pg|django|pandas|peewee|records|dataset"
)
_OF_A_PROJECT = re.compile(
    r"(?:api|apps?|application|backend|common|config|core|helpers?|lib|models?|project|scripts?"
    r"|server|src|tests?|utils?|versions)"
)
_CHANGES = re.compile(
    r"_*(?:add|alter|apply|bootstrap|change|create|downgrade|drop|ensure|exec|init|install|make_t"
    r"|migrat|reflect|rename|run|setup|set_up|sync|upgrade)"
)
# What is called for what it does, and not for what it gives, and does nothing to a database.
_TELLS = frozenset(
    {"critical", "debug", "echo", "error", "exception", "filterwarnings", "info", "log", "print"}
    | {"load_dotenv", "secho", "seed", "set_level", "sleep", "warn", "warning", "write"}
)


def is_harmless(name: str, local: Collection[str] | None, *, dropped: bool) -> bool:
    """Whether a function or method does nothing to the schema, as long as it gets plain values.

    Args:
        name: its dotted name, as imported.
        local: the top-level modules of the migration's own project; ``None`` where nobody looked.
        dropped: whether nobody uses what it gives, so that it is called for what it does.
    """
    package, *_ = modules = name.split(".")[:-1]
    last = name.rpartition(".")[2]
    if local is None or not package or package in local or _OF_A_PROJECT.fullmatch(package):
        return False
    if any(_REACH_DATABASES.search(module.lower()) for module in modules):
        return False
    return last in _TELLS if dropped else not _CHANGES.match(last)
