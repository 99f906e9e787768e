"""flask-chainfix: see what is wrong with an Alembic migration chain, and relink it safely."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

__all__ = ["ChainFix"]


class ChainFix:
    """Adds ``fixchain`` to Flask-Migrate's command group.

    Args:
        app: the app; in an app factory, leave it out and call ``init_app`` later.

    Use it beside ``Migrate``, before or after it::

        migrate = Migrate(app, db)
        chainfix = ChainFix(app)
    """

    def __init__(self, app: Flask | None = None) -> None:
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Mount ``fixchain`` for an app; safe to call repeatedly, and for several apps."""
        # The console script imports this package, too, and hears signals before anything slow.
        import click
        from flask_migrate.cli import db as migrate_group  # type: ignore[import-untyped]

        from flask_chainfix.cli.in_app import GROUP

        # Flask-Migrate has one group for the whole process, under any name, in any app.
        migrate_group.add_command(GROUP)
        app.extensions["chainfix"] = self
        if "migrate" not in app.extensions and "db" not in app.cli.commands:
            # A later Migrate replaces this group; without one, the commands report its absence.
            app.cli.add_command(click.Group("db", {"fixchain": GROUP}, hidden=True))
