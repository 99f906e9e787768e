"""Faults of what the migrations do to the schema, read from their sources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from flask_chainfix.chain.lineages import find_lineages
from flask_chainfix.common.remedies import LINE, REPAIR, Remedy, repairing, way
from flask_chainfix.common.wording import count, listing
from flask_chainfix.databases.applied.rows import are_tied, taking_down
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.lost_revisions import told_losses
from flask_chainfix.diagnosis.rules import Family, Fault, codes_of, rule
from flask_chainfix.model.findings import Finding, Location, Severity
from flask_chainfix.model.plans import Wishes
from flask_chainfix.schema.conflicts import dropped_twice, made_twice, never_made
from flask_chainfix.schema.footprint import Kind
from flask_chainfix.schema.objects import Touch, dropping, ended
from flask_chainfix.schema.order import Precedence, disorders

_Twice = tuple[Touch, Touch]
_Pair = TypeVar("_Pair", _Twice, Precedence)
_GUARD = "an if on sa.inspect(op.get_bind()), so that it runs only where it is still needed"
_MOVE = "move the operation into a revision where it can run, or the revision to another place"
_KEEP_ONE = (
    "keep one of the two and delete the other file; or make the other's upgrade() and downgrade()"
    " do nothing; a database that has run only one of them is then stamped by hand"
)
_LINK = "then link the chain"


@rule("FC201", "schema-order", Severity.ERROR, "schema order fault", Family.SCHEMA)
def schema_order(snapshot: Facts) -> Iterator[Fault]:
    """A migration uses a table or column that is not sure to be there when it runs.

    Only a later revision creates it, or one on a parallel branch, which may run before or after; or
    a revision drops it before, or on a parallel branch. Where something that the sources do not
    tell could explain it, nothing is reported. Between branches that are kept apart on purpose this
    is a warning; where they have merged again, and Alembic happens to upgrade an empty database in
    an order that runs, it is information.

    What breaks:
        “{alembic} upgrade” of an empty database can stop there: what it needs does not exist

    How it comes about:
        A chain was relinked by date or file name, or two branches were never run together.

    How it is repaired:
        `{fixchain} repair` puts the one that uses it behind the one that creates it, where they are
        on parallel branches. In one line, move the operation into a revision where it can run, or
        the revision to another place. Branches that are kept apart say `depends_on`.

    Example:
        # users.py
        revision = "users"
        down_revision = None

        def upgrade():
            op.create_table("users", sa.Column("id", sa.Integer()))

        # emails.py
        revision = "emails"
        down_revision = None

        def upgrade():
            op.add_column("users", sa.Column("email", sa.String()))

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
            hint = way(f"to be sure of the order, let {after} say depends_on = {before!r}")
        elif parallel:
            hint = way(f"put {after} behind {before}", REPAIR)
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
    user, other = (after, before) if ending == "use" else (before, after)
    if snapshot.evidence.runs_before(after.revision, before.revision):
        deed = "creates only later" if ending == "use" else f"{ended(other)} before"
    else:
        deed = f"{'create' if ending == 'use' else dropping([other])}s on a parallel branch"
    more = f", and {count(others, 'more object')} likewise" if others else ""
    what = f"{user.object.kind.value} {user.object.spelled}"
    return f"{user.revision} uses {what}, which {other.revision} {deed}{more}"


@rule("FC203", "table-created-twice", Severity.ERROR, "table created twice", Family.SCHEMA)
def table_created_twice(snapshot: Facts) -> Iterator[Fault]:
    """Two revisions create the same table, and nothing drops it in between.

    No order of them can run, so no repair is planned while both do.

    What breaks:
        “{alembic} upgrade” of an empty database stops with “table … already exists”

    How it comes about:
        There are two “initial” migrations: `migrations/` was made anew beside an old chain.

    How it is repaired:
        By hand: delete one of the two files, or make its `upgrade()` and `downgrade()` do nothing.
        A database that has run only one of them is then stamped with `{alembic} stamp`.

    Example:
        # initial.py
        revision = "initial"
        down_revision = None

        def upgrade():
            op.create_table("users", sa.Column("id", sa.Integer()))

        # initial_again.py
        revision = "initial_again"
        down_revision = "initial"

        def upgrade():
            op.create_table("users", sa.Column("id", sa.Integer()))

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

    Nothing undoes the first before the second runs. What happens under a condition, or with
    `if_exists` or `if_not_exists`, is not counted, and neither is what only some databases refuse.
    Between branches that are kept apart on purpose this is a warning.

    What breaks:
        “{alembic} upgrade” of an empty database stops with “already exists” or “does not exist”

    How it comes about:
        Two branches made the same change, each with a migration of its own, and were merged.

    How it is repaired:
        By hand: remove the operation from the one that no database has run, and its counterpart
        from `downgrade()`. Else put the second under an `if` that asks the database.

    Example:
        # users.py
        revision = "users"
        down_revision = None

        def upgrade():
            op.create_table("users", sa.Column("id", sa.Integer()))

        # emails.py
        revision = "emails"
        down_revision = "users"

        def upgrade():
            op.add_column("users", sa.Column("email", sa.String()))

        # addresses.py
        revision = "addresses"
        down_revision = "emails"

        def upgrade():
            op.add_column("users", sa.Column("email", sa.String()))

        $ {fixchain} check --schema
    """
    made = (pair for pair in made_twice(snapshot.evidence) if pair[0].object.kind is not Kind.TABLE)
    for pairs, creates in ((made, True), (dropped_twice(snapshot.evidence), False)):
        for found in _by_revisions(pairs).values():
            deed = "create" if creates else dropping(touch for pair in found for touch in pair)
            names = listing(f"{one.object.kind.value} {one.object.spelled}" for one, _ in found)
            first, second = (_spots(_places(snapshot, side)) for side in zip(*found, strict=True))
            hint = (
                f"remove the operation from {second}, or from {first}, whichever no database has"
                " run, and its counterpart from downgrade()"
            )
            guarded = f"where databases have run either of them, put {second} under {_GUARD}"
            yield _conflict(snapshot, found, deed, names, way(hint) | guarded)


def _conflict(
    snapshot: Facts, found: Sequence[_Twice], deed: str, what: str, hint: str | Remedy
) -> Fault:
    first, second = (touch.revision for touch in found[0])
    both = f"{first} and {second} both {deed} {what}"
    lineages = find_lineages(snapshot).by_revision
    apart = lineages[first] is not lineages[second]  # on purpose: they may never meet
    return Fault(
        f"{first} {deed.replace(' or ', 's or ')}s {what} twice" if first == second else both,
        hint,
        (first, second),
        [place for pair in found for place in _places(snapshot, pair)],
        len(found),
        severity=Severity.WARNING if apart else None,
    )


def _places(snapshot: Facts, touches: Iterable[Touch]) -> list[Location]:
    return [Location(snapshot.file(touch.revision).path, touch.line) for touch in touches]


def _spots(places: Iterable[Location]) -> str:
    return " and ".join(dict.fromkeys(f"{each.path.name}:{each.line}" for each in places))


def _by_revisions(found: Iterable[_Pair]) -> dict[tuple[str, str], list[_Pair]]:
    grouped: dict[tuple[str, str], list[_Pair]] = {}
    for pair in found:
        grouped.setdefault((pair[0].revision, pair[1].revision), []).append(pair)
    return grouped


@rule("FC202", "table-never-created", Severity.WARNING, "table never created", Family.SCHEMA)
def table_never_created(snapshot: Facts) -> Iterator[Fault]:
    """A migration uses, renames or drops a table that no migration has created by then.

    The databases that exist have it from elsewhere; this shows where a new one is made.

    What breaks:
        “{alembic} upgrade” of an empty database stops there, unless something else makes it

    How it comes about:
        `db.create_all()` made the table before the first migration, its name is misspelt, or the
        migration that created it was deleted.

    How it is repaired:
        By hand: create the table in a migration before the first that uses it, or correct the name.

    Example:
        # emails.py
        revision = "emails"
        down_revision = None

        def upgrade():
            op.add_column("users", sa.Column("email", sa.String()))

        $ {fixchain} check --schema
    """
    yield from _never_created(snapshot, Kind.TABLE)


@rule("FC204", "column-never-created", Severity.WARNING, "column never created", Family.SCHEMA)
def column_never_created(snapshot: Facts) -> Iterator[Fault]:
    """A migration uses, renames or drops a column of a table that the migrations create without it.

    The databases that exist have it from elsewhere; this shows where a new one is made.

    What breaks:
        “{alembic} upgrade” of an empty database stops there, unless something else makes it

    How it comes about:
        The column was added to the database itself, its name is misspelt, or the migration that
        added it was deleted.

    How it is repaired:
        By hand: add the column in a migration before the first that uses it, or correct the name.

    Example:
        # users.py
        revision = "users"
        down_revision = None

        def upgrade():
            op.create_table("users", sa.Column("id", sa.Integer()))

        # emails.py
        revision = "emails"
        down_revision = "users"

        def upgrade():
            op.alter_column("users", "email", nullable=False)

        $ {fixchain} check --schema
    """
    yield from _never_created(snapshot, Kind.COLUMN)


def _never_created(snapshot: Facts, kind: Kind) -> Iterator[Fault]:
    evidence = snapshot.evidence
    for users in never_made(evidence):
        if users[0].object.kind is kind:
            name = users[0].object.spelled
            revisions = list(dict.fromkeys(user.revision for user in users))
            later = evidence.creators.get(evidence.key(users[0].object), ())
            yield Fault(
                f"{kind.value} {name} is created by no migration"
                + (f" before {later[0].revision}" if later else "")
                + f", and used by {listing(revisions)}",
                f"create it in a migration before {revisions[0]}, or correct the name",
                revisions,
                _places(snapshot, users),
            )


# --- How two revisions that make or drop the same thing come into one chain that runs -------------
def ways_out(snapshot: Facts, fault: Finding, wishes: Wishes, again: str) -> Remedy:
    """What to do about a fault that a planned chain would have; ``again`` plans once more."""
    if fault.code not in codes_of(Family.SCHEMA):
        text = "say where the revisions belong; the help lists the options"
        return way(text, "{fixchain} repair --help")
    accepted = replace(wishes, accept=tuple(sorted({*wishes.accept, fault.code})))
    accepting = repairing(accepted.typed)
    two_sides = len(fault.revisions) > 1 and all(each in snapshot.graph for each in fault.revisions)
    if fault.code != "FC201" and two_sides:
        return _joining(snapshot, fault, again) | _accepting(snapshot, fault, accepting)
    if fault.code == "FC201" and wishes.strategy == "merge":
        first = way("put one branch behind the other", LINE)
    else:
        first = Remedy.of(fault.hint)
    return first | way(f"if the finding is mistaken, plan anyway; {fault.code} stays", accepting)


def _joining(snapshot: Facts, fault: Finding, again: str) -> Remedy:
    """To have both sides: what others have stays, and so does what has run without the other."""
    from flask_chainfix.databases.applied.has_run import alone, applied_in, published_in

    sides, then = fault.revisions, (again, "{alembic} upgrade head")
    others, known = alone(published_in(snapshot), sides), alone(applied_in(snapshot), sides)
    places = {name: _place_of(snapshot, fault, name) for name in sides}
    guarded = f"put what both do in {' and '.join(places.values())} under {_GUARD}; {_LINK}"
    guarding = (REPAIR, "{alembic} upgrade head")
    mine = [name for name in sides if not others[name]]
    free = mine if len(mine) == 1 else [name for name in mine if not known[name]]
    if not free:
        return way(f"as each of them has run without the other, {guarded}", *guarding)
    side = free[-1]
    (other,) = (name for name in sides if name != side)
    why = next((f"{each.name} has run {other}, so " for each in known[other]), "")
    why = next((f"{each.name} has {other}, so " for each in others[other]), why)
    edit = f"remove what both do from {places[side]}, and its counterpart from downgrade(); {_LINK}"
    if not known[side]:
        keeping = way(f"keep it in {places[side]}, under {_GUARD}; {_LINK}", *then)
        return way(f"{why}{edit}", *then) | keeping
    database, graph = known[side][0], snapshot.graph
    apart = {*graph.required([side]), *graph.descendants([side])} - graph.required([other])
    down = [name for name in graph.order if name in apart & database.revisions]
    if snapshot.databases.anew or are_tied(graph, down):
        # Of what depends on others, Alembic's downgrade takes down more, or leaves odd rows.
        first = way(f"{why}downgrade {listing(down)} in {database.name}, then {edit}")
    else:
        losses = told_losses([snapshot.footprint_down(snapshot.file(name)) for name in down])
        first = way(
            f"{why}first downgrade {listing(down)} in {database.name}, which has not run {other}"
            f" ({losses}); next {edit}",
            *taking_down(graph, database.revisions, apart),
            *then,
        )
    return first | way(f"to keep what {database.name} has, {guarded}", *guarding)


def _place_of(snapshot: Facts, fault: Finding, revision: str) -> str:
    paths = {file.path for file in snapshot.files_by_revision[revision]}
    own = [each for each in fault.locations if each.path in paths]
    return _spots(own) or snapshot.file(revision).name


def _accepting(snapshot: Facts, fault: Finding, command: str) -> Remedy:
    """To have the chain as it is; an upgrade that runs both stops there all the same."""
    from flask_chainfix.databases.applied.has_run import applied_in

    known = [each.revisions for each in applied_in(snapshot) if each.revisions]
    if not all(revisions.issuperset(fault.revisions) for revisions in known):
        return Remedy()
    first, second = fault.revisions
    have = "the databases here have" if known else "all your databases have"
    return way(
        f"if {have} run both {first} and {second}, link the chain as it is: {fault.code} stays, and"
        " “{alembic} upgrade” of a database that has not run both still stops there",
        command,
    )
