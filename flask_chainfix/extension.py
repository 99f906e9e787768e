"""``ChainFix``: mounts the commands into a Flask app that uses Flask-Migrate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from flask import Flask


class _LazyGroup(click.Command):
    """A stand-in for the command group until it is used; web workers import this module too."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        from flask_chainfix.common import signals

        stop = signals.listen()
        try:
            from flask_chainfix.cli.groups import app_group

            context = app_group.make_context(info_name, args, parent, **extra)
        except BaseException:
            stop()
            raise
        context.call_on_close(stop)
        return context


_GROUP = _LazyGroup("fixchain", help="Diagnose and relink the migration chain.")


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
        from flask_migrate.cli import db as migrate_group  # type: ignore[import-untyped]

        # Flask-Migrate has one group for the whole process, under any name, in any app.
        migrate_group.add_command(_GROUP)
        app.extensions["chainfix"] = self
        if "migrate" not in app.extensions and "db" not in app.cli.commands:
            # A later Migrate replaces this group; without one, the commands report its absence.
            app.cli.add_command(click.Group("db", {"fixchain": _GROUP}, hidden=True))
