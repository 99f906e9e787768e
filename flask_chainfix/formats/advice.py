"""What to do, step by step, with the commands spelt out for this project."""

from __future__ import annotations

import shlex
from typing import NamedTuple

from flask_chainfix.formats.style import shown_path
from flask_chainfix.formats.verdict import only
from flask_chainfix.model import Upstream
from flask_chainfix.report import Report
from flask_chainfix.rules import Family
from flask_chainfix.rules.wording import count


class Step(NamedTuple):
    """One step: a sentence and the commands to type."""

    text: str
    commands: tuple[str, ...] = ()


def steps(report: Report) -> list[Step]:
    """The way from a broken chain to a committed repair."""
    alembic, fixchain = report.tools.alembic, report.tools.fixchain
    named = report.tools.databases + report.tools.stamps
    if report.plan is None:
        if report.counting and only(report, Family.DATABASE, Family.LOCK, Family.PUBLISHED):
            first = Step("Choose one of the remedies that the findings above name.")
        elif any(not finding.repairable for finding in report.counting):
            first = Step("Do what the remedies of the findings above say.")
        elif report.obstacle is not None:
            remedy = str(report.obstacle.remedy)
            first = Step(f"{remedy[:1].upper()}{remedy[1:]}.")
        else:
            return []
        return [first, Step("Look again:", (f"{fixchain} check{named}{report.tools.against}",))]
    repair = f"{fixchain} repair{' --strict' if report.strict else ''}{named}"
    look, change = "Look at the change", "Repair the files:"
    if report.upstream is not None and not report.strict:
        repair = f"{fixchain} rebase{named}"
        look = f"Look at what becomes of yours, on top of what {report.upstream.ref} has"
        change = "Put yours on top:"
    return [
        Step(f"{look} (nothing is written{_guesses(report)}):", (f"{repair} --dry-run",)),
        Step(
            "Back up every database that has run these migrations:",
            (f"{fixchain} backup{_database(report)}",),
        ),
        Step(change, (repair,)),
        Step("See what Alembic makes of it:", (f"{alembic} history", f"{alembic} heads")),
        *steps_after_repair(report),
    ]


def _guesses(report: Report) -> str:
    """That the plan holds guesses, which are to be looked at."""
    number = len(report.plan.guesses) if report.plan is not None else 0
    return f"; {count(number, 'guess')} in it for you to judge" if number else ""


def steps_after_repair(report: Report) -> list[Step]:
    """The way from a repair to its commit."""
    if report.upstream is not None:
        return _steps_after_rebase(report, report.upstream)
    return [
        _test(report),
        Step("Commit it:", (_add(report), 'git commit -m "Relink the migration chain"')),
        Step(
            "Where other databases have run these migrations, move their stamps once the files are"
            " there (REF: a commit from before the repair):",
            (f"{report.tools.fixchain} restamp --old REF{_database(report)}",),
        ),
        *(
            [
                Step(
                    "For the databases that cannot be reached from here, have SQL for an operator:",
                    (f"{report.tools.fixchain} restamp --sql{report.tools.stamps}",),
                )
            ]
            if report.tools.stamps
            else []
        ),
    ]


def _steps_after_rebase(report: Report, upstream: Upstream) -> list[Step]:
    add = _add(report)
    if upstream.operation:
        finish = Step(
            f"Add it, and go on with the {upstream.operation}:",
            (add, f"git {upstream.operation} --continue"),
        )
    else:
        message = shlex.quote(f"Put migrations on top of {upstream.ref}")
        finish = Step("Commit it:", (add, f"git commit -m {message}"))
    return [
        _test(report),
        finish,
        Step("Upgrade your database:", (f"{report.tools.alembic} upgrade {_heads(report)}",)),
    ]


def _add(report: Report) -> str:
    """How to tell Git of the files that change, wherever the version locations are."""
    snapshot = report.before
    assert snapshot is not None
    directory = snapshot.environment.directory
    outside = {
        snapshot.version_location(edit.path)
        for edit in report.edits
        if directory not in edit.path.parents and not snapshot.is_elsewhere(edit.path)
    }
    paths = [shlex.quote(shown_path(place)) for place in (directory, *sorted(outside))]
    return f"git add {' '.join(paths)}"


def _database(report: Report) -> str:
    """What the console script has to be told, as it knows no app."""
    in_app = report.tools.fixchain.startswith(report.tools.alembic)
    return "" if in_app else " --database URL"


def _test(report: Report) -> Step:
    alembic, fixchain = report.tools.alembic, report.tools.fixchain
    assert report.before is not None
    # An env.py of Flask-Migrate runs inside the app only.
    if fixchain.startswith(alembic) or not report.before.environment.uses_flask:
        return Step("Test the chain up and down on a scratch database:", (f"{fixchain} rehearse",))
    head = _heads(report)
    return Step(
        "Test the chain up and down on an empty database, not on one with data:",
        (f"{alembic} upgrade {head}", f"{alembic} downgrade base", f"{alembic} upgrade {head}"),
    )


def _heads(report: Report) -> str:
    """What to upgrade to, so that all runs."""
    snapshot = report.after or report.before
    assert snapshot is not None
    return "head" if len(snapshot.graph.heads) == 1 else "heads"
