"""What to do about each kind of failure."""

from __future__ import annotations

from flask_chainfix.model import FailureKind, RehearsalFailure

_SERVERS = {
    "postgresql": "postgresql://USER:PASSWORD@HOST/",
    "mysql": "mysql+pymysql://USER:PASSWORD@HOST/",
    "mariadb": "mariadb+pymysql://USER:PASSWORD@HOST/",
}
_REMEDIES = {
    FailureKind.CHAIN: "let what the migration needs be made before it, by another order"
    " (repair --attach) or by a migration of its own",
    FailureKind.DOWNGRADE: "the way up is proven, so upgrades can rely on the chain; correct the"
    " downgrade() that the message is about",
    FailureKind.DRIVER: "the chain is not to blame: install the driver, or let the URL name another"
    " one",
    FailureKind.ENVIRONMENT: "the chain is not to blame: correct env.py or the app until"
    " `{alembic} current` works",
    FailureKind.CONNECTION: "the connection was refused, nothing was touched there; let env.py take"
    ' its URL from config.get_main_option("sqlalchemy.url"), and whatever else connects leave it'
    " alone, where the environment variable FIXCHAIN_REHEARSAL is set",
    FailureKind.DATABASE: "the chain is not to blame: see to the disk and the database server, then"
    " rehearse again",
    FailureKind.STAMP: "move the stamp with `{fixchain} restamp`",
    FailureKind.STRANDED: "upgrade will never run them on such a database: apply them there by"
    " hand, or choose another order with repair --attach",
    FailureKind.COMPARISON: "the chain itself is proven; correct env.py or the models until"
    " `{alembic} check` works",
    FailureKind.MIGRATION: "correct the migration",
}


def remedy_for(failure: RehearsalFailure, app_dialect: str) -> str:
    """The advice for a failure; ``{alembic}`` and ``{fixchain}`` stand for commands."""
    if failure.remedy:
        return failure.remedy
    if failure.kind is FailureKind.DOWNGRADE and failure.direction == "up":
        return (
            "the way up is proven from nothing, and fails after the way down: correct the"
            f" downgrade() that leaves something behind, likely that of {failure.revision}"
        )
    if "async driver" in failure.message:
        return "give --database a URL with an asynchronous driver: sqlite+aiosqlite:///NEW_FILE"
    if failure.kind is FailureKind.SQLITE:
        if app_dialect in _SERVERS:
            url = _SERVERS[app_dialect]
            return f"the chain is not to blame: rehearse on such a server, with --database {url}"
        return (
            "the order of the chain is not to blame: write it for SQLite, in batch mode (with"
            " op.batch_alter_table(…)), or rehearse with --database on the server that the app uses"
        )
    return _REMEDIES[failure.kind]
