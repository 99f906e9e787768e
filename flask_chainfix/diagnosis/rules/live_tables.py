"""Databases whose schema is not what their stamps say, or not what the migrations make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flask_chainfix.common.remedies import Remedy, way
from flask_chainfix.common.wording import listing
from flask_chainfix.databases.applied.contents import half_made, not_as_made, traced
from flask_chainfix.databases.applied.contradictions import (
    Mismatch,
    completing,
    difference_in_words,
    in_words,
    making_missing,
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
    """Some of what a revision makes is there, and it is not stamped.

    Its tables, columns, indexes and constraints are compared, by name. What a revision is not
    certain to make is left out, and so is what the database does not show.

    What breaks:
        “{alembic} upgrade” stops there: a table that it makes exists already

    How it comes about:
        The migration failed half-way on a database that makes each change of the schema final at
        once, as MySQL and MariaDB do.

    How it is repaired:
        With `{fixchain} catch-up --finish REVISION`: it shows the statements that are left, asks,
        runs them and stamps the database. Where it cannot tell which are left: by running by hand
        what is missing, then `{alembic} stamp REVISION`; the finding names the command that prints
        the statements, and the next check the stamp.

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
                    f" {listing(early)} {_is(early)} there already, and {listing(missing)}"
                    f" {_is(missing)} not",
                    completing(snapshot, found.status, revision),
                    [revision],
                    snapshot.locations(revision, "revision"),
                )


@rule("FC306", "stamp-contradicts-schema", Severity.ERROR, "contradicted stamp", Family.DATABASE)
def stamp_contradicts_schema(snapshot: Facts) -> Iterator[Fault]:
    """A database holds what revisions make that have not run, going by the stamp.

    Tables, columns, indexes and constraints are compared, by name. What a revision is not certain
    to make is left out.

    What breaks:
        “{alembic} upgrade” stops there: a table or column that it makes exists already

    How it comes about:
        `db.create_all()` has made the tables, a dump was restored without its version table, or
        the stamp was moved by hand. Or a repair was made on one branch, and another one was
        checked out.

    How it is repaired:
        With `{alembic} stamp`; the finding names the revision that the database fits.

    Example:
        # users.py
        revision = "users"
        down_revision = None

        def upgrade():
            op.create_table("user", sa.Column("id", sa.Integer()))

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
                f"{found.stamped}, and what the next upgrade would make is there already:"
                f" {in_words(whole)}",
                ways_out(snapshot, found),
                whole,
                [place for each in whole for place in snapshot.locations(each, "revision")],
            )


@rule("FC307", "schema-drift", Severity.WARNING, "database with drift", Family.DATABASE)
def schema_drift(snapshot: Facts) -> Iterator[Fault]:
    """A database holds something otherwise than the migrations leave it.

    Tables and columns that no migration makes; tables, columns, indexes and constraints that are
    missing, or are still there; columns with another type, nullability or default. Only databases
    whose stamp fits are compared; `{fixchain} trace --exact` tells whatever differs.

    What breaks:
        nothing now; but a migration that makes or changes these objects stops there, and what works
        in one database may not work in another

    How it comes about:
        Somebody has changed the schema by hand, `db.create_all()` has made tables that no migration
        makes, or a migration was edited after it had run.

    How it is repaired:
        `{fixchain} catch-up` writes a migration that makes what is missing. All else by hand: write
        a migration for what the models need, or drop what nobody needs.
        Tables of other programs are no fault: name them under `ignore_objects` in the settings.

    Example:
        # users.py
        revision = "users"
        down_revision = None

        def upgrade():
            op.create_table("user", sa.Column("id", sa.Integer()))

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
        lacks = any(each.kind == "missing" for each in differences)
        yield Fault(
            f"{status.name}: {'; '.join(said)}{f'; and {more:,} more' if more else ''}",
            way("see all of it", "{fixchain} trace{databases}")
            | (making_missing(snapshot, status) if lacks else Remedy())
            | "write a migration for what the models need, and drop what nobody needs",
            dict.fromkeys(each.revision for each in differences if each.revision),
            [],
        )


def _mismatches(snapshot: Facts) -> Iterator[Mismatch]:
    found = (mismatch(snapshot, status) for status in reached(snapshot))
    return (each for each in found if each is not None and _is_whole(snapshot, each))


def _is_whole(snapshot: Facts, found: Mismatch) -> bool:
    """Whether the files hold all that rows claim: below a gap there may be more.

    A base beside others that does nothing may be a merge revision that has lost its parents.
    """
    graph = snapshot.graph
    claimed = graph.required(row for row in found.status.rows if row in graph)
    if claimed & graph.open_ends:
        return False
    bases = claimed.intersection(graph.bases if len(graph.bases) > 1 else ())
    return not any(is_noop(snapshot, base) for base in bases)


def _is(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"
