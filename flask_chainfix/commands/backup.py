"""Back up several databases, one after another."""

from __future__ import annotations

from collections.abc import Container, Iterable
from pathlib import Path

from flask_chainfix.commands.session import Session
from flask_chainfix.common.errors import CannotBackUp
from flask_chainfix.common.quoting import typed_path
from flask_chainfix.common.remedies import Remedy, way
from flask_chainfix.common.wording import Progress
from flask_chainfix.databases.targets import Target
from flask_chainfix.model.databases import Backup, DatabaseState
from flask_chainfix.report.results import BackedUp, Planning

DIRECTORY = Path("backups")  # the default for --to


def back_up(databases: Iterable[Target], directory: Path, progress: Progress) -> BackedUp:
    """Copy databases to files, and read each file back.

    The directory is created if it is missing; unfinished copies in it are noticed. Progress is
    counted in bytes.

    Raises:
        CannotBackUp: a database could not be copied; earlier copies stay.
    """
    from flask_chainfix.databases import backup

    notices, made = _left_behind(directory), list[Backup]()
    for database in databases:
        try:
            made.append(backup.back_up(database, directory, progress))
        except CannotBackUp as error:  # noqa: PERF203 - each takes its time
            if not made:
                raise
            files = ", ".join(str(each.path) for each in made)
            remedy = f"{error.remedy}; the backups made before are complete: {files}"
            raise CannotBackUp(error.message, remedy) from error
    return BackedUp(backups=tuple(made), notices=notices)


def _left_behind(directory: Path) -> tuple[str, ...]:
    """Notices about unfinished copies."""
    from flask_chainfix.databases.backup import unfinished

    paths = unfinished(directory)
    if not paths:
        return ()
    files = " ".join(map(typed_path, paths))
    return (
        f"a backup was killed here, unless one is still running: `rm -- {files}` deletes what it"
        " left",
    )


def back_up_before(session: Session, databases: Iterable[Target], without: str) -> BackedUp:
    """Copy databases before something runs in them; each once, whatever its schemas.

    ``without`` is the same command without a backup.

    Raises:
        CannotBackUp: a database could not be copied.
    """
    once = {each.url: each for each in databases}
    try:
        return back_up(once.values(), DIRECTORY, session.progress)
    except CannotBackUp as error:
        remedy = error.remedy | way("go on without a backup", without)
        raise CannotBackUp(error.message, remedy, unchanged=True) from error


def back_up_first(session: Session, planning: Planning) -> BackedUp:
    """Copy every database that a repair has read.

    Raises:
        CannotBackUp: no database is named, or one could not be copied.
    """
    there = {
        status.identity
        for status in planning.proposal.snapshot.databases.statuses
        if status.state not in (DatabaseState.EMPTY, DatabaseState.MISSING)
    }
    targets = session.targets(planning.proposal.snapshot)
    if not targets:
        raise CannotBackUp(
            "there is no database to back up",
            "name one with --database URL, or leave --backup out",
            unchanged=True,
        )
    sources = {target.url: target for identity, target in targets.items() if identity in there}
    copies = back_up(sources.values(), DIRECTORY, session.progress)
    return copies if copies.backups else copies.noticing("the databases hold nothing to back up")


def putting_back(copies: BackedUp | None, names: Container[str] | None = None) -> Remedy:
    """How to put copies back, of all databases or of those with these names."""
    remedy = Remedy()
    for copy in copies.backups if copies else ():
        if names is None or copy.name in names:
            remedy |= way("restore the backup", copy.restore)
    return remedy
