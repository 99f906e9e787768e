"""Revisions that Alembic cannot upgrade to: told, mended, and never planned.

Alembic itself is asked each time, on SQLite, from a new database and from where others stand.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from flask_chainfix.chain.ancestry import Ancestry, impassable, stuck_at, upgrade_order
from flask_chainfix.common.errors import CannotPlan, NotConfirmed
from flask_chainfix.databases.applied.rows import tops
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.rules import diagnose
from flask_chainfix.environment.locate import open_directory
from flask_chainfix.model.findings import Finding, Severity
from flask_chainfix.model.plans import Wishes
from flask_chainfix.planning.linking.strategies import make_plan, strategy_names
from flask_chainfix.planning.mending import mend_impassable
from flask_chainfix.rehearsal.confirm import confirm, foresee, upgrade_faults
from tests.disk import environment
from tests.nightly import examples
from tests.support import Rev, after, chain, headers_of, mended, read_directory, stamped
from tests.upgrades import revision_map, scratch_engine, upgrade

# The chain of a report from the field: the merge names both ancestors of its two true parents.
FIELD = ("a", "b <- a", "c <- b", "d <- a", "e <- d", "m <- b, c, d, e")
# Two parents of a merge are tied by a dependency between them.
TIED = ("a", "b <- a", "c <- a", "d <- c +b", "e <- c", "m <- b, d, e")
# The revision n is passed over only because Alembic runs m before it.
LUCKY = ("a", "b <- a", "c <- a", "m <- b, c", "n <- a, b, c", "z <- n, m")
ERROR = Severity.ERROR

_RANDOM = settings(max_examples=examples(25))


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = scratch_engine()
    yield engine
    engine.dispose()


def stops(engine: Engine, snapshot: Facts, *rows: str, to: str = "heads") -> bool:
    """Whether Alembic dies on the way from these rows, of whatever it dies for in such chains."""
    try:
        upgrade(engine, headers_of(snapshot), rows, to)
    except KeyError:
        return True
    return False


def faults(snapshot: Facts) -> list[Finding]:
    return [finding for finding in diagnose(snapshot) if finding.code == "FC112"]


# --- What is told --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("specs", "named"),
    [
        (FIELD, ("b", "d", "m")),
        (("a", "b <- a", "c <- a", "m <- a, b, c"), ("a", "m")),
        (TIED, ("b", "m")),
        (("a", "b <- a", "c <- b", "d <- a", "m <- c, d +b"), ("b", "m")),
        (("a", "x", "y <- x", "b <- a +x +y"), ("b", "x")),
        (("a", "x @lib", "y <- x", "b <- a +lib +y"), ("b", "x")),
    ],
)
def test_what_alembic_cannot_upgrade_to_is_an_error(
    specs: tuple[str, ...], named: tuple[str, ...], engine: Engine
) -> None:
    snapshot = chain(*specs)
    assert stops(engine, snapshot)
    (finding,) = faults(snapshot)
    assert finding.severity is ERROR
    assert finding.revisions == named
    assert "KeyError" in finding.breaks


@pytest.mark.parametrize(
    ("specs", "told"),
    [
        (("a", "b <- a", "m <- a, b"), 1),
        (("a", "b <- a", "c <- b", "m <- a, b, c"), 1),
        (("a", "b <- a, a"), 1),
        (("a", "b <- a", "c <- a +b", "m <- b, c"), 0),
        (("a", "b <- a", "c <- b +a"), 0),
        (("a", "x", "b <- a +x", "c <- b", "d <- b", "m <- c, d +x"), 0),
    ],
)
def test_what_alembic_can_upgrade_to_is_none(
    specs: tuple[str, ...], told: int, engine: Engine
) -> None:
    snapshot = chain(*specs)
    assert not stops(engine, snapshot)
    assert [finding.severity for finding in faults(snapshot)] == [Severity.WARNING] * told


def test_what_alembic_upgrades_to_only_in_its_own_order_is_a_warning(engine: Engine) -> None:
    snapshot = chain(*LUCKY)
    (finding,) = faults(snapshot)
    assert finding.severity is Severity.WARNING
    assert stops(engine, snapshot, to="n")
    for rows in ((), ("b", "c"), ("m",)):
        assert not stops(engine, snapshot, *rows)
    after, mends = mended(snapshot)
    assert (after, mends) == (snapshot, ())
    assert mended(snapshot, Wishes(strict=True))[0].graph.parents["n"] == ("b", "c")


def test_what_a_known_database_cannot_upgrade_to_is_an_error(engine: Engine) -> None:
    specs = ("r3", "r6 <- r3", "r5 <- r3", "r2 <- r5", "r0 <- r5, r2, r6", "r4 <- r3, r6")
    snapshot = chain(*specs, "r1 <- r5, r6, r0")
    assert not stops(engine, snapshot)
    assert stops(engine, snapshot, "r2")
    for known, severity in ((snapshot, Severity.WARNING), (stamped(snapshot, x=["r2"]), ERROR)):
        assert (
            next(each for each in faults(known) if each.message.startswith("Alembic")).severity
            is severity
        )


@st.composite
def tied_chains(draw: st.DrawFn, needs: int = 2) -> Facts:
    """Chains whose revisions may name anything before them, some of it as ``depends_on``."""
    names = draw(st.permutations([f"r{number}" for number in range(draw(st.integers(3, 8)))]))
    written = []
    for index, name in enumerate(names):
        earlier = st.sampled_from(names[:index]) if index else st.nothing()
        parents = draw(st.lists(earlier, max_size=min(index, 4), unique=True))
        depends_on = draw(st.lists(earlier, max_size=min(index, needs), unique=True))
        written.append(Rev(name, tuple(parents), depends_on=tuple(depends_on)))
    return chain(*written)


@_RANDOM
@given(tied_chains())
def test_alembic_stops_on_the_way_to_exactly_these_revisions(
    engine: Engine, snapshot: Facts
) -> None:
    graph = snapshot.graph
    tied = impassable(graph)
    for revision in graph:
        below = graph.required([revision]) - {revision}
        if below.isdisjoint(tied):
            assert stops(engine, snapshot, to=revision) == (revision in tied)


@_RANDOM
@given(tied_chains(needs=1), st.data())
def test_alembic_stops_from_exactly_these_places(
    engine: Engine, snapshot: Facts, data: st.DataObject
) -> None:
    """More than one dependency has no order in Alembic, which keeps a set of them."""
    graph = snapshot.graph
    done = graph.required(data.draw(st.lists(st.sampled_from(list(graph)), max_size=3)))
    order = upgrade_order(graph, Ancestry(graph), done)
    assert order is not None
    stuck = stuck_at(graph, done, sorted(order, key=order.__getitem__))
    assert bool(stuck) == stops(engine, snapshot, *tops(graph, done))


@_RANDOM
@given(tied_chains())
def test_an_error_is_where_alembic_stops(engine: Engine, snapshot: Facts) -> None:
    graph = snapshot.graph
    places = [(), *(tops(graph, graph.required([name]) - {name}) for name in impassable(graph))]
    wrong = any(stops(engine, snapshot, *rows) for rows in places)
    errors = [finding for finding in faults(snapshot) if finding.severity is ERROR]
    if wrong or upgrade_order(graph, Ancestry(graph)) is not None:
        assert bool(errors) == wrong


@_RANDOM
@given(tied_chains(), st.data())
def test_without_one_alembic_upgrades_from_wherever_it_has_come_to(
    engine: Engine, snapshot: Facts, data: st.DataObject
) -> None:
    sound = mended(snapshot, Wishes(strict=True))[0]
    assert not impassable(sound.graph)
    headers, revisions = headers_of(sound), st.sampled_from(list(sound.graph))
    rows: tuple[str, ...] = ()
    for target in (*data.draw(st.lists(revisions, max_size=3)), "heads"):
        rows = upgrade(engine, headers, rows, target).rows
        assert planned_faults(sound, rows) == ""


@_RANDOM
@given(tied_chains())
def test_the_plan_in_memory_is_what_alembic_does(engine: Engine, snapshot: Facts) -> None:
    faults = upgrade_faults(revision_map(headers_of(snapshot)), [()])
    assert bool(faults) == stops(engine, snapshot)
    assert all("KeyError" in fault for fault in faults.values())


def planned_faults(snapshot: Facts, rows: tuple[str, ...]) -> str:
    """What foreseeing an upgrade from these rows ends with."""
    try:
        foresee(snapshot, [rows])
    except CannotPlan as refusal:
        return refusal.message
    return ""


# --- What is mended ------------------------------------------------------------------------------


def untied(snapshot: Facts) -> Facts:
    return mended(snapshot)[0]


@pytest.mark.parametrize(
    ("specs", "parents", "needs"),
    [
        (FIELD, {"m": ("c", "e")}, {}),
        (TIED, {"m": ("d", "e"), "d": ("c", "b")}, {"d": ("b",)}),
        (("a", "b <- a", "c <- b", "d <- a", "m <- c, d +b"), {"m": ("c", "d")}, {"m": ()}),
        (("a", "x @lib", "y <- x", "b <- a +lib +y"), {"b": ("a",)}, {"b": ("y",)}),
        # The new parent replaces those that it is built on.
        (
            ("a", "b <- a", "c <- a +b", "z <- a", "m <- b, c, z"),
            {"m": ("c", "z"), "c": ("b",)},
            {},
        ),
        # What the first mend takes away, a revision above no longer inherits.
        (
            ("a", "x", "y <- x", "b <- a +x +y", "c <- b", "d <- b", "m <- c, d +x"),
            {"m": ("c", "d")},
            {"b": ("y",), "m": ()},
        ),
    ],
)
def test_a_plain_repair_mends_it(
    specs: tuple[str, ...],
    parents: dict[str, tuple[str, ...]],
    needs: dict[str, tuple[str, ...]],
    engine: Engine,
) -> None:
    snapshot = chain(*specs)
    sound = untied(snapshot)
    assert not stops(engine, sound)
    assert {name: sound.graph.parents[name] for name in parents} == parents
    assert {name: sound.header(name).depends_on for name in needs} == needs
    changed = {name for name in sound.graph if sound.file(name).data != snapshot.file(name).data}
    assert changed == {*parents, *needs}


# --- What is planned -----------------------------------------------------------------------------


@_RANDOM
@given(tied_chains(), st.sampled_from(strategy_names()), st.booleans(), st.data())
def test_alembic_upgrades_whatever_is_planned(
    engine: Engine, snapshot: Facts, strategy: str, strict: bool, data: st.DataObject
) -> None:
    wishes = Wishes(strategy, strict=strict)
    start = mended(snapshot, wishes)[0]
    try:
        linked = after(start, make_plan(start, wishes))
    except CannotPlan:
        return
    planned, _ = mend_impassable(linked, strict=strict)
    assert not stops(engine, planned)
    rows: tuple[str, ...] = ()
    targets = data.draw(st.lists(st.sampled_from(list(planned.graph)), max_size=3))
    for target in (*targets, "heads") if strict else ():
        rows = upgrade(engine, headers_of(planned), rows, target).rows


@pytest.mark.parametrize("strict", [False, True])
def test_a_dependency_that_becomes_a_parent_is_not_removed_again(
    engine: Engine, strict: bool
) -> None:
    """That of m on b would be a redundant parent, as c is on b; so it is the one of b on a."""
    snapshot = chain("a", "e", "b +a", "c <- b +b", "m <- a, e, c +b")
    planned, _ = mended(snapshot, Wishes("merge", strict=strict))
    assert planned.graph.parents["b"] == ("a",)
    assert not stops(engine, planned)


def test_a_merge_of_heads_that_an_attached_base_ties_is_one_that_alembic_can_upgrade_to(
    engine: Engine,
) -> None:
    snapshot = chain("a", "b <- a", "c <- a", "d <- c", "f <- c +b", "e")
    plan = make_plan(snapshot, Wishes("merge"))
    assert len(plan.new_revisions) == 2
    assert not stops(engine, after(snapshot, plan))


# --- What is confirmed ---------------------------------------------------------------------------


def test_a_chain_that_alembic_cannot_upgrade_is_not_foreseen() -> None:
    with pytest.raises(CannotPlan, match=r"upgrade a new database then: KeyError: '[bd]'"):
        foresee(chain(*FIELD))


def test_what_stops_alembic_anyway_and_stays_so_stops_no_plan() -> None:
    foresee(chain(*FIELD, "n <- m"), [("b",)], chain(*FIELD))
    with pytest.raises(CannotPlan):
        foresee(chain(*FIELD), before=chain(*FIELD[:-1]))


def test_a_chain_that_alembic_cannot_upgrade_is_not_confirmed(tmp_path: Path) -> None:
    place = environment(tmp_path / "migrations", *FIELD)
    with pytest.raises(NotConfirmed, match=r"upgrade a new database: KeyError: '[bd]'"):
        confirm(open_directory(str(place)), read_directory(place))


def test_a_known_database_that_alembic_cannot_upgrade_is_not_confirmed(tmp_path: Path) -> None:
    place = environment(tmp_path / "migrations", "a", "b <- a", "c <- b")
    runtime, snapshot = open_directory(str(place)), read_directory(place)
    assert confirm(runtime, snapshot, [("b",)]).heads == ("c",)
    with pytest.raises(NotConfirmed, match="could not upgrade a database at b, c: RevisionError"):
        confirm(runtime, snapshot, [("b", "c")])
