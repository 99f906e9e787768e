"""Faults of what the migrations do to the schema, read from their sources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from flask_chainfix.chain.lineages import find_lineages
from flask_chainfix.common.remedies import REPAIR, Remedy, way
from flask_chainfix.common.wording import count, listing
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.rules import Family, Fault, rule
from flask_chainfix.model.findings import Location, Severity
from flask_chainfix.schema.footprint import Kind, Touch, dropping, ended, key_of
from flask_chainfix.schema.order import Precedence, disorders, dropped_twice, made_twice, never_made

_Twice = tuple[Touch, Touch]
_Pair = TypeVar("_Pair", _Twice, Precedence)
GUARD = "an if on sa.inspect(op.get_bind()), so that it runs only where it is still needed"
_MOVE = "move the operation into a revision where it can run, or the revision to another place"
_KEEP_ONE = (
    "keep one of the two and delete the other file; or make the other's upgrade() and downgrade()"
    " do nothing; then stamp each database that has run only one of them"
)


@rule("FC201", "schema-order", Severity.ERROR, "schema order fault", Family.SCHEMA)
def schema_order(snapshot: Facts) -> Iterator[Fault]:
    """A migration uses a table or column that may not exist when the migration runs.

    A later revision creates the object, or a revision on a parallel branch, which may run before or
    after. Or an earlier or parallel revision drops it. Nothing is reported if code that cannot be
    read could explain it. Between independent branches this is a warning. If they are merged and
    Alembic upgrades an empty database in a working order by chance, it is only information.

    What breaks:
        “{alembic} upgrade” of an empty database can stop there: an object that it needs does
        not exist

    How it happens:
        A chain was relinked by date or file name, or two branches were never run together.

    How to repair it:
        If the two are on parallel branches, `{fixchain} repair` puts the one that uses the object
        after the one that creates it. If they are on one line, move the operation into a later
        revision, or move the revision. If the branches are meant to be independent, add
        `depends_on`.

    Example:
        users: op.create_table("users", sa.Column("id", sa.Integer()))
        emails: op.add_column("users", sa.Column("email", sa.String()))

        $ {fixchain} repair
    """
    lineages = find_lineages(snapshot).by_revision
    for (before, after), found in _by_revisions(disorders(snapshot.evidence)).items():
        apart = lineages[before] is not lineages[after]
        parallel = not snapshot.evidence.runs_before(after, before)
        suits = snapshot.evidence.upgraded_before(before, after)
        sentence = _sentence(snapshot, found[0], len(found) - 1)
        hint = way(_MOVE)
        if apart or suits:
            hint = way(f"to be sure of the order, set depends_on = {before!r} in {after}")
        elif parallel:
            hint = way(f"put {after} above {before}", REPAIR)
        yield Fault(
            f"{sentence}; Alembic runs {before} first" if suits else sentence,
            hint,
            (before, after),
            _places(snapshot, (found[0].after, found[0].before)),
            severity=Severity.INFO if suits else Severity.WARNING if apart else None,
            breaks="nothing, as long as these branches stay as they are" if suits else None,
            repairable=parallel and not (apart or suits),
        )


def _sentence(snapshot: Facts, disorder: Precedence, others: int) -> str:
    before, after, ending = disorder
    if before.object.kind is not after.object.kind:  # see ``overtaken``
        return (
            f"{before.revision} adds column {before.object.spelled} to a table that"
            f" {after.revision}, on a parallel branch, drops and creates again with that column"
        )
    user, other = (after, before) if ending == "use" else (before, after)
    if snapshot.evidence.runs_before(after.revision, before.revision):
        verb = "creates only later" if ending == "use" else f"{ended(other)} before"
    else:
        verb = f"{'create' if ending == 'use' else dropping([other])}s on a parallel branch"
    more = f", and {count(others, 'more object')} likewise" if others else ""
    what = f"{user.object.kind.value} {user.object.spelled}"
    return f"{user.revision} uses {what}, which {other.revision} {verb}{more}"


@rule("FC203", "table-created-twice", Severity.ERROR, "table created twice", Family.SCHEMA)
def table_created_twice(snapshot: Facts) -> Iterator[Fault]:
    """Two revisions create the same table, and nothing drops it in between.

    Neither order can run, so `repair` makes no plan until one of them is changed.

    What breaks:
        “{alembic} upgrade” of an empty database stops with “table … already exists”

    How it happens:
        There are two “initial” migrations, because `migrations/` was created again beside an old
        chain.

    How to repair it:
        By hand: delete one of the two files, or make its `upgrade()` and `downgrade()` do nothing.
        Then use `{alembic} stamp` for databases that have run only one of them.

    Example:
        initial: op.create_table("users", sa.Column("id", sa.Integer()))
        initial_again <- initial: op.create_table("users", sa.Column("id", sa.Integer()))

        $ {fixchain} check --schema
    """
    twice = (pair for pair in made_twice(snapshot.evidence) if pair[0].object.kind is Kind.TABLE)
    for tables in _by_revisions(twice).values():
        names = listing(sorted(one.object.spelled for one, _ in tables))
        what = f"table {names}" if len(tables) == 1 else f"tables {names}"
        fault = _conflict(snapshot, tables, "create", what, _KEEP_ONE)
        yield fault._replace(locations=_places(snapshot, tables[0]))


@rule("FC205", "schema-conflict", Severity.ERROR, "schema conflict", Family.SCHEMA)
def schema_conflict(snapshot: Facts) -> Iterator[Fault]:
    """Two revisions create the same column, index, constraint or type, or drop the same object.

    Nothing undoes the first before the second runs. Operations under a condition, with `if_exists`
    or `if_not_exists`, or that only some databases refuse, are not counted. Between independent
    branches this is a warning.

    What breaks:
        “{alembic} upgrade” of an empty database stops with “already exists” or “does not exist”.
        On SQLite, a batch that copies its table empties a column that it adds again

    How it happens:
        Two branches made the same change, each with a migration of its own, and were merged.

    How to repair it:
        By hand: remove the operation from the revision that no database has run, and its
        counterpart from `downgrade()`. If databases have run both, put the second under an `if`
        that asks the database.

    Example:
        users: op.create_table("users", sa.Column("id", sa.Integer()))
        emails <- users: op.add_column("users", sa.Column("email", sa.String()))
        addresses <- emails: op.add_column("users", sa.Column("email", sa.String()))

        $ {fixchain} check --schema
    """
    made = (pair for pair in made_twice(snapshot.evidence) if pair[0].object.kind is not Kind.TABLE)
    for pairs, creates in ((made, True), (dropped_twice(snapshot.evidence), False)):
        for found in _by_revisions(pairs).values():
            verb = "create" if creates else dropping(touch for pair in found for touch in pair)
            names = listing(f"{one.object.kind.value} {one.object.spelled}" for one, _ in found)
            first, second = (spots(_places(snapshot, side)) for side in zip(*found, strict=True))
            hint = (
                f"remove the operation, and its counterpart in downgrade(), from {second} or"
                f" {first}, whichever no database has run"
            )
            guarded = f"where databases have run either of them, put {second} under {GUARD}"
            yield _conflict(snapshot, found, verb, names, way(hint) | guarded)


def _conflict(
    snapshot: Facts, found: Sequence[_Twice], verb: str, what: str, hint: str | Remedy
) -> Fault:
    first, second = (touch.revision for touch in found[0])
    both = f"{first} and {second} both {verb} {what}"
    lineages = find_lineages(snapshot).by_revision
    apart = (
        lineages[first] is not lineages[second]
    )  # independent branches, which may never be merged
    return Fault(
        f"{first} {verb.replace(' or ', 's or ')}s {what} twice" if first == second else both,
        hint,
        (first, second),
        [place for pair in found for place in _places(snapshot, pair)],
        len(found),
        severity=Severity.WARNING if apart else None,
    )


def _places(snapshot: Facts, touches: Iterable[Touch]) -> list[Location]:
    return [Location(snapshot.file(touch.revision).path, touch.line) for touch in touches]


def spots(places: Iterable[Location]) -> str:
    """Files and lines, as words in a sentence."""
    return " and ".join(dict.fromkeys(f"{each.path.name}:{each.line}" for each in places))


def _by_revisions(found: Iterable[_Pair]) -> dict[tuple[str, str], list[_Pair]]:
    grouped: dict[tuple[str, str], list[_Pair]] = {}
    for pair in found:
        grouped.setdefault((pair[0].revision, pair[1].revision), []).append(pair)
    return grouped


@rule("FC202", "table-never-created", Severity.WARNING, "table never created", Family.SCHEMA)
def table_never_created(snapshot: Facts) -> Iterator[Fault]:
    """A migration uses, renames or drops a table that no migration has created before.

    Existing databases got the table in another way; the fault shows when a new one is built.

    What breaks:
        “{alembic} upgrade” of an empty database stops there, unless something else makes it

    How it happens:
        `db.create_all()` created the table before the first migration, its name is misspelt, or the
        migration that created it was deleted.

    How to repair it:
        By hand: create the table in a migration before the first one that uses it, or correct the
        name.

    Example:
        emails: op.add_column("users", sa.Column("email", sa.String()))

        $ {fixchain} check --schema
    """
    yield from _never_created(snapshot, Kind.TABLE)


@rule("FC204", "column-never-created", Severity.WARNING, "column never created", Family.SCHEMA)
def column_never_created(snapshot: Facts) -> Iterator[Fault]:
    """A migration uses, renames or drops a column that no migration has added to its table.

    Existing databases got the column in another way; the fault shows when a new one is built.

    What breaks:
        “{alembic} upgrade” of an empty database stops there, unless something else makes it

    How it happens:
        The column was added directly in a database, its name is misspelt, or the migration that
        added it was deleted.

    How to repair it:
        By hand: add the column in a migration before the first one that uses it, or correct the
        name.

    Example:
        users: op.create_table("users", sa.Column("id", sa.Integer()))
        emails <- users: op.alter_column("users", "email", nullable=False)

        $ {fixchain} check --schema
    """
    yield from _never_created(snapshot, Kind.COLUMN)


def _never_created(snapshot: Facts, kind: Kind) -> Iterator[Fault]:
    evidence = snapshot.evidence
    for users in never_made(evidence):
        if users[0].object.kind is kind:
            name = users[0].object.spelled
            revisions = list(dict.fromkeys(user.revision for user in users))
            later = evidence.creators.get(key_of(users[0].object), ())
            yield Fault(
                f"no migration creates {kind.value} {name}"
                + (f" before {later[0].revision}" if later else "")
                + f", but {listing(revisions)} {'uses' if len(revisions) == 1 else 'use'} it",
                f"create it in a migration before {revisions[0]}, or correct the name",
                revisions,
                _places(snapshot, users),
            )
