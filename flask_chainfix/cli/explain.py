"""The command ``explain``."""

from __future__ import annotations

import click

from flask_chainfix.cli.options import format_option
from flask_chainfix.cli.running import Call, tools_by_name
from flask_chainfix.cli.usage import Command
from flask_chainfix.common.wording import close_ids
from flask_chainfix.diagnosis.rules import Family, all_rules, explanations, rules_of
from flask_chainfix.diagnosis.rules import explain as explanation_of
from flask_chainfix.model.findings import Explanation
from flask_chainfix.report.results import Explained


def _explanations_for(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[Explanation, ...]:
    """The explanation with this code or name; all of them without one."""
    if value is None:
        return explanations()
    wanted = value.strip().casefold()
    for family in Family:  # the modules of the families after it are not imported
        for rule in rules_of(family):
            if wanted in (rule.code.casefold(), rule.name):
                return (explanation_of(rule),)
    close = close_ids(value, [word for each in all_rules() for word in (each.code, each.name)])
    looks_like = f"; similar: {', '.join(close)}" if close else ""
    raise click.BadParameter(
        f"no finding has the code or name {value!r}{looks_like}."
        f" '{context.command_path}' without one lists them all."
    )


@click.command(cls=Command, example="FC102")
@click.argument("explained", metavar="[CODE]", required=False, callback=_explanations_for)
@format_option()
def explain(call: Call, *, explained: tuple[Explanation, ...]) -> None:
    """Explain a finding.

    CODE is a finding's code or name, such as FC102 or multiple-heads. Explains what it means, what
    breaks, how it happens and how to repair it, with an example. Without CODE, lists all findings.
    Needs no migrations and no database.
    """
    tools = tools_by_name(call.context)
    call.answer(lambda: Explained(tools=tools, explanations=explained))
