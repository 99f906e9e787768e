"""FC104: of files that do and say the same one is left."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from flask_chainfix import source
from flask_chainfix.errors import CannotRewrite
from flask_chainfix.mending.case import Case
from flask_chainfix.model import GUESS, Edit, Header, Mend, MigrationFile, Part, Reason
from flask_chainfix.ordering import Rank


def copies(case: Case) -> Iterator[Mend]:
    """Of files that do and say the same one is left.

    Raises:
        CannotRewrite: several of them lie elsewhere, where others may need them.
    """
    for revision in case.snapshot.graph.duplicates:
        kept: list[MigrationFile] = []
        for file in sorted(
            case.snapshot.files_by_revision[revision], key=partial(_original_first, case)
        ):
            original = next((other for other in kept if _is_copy(file, other)), None)
            if original is None:
                kept.append(file)
            elif case.snapshot.is_elsewhere(file.path):
                raise CannotRewrite(
                    f"{file.path} and {original.path} have the same id and the same content, and"
                    " both lie outside of the version locations, where others may need them",
                    "remove the link to one of them",
                )
            else:
                yield _deleted(revision, file, original)


def _named(file: MigrationFile, other: MigrationFile) -> str:
    """The name of a file, with its directory where another one has the same."""
    return file.name if file.name != other.name else f"{file.directory.name}/{file.name}"


def _original_first(case: Case, file: MigrationFile) -> tuple[bool, bool, Rank, bool, int, str]:
    """What is not ours to delete, what came first, what is not called a copy, has a shorter name.

    The first of these that tells decides.
    """
    ours, new = not case.snapshot.is_elsewhere(file.path), not case.publisher(file)
    rank = case.rank(file)._replace(file_name="")
    return ours, new, rank, "copy" in file.name.lower(), len(file.name), file.name


def _is_copy(file: MigrationFile, other: MigrationFile) -> bool:
    assert isinstance(file.reading, Header)
    assert isinstance(other.reading, Header)
    same_header = file.reading[:4] == other.reading[:4]
    return same_header and source.same_body(file.data, other.data)


def _deleted(revision: str, file: MigrationFile, original: MigrationFile) -> Mend:
    same = file.data == original.data
    what = "the same content" if same else "the same code, though comments or layout differ"
    names = f"{_named(file, original)} and {_named(original, file)}"
    why = [Reason("copy", f"{names} have the same id and {what}")]
    if not same:
        why.append(Reason(GUESS, f"{file.name} is a copy of {original.name} and can go"))
    edit = Edit(file.path, file.data, None)
    return Mend("FC104", Part.FILE, revision, file.path, (revision,), (), tuple(why), (edit,))
