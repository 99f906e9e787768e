"""Faults of names: ids and labels that do not exist, or exist more than once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import count as count_up

from flask_chainfix.chain.graph import Graph
from flask_chainfix.chain.snapshot import location
from flask_chainfix.common.quoting import option, path_word, ref_word
from flask_chainfix.common.remedies import REPAIR, Remedy, way
from flask_chainfix.common.wording import count, listing
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.registry import Fault, rule
from flask_chainfix.diagnosis.suggestions import Lookalikes, missing_dependencies, missing_parents
from flask_chainfix.model.findings import Location, Severity

_KEY_ERROR = "every “{alembic}” command stops with a traceback (KeyError)"


@rule(
    "FC103",
    "missing-down-revision",
    Severity.ERROR,
    noun="missing parent",
    breaks=_KEY_ERROR,
    repairable=True,
)
def missing_down_revision(snapshot: Facts) -> Iterator[Fault]:
    """A migration names a parent that no file has.

    Alembic needs every parent before it can do anything with the chain. What is above the gap hangs
    in the air; it is not also counted as a further base or head.

    How it comes about:
        The parent's file was deleted or not committed, its id was changed, or `down_revision` was
        written by hand: with the name of a file instead of an id, with a part of an id (Alembic
        takes those on the command line, not here), in other case, with a blank, or with a branch
        label.

    How it is repaired:
        `{fixchain} repair` looks for what was meant, the most certain first: the id of the file
        with that name; an id that differs by case or spaces only; the one id that begins so; the
        parent that the docstring's `Revises:` names; the new id of the same file in Git; the file
        that Git saw deleted. The plan says which it is, and why.

        What is a guess is asked about, or accepted with `{fixchain} repair --accept-guesses`. An id
        that is merely spelt alike is shown, and never taken.

    Example:
        # create_users.py
        revision = "3f1c2a9b7d04"
        down_revision = None

        # create_orders.py
        revision = "8a6e0d4c51f2"
        down_revision = "create_users"

        $ {fixchain} repair
    """
    lookalikes = Lookalikes(snapshot)
    for revision, missing in missing_parents(snapshot).items():
        for parent in missing:
            looks_like = lookalikes.find(parent)
            yield Fault(
                f"{revision} names {parent!r} as its down_revision, which no migration has"
                + (f": {looks_like.detail}" if looks_like else ""),
                way("name the parent that is meant, or bring its file back", REPAIR)
                | _from_git(snapshot, parent)
                | "correct down_revision by hand",
                (revision,),
                _places(snapshot, revision, "down_revision", (parent,)),
            )


@rule(
    "FC107",
    "missing-dependency",
    Severity.ERROR,
    noun="missing dependency",
    breaks=_KEY_ERROR,
    repairable=True,
)
def missing_dependency(snapshot: Facts) -> Iterator[Fault]:
    """A migration's `depends_on` names a revision or branch label that does not exist here.

    `depends_on` makes a migration wait for one that is not its parent, in another branch for
    example. There is nothing to wait for.

    How it comes about:
        The other migration was deleted or renamed; or it belongs to another package whose
        `versions/` directory is missing from `version_locations`.

    How it is repaired:
        By adding that directory to `version_locations`, if it is another package's. Else
        `{fixchain} repair` looks for what was meant as it does for a missing parent (FC103), and
        takes a guess only with `{fixchain} repair --accept-guesses`.

    Example:
        # create_users.py
        revision = "3f1c2a9b7d04"
        down_revision = None
        branch_labels = ("shop",)

        # create_invoices.py
        revision = "8a6e0d4c51f2"
        down_revision = None
        branch_labels = ("billing",)
        depends_on = "create_users"

        $ {fixchain} repair
    """
    lookalikes = Lookalikes(snapshot)
    for revision, missing in missing_dependencies(snapshot).items():
        looks = {name: lookalikes.find(name) for name in missing}
        names = [f"{name} ({look.detail})" if look else name for name, look in looks.items()]
        yield Fault(
            f"{revision} depends on {listing(names)}, which no migration has",
            way("correct depends_on where it is certain what is meant", REPAIR)
            | "add the directory that holds it to version_locations"
            | "correct depends_on by hand",
            (revision,),
            _places(snapshot, revision, "depends_on", missing),
        )


@rule(
    "FC104",
    "duplicate-revision",
    Severity.ERROR,
    noun="duplicate id",
    breaks="Alembic warns that the revision “is present more than once” and loads only the last of"
    " the files; “{alembic} upgrade” stops with “Multiple head revisions are present for given"
    " argument 'head'”",
    repairable=True,
)
def duplicate_revision(snapshot: Facts) -> Iterator[Fault]:
    """Several files have the same revision id.

    What the files do that Alembic does not load is never run. Which of them a child or a database
    means by the id, the id does not tell.

    How it comes about:
        Two branches counted up to the same number (`0033`). Or a migration was copied and its id
        left as it was, or an editor or a merge left a second copy of the file (`b copy.py`):
        Alembic loads those as well.

    How it is repaired:
        `{fixchain} repair` deletes a copy with the same content, which stays in the journal. Where
        the contents differ, one keeps the id: the one that the main branch has, else the one that a
        known database has run, else the earlier one by Git, date and name. The others get new ids,
        which go on counting where the chain counts; their children follow, and so do the databases
        that have run them. Where it is not clear which of them a child is on, the repair is
        refused, and both files are shown. `{fixchain} rebase` does the same for yours.

    Example:
        # users.py
        revision = "users"
        down_revision = None

        # users copy.py
        revision = "users"
        down_revision = None

        $ {fixchain} repair
    """
    for revision in snapshot.graph.duplicates:
        files = snapshot.files_by_revision[revision]
        same = len({file.data for file in files}) == 1
        yield Fault(
            f"{count(len(files), 'file')} have the id {revision}"
            + (" and the same content" if same else ", with different content"),
            way("delete the copies" if same else "give the later one an id of its own", REPAIR),
            (revision,),
            snapshot.locations(revision, "revision"),
        )


@rule(
    "FC113",
    "duplicate-branch-label",
    Severity.ERROR,
    noun="duplicate label",
    breaks="every “{alembic}” command stops with “Branch name … already used by revision …”",
)
def duplicate_branch_label(snapshot: Facts) -> Iterator[Fault]:
    """Two revisions declare the same branch label, or a label is also a revision id.

    A label names one branch, in `{alembic} upgrade reports@head` for example.

    How it comes about:
        A migration with a label was copied, or two branches were given one name.

    How it is repaired:
        Which of them keeps the label is for you to say: `{fixchain} repair --relabel
        REVISION=LABEL` gives the other one a label of its own.

    Example:
        # sales.py
        revision = "sales"
        down_revision = None
        branch_labels = ("reports",)

        # stock.py
        revision = "stock"
        down_revision = None
        branch_labels = ("reports",)

        $ {fixchain} repair --relabel stock=stock_reports
    """
    graph = snapshot.graph
    for label, revisions in graph.labelled.items():
        echo_of_duplicate_id = len(set(revisions)) == 1 and revisions[0] in graph.duplicates
        if label in graph or (len(revisions) > 1 and not echo_of_duplicate_id):
            also = "is also a revision id" if label in graph else "is declared more than once"
            yield Fault(
                f"the branch label {label!r} {also}: {listing(dict.fromkeys(revisions))}",
                way("give each branch a label of its own", _relabel(graph, label, revisions)),
                revisions,
                [
                    place
                    for revision in dict.fromkeys(revisions)
                    for place in snapshot.locations(revision, "branch_labels")
                ],
            )


def _from_git(snapshot: Facts, name: str) -> Remedy:
    """To bring back the file of a missing revision, and those that it is built on."""
    locations = snapshot.environment.version_locations
    wanted, places = [name], dict[str, list[str]]()
    for each in wanted:
        if each in snapshot.graph or each in snapshot.graph.labelled:
            continue
        lost = snapshot.databases.lost.get(each)
        if lost is not None and lost.renamed in snapshot.graph:
            return Remedy()  # nothing is gone
        ref = "" if lost is None else lost.checkout or ("HEAD" if lost.kept else "")
        if lost is None or not ref or lost.path.parent not in locations:
            return Remedy.of("bring the missing file back from a clone or a release that has it")
        places.setdefault(ref, []).append(os.path.relpath(lost.path))
        wanted += [below for below in lost.requirements if below not in wanted]
    return way(
        "bring the missing file back from Git",
        *(
            f"git checkout {ref_word(ref)} -- {' '.join(map(path_word, each))}"
            for ref, each in places.items()
        ),
    )


def _relabel(graph: Graph, label: str, revisions: Sequence[str]) -> str:
    """The command that gives the last of some revisions another label than this one."""
    last = revisions[-1]
    names = (f"{label}_{number}" for number in count_up(2))
    free = next(name for name in names if name not in graph and name not in graph.labelled)
    return f"{{fixchain}} repair {option('--relabel', f'{last}={free}')}{{databases}}"


def _places(
    snapshot: Facts, revision: str, attribute: str, names: Iterable[str]
) -> Iterator[Location]:
    """Where the files of a revision name others; of several with its id, those that do."""
    wanted = set(names)
    for file in snapshot.files_by_revision[revision]:
        if not wanted.isdisjoint(getattr(file.reading, attribute) or ()):
            yield location(file, attribute)
