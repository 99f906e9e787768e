"""The commands inside an app: handles signals before it imports anything slow."""

from __future__ import annotations

from typing import Any

import click


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


GROUP = _LazyGroup("fixchain", help="Diagnose and relink the migration chain.")
