"""Databases whose schema does not match their stamps or the migrations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flask_chainfix.common.remedies import Remedy, way
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.applied.by_schema import difference_in_words, making_alike
from flask_chainfix.databases.applied.contents import half_made, not_as_made, traced
from flask_chainfix.databases.applied.contradictions import (
    Mismatch,
    completing,
    in_words,
    mismatch,
    ways_out,
)
from flask_chainfix.databases.applied.has_run import possibilities
from flask_chainfix.databases.applied.lost import is_noop
from flask_chainfix.databases.applied.verdicts import Verdict
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.rules import Family, Fault, rule
from flask_chainfix.diagnosis.rules.stamps import reached
from flask_chainfix.model.findings import Severity

_SHOWN = 5  # differences in one message


@rule("FC305", "half-applied", Severity.ERROR, "half-applied revision", Family.DATABASE)
def half_applied(snapshot: Facts) -> Iterator[Fault]:
    """A database holds part of what a revision creates, but is not stamped with that revision.

    Tables, columns, indexes and constraints are compared by name. Objects that the revision might
    not create are left out, and so are objects that the database does not list.

    What breaks:
        “{alembic} upgrade” stops there: a table that it creates exists already

    How it happens:
        The migration failed half-way on a database that cannot roll back changes to the schema,
        such as MySQL or MariaDB.

    How to repair it:
        `{fixchain} catch-up --finish REVISION` shows the remaining statements, asks, runs them and
        stamps the database. If it cannot tell which statements remain, run them by hand and then
        `{alembic} stamp REVISION`. The finding names the command that prints the statements, and
        the next check names the stamp.

    Example:
        # secrets.py
        revision = "secrets"
        down_revision = None

        def upgrade():
            op.create_table("secrets", sa.Column("id", sa.Integer()))
            op.create_table("endpoints", sa.Column("id", sa.Integer()))

        # the tables of the database
        secrets

        $ {alembic} upgrade secrets --sql
        $ {alembic} stamp secrets
    """
    for found in _mismatches(snapshot):
        for revision, early in found.early.items():
            missing = half_made(snapshot, found.status, revision)
            if missing:
                yield Fault(
                    f"{found.stamped}, and {revision} has run there in part:"
                    f" {listing(early)} {_is(early)} there already, but {listing(missing)}"
                    f" {_is(missing)} not",
                    completing(snapshot, found.status, revision),
                    [revision],
                    snapshot.locations(revision, "revision"),
                    databases=[found.status.name],
                )


@rule("FC306", "stamp-contradicts-schema", Severity.ERROR, "contradicted stamp", Family.DATABASE)
def stamp_contradicts_schema(snapshot: Facts) -> Iterator[Fault]:
    """A database already holds what revisions create that are not applied according to its stamp.

    Tables, columns, indexes and constraints are compared by name. Objects that a revision might not
    create are left out.

    What breaks:
        “{alembic} upgrade” stops there: a table or column that it creates exists already

    How it happens:
        `db.create_all()` created the tables, a dump was restored without its version table, or the
        stamp was moved by hand. Or the chain was repaired on one branch, and another branch was
        checked out.

    How to repair it:
        With `{alembic} stamp`. The finding names the revision that matches the database.

    Example:
        users: op.create_table("user", sa.Column("id", sa.Integer()))

        # the tables of the database
        user

        $ {alembic} stamp users
    """
    for found in _mismatches(snapshot):
        whole = {
            revision: names
            for revision, names in found.early.items()
            if not half_made(snapshot, found.status, revision)
        }
        if whole:
            yield Fault(
                f"{found.stamped}, but what the next upgrade would create is there already:"
                f" {in_words(whole)}",
                ways_out(snapshot, found),
                whole,
                [place for each in whole for place in snapshot.locations(each, "revision")],
                databases=[found.status.name],
            )


@rule("FC307", "schema-drift", Severity.WARNING, "database with drift", Family.DATABASE)
def schema_drift(snapshot: Facts) -> Iterator[Fault]:
    """A database's schema differs from the schema that the applied migrations produce.

    The check finds tables, views, columns, indexes and named constraints that no migration creates,
    or that are missing, or should have been dropped; and columns with a different type, nullability
    or default. Indexes and constraints that the chain may create under a name that its source does
    not show are left out. It compares only databases whose stamp matches the schema. `{fixchain}
    trace --exact` lists every difference, also in triggers, functions and the queries of views.

    What breaks:
        nothing now; but a migration that makes or changes these objects stops there, and what works
        in one database may not work in another

    How it happens:
        Somebody changed the schema by hand, `db.create_all()` created tables that no migration
        creates, or a migration was edited after it had run.

    How to repair it:
        `{fixchain} catch-up` writes a migration that creates what is missing. For columns that
        differ, and for missing values of a type, domains, composite types and primary keys, the
        finding names the command that prints the statements. Where no migration creates an object,
        write one if the models need it, else drop it. If the tables belong to other programs, list
        them under `ignore_objects` in the settings.

    Example:
        users: op.create_table("user", sa.Column("id", sa.Integer()))

        # the tables of the database
        user by_hand

        # the rows of alembic_version
        users

        $ {fixchain} trace --database
    """
    for status in reached(snapshot):
        fits = status.rows and all(row in snapshot.graph for row in status.rows)
        if not fits or mismatch(snapshot, status) is not None:
            continue
        possible = possibilities(snapshot, status)
        claimed = possible[0].revisions if len(possible) == 1 else frozenset()
        found = traced(snapshot, status, claimed)
        if found is None or found.having(Verdict.HALF_RUN):
            continue
        differences = [*not_as_made(found, claimed), *found.differences]
        if not differences:
            continue
        said = [difference_in_words(each, snapshot) for each in differences[:_SHOWN]]
        more = len(differences) - len(said)
        extra = Remedy.of("write a migration for what the models need, and drop what nobody needs")
        yield Fault(
            f"{status.name}: {'; '.join(said)}{f'; and {more:,} more' if more else ''}",
            way("see all of it", "{fixchain} trace{databases}")
            | making_alike(snapshot, status, differences)
            | (extra if any(each.kind == "extra" for each in differences) else Remedy()),
            dict.fromkeys(each.revision for each in differences if each.revision),
            databases=[status.name],
        )


def _mismatches(snapshot: Facts) -> Iterator[Mismatch]:
    found = (mismatch(snapshot, status) for status in reached(snapshot))
    return (each for each in found if each is not None and _is_whole(snapshot, each))


def _is_whole(snapshot: Facts, found: Mismatch) -> bool:
    """Whether the files contain every revision that the rows imply.

    Revisions may be missing below a gap. A no-op base beside others may be a merge point that has
    lost its parents.
    """
    graph = snapshot.graph
    claimed = graph.required(row for row in found.status.rows if row in graph)
    if claimed & graph.open_ends:
        return False
    bases = claimed.intersection(graph.bases if len(graph.bases) > 1 else ())
    return not any(is_noop(snapshot, base) for base in bases)


def _is(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"
