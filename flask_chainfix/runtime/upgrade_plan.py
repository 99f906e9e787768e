"""Alembic's own plan of an upgrade: computed, never run."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace

from alembic.runtime.migration import HeadMaintainer, RevisionStep
from alembic.script.revision import RevisionError, RevisionMap
from alembic.util import CommandError

Rows = tuple[str, ...]


class _NoTable:
    """A version table: SQL can be made about it, and comes to nothing."""

    def __getattr__(self, name: str) -> _NoTable:
        return self

    def __call__(self, *_: object, **__: object) -> _NoTable:
        return self

    def __eq__(self, _: object) -> _NoTable:  # type: ignore[override]
        return self

    __hash__ = None  # type: ignore[assignment]


# What HeadMaintainer, which keeps the rows in mind, asks of a MigrationContext, which writes them.
_NO_DATABASE = SimpleNamespace(
    as_sql=True, impl=SimpleNamespace(_exec=lambda _: None), _version=_NoTable()
)


def upgrade_faults(revisions: RevisionMap, places: Iterable[Rows]) -> dict[Rows, str]:
    """What would stop ``upgrade heads`` on databases, apart from what the migrations do.

    Args:
        revisions: the chain. Each of its revisions has a ``module`` with an ``upgrade``.
        places: the rows of their version tables; ``()`` is a new database.

    Returns:
        The exception by the place, on one line; only where there is one.
    """
    return {rows: fault for rows in dict.fromkeys(places) if (fault := _fault(revisions, rows))}


def _fault(revisions: RevisionMap, rows: Rows) -> str:
    try:
        needed = list(revisions.iterate_revisions("heads", rows, implicit_base=True))
        table = HeadMaintainer(_NO_DATABASE, rows)  # type: ignore[arg-type]
        for revision in reversed(needed):
            table.update_to_step(RevisionStep(revisions, revision, True))  # type: ignore[arg-type]
    except (KeyError, AssertionError, RevisionError, CommandError) as error:
        return " ".join(f"{type(error).__name__}: {error}".split())
    except Exception:  # an Alembic with another inside than 1.10 to 1.20 have: there is no telling
        return ""
    return ""
