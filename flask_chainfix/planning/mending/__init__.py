"""Fix faults of single migrations one by one, before the chain is linked.

A mender is a function ``Case -> Iterator[Mend]`` for one fault. Menders run in the order of
``_MENDERS``, each on the result of the ones before, and repeatedly until it finds nothing more.
Without evidence, a mend is refused or marked as a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace

from flask_chainfix.common.errors import CannotPlan
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.numbering import NewIds
from flask_chainfix.model.plans import Mend, Wishes
from flask_chainfix.planning.mending.case import Case
from flask_chainfix.planning.mending.duplicates import copies, ids_of_their_own
from flask_chainfix.planning.mending.merge_points import (
    merges_on_nothing,
    parents_that_say_nothing,
    ties_that_stop_alembic,
)
from flask_chainfix.planning.mending.missing import (
    dependencies_that_are_meant,
    parents_that_are_meant,
)
from flask_chainfix.planning.mending.names import (
    docstrings_in_step,
    labels_of_choice,
    numbers_of_their_own,
    numbers_that_rise,
)
from flask_chainfix.planning.mending.parents import attached_parents, open_cycles, published_parents

_Mender = Callable[[Case], Iterator[Mend]]
_Menders = Mapping[_Mender, str]  # with the code of their fault, if the settings can ignore it

# Duplicate ids leave parents ambiguous, and missing parents hide cycles.
_FOR_IDS: _Menders = {
    copies: "FC104",
    ids_of_their_own: "FC104",
    numbers_of_their_own: "",
    numbers_that_rise: "",
}

_MENDERS: _Menders = {
    **_FOR_IDS,
    labels_of_choice: "",
    attached_parents: "",
    published_parents: "",
    merges_on_nothing: "",
    parents_that_are_meant: "FC103",
    dependencies_that_are_meant: "FC107",
    open_cycles: "FC105",
    ties_that_stop_alembic: "FC112",
    parents_that_say_nothing: "FC112",
    docstrings_in_step: "",
}


def mend(case: Case) -> tuple[Facts, tuple[Mend, ...]]:
    """Fix the faults of single migrations.

    Returns:
        The chain afterwards, and the mends, in order.

    Raises:
        CannotPlan: there is no evidence for a mend.
        CannotRewrite: a file cannot be changed with certainty.
    """
    return _run(case, _MENDERS)


def mend_impassable(
    snapshot: Facts, movable: Collection[str] | None = None, *, strict: bool = False
) -> tuple[Facts, tuple[Mend, ...]]:
    """Fix the revisions to which Alembic cannot upgrade after the chain was relinked.

    Args:
        snapshot: the relinked chain.
        movable: the revisions that may change; ``None`` for all.
        strict: whether to also fix those that Alembic passes in an order of its own.

    Returns:
        The chain afterwards, and the mends, in order.

    Raises:
        CannotRewrite: a file cannot be changed with certainty.
    """

    def mender(case: Case) -> Iterator[Mend]:
        for each in ties_that_stop_alembic(case):
            if movable is None or each.revision in movable:
                yield each

    return _run(Case(snapshot, Wishes(strict=strict), NewIds(snapshot)), {mender: "FC112"})


def mend_ids(case: Case) -> tuple[Facts, tuple[Mend, ...]]:
    """Like ``mend``, but only give duplicate ids new ones."""
    return _run(case, _FOR_IDS)


def _run(case: Case, menders: _Menders) -> tuple[Facts, tuple[Mend, ...]]:
    done: list[Mend] = []
    ignored = case.snapshot.environment.settings.ignore
    for mender, code in menders.items():
        if code in ignored:
            continue
        states = [case.snapshot.files]
        while found := tuple(mender(case)):
            after = case.snapshot.after(edit for each in found for edit in each.edits)
            if after.files in states:
                raise CannotPlan(
                    f"{found[0].code} cannot be mended in {found[0].path.name}",
                    "correct that file by hand, then run the command again",
                )
            states.append(after.files)
            done.extend(found)
            case = replace(
                case, snapshot=replace(after, git_history=after.git_history.after(found))
            )
    return case.snapshot, tuple(done)
