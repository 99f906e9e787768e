"""Numbers that stand once and rise along the chain: what is mine is counted anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from flask_chainfix.mending.case import Case
from flask_chainfix.mending.renaming import children_of, followed, new_id_for, renamed
from flask_chainfix.model import Mend, Reason
from flask_chainfix.numbering import is_date


def numbers_of_their_own(case: Case) -> Iterator[Mend]:
    """One revision of mine whose number is that of a published one beside it (``0033_x``).

    The mender is asked again for the next.

    Raises:
        CannotRewrite: a file cannot be changed with certainty.
    """
    counting, graph = case.new_ids.counting, case.snapshot.graph
    if counting is None or not counting.separator:
        return
    taken: dict[str, str] = {}
    for chain in case.snapshot.published_chains:
        for name in chain.revisions:
            number = counting.number(name)
            if number is not None and name in graph and not is_date(number):
                taken[number] = name
    for revision in graph.order if taken else ():
        other = taken.get(counting.number(revision) or "")
        if other is None or other == revision or _is_settled(case, revision, other):
            continue
        why = Reason("number", f"{other} has the same number, and is published")
        yield from _counted_anew(case, revision, why)
        return


def _is_settled(case: Case, revision: str, other: str) -> bool:
    """Whether one of two revisions is above the other already, or both are published."""
    graph = case.snapshot.graph
    joined = other in graph.required([revision]) or revision in graph.required([other])
    return joined or bool(case.publisher(case.snapshot.file(revision)))


def numbers_that_rise(case: Case) -> Iterator[Mend]:
    """One revision that others do not have, and that counts less than its parent does by now.

    The mender is asked again for the next.

    Raises:
        CannotRewrite: a file cannot be changed with certainty.
    """
    counting, made = case.new_ids.counting, case.new_ids.made
    if counting is None or not made or not case.snapshot.published_chains:
        return
    graph = case.snapshot.graph
    for revision in graph.order:
        parent = next((each for each in graph.parents[revision] if each in made), None)
        if parent is None or revision in made or not counting.is_before(revision, parent):
            continue
        (file, *others) = case.snapshot.files_by_revision[revision]
        if others or case.publisher(file):
            continue
        why = Reason("number", f"{revision} is on {parent}, and goes on counting from there")
        yield from _counted_anew(case, revision, why)
        return


def _counted_anew(case: Case, revision: str, why: Reason) -> Iterator[Mend]:
    file = case.snapshot.file(revision)
    new_id = new_id_for(case, file)
    for child in children_of(case, revision):
        mend = followed(case, child, revision, new_id, why)
        case = replace(case, snapshot=case.snapshot.after(mend.edits))
        yield mend
    yield replace(renamed(case, revision, new_id, file, (why,)), frees_id=True)
