"""The downgrades of unwind, as text."""

from __future__ import annotations

from collections.abc import Iterator

from flask_chainfix.common.quoting import git_program, git_version, ref_word
from flask_chainfix.common.wording import count, listing
from flask_chainfix.databases.applied.lost import lost_footprint
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.lost_revisions import losses
from flask_chainfix.model.databases import LostRevision, MoveState
from flask_chainfix.report.database_results import UnwindOffer, UnwindPlan, Unwound
from flask_chainfix.report.display import Row, Section
from flask_chainfix.report.text.page import Page, write, write_databases

_NOTHING = "nothing"


@write.register
def _(result: UnwindPlan, page: Page) -> None:
    page.beginning(_verdict(result), result)
    page.sections(sections(result))
    if result.databases:
        page.line("")


@write.register
def _(result: Unwound, page: Page) -> None:
    page.line(_verdict(result), style="bold green" if result.error is None else "bold red")
    write_databases(page, result)


def _verdict(result: UnwindPlan) -> str:
    """The verdict on one line."""
    if not result.databases:
        statuses = result.diagnosis.snapshot.databases.statuses
        reached = " that is reached from here" if any(each.by_user for each in statuses) else ""
        return f"No database{reached} is ahead of this code: there is nothing to downgrade."
    total = len(result.databases)
    if not isinstance(result, Unwound):
        return f"{count(total, 'database')} {'is' if total == 1 else 'are'} ahead of this code."
    done = sum(each.state is MoveState.MOVED for each in result.moves)
    if done < total:
        return f"Not everything was downgraded: {done} of {count(total, 'database')} fit this code."
    number = count(len({name for each in result.databases for name in each.revisions}), "revision")
    return f"Downgraded: {number} in {count(total, 'database')}."


def sections(result: UnwindPlan) -> Iterator[Section]:
    """The downgrades of each database, and the commands that show their files."""
    now = result.diagnosis.snapshot
    shown: dict[str, None] = {}
    for each in result.databases:
        before, after = (listing(rows) or _NOTHING for rows in (each.status.rows, each.after))
        rows = []
        for revision in each.revisions:
            lost = now.databases.lost[revision]
            rows.append(Row(f"{revision}  {_origin(lost)}", hanging=2))
            rows.append(Row(_losses(now, revision, each.status.bind), "yellow", indent=2))
            shown.update(dict.fromkeys(_reading(lost)))
        yield Section(each.status.name, f"{before} → {after}", tuple(rows))
    if shown:
        yield Section("Review first", "", tuple(Row(line, wrapped=False) for line in shown))


@write.register
def _(result: UnwindOffer, page: Page) -> None:
    """One line if a database is ahead, otherwise none.

    If the main branch has the lost revisions, a merge loses no data, and is suggested first.
    """
    if not result.ahead:
        return
    ((name, number), *others) = result.ahead.items()
    who = f"{count(len(result.ahead), 'database')} are" if others else f"{name} is"
    how_far = "" if others else f"{count(number, 'revision')} "
    tools = result.tools
    merge = f"git merge --no-edit {ref_word(result.main)}, or " if result.main else ""
    unwind = f"{tools.fixchain} unwind{tools.databases}"
    page.verbatim(f"fixchain: {who} {how_far}ahead of this code: {merge}{unwind}")


def _origin(lost: LostRevision) -> str:
    """The source of a revision's file."""
    if lost.kept:
        where = f"of {lost.branch}" if lost.branch else "in Git"
        commit = "" if lost.commit == lost.branch else f", commit {lost.commit}"
        return f"{lost.path.name} {where}{commit}"
    return f"{lost.path.name} as it was before commit {lost.commit}"


def _losses(now: Facts, revision: str, bind: str | None) -> str:
    names = losses([lost_footprint(now, revision, "downgrade", bind)])
    if names:
        return f"drops {listing(names, 12)}, with the data in it"
    made = lost_footprint(now, revision, bind=bind)
    if made is not None and (made.opaque or any(made)):
        return "drops nothing: what upgrade() did may stay"
    return "drops nothing"


def _reading(lost: LostRevision) -> Iterator[str]:
    """The command that shows the file."""
    ref = lost.checkout or (lost.commit if lost.kept else "")
    if ref:
        yield f"{git_program(lost.path)} show {git_version(ref, lost.path)}"
