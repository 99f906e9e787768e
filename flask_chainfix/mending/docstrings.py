"""FC111: the docstring's ``Revises:`` line says what ``down_revision`` says."""

from __future__ import annotations

from collections.abc import Iterator

from flask_chainfix import source
from flask_chainfix.errors import CannotRewrite
from flask_chainfix.mending.case import Case
from flask_chainfix.model import Edit, Header, Mend, Part, Reason


def docstrings_in_step(case: Case) -> Iterator[Mend]:
    """With ``--docstrings`` or ``--strict``: Alembic does not read them.

    Raises:
        CannotRewrite: a line cannot be changed with certainty, and ``--docstrings`` asks for it.
    """
    ignored = "FC111" in case.snapshot.environment.settings.ignore
    if not (case.wishes.docstrings or (case.wishes.strict and not ignored)):
        return
    for file in case.snapshot.files:
        header = file.reading
        if not isinstance(header, Header) or header.revises is None or header.revision is None:
            continue
        parents = header.down_revision
        if parents is None or source.states(header.revises, parents):
            continue
        try:
            edit = Edit(file.path, file.data, source.restate(file.data, file.name))
        except CannotRewrite:
            if case.wishes.docstrings:
                raise
            continue  # a repair of more than that is worth having
        why = Reason("docstring", "Alembic goes by down_revision alone")
        said = source.stated_parents(header.revises)
        yield Mend(
            "FC111", Part.DOCSTRING, header.revision, file.path, said, parents, (why,), (edit,)
        )
