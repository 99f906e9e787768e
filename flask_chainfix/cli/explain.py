"""The command ``explain``."""

from __future__ import annotations

import click

from flask_chainfix.cli.options import format_option
from flask_chainfix.cli.running import Call, tools_by_name
from flask_chainfix.cli.usage import Command
from flask_chainfix.common.wording import close_ids
from flask_chainfix.diagnosis.rules import explanations
from flask_chainfix.model.findings import Explanation
from flask_chainfix.report.results import Explained


def _explanations_for(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[Explanation, ...]:
    """The explanation with this code or name; all of them without one."""
    known = explanations()
    if value is None:
        return known
    wanted = value.strip().casefold()
    found = tuple(each for each in known if wanted in (each.code.casefold(), each.name))
    if not found:
        close = close_ids(value, [word for each in known for word in (each.code, each.name)])
        looks_like = f"; it is close to {', '.join(close)}" if close else ""
        raise click.BadParameter(
            f"no finding has the code or name {value!r}{looks_like}."
            f" '{context.command_path}' without one lists them all."
        )
    return found


@click.command(cls=Command, example="FC102")
@click.argument("explained", metavar="[CODE]", required=False, callback=_explanations_for)
@format_option()
def explain(call: Call, *, explained: tuple[Explanation, ...]) -> None:
    """Explain a finding.

    CODE is the code of a finding, such as FC102, or its name, such as multiple-heads. Explains what
    it means, what breaks, how it happens and how to repair it, with an example. Without CODE, lists
    all findings. Needs no migrations and no database.
    """
    tools = tools_by_name(call.context)
    call.answer(lambda: Explained(tools=tools, explanations=explained))
