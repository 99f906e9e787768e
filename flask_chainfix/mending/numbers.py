"""Numbers that rise along the chain: what is mine is counted anew behind what has a new number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from flask_chainfix.mending.case import Case
from flask_chainfix.mending.renaming import children_of, followed, new_id_for, renamed
from flask_chainfix.model import Mend, Reason


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
        new_id = new_id_for(case, file)
        why = Reason("number", f"{revision} is on {parent}, and goes on counting from there")
        for child in children_of(case, revision):
            mend = followed(case, child, revision, new_id, why)
            case = replace(case, snapshot=case.snapshot.after(mend.edits))
            yield mend
        yield replace(renamed(case, revision, new_id, file, (why,)), frees_id=True)
        return
