"""Faults of single files: header values that are missing, invalid or misleading."""

from __future__ import annotations

from collections.abc import Iterator

from flask_chainfix.chain.snapshot import location
from flask_chainfix.chain.source.literals import line_of
from flask_chainfix.chain.source.prose import stated_parents, states
from flask_chainfix.common.remedies import way
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.numbering import LONGEST_ID
from flask_chainfix.diagnosis.rules import Fault, rule
from flask_chainfix.model.files import Header, MigrationFile, Problem, ProblemKind
from flask_chainfix.model.findings import Location, Severity

ILLEGAL = frozenset("@-+:")
NO_LABELS = frozenset({"base", "head", "heads", "current"})
_NO_IDS = frozenset({"", "base"})
_HEADS = {"head": "the head of the chain", "heads": "all heads of the chain"}  # as parents

# Alembic's reaction to each was tested with 1.10 and 1.20.
_ID_BREAKS = {
    ":": "newer versions of Alembic refuse the id, and then every “{alembic}” command stops",
    "": "“{alembic} history” shows what is built on it as a base, and where it is the head"
    " “{alembic} upgrade” runs nothing",
    "base": "“{alembic} history” and “{alembic} upgrade” stop with an AssertionError, and"
    " “{alembic} heads” does not show the revision",
    **dict.fromkeys(_HEADS, "“{alembic} upgrade” stops with an AssertionError"),
}
_LABEL_BREAKS = "“{alembic} heads” and “{alembic} history” stop with a traceback (TypeError)"


@rule("FC106", "unreadable-migration", Severity.ERROR, "unreadable file")
def unreadable_migration(snapshot: Facts) -> Iterator[Fault]:
    """Alembic cannot load a file in the version location.

    The file cannot be read or parsed, contains conflict markers, or has no `revision` or
    `down_revision`. If its revision id is unknown, a revision that is missing elsewhere is
    not reported, because it may be in this file.

    What breaks:
        every “{alembic}” command stops, because Alembic loads every file of the directory

    How it happens:
        Conflict markers were committed, a migration was left half edited, or the file is not a
        migration at all.

    How to repair it:
        By hand, as the finding says. Until then `{fixchain} repair` refuses, unless the file has no
        header at all: then it leaves the file as it is, and repairs the others.

    Example:
        # orders.py
        revision = "orders"
        <<<<<<< HEAD
        down_revision = None
        =======
        down_revision = "users"
        >>>>>>> payments

        $ {fixchain} check
    """
    for file, problem in snapshot.unreadable:
        places = [Location(file.path, problem.line)]
        yield Fault(f"{file.name} {problem.reason}", problem.remedy, locations=places)


@rule("FC108", "invalid-revision-id", Severity.ERROR, "invalid id")
def invalid_revision_id(snapshot: Facts) -> Iterator[Fault]:
    """A revision id is empty, is not a string, or contains a character that Alembic reserves.

    `@`, `-`, `+` and `:` have a meaning in revision expressions such as `head-1`. `base` is an
    expression itself; so are `head` and `heads`, once a migration is built on that revision.

    What breaks:
        every “{alembic}” command stops, because Alembic refuses the id

    How it happens:
        The id was written by hand: the key of a ticket, a date, or a number without quotes.

    How to repair it:
        By hand: give the revision another id, of letters, digits and underscores, and change it in
        the migrations that refer to it.

    Example:
        SHOP-17 in orders.py

        $ {fixchain} check
    """
    for revision in snapshot.graph:
        as_parent = revision in _HEADS and revision in snapshot.graph.children
        if revision in _NO_IDS or as_parent or not ILLEGAL.isdisjoint(revision):
            illegal = "".join(sorted(ILLEGAL.intersection(revision)))
            means = _HEADS[revision] if as_parent else "no revision"
            what = f"contains {' '.join(illegal)}" if illegal else f"means {means}"
            yield Fault(
                f"the id {revision!r} {what}",
                "give the revision another id, of letters, digits and underscores, also where"
                " other migrations name it",
                (revision,),
                "revision",
                breaks=_ID_BREAKS.get(illegal or revision),
            )
    for file, ids, problems in _problems(snapshot, ProblemKind.NOT_A_STRING):
        for name, _, detail, offset in problems:
            yield Fault(
                f"{file.name}: {name} {detail}",
                _as_string(file, name),
                ids,
                [Location(file.path, line_of(file.data, offset))],
                breaks=_LABEL_BREAKS if name == "branch_labels" else None,
            )


@rule("FC109", "revision-id-too-long", Severity.WARNING, "long id")
def revision_id_too_long(snapshot: Facts) -> Iterator[Fault]:
    """A revision id is longer than 32 characters, the size of `alembic_version.version_num`.

    Alembic stores the ids of applied revisions in that column. If known databases are on a server,
    the width of their column decides: the fault is an error if the id does not fit into one of
    them, and is not reported if it fits into all.

    What breaks:
        “{alembic} upgrade” fails on PostgreSQL and MySQL, which cannot store the id; SQLite hides
        it

    How it happens:
        The id was chosen by hand, for example with `{alembic} revision --rev-id`.

    How to repair it:
        `{fixchain} repair --shorten-ids` gives the revision a shorter id, and updates its children
        and the stamps of known databases. Or make the column wider.

    Example:
        add_the_delivery_address_to_orders in orders.py

        $ {fixchain} repair --shorten-ids
    """
    known = [each for each in snapshot.databases.statuses if each.width is not None]
    fitting = min((each.width for each in known if each.width is not None), default=LONGEST_ID)
    for revision in snapshot.graph:
        if len(revision) > fitting:
            tight = [each.name for each in known if (each.width or 0) < len(revision)]
            place = f" into the version table of {listing(tight)}" if known else ""
            shorten = "{fixchain} repair --shorten-ids{databases}"
            yield Fault(
                f"the id {revision} has {len(revision)} characters, but only {fitting} fit{place}",
                way("shorten it, here and in databases", shorten)
                | "make the column version_num wider",
                (revision,),
                "revision",
                severity=Severity.ERROR if known else None,
            )


@rule("FC110", "computed-header", Severity.WARNING, "computed header")
def computed_header(snapshot: Facts) -> Iterator[Fault]:
    """A header value is the result of a call, an import or a condition.

    Only running the file would show the value, and flask-chainfix does not run migrations to read
    them. Findings that depend on the value are not reported.

    What breaks:
        nothing in Alembic; but a computed value cannot be checked or changed without running the
        file

    How it happens:
        Somebody wanted to write an id or a parent in one place only, or to have it found
        automatically.

    How to repair it:
        By hand: write the value itself. Until then `{fixchain} repair` leaves the file unchanged.
        It repairs the other files if that is safe, and refuses otherwise.

    Example:
        # orders.py
        from shop.migrations import newest_revision

        revision = "orders"
        down_revision = newest_revision()

        $ {fixchain} check
    """
    for file, ids, problems in _problems(snapshot, ProblemKind.COMPUTED):
        computed = "; ".join(f"{each.name} {each.detail}" for each in problems)
        lines = dict.fromkeys(line_of(file.data, each.offset) for each in problems)
        yield Fault(
            f"{file.name}: {computed}",
            "write the value itself, so that this file can be checked and repaired",
            ids,
            [Location(file.path, line) for line in lines],
        )


@rule("FC111", "stale-docstring", Severity.WARNING, "stale docstring", repairable=True)
def stale_docstring(snapshot: Facts) -> Iterator[Fault]:
    """The docstring's `Revises:` line names other parents than `down_revision`.

    Alembic writes that line when it creates the file, and never reads it.

    What breaks:
        nothing in Alembic; but people read the wrong parent

    How it happens:
        `down_revision` was changed by hand, or by a tool that does not update the docstring.

    How to repair it:
        `{fixchain} repair --docstrings` makes every `Revises:` line match `down_revision`.

    Example:
        # orders.py
        '''Create orders

        Revises: payments
        '''
        revision = "orders"
        down_revision = None

        $ {fixchain} repair --docstrings
    """
    for file, revision, revises, parents in stale_docstrings(snapshot):
        missing = revision in snapshot.graph.missing_parents
        if missing and all(name in snapshot.graph for name in stated_parents(revises)):
            continue  # down_revision itself is wrong; FC103 reports it
        yield Fault(
            f"{revision}: the docstring says “Revises: {revises}”, down_revision says"
            f" {listing(parents) or None}",
            way(
                "correct the docstring; Alembic uses down_revision alone",
                "{fixchain} repair --docstrings{databases}",
            ),
            (revision,),
            (location(file, "revises"),),
        )


def stale_docstrings(
    snapshot: Facts,
) -> Iterator[tuple[MigrationFile, str, str, tuple[str, ...]]]:
    """The stale docstrings: the file, its id, the text of ``Revises:``, the parents."""
    for file, header in snapshot.readable:
        revision, parents, revises = header.revision, header.down_revision, header.revises
        if revision is None or parents is None or revises is None:
            continue
        if not states(revises, parents):
            yield file, revision, revises, parents


def _as_string(file: MigrationFile, name: str) -> str:
    """What to write in place of an id that is not a string."""
    span = file.reading.spans.get(name) if isinstance(file.reading, Header) else None
    value = file.data[slice(*span)] if span else b""
    return f'write {name} = "{value.decode()}"' if value.isdigit() else "write ids as strings"


def _problems(
    snapshot: Facts, kind: ProblemKind
) -> Iterator[tuple[MigrationFile, tuple[str, ...], list[Problem]]]:
    """The files with problems of a kind, each with its id if known, and the problems."""
    for file, header in snapshot.readable:
        found = [problem for problem in header.problems if problem.kind is kind]
        if found:
            yield file, () if header.revision is None else (header.revision,), found
