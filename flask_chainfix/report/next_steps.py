"""The next steps from a diagnosis or a finished change, with commands spelled out for a project."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from flask_chainfix.common.quoting import git_words, word
from flask_chainfix.common.remedies import Remedy, Tools, Way, concluding
from flask_chainfix.common.wording import count
from flask_chainfix.databases.facts import Facts
from flask_chainfix.model.plans import Part, Plan
from flask_chainfix.report.results import Checked, Locked, Repaired, Undone

if TYPE_CHECKING:
    from flask_chainfix.model.rehearsal import Rehearsal
    from flask_chainfix.planning.proposal import Planned, Proposal

_SHOWN_WAYS = 3
_NAMED_URL = re.compile(r" --database (?:'[^']*'|\S+)")


class NextStep(NamedTuple):
    """A step: a sentence and the commands to type."""

    text: str
    commands: tuple[str, ...] = ()


class Repair(NamedTuple):
    """What the steps around a repair depend on.

    Attributes:
        snapshot: the current chain.
        planned: the plan.
        tools: how to spell out commands.
        is_tested: whether the planned chain has already run on a scratch database.
        is_run: whether the databases that were read have run all of it.
        is_done: whether the repair was made, which moves the stamps of those databases.
    """

    snapshot: Facts
    planned: Planned
    tools: Tools
    is_tested: bool = False
    is_run: bool = False
    is_done: bool = False


def steps(result: Checked, *, in_full: bool = True) -> list[NextStep]:
    """The steps from a broken chain to a committed repair; or to the repair, which has the rest."""
    proposal, tools = result.proposal, result.tools
    named = tools.databases + tools.stamps
    if proposal.planned is None:
        first = _first_ways(proposal, tools)
        if result.staged and result.exit_code:
            first = _until_staged(result, first)
        again = NextStep("Look again:", (f"{tools.fixchain} check{named}{tools.against}",))
        same = [each for each in first if each.commands == again.commands]
        others = [each for each in first if each not in same]
        return [*others, *(same or [again])] if first else []
    plan, upstream = proposal.planned.plan, proposal.planned.upstream
    strict = proposal.diagnosis.strict
    no_git = "" if proposal.snapshot.environment.asks_git else " --no-git"
    command = f"{tools.fixchain} repair{' --strict' if strict else ''}{no_git}{named}"
    look, change = "Look at the change", "Repair the files:"
    if upstream is not None and not strict:
        command = f"{tools.fixchain} rebase{named}"
        look = f"See how your migrations go on top of those of {upstream.short}"
        change = "Put your migrations on top:"
    repair = Repair(proposal.snapshot, proposal.planned, tools)
    until_repair = [
        *(_step(way, tools) for way in plan.choices.ways if _is_rebase(way)),
        NextStep(f"{look} (nothing is written{_guesses(plan)}):", (f"{command} --dry-run",)),
        _backup(repair),
        NextStep(change, (command,)),
    ]
    if not in_full:
        return until_repair
    return [
        *until_repair,
        NextStep(
            "See what Alembic makes of it:", (f"{tools.alembic} history", f"{tools.alembic} heads")
        ),
        *_steps_after_repair(repair),
    ]


def _until_staged(result: Checked, first: list[NextStep]) -> list[NextStep]:
    """The steps to a healthy index: the index was judged, but commands write to disk.

    If migrations differ on disk, they have to be staged; a lock that is the same on disk and in the
    index is then outdated as well.
    """
    snapshot, unstaged = result.proposal.snapshot, result.unstaged
    lock, codes = snapshot.environment.lock_path, {each.code for each in result.diagnosis.counting}
    if not unstaged and all(code.startswith("FC3") for code in codes):
        return first  # databases do not depend on what is staged
    if not unstaged:
        locations = () if codes == {"FC502"} else snapshot.environment.version_locations
        written = [*locations, *([lock] if snapshot.lock is not None else [])]
        return [*first, NextStep("Stage what was changed:", (_staging(written, result.tools),))]
    places = {lock if path == lock else snapshot.version_location(path) for path in unstaged}
    write: tuple[str, ...] = ()
    if "FC502" in codes and lock not in unstaged:
        write, places = (f"{result.tools.fixchain} lock",), {*places, lock}
    what = "Stage the files on disk, if they belong in the commit:"
    return [NextStep(what, (*write, _staging(sorted(places), result.tools)))]


def _staging(places: Iterable[Path], tools: Tools) -> str:
    return f"{tools.git} add -- {git_words(places)}"


def _is_rebase(way: Way) -> bool:
    """Whether a way is a rebase, which gives one line and so comes before a plan that does not."""
    return any(command.startswith("{fixchain} rebase") for command in way.commands)


def _first_ways(proposal: Proposal, tools: Tools) -> list[NextStep]:
    """The best remedies for what a repair cannot fix, or for what prevents a plan."""
    obstacle, counting = proposal.obstacle, proposal.diagnosis.counting
    about = obstacle.about if obstacle is not None else None
    by_hand = [
        (Remedy.of(f"settle {each.code}, in one of the ways above"), each.databases)
        if (each.code, each.revisions) == about and len(each.hint.ways) > 1
        else (each.hint, each.databases)
        for each in counting
        if not each.repairable
    ]
    if obstacle is not None and not by_hand:
        by_hand = [(Remedy.of(obstacle.remedy), ())]
    found: dict[object, tuple[Way, list[Sequence[str]]]] = {}
    for remedy, databases in by_hand or [(each.hint, each.databases) for each in counting]:
        for way in remedy.ways[:1]:
            same = way.here and way.runs_env_py, way.commands or way.text
            found.setdefault(same, (way, []))[1].append(databases)
    which = proposal.snapshot.databases.some_of
    return [_step(way, tools, which(*names)) for way, names in list(found.values())[:_SHOWN_WAYS]]


def _step(way: Way, tools: Tools, databases: str = "") -> NextStep:
    spelled_ = tools.spelled(way)
    text = f"for {databases}: {spelled_.text}" if databases else spelled_.text
    end = ":" if spelled_.commands else "."
    return NextStep(f"{text[:1].upper()}{text[1:]}{end}", spelled_.commands)


def _backup(repair: Repair) -> NextStep:
    databases = _databases(repair)
    if databases is None:
        return NextStep("Back up every database that has run these migrations.")
    command = f"{repair.tools.fixchain} backup{databases}"
    return NextStep("Back up the databases that have run these migrations:", (command,))


def _guesses(plan: Plan) -> str:
    """The sentence that the plan has guesses to review."""
    number = len(plan.guesses)
    return f"; it has {count(number, 'guess')} for you to review" if number else ""


# Commit messages, by the strategy of the plan.
_MESSAGES = {
    "catch-up": "Make what some databases lack",
    "move": "Put migrations into another order",
    "squash": "Squash the migration chain",
}


def what_is_left(done: Repaired) -> list[NextStep]:
    """The remaining steps from a finished repair to an upgrade."""
    rehearsal = done.planning.rehearsal
    is_tested = rehearsal is not None and not rehearsal.missed_server
    is_run = _is_run(done)
    return _steps_after_repair(
        Repair(done.snapshot, done.planned, done.tools, is_tested, is_run, True)
    )


def _is_run(done: Repaired) -> bool:
    """Whether all databases were read and have run the whole new chain."""
    from flask_chainfix.databases.applied.lost import distance  # for advice on databases alone

    rows = {each.move.identity: each.move.after for each in done.moves}
    statuses = done.snapshot.databases.statuses
    after = (replace(each, rows=rows.get(each.identity, each.rows)) for each in statuses)
    ways = [None if each.by_user else distance(done.planned.after, each) for each in after]
    is_left_out = "--no-database" in done.tools.databases
    return bool(ways) and not is_left_out and all(way and not way.behind for way in ways)


def _steps_after_repair(repair: Repair) -> list[NextStep]:
    """The steps from a repair to an upgrade."""
    test = [] if repair.is_tested else [_test(repair)]
    statuses = repair.snapshot.databases.statuses
    elsewhere = any(not (each.own or each.by_user) for each in statuses)
    yours = "databases, each once env.py uses it" if elsewhere else "database"
    upgrade = [] if repair.is_run else [NextStep(f"Upgrade your {yours}:", (_upgrade(repair),))]
    upstream = repair.planned.upstream
    if upstream is not None:
        message = f"Put migrations on top of {upstream.short}"
        return [*test, _commit_repair(repair, message), *upgrade]
    message = _MESSAGES.get(repair.planned.plan.strategy, "Relink the migration chain")
    return [
        *test,
        *([_commit_repair(repair, message)] if repair.planned.commit is not None else []),
        *(_restamps(repair) if _moves_stamps(repair.planned.plan) else []),
        *upgrade,
    ]


def _moves_stamps(plan: Plan) -> bool:
    """Whether the rows of a database elsewhere may no longer say what has run there."""
    return bool(plan.relinks or plan.renamed) or any(
        mend.part is not Part.DOCSTRING for mend in plan.mends
    )


def _restamps(repair: Repair) -> Iterator[NextStep]:
    """The steps that move the stamps of databases elsewhere."""
    tools = repair.tools
    if repair.is_done and "--schemas" not in tools.named:
        repair = repair._replace(tools=replace(tools, named=""))
    databases = _databases(repair, here=False)
    text = "Where other databases have run these migrations, move their stamps after deploying"
    commit = repair.planned.commit
    if commit and databases is not None:
        yield NextStep(f"{text}:", (f"{tools.fixchain} restamp --old {commit}{databases}",))
    elif commit:
        each = f"{tools.fixchain} restamp --old {commit} --database URL"
        yield NextStep(f"{text}, each in place of URL:", (each,))
    if tools.stamps:
        yield NextStep(
            "For the databases that cannot be reached from here, have SQL for an operator:",
            (f"{tools.fixchain} restamp --sql{tools.stamps}",),
        )


def steps_after_rehearsal(rehearsal: Rehearsal, tools: Tools, *, of_plan: bool) -> list[NextStep]:
    """The steps to rehearse on the app's own server, if that was not done."""
    if not rehearsal.missed_server:
        return []
    again = f"{tools.fixchain} rehearse --database"
    if of_plan:
        again = f"{tools.fixchain} repair --rehearse own{tools.databases}{tools.stamps}"
    return [NextStep("Rehearse on the server of the app's own database:", (again,))]


def steps_after_lock(done: Locked) -> list[NextStep]:
    """The steps from a lock that was written to one that other branches get."""
    if done.commit is None:
        return []
    environment = done.diagnosis.snapshot.environment
    written = {edit.path.absolute() for edit in done.edits}
    outside = sorted(each for each in written if environment.directory not in each.parents)
    places, message = (environment.directory, *outside), "Lock the migration chain"
    return [_commit(places, done.operation, message, done.tools)]


def steps_after_undo(done: Undone) -> list[NextStep]:
    """The step that commits the restored files, if the others were committed."""
    if not done.was_committed:
        return []
    snapshot, changed = done.snapshot, (*done.restored, *done.deleted)
    places = (snapshot.environment.directory, *map(snapshot.version_location, changed))
    return [_commit(places, done.operation, f"Undo the {done.undoes}", done.tools)]


def _commit(places: Iterable[Path], operation: str, message: str, tools: Tools) -> NextStep:
    """The step that commits what was changed, or goes on with Git's current operation."""
    add = f"{tools.git} add {git_words(places)}"
    if operation:
        return NextStep(
            f"Add it, and go on with the {operation} once all is resolved:",
            (add, tools.in_work_tree(concluding(operation))),
        )
    return NextStep("Commit it:", (add, f"{tools.git} commit -m {word(message)}"))


def _commit_repair(repair: Repair, message: str) -> NextStep:
    """The step that commits the changed files in all version locations."""
    snapshot = repair.snapshot
    directory = snapshot.environment.directory
    changed = {
        snapshot.version_location(edit.path)
        for edit in repair.planned.edits
        if not snapshot.is_elsewhere(edit.path)
    }
    places = (directory, *sorted(changed))
    return _commit(places, repair.planned.operation, message, repair.tools)


def _databases(repair: Repair, *, here: bool = True) -> str | None:
    """The options that name databases; ``None`` if none is known.

    Args:
        repair: the repair, with the named databases.
        here: whether the command is for this machine, so that it repeats ``--no-database``.
    """
    tools = repair.tools
    if here and "--no-database" in tools.databases:
        return tools.named or None
    named = tools.databases if here else tools.named
    in_app = tools.fixchain.startswith(tools.alembic)
    is_asked = named not in ("", " --database")  # which names the app's own, if there are any
    known = is_asked or in_app or repair.snapshot.environment.names_database
    return named if known else None


def _test(repair: Repair) -> NextStep:
    from flask_chainfix.model.rehearsal import SERVERS

    environment, tools, where, server = repair.snapshot.environment, repair.tools, "", ""
    if environment.dialect in SERVERS:
        named = _NAMED_URL.search(tools.named)
        if environment.names_database:
            where, server = " of the server that the app uses", " --database"
        elif named is not None:
            where, server = " of the server that you named", named[0]
    text = f"Test the chain up and down on a scratch database{where}:"
    return NextStep(text, (f"{tools.fixchain} rehearse{server}",))


def _upgrade(repair: Repair) -> str:
    """The upgrade command, which now works; with several heads, it upgrades all of them."""
    several = len(repair.planned.after.graph.heads) > 1
    return f"{repair.tools.alembic} upgrade head{'s' if several else ''}"
