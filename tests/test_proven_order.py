"""Orders that run: found where the schema proves one, and never taken for one that runs if not."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from flask_chainfix.common.errors import CannotPlan
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.rules import Family, diagnose
from flask_chainfix.model.environment import Settings
from flask_chainfix.model.findings import Severity
from flask_chainfix.model.plans import Wishes
from flask_chainfix.planning.linking.strategies import make_plan
from tests.nightly import examples
from tests.schema_oracle import (
    absent_at_first,
    fewest_files,
    needs_only_what_is_made,
    runs,
    schemas,
    written,
)
from tests.strategies_oracle import parents_of, revisions
from tests.support import Rev, chain, foreseen, links, repaired, rev, write


def doing(branches: Sequence[Rev], deeds: dict[str, tuple[tuple[str, str, str], ...]]) -> list[Rev]:
    """The same revisions with what they are to do."""
    return [rev.doing(*written(deeds[rev.revision])) for rev in branches]


@settings(max_examples=examples(25))
@given(st.data(), revisions(most=6, merges=False))
def test_an_order_is_found_if_there_is_one(data: st.DataObject, branches: tuple[Rev, ...]) -> None:
    """Also where branches have to interleave; tables that come and go several times may be refused.

    What is made twice, of columns, is for the rules to find.
    """
    deeds = data.draw(schemas(branches))
    parents = parents_of(branches)
    heads = set(parents) - {name for named in parents.values() for name in named}
    assume(len(heads) > 1)
    fewest = fewest_files(parents, deeds)
    snapshot = chain(*doing(branches, deeds))
    contested = bool(snapshot.evidence.contested)
    try:
        plan = make_plan(snapshot, Wishes())
    except CannotPlan:
        assert fewest is None or contested
        return
    after = foreseen(snapshot, plan)
    faults = [found for found in diagnose(after, Family.SCHEMA) if found.code in ("FC201", "FC203")]
    if fewest is None:
        assert faults or contested
    elif not contested:
        assert runs(plan.order, deeds, absent_at_first(parents, deeds)), plan.order
        assert len(plan.relinks) >= fewest
        assert not faults


@settings(max_examples=examples(15), suppress_health_check=[HealthCheck.filter_too_much])
@given(st.data(), revisions(most=6, merges=False))
def test_a_planned_chain_never_fails_for_a_reason_of_order(
    data: st.DataObject, branches: tuple[Rev, ...]
) -> None:
    """Each chain that is planned runs on a real database, by Alembic itself."""
    deeds = data.draw(schemas(branches))
    parents = parents_of(branches)
    absent = absent_at_first(parents, deeds)
    assume(needs_only_what_is_made(deeds, absent))
    snapshot = chain(*doing(branches, deeds))
    try:
        after = repaired(snapshot)
    except CannotPlan:
        assume(False)
    assume(not diagnose(after, Family.SCHEMA))
    there = [table for table in ("t", "u") if (table, "") not in absent]
    with tempfile.TemporaryDirectory() as directory:
        upgrade_on_sqlite(after, Path(directory), there, absent)


_T, _C = "op.create_table('t', {})", "sa.Column('c', sa.Integer())"
_ID = "sa.Column('id', sa.Integer())"
_ANEW = {
    "in one revision": (rev("x <- a").doing("op.drop_table('t')", _T.format(f"{_ID}, {_C}")),),
    "in two": (
        rev("w <- a").doing("op.drop_table('t')"),
        rev("x <- w").doing(_T.format(f"{_ID}, {_C}")),
    ),
    "and later with the column": (
        rev("w <- a").doing("op.drop_table('t')", _T.format(_ID)),
        rev("x <- w").doing(f"op.add_column('t', {_C})"),
    ),
}


@pytest.mark.parametrize("anew", _ANEW.values(), ids=_ANEW)
@pytest.mark.parametrize("strategy", ["linear", "merge"])
@pytest.mark.parametrize("first", [True, False], ids=["the older branch", "the newer branch"])
def test_a_column_is_added_before_its_table_is_made_anew_with_it(
    tmp_path: Path, anew: tuple[Rev, ...], strategy: str, first: bool
) -> None:
    base, added = rev("a").doing(_T.format(_ID)), rev("y <- a").doing(f"op.add_column('t', {_C})")
    branches = (*anew, added) if first else (added, *anew)
    snapshot = chain(base, *branches)
    assert "FC201" in {found.code for found in diagnose(snapshot, Family.SCHEMA)}
    after = repaired(snapshot, Wishes(strategy=strategy))
    assert not diagnose(after, Family.SCHEMA)
    upgrade_on_sqlite(after, tmp_path, [], frozenset())


@pytest.mark.parametrize("merged", ["m <- x, y", "m <- y, x"])
def test_a_merge_point_above_both_is_judged_by_the_order_in_which_alembic_runs_them(
    tmp_path: Path, merged: str
) -> None:
    (anew,) = _ANEW["in one revision"]
    added = rev("y <- a").doing(f"op.add_column('t', {_C})")
    snapshot = chain(rev("a").doing(_T.format(_ID)), anew, added, merged)
    (found,) = diagnose(snapshot, Family.SCHEMA)
    assert found.severity in (Severity.ERROR, Severity.INFO)
    fails = found.severity is Severity.ERROR
    with pytest.raises(OperationalError, match="duplicate column") if fails else nullcontext():
        upgrade_on_sqlite(snapshot, tmp_path, [], frozenset())


def upgrade_on_sqlite(
    snapshot: Facts,
    directory: Path,
    there: Sequence[str],
    absent: Collection[tuple[str, str]],
    to: str = "head",
) -> None:
    """Upgrade an SQLite database to the head, which fails if a revision does.

    Args:
        snapshot: the chain.
        directory: an empty one.
        there: tables that exist already.
        absent: what of them does not.
        to: what is upgraded to.
    """
    write(snapshot, directory / "migrations")
    (directory / "migrations" / "env.py").write_text(_ENV)
    url = f"sqlite:///{directory / 'test.db'}"
    engine = create_engine(url)
    with engine.begin() as connection:
        for table in there:
            column = "" if (table, "c") in absent else ", c INTEGER"
            connection.execute(text(f"CREATE TABLE {table} (id INTEGER{column})"))
    engine.dispose()
    config = Config()
    config.set_main_option("script_location", str(directory / "migrations"))
    config.set_main_option("sqlalchemy.url", url)
    command.upgrade(config, to)


_ENV = """\
from alembic import context
from sqlalchemy import create_engine
engine = create_engine(context.config.get_main_option("sqlalchemy.url"))
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
"""


# --- Literal chains ------------------------------------------------------------------------------

RENAME = "op.rename_table('old', 't')"
CREATE_T, USE_T, DROP_T = (("create", "t", ""),), (("use", "t", ""),), (("drop", "t", ""),)


def snapshot_of(*specs: str, **deeds: tuple[tuple[str, str, str], ...]) -> Facts:
    """A chain whose revisions do just this; each is a day younger than the one before it."""
    return chain(
        *(
            rev(spec, date=f"2024-01-{day:02}").doing(*written(deeds.get(spec.split()[0], ())))
            for day, spec in enumerate(specs, 1)
        )
    )


def test_creators_come_before_users_whatever_the_dates_say() -> None:
    snapshot = snapshot_of("u", "c", "c2 <- c", u=USE_T, c2=CREATE_T)
    assert make_plan(snapshot, Wishes()).order == ("c", "c2", "u")


def test_users_come_before_droppers() -> None:
    snapshot = snapshot_of("a", "d <- a", "u <- a", a=CREATE_T, d=DROP_T, u=USE_T)
    assert make_plan(snapshot, Wishes()).order == ("a", "u", "d")


def test_users_of_the_old_name_come_before_the_renamer() -> None:
    renaming = ("op.rename_table('t', 'v')",)
    using = ("op.add_column('v', sa.Column('c', sa.Integer()))",)
    snapshot = chain(
        rev("a").doing(*written(CREATE_T)),
        rev("n <- a", date="2024-01-02").doing(*renaming),
        rev("o <- a", date="2024-01-03").doing(*written(USE_T)),
        rev("v <- a", date="2024-01-01").doing(*using),
    )
    order = make_plan(snapshot, Wishes()).order
    assert order.index("o") < order.index("n") < order.index("v")


@pytest.mark.parametrize("away", ["op.drop_table('t')", "op.rename_table('t', 'old')"])
def test_a_table_made_under_another_name_brings_its_columns(away: str, tmp_path: Path) -> None:
    """SQLite's way to change a table: a new one is made, and takes the name of the old one."""
    making = "op.create_table('{}', sa.Column('id', sa.Integer()), sa.Column('{}', sa.Integer()))"
    snapshot = chain(
        rev("a").doing(making.format("t", "a")),
        rev("n <- a", date="2024-01-03").doing(
            making.format("new", "c"), away, "op.rename_table('new', 't')"
        ),
        rev("u <- a", date="2024-01-02").doing("op.create_index('ix', 't', ['c'])"),
    )
    (finding,) = (each for each in diagnose(snapshot, Family.SCHEMA) if each.code == "FC201")
    assert finding.message == "u uses column t.c, which n creates on a parallel branch"
    upgrade_on_sqlite(repaired(snapshot), tmp_path, (), ())


@pytest.mark.parametrize(
    ("below", "above"),
    [
        (("op.drop_column('old', 'c')", RENAME), ()),
        (("op.create_table('t', sa.Column('id', sa.Integer()))",), ("op.drop_table('t')", RENAME)),
    ],
    ids=["dropped before", "renamed after"],
)
def test_a_column_of_a_table_renamed_to_this_one_is_not_always_there(
    below: tuple[str, ...], above: tuple[str, ...], tmp_path: Path
) -> None:
    snapshot = chain(
        rev("a").doing(
            "op.create_table('old', sa.Column('id', sa.Integer()), sa.Column('c', sa.Integer()))",
        ),
        rev("b <- a").doing(*below),
        rev("n <- b", date="2024-01-03").doing("op.add_column('t', sa.Column('c', sa.Integer()))"),
        rev("u <- b", date="2024-01-02").doing("op.create_index('ix', 't', ['c'])"),
        rev("z <- n", date="2024-01-04").doing(*above),
    )
    found = [each.message for each in diagnose(snapshot, Family.SCHEMA) if each.code == "FC201"]
    assert found == ["u uses column t.c, which n creates on a parallel branch"]
    upgrade_on_sqlite(repaired(snapshot), tmp_path, (), ())


def test_branches_stay_whole_where_they_can() -> None:
    snapshot = snapshot_of("a", "x1 <- a", "y1 <- a", "x2 <- x1", "y2 <- y1", a=CREATE_T, y2=USE_T)
    assert make_plan(snapshot, Wishes()).order == ("a", "x1", "x2", "y1", "y2")


def test_branches_interleave_where_they_must() -> None:
    # x2 uses what y1 makes, and y2 uses what x1 makes and x3 drops.
    snapshot = snapshot_of(
        "a",
        "x1 <- a",
        "x2 <- x1",
        "x3 <- x2",
        "y1 <- a",
        "y2 <- y1",
        x1=(("create", "u", ""),),
        x2=USE_T,
        x3=(("drop", "u", ""),),
        y1=CREATE_T,
        y2=(("use", "u", ""),),
    )
    plan = make_plan(snapshot, Wishes())
    order = plan.order
    assert order.index("y1") < order.index("x2")
    assert order.index("x1") < order.index("y2") < order.index("x3")
    assert len(plan.relinks) == 2


def test_the_reason_names_the_table_and_both_lines() -> None:
    snapshot = snapshot_of("a", "b", a=CREATE_T, b=USE_T)
    (relink,) = make_plan(snapshot, Wishes()).relinks
    assert relink.why[0].kind == "schema"
    assert relink.why[0].detail == (
        "b uses table t (b_add_b.py:20), which a creates (a_add_a.py:20)"
    )


def test_a_table_may_have_several_lives() -> None:
    snapshot = snapshot_of("a", "b <- a", "x", a=CREATE_T, b=DROP_T, x=CREATE_T)
    assert make_plan(snapshot, Wishes()).order == ("a", "b", "x")


def test_needs_that_go_round_in_a_circle_are_refused_with_both_sides() -> None:
    deeds = {
        "a": USE_T,
        "a2": (("create", "u", ""),),
        "b": (("use", "u", ""),),
        "b2": CREATE_T,
    }
    with pytest.raises(CannotPlan) as caught:
        make_plan(snapshot_of("a", "a2 <- a", "b", "b2 <- b", **deeds), Wishes())
    for named in (
        "a uses table t (a_add_a.py:20), which b2 creates (b2_add_b2.py:20)",
        "b uses table u (b_add_b.py:20), which a2 creates (a2_add_a2.py:20)",
    ):
        assert named in caught.value.message
    assert "repair --accept FC201" in caught.value.remedy
    plan = make_plan(
        snapshot_of("a", "a2 <- a", "b", "b2 <- b", **deeds), Wishes(accept=("FC201",))
    )
    assert len(plan.relinks) == 1


@pytest.mark.parametrize("strategy", ["linear", "merge"])
@pytest.mark.parametrize(
    ("specs", "deeds"),
    [
        # A use before its creation, in a line that nothing changes.
        (("a", "b <- a", "x <- b", "y <- b"), {"a": USE_T, "b": CREATE_T}),
        (("a", "b <- a", "x <- b", "y <- b"), {"a": CREATE_T, "b": CREATE_T}),
        (("a", "b <- a", "c <- b", "x <- c", "y <- c"), {"b": DROP_T, "c": DROP_T}),
        # On two branches that have merged, each needs what the other one makes.
        (
            ("o", "a <- o", "a2 <- a", "b <- o", "b2 <- b", "m <- a2, b2", "x <- m", "y <- m"),
            {
                "a": USE_T,
                "a2": (("create", "u", ""),),
                "b": (("use", "u", ""),),
                "b2": CREATE_T,
            },
        ),
    ],
)
def test_what_an_upgrade_runs_into_anyway_stops_no_plan(
    specs: tuple[str, ...], deeds: dict[str, tuple[tuple[str, str, str], ...]], strategy: str
) -> None:
    plan = make_plan(snapshot_of(*specs, **deeds), Wishes(strategy))
    changed = {"y": (specs[-1].split()[-1],)} if strategy == "merge" else {"y": ("x",)}
    if strategy == "linear":
        assert links(plan).items() >= changed.items()
    else:
        assert plan.new_revisions[0].down_revision == ("x", "y")


def test_a_pin_against_the_evidence_is_refused() -> None:
    snapshot = snapshot_of("a", "b <- a", "x", b=CREATE_T, x=USE_T)
    with pytest.raises(CannotPlan, match=r"--attach b=x contradicts .*: x uses table t"):
        make_plan(snapshot, Wishes(attach={"b": "x", "x": "a"}))


def test_a_root_against_the_evidence_is_refused() -> None:
    snapshot = snapshot_of("a", "x", a=CREATE_T, x=USE_T)
    with pytest.raises(CannotPlan, match=r"--root x .*x uses table t"):
        make_plan(snapshot, Wishes(root="x"))


def test_what_is_ignored_orders_nothing() -> None:
    settings_ = Settings(ignore=frozenset({"FC201"}))
    specs = [rev("a").doing(*written(USE_T)), rev("b <- a").doing(*written(CREATE_T)), rev("x")]
    assert make_plan(chain(*specs, settings=settings_), Wishes()).order == ("a", "b", "x")
    merged = [
        rev("a"),
        rev("x <- a").doing(*written(USE_T)),
        rev("y <- a").doing(*written(CREATE_T)),
        rev("m <- y, x"),
        rev("n", date="2024-02-01"),
    ]
    assert links(make_plan(chain(*merged, settings=settings_), Wishes())) == {"n": ("m",)}


def test_what_is_ignored_is_no_reason_to_refuse() -> None:
    settings_ = Settings(ignore=frozenset({"FC203"}))
    specs = [rev("a").doing(*written(CREATE_T)), rev("b").doing(*written(CREATE_T))]
    assert make_plan(chain(*specs, settings=settings_), Wishes()).order == ("a", "b")


@pytest.mark.parametrize("what", ["create_table", "drop_table"])
def test_what_may_have_happened_is_no_reason_to_refuse(what: str) -> None:
    maybe = ("if op.get_context().dialect.name == 'mysql':", f"    op.{what}('t')")
    snapshot = chain(
        rev("a").doing(),
        rev("b <- a").doing(*maybe),
        rev("c <- b").doing(f"op.{what}('t')"),
        rev("x <- a").doing(),
    )
    assert len(make_plan(snapshot, Wishes()).relinks) == 1


@pytest.mark.parametrize("strategy", ["linear", "merge"])
@pytest.mark.parametrize("merge", ["m <- x, y", "m <- y, x"])
def test_what_merged_long_ago_stays_while_something_new_is_linked(
    merge: str, strategy: str
) -> None:
    """Whatever it holds: databases have run it, and the new heads stand above all of it."""
    snapshot = snapshot_of(
        "a", "x <- a", "y <- a", merge, "h1 <- m", "h2 <- m", x=USE_T, y=CREATE_T
    )
    plan = make_plan(snapshot, Wishes(strategy))
    assert links(plan) == ({"h2": ("h1",)} if strategy == "linear" else {})
    assert bool(plan.new_revisions) == (strategy == "merge")


@pytest.mark.parametrize("strategy", ["linear", "merge"])
@pytest.mark.parametrize(
    ("merge", "moved"),
    [("m <- y, x", {"x": ("y",), "m": ("x",)}), ("m <- x, y", {})],
)
def test_branches_that_merged_are_put_in_order_where_alembic_runs_them_in_the_wrong_one(
    merge: str, moved: dict[str, tuple[str, ...]], strategy: str
) -> None:
    snapshot = snapshot_of("a", "x <- a", "y <- a", merge, "h <- m", x=USE_T, y=CREATE_T)
    plan = make_plan(snapshot, Wishes(strategy))
    assert links(plan) == moved
    after = foreseen(snapshot, plan)
    found = [each for each in diagnose(after, Family.SCHEMA) if each.code == "FC201"]
    assert [each.severity for each in found] == ([] if moved else [Severity.INFO])


@pytest.mark.parametrize("merge", ["m <- x, y", "m <- y, x", "m <- z, y, x", "m <- y, x, z"])
def test_what_alembic_runs_in_the_right_order_is_no_error(merge: str, tmp_path: Path) -> None:
    snapshot = snapshot_of("a", "x <- a", "y <- a", "z <- a", merge, x=USE_T, y=CREATE_T)
    (found,) = (each for each in diagnose(snapshot, Family.SCHEMA) if each.code == "FC201")
    fails = found.severity is Severity.ERROR
    assert fails or found.severity is Severity.INFO
    with pytest.raises(OperationalError, match="no such table: t") if fails else nullcontext():
        upgrade_on_sqlite(snapshot, tmp_path, (), (), to="heads")


def test_many_branches_take_no_search() -> None:
    """Two of twenty drop one table: a search for an order would try all that are alike."""
    branches = [
        rev(f"b{branch:02}x{place:02} <- " + (f"b{branch:02}x{place - 1:02}" if place else "a"))
        for branch in range(20)
        for place in range(15)
    ]
    deeds = {"b03x07": DROP_T, "b11x07": DROP_T}
    snapshot = chain(
        rev("a").doing(*written(CREATE_T)),
        *(each.doing(*written(deeds.get(each.revision, ()))) for each in branches),
    )
    plan = make_plan(snapshot, Wishes())
    assert len(plan.relinks) == 19
    (fault,) = diagnose(foreseen(snapshot, plan), Family.SCHEMA)
    assert (fault.code, fault.revisions) == ("FC205", ("b03x07", "b11x07"))


def test_branches_that_need_each_other_at_every_step() -> None:
    """A search would ask at each of 300 steps what each of 300 revisions needs."""
    steps = 150
    deeds = {
        f"x{step}": (("create", f"t{step}", ""), ("use", f"u{step - 1}", ""))[: 2 if step else 1]
        for step in range(steps)
    }
    deeds |= {
        f"y{step}": (("create", f"u{step}", ""), ("use", f"t{step}", "")) for step in range(steps)
    }
    specs = [
        f"{branch}{step} <- " + (f"{branch}{step - 1}" if step else "a")
        for step in range(steps)
        for branch in "xy"
    ]
    plan = make_plan(chain("a", *doing([rev(spec) for spec in specs], deeds)), Wishes())
    assert plan.order == ("a", *(f"{branch}{step}" for step in range(steps) for branch in "xy"))
    assert len(plan.relinks) == 2 * steps - 1


def test_heads_that_a_merge_would_leave_beside_each_other_are_put_in_order() -> None:
    snapshot = snapshot_of("a", "x <- a", "y <- a", "y2 <- y", x=USE_T, y=CREATE_T)
    plan = make_plan(snapshot, Wishes("merge"))
    assert links(plan) == {"x": ("y",)}
    assert plan.new_revisions[0].down_revision == ("x", "y2")


def test_what_is_only_probable_gives_way() -> None:
    maybe = ("if op.get_bind().dialect.name == 'sqlite':", f"    {written(USE_T)[0]}")
    snapshot = chain(
        rev("a", date="2024-01-03"),
        rev("u", date="2024-01-01").doing(*maybe),
        rev("c <- a", date="2024-01-02").doing(*written(CREATE_T)),
    )
    assert make_plan(snapshot, Wishes()).order == ("a", "c", "u")
    against = chain(rev("u").doing(*maybe), rev("c <- u").doing(*written(CREATE_T)), rev("x"))
    assert make_plan(against, Wishes()).order == ("u", "c", "x")


def test_merge_attaches_a_base_where_it_finds_what_it_needs() -> None:
    snapshot = snapshot_of("a", "x1 <- a", "x2 <- x1", "y1 <- a", "extra", y1=CREATE_T, extra=USE_T)
    assert links(make_plan(snapshot, Wishes("merge"))) == {"extra": ("y1",)}
