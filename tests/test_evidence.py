"""Which revisions run before which, and how names are compared."""

from __future__ import annotations

import pytest
from alembic.script.revision import Revision, RevisionMap
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_chainfix.chain.ancestry import Ancestry, start_of_branch, upgrade_order
from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.schema.footprint import Kind, SchemaObject, key_of
from tests.nightly import examples
from tests.strategies_oracle import reachable, revisions
from tests.support import Rev, chain


@given(revisions(dependencies=True))
def test_ancestry_is_what_walking_down_finds(branches: tuple[Rev, ...]) -> None:
    graph = chain(*branches).graph
    runs_before = Ancestry(graph)
    edges = {revision: graph.requirements(revision) for revision in graph}
    for above in graph:
        below = reachable(edges, above)
        for revision in graph:
            assert runs_before(revision, above) is (revision in below)


@settings(max_examples=examples(75))
@given(st.data(), revisions(most=11, dependencies=True))
def test_an_empty_database_is_upgraded_in_the_order_of_alembic(
    data: st.DataObject, branches: tuple[Rev, ...]
) -> None:
    files = data.draw(st.permutations(branches))
    graph = Graph(chain(*branches).header(rev.revision) for rev in files)
    order = upgrade_order(graph, Ancestry(graph))
    assert order is not None
    known = RevisionMap(
        lambda: [
            Revision(rev.revision, rev.parents or None, dependencies=rev.depends_on or None)
            for rev in files
        ]
    )
    downwards = known.iterate_revisions("heads", "base", implicit_base=True)
    assert [rev.revision for rev in downwards][::-1] == sorted(order, key=order.__getitem__)


@pytest.mark.parametrize(
    "specs",
    [
        ("a", "b <- lost"),
        ("a <- b", "b <- a"),
        ("a", "a"),
        ("a", "b", "c", "d <- c +a +b"),  # Alembic keeps a and b in a set
    ],
)
def test_there_may_be_no_order_of_alembic(specs: tuple[str, ...]) -> None:
    graph = chain(*specs).graph
    assert upgrade_order(graph, Ancestry(graph)) is None


def test_members_of_cycles_are_not_sure_of_each_other() -> None:
    runs_before = Ancestry(chain("a <- b", "b <- a", "c <- b").graph)
    assert not (runs_before("a", "b") and runs_before("b", "a"))


def test_the_start_of_a_branch_is_where_it_leaves_the_other() -> None:
    graph = chain("a", "x1 <- a", "x2 <- x1", "y1 <- a", "y2 <- y1").graph
    assert start_of_branch(Ancestry(graph), graph.parents, "x2", "y2") == "x1"
    assert start_of_branch(Ancestry(graph), graph.parents, "y1", "x1") == "y1"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (SchemaObject(Kind.TABLE, "User"), SchemaObject(Kind.TABLE, "user"), True),
        (SchemaObject(Kind.TABLE, "t", schema="public"), SchemaObject(Kind.TABLE, "t"), True),
        (SchemaObject(Kind.TABLE, "t", schema="s"), SchemaObject(Kind.TABLE, "t"), False),
        (SchemaObject(Kind.TABLE, "t", database="b"), SchemaObject(Kind.TABLE, "t"), False),
        (SchemaObject(Kind.INDEX, "ix", "t"), SchemaObject(Kind.INDEX, "ix"), True),
        (SchemaObject(Kind.COLUMN, "c", "t"), SchemaObject(Kind.COLUMN, "c", "u"), False),
        (SchemaObject(Kind.TABLE, "ß"), SchemaObject(Kind.TABLE, "SS"), True),
    ],
)
def test_objects_that_may_be_one(one: SchemaObject, other: SchemaObject, same: bool) -> None:
    assert (key_of(one) == key_of(other)) is same
