"""Faults of what the migrations do to the schema, read from their sources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flask_chainfix.chain.lineages import find_lineages
from flask_chainfix.common.remedies import REPAIR, Remedy, way
from flask_chainfix.common.wording import count, listing
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.registry import Family, Fault, rule
from flask_chainfix.model.findings import Location, Severity
from flask_chainfix.schema.conflicts import dropped_twice, made_twice, never_made
from flask_chainfix.schema.footprint import Kind
from flask_chainfix.schema.objects import Touch
from flask_chainfix.schema.order import Precedence, disorders


@rule(
    "FC201",
    "schema-order",
    Severity.ERROR,
    noun="schema order fault",
    breaks="“{alembic} upgrade” of an empty database can stop there: what it needs does not exist",
    family=Family.SCHEMA,
)
def schema_order(snapshot: Facts) -> Iterator[Fault]:
    """A migration uses a table or column that is not sure to be there when it runs.

    Only a later revision creates it, or one on a parallel branch, which may run before or after; or
    a revision drops it before, or on a parallel branch. Where a migration does something that its
    source does not tell and that could explain it, nothing is reported. Between branches that are
    kept apart on purpose this is a warning. Where they have merged again, and Alembic happens to
    upgrade an empty database in an order that runs, it is information.

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
    for (before, after), found in _by_pair(disorders(snapshot.evidence)).items():
        apart = lineages[before] is not lineages[after]
        parallel = not snapshot.evidence.runs_before(after, before)
        suits = snapshot.evidence.upgraded_before(before, after)
        sentence = _sentence(snapshot, found[0], len(found) - 1)
        yield Fault(
            f"{sentence}; Alembic runs {before} first" if suits else sentence,
            _hint(before, after, apart=apart or suits, parallel=parallel),
            (before, after),
            _places(snapshot, (found[0].after, found[0].before)),
            severity=Severity.INFO if suits else Severity.WARNING if apart else None,
            breaks="nothing, as long as these branches stay as they are" if suits else None,
            repairable=parallel and not (apart or suits),
        )


def _by_pair(found: Iterable[Precedence]) -> dict[tuple[str, str], list[Precedence]]:
    pairs: dict[tuple[str, str], list[Precedence]] = {}
    for item in found:
        pairs.setdefault((item.before.revision, item.after.revision), []).append(item)
    return pairs


def _sentence(snapshot: Facts, disorder: Precedence, others: int) -> str:
    before, after, ending = disorder
    runs_before = snapshot.evidence.runs_before
    parallel = not runs_before(after.revision, before.revision)
    user, other = (after, before) if ending == "use" else (before, after)
    if ending == "use":
        deed = "creates on a parallel branch" if parallel else "creates only later"
    else:
        deed = "drops on a parallel branch" if parallel else "has dropped before"
    more = f", and {count(others, 'more object')} likewise" if others else ""
    what = f"{user.object.kind.value} {user.object.spelled}"
    return f"{user.revision} uses {what}, which {other.revision} {deed}{more}"


def _hint(before: str, after: str, *, apart: bool, parallel: bool) -> Remedy:
    if apart:
        return Remedy.of(f"to be sure of the order, let {after} say depends_on = {before!r}")
    if parallel:
        return way(f"put {after} behind {before}", REPAIR)
    return Remedy.of(
        "move the operation into a revision where it can run, or the revision to another place"
    )


def _places(snapshot: Facts, touches: Iterable[Touch]) -> list[Location]:
    return [Location(snapshot.file(touch.revision).path, touch.line) for touch in touches]


@rule(
    "FC203",
    "table-created-twice",
    Severity.ERROR,
    noun="table created twice",
    breaks="“{alembic} upgrade” of an empty database stops with “table … already exists”",
    family=Family.SCHEMA,
)
def table_created_twice(snapshot: Facts) -> Iterator[Fault]:
    """Two revisions create the same table, and nothing drops it in between.

    No order of them can run, so no repair is planned while both do.

    How it comes about:
        It is the mark of two “initial” migrations, each the whole schema: `migrations/` was made
        anew beside an old chain.

    How it is repaired:
        By hand: keep one of the two and delete the other file; or make the other's `upgrade()` and
        `downgrade()` do nothing. A database that has run only one of them is then stamped with
        `{alembic} stamp`.

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
    for (first, second), tables in _by_revisions(twice).items():
        names = listing(sorted(one.object.spelled for one, _ in tables))
        kind = "table" if len(tables) == 1 else "tables"
        yield Fault(
            _both(first, second, "create", f"{kind} {names}"),
            "keep one of the two and delete the other file; or make the other's upgrade() and"
            " downgrade() do nothing; a database that has run only one of them is then stamped"
            " by hand",
            (first, second),
            _places(snapshot, tables[0]),
            len(tables),
            severity=_unless_apart(snapshot, first, second),
        )


@rule(
    "FC205",
    "schema-conflict",
    Severity.ERROR,
    noun="schema conflict",
    breaks="“{alembic} upgrade” of an empty database stops with “already exists” or with “does not"
    " exist”",
    family=Family.SCHEMA,
)
def schema_conflict(snapshot: Facts) -> Iterator[Fault]:
    """Two revisions create the same column, index, constraint or type, or drop the same object.

    Nothing undoes the first before the second runs, and no order of the two can run. What happens
    under a condition, or with `if_exists` or `if_not_exists`, is not counted, and neither is what
    only some databases refuse. Between branches that are kept apart on purpose this is a warning.

    How it comes about:
        Two branches made the same change, each with a migration of its own, and were merged.

    How it is repaired:
        By hand: remove the operation from the one that no database has run, and its counterpart
        from `downgrade()`. Where databases have run either of them, put the second under an `if`
        that asks the database whether it is still needed.

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
    for pairs, deed in ((made, "create"), (dropped_twice(snapshot.evidence), "drop")):
        for (first, second), found in _by_revisions(pairs).items():
            names = listing(f"{one.object.kind.value} {one.object.spelled}" for one, _ in found)
            yield Fault(
                _both(first, second, deed, names),
                _ways_out(snapshot, found),
                (first, second),
                [place for pair in found for place in _places(snapshot, pair)],
                len(found),
                severity=_unless_apart(snapshot, first, second),
            )


def _both(first: str, second: str, deed: str, names: str) -> str:
    if first == second:
        return f"{first} {deed}s {names} twice"
    return f"{first} and {second} both {deed} {names}"


def _by_revisions(
    pairs: Iterable[tuple[Touch, Touch]],
) -> dict[tuple[str, str], list[tuple[Touch, Touch]]]:
    grouped: dict[tuple[str, str], list[tuple[Touch, Touch]]] = {}
    for one, other in pairs:
        grouped.setdefault((one.revision, other.revision), []).append((one, other))
    return grouped


def _ways_out(snapshot: Facts, found: list[tuple[Touch, Touch]]) -> Remedy:
    first, second = (
        " and ".join(
            f"{snapshot.file(touch.revision).name}:{line}"
            for touch, line in {touch.line: (touch, touch.line) for touch in touches}.values()
        )
        for touches in zip(*found, strict=True)
    )
    return Remedy.of(
        f"remove the operation from {second}, or from {first}, whichever no database has run,"
        " and its counterpart from downgrade()"
    ) | (
        f"where databases have run either of them, put {second} under an if on"
        " sa.inspect(op.get_bind()), so that it runs only where it is still needed"
    )


def _unless_apart(snapshot: Facts, first: str, second: str) -> Severity | None:
    """A warning between branches that are kept apart on purpose; they may never meet."""
    lineages = find_lineages(snapshot).by_revision
    return Severity.WARNING if lineages[first] is not lineages[second] else None


@rule(
    "FC202",
    "table-never-created",
    Severity.WARNING,
    noun="table never created",
    breaks="“{alembic} upgrade” of an empty database stops there, unless something else makes it",
    family=Family.SCHEMA,
)
def table_never_created(snapshot: Facts) -> Iterator[Fault]:
    """A migration uses, renames or drops a table that no migration has created by then.

    The databases that exist have it from elsewhere, so this shows where a new one is made: in
    tests, in CI, on a new machine.

    How it comes about:
        The table was made by `db.create_all()` or by hand before the first migration, its name is
        misspelt, or the migration that created it was deleted.

    How it is repaired:
        By hand: create the table in a migration before the first that uses it, or correct the name.
        `{fixchain} rehearse` proves the chain on a new database.

    Example:
        # emails.py
        revision = "emails"
        down_revision = None

        def upgrade():
            op.add_column("users", sa.Column("email", sa.String()))

        $ {fixchain} check --schema
    """
    yield from _never_created(snapshot, Kind.TABLE)


@rule(
    "FC204",
    "column-never-created",
    Severity.WARNING,
    noun="column never created",
    breaks="“{alembic} upgrade” of an empty database stops there, unless something else makes it",
    family=Family.SCHEMA,
)
def column_never_created(snapshot: Facts) -> Iterator[Fault]:
    """A migration uses, renames or drops a column of a table that the migrations create without it.

    The databases that exist have it from elsewhere, so this shows where a new one is made: in
    tests, in CI, on a new machine.

    How it comes about:
        The column was added to a migration's `create_table()` by hand and taken out again, or to
        the database itself; its name is misspelt; or the migration that added it was deleted.

    How it is repaired:
        By hand: add the column in a migration before the first that uses it, or correct the name.
        `{fixchain} rehearse` proves the chain on a new database.

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
