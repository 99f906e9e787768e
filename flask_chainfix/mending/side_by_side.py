"""Migrations that cannot be told apart, in columns beside each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from flask_chainfix.languages import printable
from flask_chainfix.mending.case import Case
from flask_chainfix.model import Header, MigrationFile
from flask_chainfix.rules.wording import listing

_SHOWN = 4  # of what a migration does


def side_by_side(case: Case, files: Sequence[MigrationFile]) -> list[str]:
    """Lines that say of each file what distinguishes it: place, date, commit, deeds."""
    columns = [[printable(fact) for fact in _facts(case, file)] for file in files]
    widths = [max(map(len, column)) for column in columns]
    rows = zip_longest(*columns, fillvalue="")
    lines = (
        "  ".join(fact.ljust(width) for fact, width in zip(row, widths, strict=True))
        for row in rows
    )
    return [f"  {line.rstrip()}" for line in lines]


def _facts(case: Case, file: MigrationFile) -> Iterator[str]:
    header, landing = file.reading, case.history.landing(file.path)
    assert isinstance(header, Header)
    yield file.name
    yield f"on {listing(header.down_revision or ()) or 'nothing'}"
    yield f"created {header.create_date or 'at an unknown time'}"
    yield f"landed {landing.date:%Y-%m-%d} ({landing.commit})" if landing else "not committed"
    effects = case.snapshot.footprint(file).effects
    deeds = dict.fromkeys(
        f"{each.action.value} {each.object.kind.value} {each.object.spelled}" for each in effects
    )
    yield from list(deeds)[:_SHOWN]
