"""Faults of names: ids and labels that do not exist, with what may be meant, or exist twice."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import count as count_up
from pathlib import Path
from typing import NamedTuple

from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.chain.snapshot import location
from flask_chainfix.common.quoting import git_words, option, ref_word
from flask_chainfix.common.remedies import REPAIR, Remedy, way
from flask_chainfix.common.wording import count, listing
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.rules import Fault, rule
from flask_chainfix.model.files import Header
from flask_chainfix.model.findings import Location, Severity

_WORD = re.compile(r"\w+")  # Alembic's own pattern for slugs
_CERTAIN = 4  # characters; a shorter prefix may be an id of its own
_TELLING = 6  # characters; a shorter part of a file's name proves nothing


@rule("FC103", "missing-down-revision", Severity.ERROR, "missing parent", repairable=True)
def missing_down_revision(snapshot: Facts) -> Iterator[Fault]:
    """A migration names a parent that no file has.

    Alembic cannot load such a chain. The revisions above the gap are not reported as further bases
    or heads.

    What breaks:
        every “{alembic}” command stops with a traceback (KeyError)

    How it happens:
        The parent's file was deleted or not committed, or its id was changed. Or `down_revision`
        was written by hand: with the name of a file, part of an id (Alembic accepts that only on
        the command line), different capitalization, a space, or a branch label.

    How to repair it:
        `{fixchain} repair` looks for the parent that was meant, the most certain first: the file
        with that name; an id that differs only in case or spaces; the only id with that prefix; the
        parent that the docstring's `Revises:` names; the new id of the same file in Git; a squash
        that makes everything that the missing ones made; the parent that it had before the last
        change of its file, or when the file landed in Git; a file that was deleted in Git. The plan
        says which one it found, and why.

        It asks before it uses a guess; in a script, `--yes` needs `--accept-guesses` for that. An
        id that is only similar is shown, but never used.

    Example:
        3f1c2a9b7d04 in create_users.py
        8a6e0d4c51f2 in create_orders.py <- create_users

        $ {fixchain} repair
    """
    lookalikes = Lookalikes(snapshot)
    for revision, missing in missing_parents(snapshot).items():
        for parent in missing:
            looks_like = lookalikes.find(parent)
            yield Fault(
                f"{revision} names {parent!r} as its down_revision, but no migration has that id"
                + (f": {looks_like.detail}" if looks_like else ""),
                way("name the right parent, or bring its file back", REPAIR)
                | _from_git(snapshot, parent)
                | "correct down_revision by hand",
                (revision,),
                _places(snapshot, revision, "down_revision", (parent,)),
            )


@rule("FC107", "missing-dependency", Severity.ERROR, "missing dependency", repairable=True)
def missing_dependency(snapshot: Facts) -> Iterator[Fault]:
    """A migration's `depends_on` names a revision or branch label that does not exist.

    `depends_on` makes a migration run after one that is not its parent, for example on another
    branch.

    What breaks:
        every “{alembic}” command stops with a traceback (KeyError)

    How it happens:
        The other migration was deleted or renamed. Or it belongs to another package whose
        `versions/` directory is missing from `version_locations`.

    How to repair it:
        If the migration is in another package, add its directory to `version_locations`. Otherwise
        `{fixchain} repair` looks for the revision as it does for a missing parent (FC103), and uses
        a guess only with `{fixchain} repair --accept-guesses`.

    Example:
        3f1c2a9b7d04 in create_users.py @shop
        8a6e0d4c51f2 in create_invoices.py @billing +create_users

        $ {fixchain} repair
    """
    lookalikes = Lookalikes(snapshot)
    for revision, missing in missing_dependencies(snapshot).items():
        looks = {name: lookalikes.find(name) for name in missing}
        names = [f"{name} ({look.detail})" if look else name for name, look in looks.items()]
        yield Fault(
            f"{revision} depends on {listing(names)}, which no migration has",
            way("correct depends_on where the right revision is certain", REPAIR)
            | "add the directory that holds it to version_locations"
            | "correct depends_on by hand",
            (revision,),
            _places(snapshot, revision, "depends_on", missing),
        )


@rule("FC104", "duplicate-revision", Severity.ERROR, "duplicate id", repairable=True)
def duplicate_revision(snapshot: Facts) -> Iterator[Fault]:
    """Several files have the same revision id.

    Alembic loads only one of the files, so the others never run. The id alone does not show which
    file a child or a database means.

    What breaks:
        Alembic warns that the revision “is present more than once” and loads only the last of the
        files; “{alembic} upgrade” stops with “Multiple head revisions are present for given
        argument 'head'”

    How it happens:
        Two branches gave the same number to a migration (`0033`), or a migration was copied and its
        id not changed.

    How to repair it:
        `{fixchain} repair` deletes a copy with the same content, and keeps it in the journal. If
        the contents differ, one file keeps the id: the one on the main branch, or the one that a
        known database has run, or the earlier one by Git, date and name. The others get new ids;
        their children and the databases that have run them are updated. If it is not clear which of
        the files a child builds on, the repair is refused. `{fixchain} rebase` does the same for
        the migrations of your branch.

    Example:
        users
        users in users copy.py

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
            "revision",
        )


@rule("FC113", "duplicate-branch-label", Severity.ERROR, "duplicate label")
def duplicate_branch_label(snapshot: Facts) -> Iterator[Fault]:
    """Two revisions declare the same branch label, or a label is also a revision id.

    A label names one branch, for example in `{alembic} upgrade reports@head`.

    What breaks:
        every “{alembic}” command stops with “Branch name … already used by revision …”

    How it happens:
        A migration with a label was copied, or two branches were given the same name.

    How to repair it:
        Decide which revision keeps the label: `{fixchain} repair --relabel REVISION=LABEL` gives
        the other one a label of its own.

    Example:
        sales @reports
        stock @reports

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
                "branch_labels",
            )


def _from_git(snapshot: Facts, name: str) -> Remedy:
    """How to restore the file of a missing revision, and of its missing ancestors."""
    locations = snapshot.environment.version_locations
    wanted, places = [name], dict[str, list[Path]]()
    for each in wanted:
        if each in snapshot.graph or each in snapshot.graph.labelled:
            continue
        lost = snapshot.databases.lost.get(each)
        if lost is not None and lost.renamed in snapshot.graph:
            return Remedy()  # no file is missing
        ref = "" if lost is None else lost.checkout or ("HEAD" if lost.kept else "")
        if lost is None or not ref or lost.path.parent not in locations:
            return Remedy.of("bring the missing file back from a clone or a release that has it")
        places.setdefault(ref, []).append(lost.path)
        wanted += [below for below in lost.requirements if below not in wanted]
    commands = (
        f"git checkout {ref_word(ref)} -- {git_words(each)}" for ref, each in places.items()
    )
    return way("bring the missing file back from Git", *commands)


def _relabel(graph: Graph, label: str, revisions: Sequence[str]) -> str:
    """The command that gives the last of some revisions another label."""
    last = revisions[-1]
    names = (f"{label}_{number}" for number in count_up(2))
    free = next(name for name in names if name not in graph and name not in graph.labelled)
    return f"{{fixchain}} repair {option('--relabel', f'{last}={free}')}{{databases}}"


def _places(
    snapshot: Facts, revision: str, attribute: str, names: Iterable[str]
) -> Iterator[Location]:
    """Where a revision's files name others; if several files have its id, only those that do."""
    for file in snapshot.files_by_revision[revision]:
        if set(names).intersection(getattr(file.reading, attribute) or ()):
            yield location(file, attribute)


# --- What a missing id may mean ------------------------------------------------------------------


class Likeness(NamedTuple):
    """An existing revision that a missing name resembles.

    Attributes:
        kind: ``file-name``, ``case``, ``prefix`` or ``label``.
        revision: the id that is meant; for a label, the id of the revision that declares it.
        detail: why, in words that begin a sentence.
        certain: whether it can mean nothing else.
    """

    kind: str
    revision: str
    detail: str
    certain: bool = True


class Lookalikes:
    """Finds the revisions of a chain that a missing id may mean."""

    def __init__(self, snapshot: Facts) -> None:
        self._snapshot = snapshot

    def find(self, missing: str) -> Likeness | None:
        """The revision that the id resembles most; ``None`` if it resembles none."""
        return next(self.all(missing), None)

    def all(self, missing: str) -> Iterator[Likeness]:
        """Every revision that the id resembles, the most certain first."""
        stem = missing[:-3] if missing.endswith(".py") else missing
        for file, header in self._files_called(stem):
            id_ = str(header.revision)
            detail = f"there is a file {file}, whose id is {id_!r}"
            certain = _is_name_of(stem, file, header.message)
            yield Likeness("file-name", id_, detail, certain=certain)
        for id_ in self._folded_ids.get(_fold(missing), ()):
            yield Likeness("case", id_, f"it differs only in case or spaces from {id_!r}")
        longer = self._ids_that_begin_with(missing)
        if len(longer) == 1:
            detail = f"it is the beginning of {longer[0]!r}"
            certain = len(missing) >= _CERTAIN
            yield Likeness("prefix", longer[0], detail, certain=certain)
        for owner in self._snapshot.graph.labelled.get(missing, ()):
            yield Likeness("label", owner, f"it is a branch label, of {owner}", certain=False)

    @cached_property
    def _sorted_ids(self) -> list[str]:
        return sorted(self._snapshot.graph)

    @cached_property
    def _folded_ids(self) -> dict[str, list[str]]:
        folded: dict[str, list[str]] = {}
        for id_ in self._snapshot.graph:
            folded.setdefault(_fold(id_), []).append(id_)
        return folded

    @cached_property
    def _files_by_stem(self) -> Mapping[str, list[tuple[str, Header]]]:
        files: dict[str, list[tuple[str, Header]]] = {}
        for file, header in self._snapshot.readable:
            if header.revision:
                files.setdefault(file.name.rpartition(".")[0], []).append((file.name, header))
        return files

    @cached_property
    def _all_stems(self) -> str:
        return "\n".join(("", *self._files_by_stem, ""))

    def _files_called(self, text: str) -> list[tuple[str, Header]]:
        """The files with that name, or else the only file whose name contains the text."""
        if text in self._files_by_stem:
            return self._files_by_stem[text]
        if len(text) < _TELLING or self._all_stems.count(text) != 1:
            return []
        at = self._all_stems.index(text)
        start = self._all_stems.rindex("\n", 0, at) + 1
        return self._files_by_stem[self._all_stems[start : self._all_stems.index("\n", at)]]

    def _ids_that_begin_with(self, prefix: str) -> list[str]:
        if not prefix:
            return []
        start = bisect_left(self._sorted_ids, prefix)
        return [id_ for id_ in self._sorted_ids[start : start + 2] if id_.startswith(prefix)]


def _is_name_of(text: str, file: str, message: str) -> bool:
    """Whether a text is the whole name of a file, or all of it before the slug of its message."""
    name = file.rpartition(".")[0]
    slug = "_".join(_WORD.findall(message)).lower()
    rest = name.removeprefix(f"{text}_")
    # Alembic truncates a long slug after a word and appends an underscore.
    cut = rest.endswith("_") and slug.startswith(rest)
    return name == text or (rest not in ("", name) and (rest == slug or cut))


def missing_parents(snapshot: Facts) -> Mapping[str, tuple[str, ...]]:
    """The parents that no file has, by the revision that names them."""
    return _unexplained(snapshot, snapshot.graph.missing_parents)


def missing_dependencies(snapshot: Facts) -> Mapping[str, tuple[str, ...]]:
    """The dependencies that no file has, likewise; empty if any label is computed."""
    if any(header.branch_labels is None for header in snapshot.headers):
        return {}
    return _unexplained(snapshot, snapshot.graph.missing_dependencies)


def _unexplained(
    snapshot: Facts, named: Mapping[str, tuple[str, ...]]
) -> Mapping[str, tuple[str, ...]]:
    explained = _ids_that_may_exist(snapshot)
    missing = {
        revision: tuple(name for name in names if name not in explained)
        for revision, names in named.items()
    }
    return {revision: names for revision, names in missing.items() if names}


def _ids_that_may_exist(snapshot: Facts) -> frozenset[str]:
    """Missing ids that an unreadable file may have, so that they are not reported."""
    if not snapshot.unreadable and not snapshot.anonymous:
        return frozenset()
    missing = snapshot.graph.missing
    explained = {name: file[0] for name in missing if (file := snapshot.possible_file(name))}
    others = [file for file in snapshot.anonymous if file not in explained.values()]
    alone = len(missing - explained.keys()) <= len(others)
    return frozenset(missing if alone else explained)


def _fold(revision: str) -> str:
    return "".join(revision.split()).casefold()
