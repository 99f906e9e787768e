"""graph: the chain as a picture, as it is and as a repair would leave it."""

from __future__ import annotations

from dataclasses import replace

from flask_chainfix.commands.check import check
from flask_chainfix.commands.session import Session
from flask_chainfix.databases.facts import Facts
from flask_chainfix.model.history import ReferenceChain
from flask_chainfix.report.results import Checked, Drawn


def graph(session: Session, *, against: str | None, in_detail: bool) -> Drawn:
    """Check the chain, and collect what else a picture of it shows.

    Args:
        session: what the command works with.
        against: the Git revision to compare with; ``None`` for none.
        in_detail: whether to read what each migration does to the schema, and who wrote it.

    Raises:
        NoMigrations: there is nothing to draw.
        CannotReadGit: the Git revision cannot be read.
        BadConfiguration, BadDatabase: it is unclear which databases are meant.
    """
    checked = check(session, strict=False, schema=in_detail)
    snapshot = checked.diagnosis.snapshot
    theirs = None
    if against is not None:
        from flask_chainfix.git.past import read_branch

        theirs = ReferenceChain(against, read_branch(against, snapshot).files)
    if in_detail:
        session.progress(0, 0, "who wrote the migrations")
        checked = _with_landings(checked, snapshot)
    return Drawn(tools=checked.tools, checked=checked, theirs=theirs, in_detail=in_detail)


def _with_landings(checked: Checked, snapshot: Facts) -> Checked:
    """The result with when the files landed in Git, unless a plan has that already."""
    if snapshot.git_history.landings or not snapshot.environment.asks_git:
        return checked
    from flask_chainfix.git.landings import read_history

    files = [file.path for file in snapshot.files]
    landed = read_history(files, snapshot.environment.version_locations)
    diagnosis = replace(checked.diagnosis, snapshot=replace(snapshot, git_history=landed))
    return replace(checked, proposal=replace(checked.proposal, diagnosis=diagnosis))
