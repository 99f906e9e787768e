"""Which of several files with one id has run in the known databases: their tables tell."""

from __future__ import annotations

from collections.abc import Sequence

from flask_chainfix.errors import CannotPlan
from flask_chainfix.model import Header, MigrationFile
from flask_chainfix.snapshot import Snapshot
from flask_chainfix.stamps import Applied, applied_in, published_in, with_own_tables


def which_ran(
    snapshot: Snapshot, revision: str, files: Sequence[MigrationFile]
) -> list[tuple[Applied, int]]:
    """The databases that have run an id, each with the number of the file that ran there.

    What the main branch or a release has counts as run.

    Raises:
        CannotPlan: different ones have run, or nothing tells which.
    """
    found: list[tuple[Applied, int]] = []
    for applied in applied_in(snapshot):
        if revision in applied.revisions:
            ran = with_own_tables(snapshot, files, applied.standing)
            if len(ran) != 1:
                raise CannotPlan(
                    f"{applied.name} has run {revision}, and its tables do not tell which of"
                    f" {', '.join(file.name for file in files)} that was",
                    "give the migration that has not run there another id by hand; or leave that"
                    " database out (--no-database)",
                )
            found.append((applied, ran[0]))
    found += _published(snapshot, revision, files)
    if len({index for _, index in found}) > 1:
        told = "; ".join(f"{each.name} {each.has} {files[index].name}" for each, index in found)
        raise CannotPlan(
            f"different migrations have run under the id {revision}: {told}",
            "one of these databases has to be stamped anew once the files have ids of their own;"
            " leave it out here (--no-database), and move its stamp by hand",
        )
    return found


def _published(
    snapshot: Snapshot, revision: str, files: Sequence[MigrationFile]
) -> list[tuple[Applied, int]]:
    found = []
    for applied in published_in(snapshot):
        (chain,) = (each for each in snapshot.published_chains if each.name == applied.name)
        theirs = [file.data for file in chain.files if _id_of(file) == revision]
        same = [index for index, file in enumerate(files) if file.data in theirs]
        if len(same) == 1:
            found.append((applied, same[0]))
    return found


def _id_of(file: MigrationFile) -> str | None:
    return file.reading.revision if isinstance(file.reading, Header) else None
