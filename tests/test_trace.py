"""What a schema shows of the revisions that have run: never wrong, and seldom silent.

Chains are random, databases are built by Alembic's own operations from a part of them, and then
stamped elsewhere, cut off in the middle of a revision, or changed by hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import Engine
from sqlalchemy.pool import NullPool, StaticPool

from flask_chainfix.databases.applied.verdicts import Trace, Verdict, trace
from flask_chainfix.databases.targets import Target
from flask_chainfix.schema.footprint import Kind, table_of
from flask_chainfix.schema.live import Live, deciding

from .databases import SERVERS
from .nightly import examples
from .stamped import Again
from .statuses import keys_of
from .support import Rev, chain, rev
from .traces import Written, facts_of, random_chain, read_live, run


class Case(NamedTuple):
    """A database of which it is known what has run."""

    written: list[Written]
    ran: frozenset[str]
    half: str
    operations: tuple[str, ...]  # what of it has run
    claimed: frozenset[str]


def _below(written: list[Written], heads: set[str]) -> frozenset[str]:
    found = set(heads)
    for each in reversed(written):
        if each.revision in found:
            found.update(each.parents)
    return frozenset(found)


def _case(random: Random) -> Case:
    written = random_chain(random, random.randint(5, 60))
    heads = {random.choice(written).revision for _ in range(random.choice((1, 1, 2)))}
    ran = _below(written, heads)
    following = [
        each
        for each in written
        if each.revision not in ran and ran.issuperset(each.parents) and len(each.operations) > 1
    ]
    half, operations = "", tuple[str, ...]()
    if following and random.random() < 0.4:
        half, _, whole = random.choice(following)
        operations = whole[: random.randint(1, len(whole) - 1)]
        if all(each.startswith("op.execute") for each in operations):  # which no schema shows
            half = ""
    stamp = {random.choice(written).revision}
    claimed = ran if operations or random.random() < 0.5 else _below(written, stamp)
    return Case(written, ran, half, operations, claimed)


def _build(engine: Engine, case: Case) -> None:
    operations = [each.operations for each in case.written if each.revision in case.ran]
    for each in (*operations, case.operations):
        run(engine, each)


def _live(engine: Engine) -> Live:
    with engine.connect() as connection, connection.begin():
        return read_live(connection, _target(engine))


def _target(engine: Engine) -> Target:
    return Target("the database", engine.url)


def _wrong(case: Case, found: Trace) -> dict[str, tuple[str, str]]:
    """The revisions of which the verdict is wrong: what it is, and what it should be."""
    wrong = {}
    for revision, each in found.revisions.items():
        truth = Verdict.RUN if revision in case.ran else Verdict.NOT_RUN
        if revision == case.half:
            truth = Verdict.HALF_RUN
        if each.verdict not in (truth, Verdict.UNKNOWN):
            wrong[revision] = each.verdict.value, truth.value
    return wrong


def _check(engine: Engine, seed: int) -> _Counts:
    """Build one database, and compare; then again with an index that was added by hand."""
    case = _case(Random(seed))
    _build(engine, case)
    facts = facts_of(case.written, engine.dialect.name)
    found = trace(facts, _live(engine), case.claimed)
    assert _wrong(case, found) == {}
    assert case.operations or found.differences == ()
    assert not any(each.kind == "extra" for each in found.differences)
    _add_index(engine)
    extra = [
        each.object.name
        for each in trace(facts, _live(engine), case.claimed).differences
        if each.kind == "extra"
    ]
    assert extra in ([], ["by_hand"])
    return _Counts(len(case.written), len(found.having(Verdict.UNKNOWN)), len(extra))


class _Counts(NamedTuple):
    """What was compared: how many revisions, how many undecided, how many additions told."""

    revisions: int
    undecided: int
    told: int


def _add_index(engine: Engine) -> None:
    """Make an index by hand, on a table of the chain's."""
    names = [name for name in inspect(engine).get_table_names() if name.startswith("table")]
    if names:
        with engine.begin() as connection:
            connection.execute(text(f"CREATE INDEX by_hand ON {names[0]} (id)"))


@contextmanager
def _in_memory() -> Iterator[Engine]:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    yield engine
    engine.dispose()


def test_a_verdict_is_never_wrong_and_seldom_missing() -> None:
    counts = []
    for seed in range(examples(10)):
        with _in_memory() as engine:
            counts.append(_check(engine, seed))
    total, undecided, told = map(sum, zip(*counts, strict=True))
    assert undecided <= 0.05 * total
    assert told >= 0.9 * len(counts)


@pytest.mark.parametrize("kind", SERVERS)
def test_a_server_shows_what_has_run(kind: str, again: Again, tmp_path: Path) -> None:
    for seed in range(examples(1)):
        _check(create_engine(again.url(kind, tmp_path), poolclass=NullPool), seed)


@pytest.mark.parametrize("kind", SERVERS)
def test_what_shows_nothing_may_have_run_before_what_is_missing(
    kind: str, again: Again, tmp_path: Path
) -> None:
    """MySQL tells nothing of constraints: what begins with one is not known not to have begun."""
    made = "op.create_table('t', sa.Column('id', sa.Integer(), primary_key=True))"
    steps = (
        "op.create_unique_constraint('uq', 't', ['id'])",
        "op.add_column('t', sa.Column('x', sa.Text()))",
    )
    written = [Written("a", (), (made,)), Written("b", ("a",), steps)]
    case = Case(written, frozenset("a"), "b", steps[:1], frozenset("a"))
    engine = create_engine(again.url(kind, tmp_path), poolclass=NullPool)
    _build(engine, case)
    found = trace(facts_of(written, engine.dialect.name), _live(engine), case.claimed)
    assert found.revisions["a"].verdict is Verdict.RUN
    expected = Verdict.HALF_RUN if kind == "postgresql" else Verdict.UNKNOWN
    assert found.revisions["b"].verdict is expected


@pytest.mark.parametrize("kind", ["table", "column"])
def test_what_was_removed_by_hand_is_no_proof(kind: str) -> None:
    """A revision above has run; only where nothing else tells may one look as if it had not.

    A revision that makes or drops that, and does something else, looks as if it had half run.
    """
    for seed in range(examples(3)):
        random = Random(seed)
        case = _case(random)._replace(half="", operations=())
        with _in_memory() as engine:
            _build(engine, case)
            gone = _remove(engine, kind, random)
            found = trace(facts_of(case.written, "sqlite"), _live(engine), case.claimed)
        names = _names_of(gone, case)
        for revision, (verdict, _) in _wrong(case, found).items():
            seen: dict[bool | None, set[str]] = {True: set(), False: set()}
            for sign in deciding(found.revisions[revision].signs):
                seen[sign.made].add(table_of(sign.step.object).name)
            if verdict == Verdict.HALF_RUN.value:
                assert seen[True] <= names or seen[False] <= names, seed
            else:
                assert seen[True] | seen[False] <= names, seed


def _names_of(table: str, case: Case) -> set[str]:
    """The names that a table has along the chain."""
    renames = [
        names.groups()
        for each in case.written
        for operation in each.operations
        for names in re.finditer(r"rename_table\('(\w+)', '(\w+)'\)", operation)
    ]
    found = {table}
    for _ in renames:
        found.update(name for pair in renames if found.intersection(pair) for name in pair)
    return found


def _remove(engine: Engine, kind: str, random: Random) -> str:
    """Drop a table, or a column on which nothing is built; the name of the table."""
    inspector = inspect(engine)
    names = [name for name in inspector.get_table_names() if name.startswith("table")]
    if not names:
        return ""
    table = random.choice(names)
    built = {
        column
        for each in (inspector.get_indexes(table), inspector.get_unique_constraints(table))
        for part in each
        for column in part["column_names"]
    }
    free = {column["name"] for column in inspector.get_columns(table)} - built - {"id"}
    statement = f"DROP TABLE {table}"
    if kind == "column":
        if not free:
            return ""
        statement = f"ALTER TABLE {table} DROP COLUMN {random.choice(sorted(free))}"
    with engine.begin() as connection:
        connection.execute(text(statement))
    return table


def test_what_was_added_by_hand_is_told_and_proves_nothing() -> None:
    with _in_memory() as engine:
        case = _case(Random(1))._replace(half="", operations=())
        _build(engine, case)
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE by_hand (id INTEGER)"))
        found = trace(facts_of(case.written, "sqlite"), _live(engine), case.ran)
    assert _wrong(case, found) == {}
    assert [(each.kind, each.object.spelled) for each in found.differences] == [
        ("extra", "by_hand")
    ]


# --- Situations ----------------------------------------------------------------------------------

_MAKES = "op.create_table({!r}, sa.Column('id', sa.Integer(), primary_key=True))"
_ADDS = "op.add_column({!r}, sa.Column({!r}, sa.Integer()))"


def _shown(written: Sequence[Rev], *tables: str, columns: Sequence[tuple[str, str]] = ()) -> Trace:
    """What a database with these tables shows of a chain."""
    keys = keys_of(tables, [*((table, "id") for table in tables), *columns])
    live = Live(dict.fromkeys(keys, True), frozenset({Kind.TABLE, Kind.COLUMN}))
    return trace(chain(*written), live)


def _verdicts(found: Trace) -> dict[str, str]:
    return {name: each.verdict.value for name, each in found.revisions.items()}


def test_a_revision_that_leaves_no_sign_has_run_where_one_above_has() -> None:
    written = (
        rev("a").doing(_MAKES.format("users")),
        rev("b <- a").doing("op.execute('UPDATE users SET id = 1')"),
        rev("c <- b").doing(_MAKES.format("orders")),
        rev("d <- c").doing("op.execute('UPDATE users SET id = 2')"),
    )
    found = _shown(written, "users", "orders")
    assert _verdicts(found) == {"a": "run", "b": "run", "c": "run", "d": "unknown"}
    assert found.revisions["b"].because == "c"
    assert (found.fits, found.silent) == (("c",), ("d",))
    assert _verdicts(_shown(written, "users")) == {
        "a": "run",
        "b": "unknown",
        "c": "not-run",
        "d": "not-run",
    }


def test_what_is_opaque_is_not_guessed() -> None:
    written = (
        rev("a").doing(_MAKES.format("users")),
        rev("b <- a").doing("op.execute(read_script())"),
    )
    assert _verdicts(_shown(written, "users")) == {"a": "run", "b": "unknown"}
    # Whatever b does, it may have dropped the table.
    assert _verdicts(_shown(written)) == {"a": "unknown", "b": "unknown"}


def test_a_revision_put_below_what_a_database_has_run() -> None:
    """Where an older chain has the upper one without it, the upper one proves nothing."""
    old = chain(rev("a").doing(_MAKES.format("users")), rev("c <- a").doing(_MAKES.format("logs")))
    now = chain(
        rev("a").doing(_MAKES.format("users")),
        rev("b <- a").doing(_MAKES.format("tokens")),
        rev("c <- b").doing(_MAKES.format("logs")),
    )
    live = Live(dict.fromkeys(keys_of(["users", "logs"], ()), True), frozenset({Kind.TABLE}))
    assert _verdicts(trace(now, live, chains=[old.graph])) == {
        "a": "run",
        "b": "not-run",
        "c": "run",
    }
    assert trace(now, live, chains=[old.graph]).fits is None
    # Without it, the table may have been dropped by hand as well.
    assert _verdicts(trace(now, live))["b"] == "unknown"


def test_a_table_of_that_name_with_other_columns_is_not_the_one_that_is_made() -> None:
    written = (
        rev("a").doing(
            "op.create_table('users', sa.Column('key', sa.Text()), sa.Column('mail', sa.Text()),"
            " sa.Column('name', sa.Text()))"
        ),
    )
    assert _verdicts(_shown(written, "users")) == {"a": "unknown"}


def test_two_files_with_one_id_are_not_judged() -> None:
    written = (
        rev("a").doing(_MAKES.format("users")),
        rev("b <- a").doing(_ADDS.format("users", "mail")),
        rev("b <- a", file="b2.py").doing(_ADDS.format("users", "name")),
    )
    assert _verdicts(_shown(written, "users", columns=[("users", "mail")]))["b"] == "unknown"
