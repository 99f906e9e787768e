"""The command ``hook``."""

from __future__ import annotations

import click

from flask_chainfix.cli.options import format_option
from flask_chainfix.cli.running import Call
from flask_chainfix.cli.usage import Command
from flask_chainfix.commands.session import Session
from flask_chainfix.model.files import HookState
from flask_chainfix.report.results import HookPlan


@click.command(cls=Command, example="--install")
@click.option("--install", is_flag=True, help="Show the new files, ask, and write them.")
@click.option(
    "--print", "only_shown", is_flag=True, help="Only print the files, and where they go."
)
@click.option(
    "--post-checkout",
    is_flag=True,
    help="Only set up Git's post-checkout hook, which says in one line that a database is ahead of"
    " the code, and which command downgrades it.",
)
@click.option(
    "--merge-driver",
    is_flag=True,
    help="Also have Git merge chain.lock as rebase would: it reports a conflict only if your"
    " revisions cannot go on top of theirs.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@format_option()
def hook(
    call: Call, *, install: bool, only_shown: bool, post_checkout: bool, merge_driver: bool
) -> None:
    """Install checks for every commit and pull request.

    Sets up a hook of pre-commit, or a plain Git hook if the project does not use that, a job for
    GitHub Actions or GitLab CI, and a review checklist. Writes only files that do not exist; for a
    file that exists, prints the lines to add.
    """
    from flask_chainfix.commands import hook as hooks  # other commands do not need it

    if not (install or only_shown):
        raise click.UsageError("pass --install to write the files, or --print to see them")

    def plan(session: Session) -> HookPlan:
        made = hooks.plan_hooks(session, after_checkout=post_checkout, merges_locks=merge_driver)
        return hooks.shown(made) if only_shown else made

    def question(plan: HookPlan) -> str:
        planned = any(file.state is HookState.PLANNED for file in plan.files)
        return "Write these files?" if planned else ""

    call.change(plan, question, hooks.carry_out_hooks)
