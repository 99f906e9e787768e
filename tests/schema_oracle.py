"""Slow and obvious answers about orders that run, and random chains with schemas to ask about.

A migration is a list of deeds, ``("create", "t", "")`` for a table and ``("create", "t", "c")`` for
a column; running it against a set of existing objects either works or fails.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from hypothesis import strategies as st

from tests.strategies_oracle import Parents, all_ancestors, orders, relinks_for
from tests.support import Rev

Deed = tuple[str, str, str]
Deeds = Mapping[str, Sequence[Deed]]

_WRITTEN = {
    ("create", False): "op.create_table('{0}', sa.Column('id', sa.Integer(), primary_key=True))",
    ("use", False): "op.execute('SELECT 1 FROM {0}')",
    ("drop", False): "op.drop_table('{0}')",
    ("create", True): "op.add_column('{0}', sa.Column('{1}', sa.Integer()))",
    ("use", True): "op.execute('SELECT {1} FROM {0}')",
    ("drop", True): "op.drop_column('{0}', '{1}')",
}


def written(deeds: Iterable[Deed]) -> tuple[str, ...]:
    """The statements of an ``upgrade()`` that does these deeds."""
    return tuple(
        _WRITTEN[what, bool(column)].format(table, column) for what, table, column in deeds
    )


def absent_at_first(parents: Parents, deeds: Deeds) -> set[tuple[str, str]]:
    """The objects that are not there from the beginning: some revision makes them.

    But for those that must be there because what drops them comes before whatever makes them.
    """
    first = {name: _first_deeds(of_one) for name, of_one in deeds.items()}
    below = all_ancestors(parents)
    absent = set()
    for thing in {thing for of_one in first.values() for thing in of_one}:
        makers = [name for name in first if first[name].get(thing) == "create"]
        droppers = [name for name in first if first[name].get(thing) == "drop"]
        dropped_first = any(all(end in below[make] for make in makers) for end in droppers)
        if makers and not dropped_first:
            absent.add(thing)
    return absent


def _first_deeds(deeds: Sequence[Deed]) -> dict[tuple[str, str], str]:
    """What a revision does with each object from outside: what it drops and makes anew it uses."""
    first: dict[tuple[str, str], str] = {}
    for what, table, column in deeds:
        known = first.setdefault((table, column), what)
        if known != "create" and what != "use":
            first[table, column] = "drop" if what == "drop" else "use"
    return first


def runs(order: Iterable[str], deeds: Deeds, absent: Collection[tuple[str, str]]) -> bool:
    """Whether each revision of the order finds what it needs."""
    gone = set(absent)
    for revision in order:
        for what, table, column in deeds[revision]:
            if column and (table, "") in gone:
                return False
            if ((table, column) in gone) is not (what == "create"):
                return False
            if what == "create":
                gone.discard((table, column))
            elif what == "drop":
                gone.add((table, column))
                if not column:
                    gone |= {(table, name) for name in _COLUMNS}
    return True


def fewest_files(parents: Parents, deeds: Deeds) -> int | None:
    """How many files must change at least for a chain that runs; ``None`` if none does."""
    absent = absent_at_first(parents, deeds)
    return min(
        (relinks_for(parents, order) for order in orders(parents) if runs(order, deeds, absent)),
        default=None,
    )


_TABLES = ("t", "u")
_COLUMNS = ("", "", "c")


@st.composite
def schemas(draw: st.DrawFn, chain: Sequence[Rev]) -> dict[str, tuple[Deed, ...]]:
    """What the revisions of a chain do."""
    deed = st.tuples(
        st.sampled_from(("create", "use", "use", "drop")),
        st.sampled_from(_TABLES),
        st.sampled_from(_COLUMNS),
    )
    deeds = st.lists(deed, max_size=2).filter(_can_ever_run)
    return {rev.revision: tuple(draw(deeds)) for rev in chain}


def _can_ever_run(deeds: Sequence[Deed]) -> bool:
    """Whether one revision does not contradict itself."""
    there: dict[tuple[str, str], bool] = {}
    made = {(table, column) for what, table, column in deeds if what == "create"}
    for what, table, column in deeds:
        if what == "drop" and (table, column) in made:
            return False  # what one revision makes and drops is nobody else's business
        if column and there.setdefault((table, ""), True) is False:
            return False
        if there.get((table, column), what != "create") is (what == "create"):
            return False
        if what == "drop" and not column:
            there = {thing: held for thing, held in there.items() if thing[0] != table}
            there |= {(table, name): False for name in _COLUMNS}
        there[table, column] = what != "drop"
    return True


def needs_only_what_is_made(deeds: Deeds, absent: Collection[tuple[str, str]]) -> bool:
    """Whether no revision uses a column that a table does not have because nobody makes it."""
    return all(
        (table, column) in absent or (table, "") not in absent
        for of_one in deeds.values()
        for _, table, column in of_one
    )
