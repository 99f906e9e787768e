"""Single migrations that are put right before the chain is linked: what is certain, what is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import pytest

from flask_chainfix.common.errors import CannotPlan, UnsafeForDatabases
from flask_chainfix.common.remedies import REPAIR
from flask_chainfix.databases.applied.has_run import applied_in, with_new_ids
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.rules import Family, diagnose
from flask_chainfix.model.history import GitHistory, Landing, PublishedChain
from flask_chainfix.model.plans import GUESS, Mend, Part, Wishes
from flask_chainfix.planning.linking.safety import refuse_doubted, refuse_unproven
from flask_chainfix.planning.linking.strategies import make_plan
from flask_chainfix.planning.mending import mend
from flask_chainfix.planning.mending.case import Case
from flask_chainfix.planning.mending.names import shortened
from flask_chainfix.planning.mending.parents import placed
from tests.statuses import db, looked_at, lost
from tests.support import (
    FixedIds,
    Rev,
    chain,
    graph,
    mended,
    migration,
    new_ids,
    path_of,
    rev,
    without_file,
)

DAY = datetime(2024, 5, 1, tzinfo=timezone.utc)


def landed(*revisions: str) -> GitHistory:
    """Git has the files of these revisions, each from a commit of its own, in this order."""
    return GitHistory(
        {
            path_of(revision): Landing(position, f"c{position}", DAY)
            for position, revision in enumerate(revisions)
        }
    )


def parents(snapshot: Facts, revision: str) -> tuple[str, ...]:
    return tuple(snapshot.graph.named_parents[revision])


def kinds(mend: Mend) -> list[str]:
    return [reason.kind for reason in mend.why]


def is_guess(mend: Mend) -> bool:
    return GUESS in kinds(mend)


# --- Missing parents -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("named", "kind"),
    [
        ("aaaaaa_add_aaaaaa", "file-name"),
        ("aaaaaa_add_aaaaaa.py", "file-name"),
        ("AAAAAA", "case"),
        ("aaaa", "prefix"),
    ],
)
def test_what_is_certain_is_taken(named: str, kind: str) -> None:
    after, (mend,) = mended(chain("aaaaaa", f"b <- {named}", "c <- b"))
    assert parents(after, "b") == ("aaaaaa",)
    assert kinds(mend) == [kind]


@pytest.mark.parametrize("named", ["aaa", "7"])
def test_what_is_too_short_is_a_guess(named: str) -> None:
    _, (mend,) = mended(chain("aaaaaa", "77 <- aaaaaa", f"b <- {named}"))
    assert is_guess(mend)


def test_what_was_an_id_once_is_not_taken_for_another() -> None:
    snapshot = chain("a", "add_user_email <- a", "c <- add_user")
    _, (certain,) = mended(snapshot)
    assert not is_guess(certain)
    _, (mend,) = mended(looked_at(snapshot, lost=[lost("add_user <- a")]))
    assert is_guess(mend)
    assert "'add_user' was one" in mend.why[0].detail


def test_a_part_in_the_middle_of_a_file_name_is_a_guess() -> None:
    after, (mend,) = mended(chain(rev("aaaaaa", file="7_create_users.py"), "b <- create_users"))
    assert parents(after, "b") == ("aaaaaa",)
    assert is_guess(mend)


@pytest.mark.parametrize(
    ("message", "name", "certain"),
    [
        ("Add settings", "create_user_add_settings.py", True),
        ("Add settings", "create_user_settings.py", False),
        ("Add settings", "create_user_add_.py", True),  # as Alembic cuts what is too long
        ("Add settings", "create_user_ad_.py", False),
        ("Add settings", "create_user_.py", False),
        ("", "create_user_settings.py", False),
    ],
)
def test_the_beginning_of_a_file_name_is_an_id_only_before_its_slug(
    message: str, name: str, certain: bool
) -> None:
    data = f"{message!r}\nrevision = 'aaaaaa'\ndown_revision = None\n".encode()
    after, (mend,) = mended(chain("b <- create_user", extra={name: data}))
    assert parents(after, "b") == ("aaaaaa",)
    assert kinds(mend)[0] == "file-name"
    assert is_guess(mend) is not certain


def test_a_close_spelling_is_offered_and_never_taken() -> None:
    after, (mend,) = mended(chain("aaaaaaaa", "b <- aaaaaaax"))
    assert parents(after, "b") == ()
    assert is_guess(mend)
    assert "--attach b=aaaaaaaa" in mend.why[-1].detail


def test_the_docstring_is_asked() -> None:
    snapshot = chain("a", "b <- a", "c <- zzz")
    file = snapshot.file("c")
    data = file.data.replace(b"Revises: zzz", b"Revises: b")
    changed = file._replace(data=data, reading=snapshot.header("c")._replace(revises="b"))
    snapshot = replace(snapshot, files=(*snapshot.files[:2], changed))
    after, (mend,) = mended(snapshot)
    assert parents(after, "c") == ("b",)
    assert kinds(mend) == ["docstring"]
    # Git knows that it was there: then somebody may have meant just that.
    known = looked_at(snapshot, lost=[lost("zzz <- a")])
    after, (mend,) = mended(known)
    assert parents(after, "c") == ("b",)
    assert is_guess(mend)


@pytest.mark.parametrize("edited", [False, True])
def test_an_id_that_was_renamed_in_git(edited: bool) -> None:
    snapshot = looked_at(
        chain("a", "new <- a", "c <- old"), lost=[lost("old <- a", renamed="new", edited=edited)]
    )
    after, (mend,) = mended(snapshot)
    assert parents(after, "c") == ("new",)
    assert is_guess(mend) is edited


def test_a_file_that_git_has_comes_back_and_all_that_it_was_on() -> None:
    snapshot = looked_at(chain("a", "d <- c"), lost=[lost("c <- b"), lost("b <- a")])
    after, mends = mended(snapshot)
    assert parents(after, "c") == ("b",)
    assert parents(after, "b") == ("a",)
    assert all(mend.part is Part.FILE and mend.new is not None for mend in mends)
    assert all(map(is_guess, mends))
    assert not any("--attach d=b" in mend.choices for mend in mends)  # as b is not there


def test_where_nothing_is_known_it_is_one_more_base() -> None:
    after, (mend,) = mended(chain("a", "b <- gone"))
    assert parents(after, "b") == ()
    assert is_guess(mend)


def test_the_user_has_the_last_word() -> None:
    snapshot = chain("aaaaaa", "bbbbbb <- aaaaaa", "c <- aaa")
    after, (mend,) = mended(snapshot, Wishes(attach={"c": "bbbbbb"}))
    assert parents(after, "c") == ("bbbbbb",)
    assert kinds(mend) == ["pin"]


def test_no_parent_is_taken_that_is_above() -> None:
    """The beginning of an id of its own child."""
    after, _ = mended(chain("a", "b <- ccc", "cccccc <- b"))
    assert parents(after, "b") == ()


def test_missing_dependencies() -> None:
    after, (mend,) = mended(chain("a", "bbbbbb <- a", "c <- a +bbb"))
    assert after.header("c").depends_on == ("bbbbbb",)
    assert (mend.code, mend.part) == ("FC107", Part.DEPENDENCIES)
    after, mends = mended(chain("a", "c <- a +elsewhere"))
    assert mends == ()


# --- Duplicates ----------------------------------------------------------------------------------


def test_a_copy_goes() -> None:
    after, (mend,) = mended(chain("a", "b <- a", "c <- b", extra=copy_of_b()))
    assert (mend.path.name, mend.after) == ("b_add_b copy.py", ())
    assert not is_guess(mend)
    assert not diagnose(after)


def copy_of_b(comment: bytes = b"") -> dict[str, bytes]:
    return {"b_add_b copy.py": chain("a", "b <- a").file("b").data + comment}


@pytest.mark.parametrize("name", ["a copy.py", "b_add_b 2.py", "B_Copy.py", "b_add_b_zz.py"])
def test_what_looks_like_the_copy_goes(name: str) -> None:
    (data,) = copy_of_b().values()
    _, (mend,) = mended(chain("a", "b <- a", extra={name: data}))
    assert mend.path.name == name


def test_a_copy_with_other_comments_is_a_guess() -> None:
    _, (mend,) = mended(chain("a", "b <- a", extra=copy_of_b(b"# later\n")))
    assert is_guess(mend)


def two(*more: str | Rev, first: str = "2024-01-02", second: str = "2024-03-02") -> Facts:
    """Two migrations with the id b, and others."""
    return chain(
        "a",
        rev("b <- a", date=first, file="b_one.py").doing("op.create_table('one')"),
        rev("b <- a", date=second, file="b_two.py").doing("op.create_table('two')"),
        *more,
    )


def test_the_later_one_gets_another_id_also_in_its_name() -> None:
    after, (mend,) = mended(two())
    assert mend.path.name == "b_two.py"
    assert after.file("new1").name == "new1_two.py"
    assert after.file("b").name == "b_one.py"
    assert {each.code for each in diagnose(after)} == {"FC102"}  # two heads, to be linked


def test_git_comes_before_dates() -> None:
    snapshot = two(first="2024-05-05")
    paths = {file.name: file.path for file in snapshot.files}
    history = GitHistory({paths["b_one.py"]: Landing(1, "c1", DAY)})
    _, (mend,) = mended(snapshot, history=history)
    assert mend.path.name == "b_two.py"
    assert kinds(mend) == ["git"]


@pytest.mark.parametrize("committed", [True, False])
def test_a_renamed_file_keeps_its_place_in_the_order(committed: bool) -> None:
    """When it landed and what it was called counts; not the name made from a random id."""
    one, other = (rev("b <- a", date="undated", file=f"b_{name}.py") for name in ("one", "two"))
    snapshot = chain(
        rev("a", date="undated"),
        one.doing("op.create_table('one')"),
        other.doing("op.create_table('two')"),
        rev("d <- a", date="undated"),
    )
    history = GitHistory(
        {
            file.path: Landing(position, f"c{position}", DAY)
            for position, file in enumerate(snapshot.files)
            if committed
        }
    )
    case = Case(replace(snapshot, git_history=history), Wishes(), FixedIds(snapshot, iter(["aa"])))
    mended_chain, _ = mend(case)
    assert mended_chain.file("aa").name == "aa_two.py"

    plan = make_plan(mended_chain, Wishes())

    assert plan.order == ("a", "b", "aa", "d")
    (reason,) = (each for each in plan.relinks[0].why if each.kind != "branch")
    if committed:
        assert reason.kind == "git"
        assert reason.detail.startswith("its commit of 2024-05-01 00:00:00 (c2) came after")
    else:
        assert reason.detail == "no date decides; by file name, b_one.py < b_two.py"


def test_names_alone_are_a_guess() -> None:
    _, (mend,) = mended(two(second="2024-01-02"))
    assert mend.path.name == "b_two.py"
    assert is_guess(mend)


def test_what_has_run_keeps_its_id() -> None:
    after, (mend,) = mended(looked_at(two(), db("b", tables="t_a two")))
    assert mend.path.name == "b_one.py"
    assert after.file("b").name == "b_two.py"
    assert kinds(mend) == ["database"]


def test_without_tables_nothing_tells_which_has_run() -> None:
    after, (mend,) = mended(looked_at(two(), db("b")))
    assert mend.path.name == "b_two.py"
    after = with_new_ids(after, [mend])
    assert ran_in(after) == {frozenset({"a", "b"}), frozenset({"a", "new1"})}


@pytest.mark.parametrize("tables", ["t_a", "t_a one two"])
def test_tables_that_neither_of_them_explains(tables: str) -> None:
    after, (mend,) = mended(looked_at(two(), db("b", tables=tables)))
    assert mend.path.name == "b_two.py"
    assert ran_in(with_new_ids(after, [mend])) == set()


def test_where_different_ones_have_run_each_row_follows() -> None:
    databases = db("b", "one", tables="t_a one"), db("b", "two", tables="t_a two")
    after, (mend,) = mended(looked_at(two(), *databases))
    assert mend.path.name == "b_two.py"
    one, other = applied_in(with_new_ids(after, [mend]))
    assert (one.name, sorted(one.revisions)) == ("one", ["a", "b"])
    assert (other.name, sorted(other.revisions)) == ("two", ["a", "new1"])


def ran_in(snapshot: Facts) -> set[frozenset[str]]:
    return {applied.revisions for applied in applied_in(snapshot)}


def test_what_the_main_branch_has_keeps_its_id() -> None:
    """Whatever dates, and databases of mine, say."""
    snapshot = looked_at(two("c <- b :2024-06-01"), db("c", tables="t_a one t_c"))
    published = without_file(without_file(snapshot, "b"), "c")
    main = PublishedChain("the main branch", "main", "main", published.files, is_main=True)
    snapshot = replace(snapshot, published_chains=(main,))
    case = Case(snapshot, Wishes(), new_ids(snapshot))
    after, mends = mend(case)
    assert [(each.path.name, each.after) for each in mends] == [
        ("c_add_c.py", ("new1",)),
        ("b_one.py", ("new1",)),
    ]
    assert after.file("b").name == "b_two.py"
    assert parents(after, "c") == ("new1",)
    assert ran_in(with_new_ids(after, mends)) == {frozenset({"a", "new1", "c"})}


def test_a_child_is_on_what_was_there_when_it_landed() -> None:
    snapshot = two("c <- b :2024-06-01", "d <- c")
    paths = {file.name: file.path for file in snapshot.files}
    landing = Landing(3, "c3", DAY)
    history = GitHistory({paths["c_add_c.py"]: landing, paths["b_one.py"]: landing})
    case = Case(
        replace(snapshot, git_history=history),
        Wishes(),
        new_ids(snapshot),
        chain_at={"c3": without_file(snapshot, "b")}.get,
    )
    after, _ = mend(case)
    assert parents(after, "c") == ("new1",)


def test_children_follow_what_they_use() -> None:
    for table, parent in (("one", "b"), ("two", "new1")):
        child = rev("c <- b :2024-06-01").doing(f"op.add_column('{table}', sa.Column('x'))")
        after, _ = mended(two(child))
        assert parents(after, "c") == (parent,)


def test_children_that_are_older_follow_the_older_one() -> None:
    after, _ = mended(two("c <- b :2024-02-01"))
    assert parents(after, "c") == ("b",)


def test_that_only_a_date_shows_it_is_a_guess() -> None:
    _, (renamed,) = mended(two("c <- b :2024-02-01"))
    assert renamed.path.name == "b_two.py"
    assert renamed.why[-1] == (GUESS, "only dates show that c follows b_one.py")
    undated = replace(rev("b <- a", file="b_one.py").doing("op.create_table('one')"), date=None)
    later = rev("b <- a :2024-03-02", file="b_two.py")
    _, (follows, _) = mended(chain("a", undated, later, "c <- b :2024-02-01"))
    assert follows.path.name == "c_add_c.py"
    assert kinds(follows) == ["date", GUESS]


def test_a_date_does_not_say_what_a_database_has_run() -> None:
    with pytest.raises(CannotPlan, match="nothing shows which of them is the parent of c"):
        mended(looked_at(two("c <- b :2024-02-01"), db("c")))


def test_children_that_landed_before_the_other_one() -> None:
    snapshot = two("c <- b :2024-06-01")
    paths = {file.name: file.path for file in snapshot.files}
    landings = {
        paths["b_one.py"]: Landing(0, "c0", DAY),
        paths["c_add_c.py"]: Landing(1, "c1", DAY),
        paths["b_two.py"]: Landing(2, "c2", DAY),
    }
    after, _ = mended(snapshot, history=GitHistory(landings))
    assert parents(after, "c") == ("b",)


def test_a_child_below_which_one_of_them_stands() -> None:
    snapshot = chain(
        "a",
        rev("b <- a", file="b_one.py").doing("op.create_table('one')"),
        "c <- b",
        rev("b <- c", file="b_two.py").doing("op.create_table('two')"),
    )
    after, _ = mended(snapshot)
    assert parents(after, "c") == ("b",)
    assert parents(after, "new1") == ("c",)
    assert not diagnose(after)


def test_what_cannot_be_told_apart_is_shown_side_by_side() -> None:
    with pytest.raises(
        CannotPlan, match="nothing shows which of them is the parent of c"
    ) as refused:
        mended(two("c <- b :2024-06-01"))
    lines = refused.value.lines
    assert lines[0].split() == ["b_one.py", "b_two.py"]
    assert lines[2].split()[1::2] == ["2024-01-02", "2024-03-02"]
    assert lines[-1].split() == ["creates", "table", "one", "creates", "table", "two"]


def test_the_same_deeds_twice_are_shown_side_by_side() -> None:
    one = rev("b <- a", file="b_one.py")
    other = replace(one, file="b_two.py", downgrade=("pass",))
    with pytest.raises(CannotPlan, match="do the same in upgrade") as refused:
        mended(chain("a", one, other))
    assert refused.value.lines[0].split() == ["b_one.py", "b_two.py"]


# --- Cycles --------------------------------------------------------------------------------------


def test_git_opens_a_cycle() -> None:
    snapshot = chain("a", "b <- c :2024-01-01", "c <- b :2024-01-01")
    after, (mend,) = mended(snapshot, history=landed("a", "b", "c"))
    assert parents(after, "b") == ()
    assert kinds(mend) == ["git"]


@pytest.mark.parametrize(
    ("specs", "published", "code"),
    [
        (("a", "b <- c", "c <- b"), ("a", "b <- a", "c <- b"), "FC105"),
        (("a <- c", "b <- a", "c <- b"), ("a", "b <- a", "c <- b"), "FC105"),
        (("a", "b <- b"), ("a", "b <- a"), "FC105"),
        (("a", "b <- A"), ("a", "b"), "FC103"),
        (("a", "c", "b <- gone, c"), ("a", "b <- a"), "FC103"),
    ],
)
def test_what_is_published_goes_back_on_the_parents_that_it_has_there(
    specs: tuple[str, ...], published: tuple[str, ...], code: str
) -> None:
    """Whatever names and dates say."""
    there = chain(*published)
    main = PublishedChain("the main branch", "main", "main", there.files, is_main=True)
    before = replace(chain(*specs), published_chains=(main,))
    after, (mend,) = mended(looked_at(before, db("b", "prod")))
    assert (mend.code, kinds(mend)) == (code, ["published"])
    assert parents(after, mend.revision) == parents(there, mend.revision)
    refuse_unproven(before, after, [mend])


def test_parents_that_are_published_and_not_here_are_left_to_what_else_tells() -> None:
    main = PublishedChain("the main branch", "main", "main", chain("z", "b <- z").files)
    before = replace(chain("a", "b <- A"), published_chains=(main,))
    after, (mend,) = mended(before)
    assert parents(after, "b") == ("a",)
    assert kinds(mend) == ["case"]


def test_dates_alone_are_a_guess() -> None:
    after, (mend,) = mended(chain("a", "b <- d", "c <- b", "d <- c"))
    assert parents(after, "b") == ()
    assert is_guess(mend)


def test_without_evidence_no_cut() -> None:
    with pytest.raises(
        CannotPlan, match="nothing shows where to open the cycle of b, c"
    ) as refused:
        mended(chain("a", "b <- c :2024-01-01", "c <- b :2024-01-01"))
    commands = [way.commands for way in refused.value.remedy.ways]
    assert commands[:2] == [(f"{REPAIR} --root b",), (f"{REPAIR} --attach b=a",)]


CIRCLE = ("a <- c :2024-01-01", "b <- a :2024-01-01", "c <- b :2024-01-01")


@pytest.mark.parametrize(
    ("specs", "root", "needed"),
    [
        (CIRCLE, "b", ()),
        (("a", "b <- c +c", "c <- b"), "b", ()),
        (("z", "a +b +z", "b <- a"), "a", ("z",)),
        (("z", "a +way", "b <- a @way"), "a", ()),
        (("b <- c", "c <- b", "e <- f", "f <- e"), "e", ()),
    ],
)
def test_the_base_of_choice_leaves_a_circle(
    specs: tuple[str, ...], root: str, needed: tuple[str, ...]
) -> None:
    after, mends = mended(chain(*specs), Wishes(root=root))
    assert parents(after, root) == ()
    assert after.header(root).depends_on == needed
    assert all(kinds(mend) == ["pin"] for mend in mends if mend.revision == root)
    assert root in after.graph.bases
    assert not after.graph.cycles


def test_a_member_with_a_parent_outside_becomes_no_base() -> None:
    snapshot = chain("a", "b <- a, c :2024-01-01", "c <- b :2024-01-01")
    with pytest.raises(CannotPlan, match="cycle of b, c") as refused:
        mended(snapshot, Wishes(root="b"))
    assert "--attach c=a" in refused.value.remedy
    with pytest.raises(CannotPlan) as refused:
        mended(snapshot)
    commands = [way.commands for way in refused.value.remedy.ways]
    assert commands[:2] == [(f"{REPAIR} --root c",), (f"{REPAIR} --attach b=a",)]


@pytest.mark.parametrize(
    ("specs", "attach", "members", "remedy"),
    [
        (CIRCLE, {"a": "b"}, "a, b", "repair{databases} --root a"),
        (CIRCLE, {"a": "c"}, "a, b, c", "repair{databases} --root a"),
        (("z", *CIRCLE), {"a": "b"}, "a, b", "repair{databases} --attach a=z"),
        (("a", "b <- gone", "c <- b"), {"b": "c"}, "b, c", "does not run after it"),
    ],
)
def test_what_the_user_wants_must_not_run_in_a_circle(
    specs: tuple[str, ...], attach: dict[str, str], members: str, remedy: str
) -> None:
    with pytest.raises(CannotPlan, match=f"would put it into a cycle of {members}$") as refused:
        mended(chain(*specs), Wishes(attach=attach))
    assert remedy in refused.value.remedy


def test_what_the_user_wants_of_several_counts_together() -> None:
    after, _ = mended(chain("z", *CIRCLE), Wishes(attach={"a": "b", "b": "z"}))
    assert (parents(after, "a"), parents(after, "b")) == (("b",), ("z",))
    assert not after.graph.cycles


def test_a_knot_that_no_single_word_opens_is_left_to_hands() -> None:
    knot = [f"{name} <- {', '.join(sorted(set('abcd') - {name}))} :2024-01-01" for name in "abcd"]
    with pytest.raises(CannotPlan) as refused:
        mended(chain(*knot))
    assert str(refused.value.remedy).startswith("correct down_revision or depends_on")


def test_the_user_opens_a_cycle() -> None:
    snapshot = chain("a", "b <- c :2024-01-01", "c <- b :2024-01-01")
    after, _ = mended(snapshot, Wishes(attach={"b": "a"}))
    assert parents(after, "b") == ("a",)
    assert not diagnose(after)


def test_a_revision_that_runs_after_itself() -> None:
    after, _ = mended(chain("a", "b <- a, b"))
    assert parents(after, "b") == ("a",)


def test_a_cycle_of_dependencies() -> None:
    after, (mend,) = mended(chain("a", "b <- a +c", "c <- b"))
    assert mend.part is Part.DEPENDENCIES
    assert after.header("b").depends_on == ()


# --- The rest ------------------------------------------------------------------------------------


def test_merge_points_lose_parents_that_say_nothing() -> None:
    snapshot = chain("a", "b <- a", "c <- a, b", "d <- c, c")
    assert mended(snapshot)[1] == ()
    after, _ = mended(snapshot, Wishes(strict=True))
    assert parents(after, "c") == ("b",)
    assert parents(after, "d") == ("c",)


def test_a_docstring_that_cannot_name_the_parents_stays() -> None:
    """A parent without a name is not put right while a file cannot be read that may have it."""
    snapshot = chain("a", Rev("b", ("a", "")), extra={"zz.py": b"x = 1\n"})
    assert mended(snapshot, Wishes(strict=True)) == (snapshot, ())


def test_labels_are_told_apart() -> None:
    snapshot = chain("a", "b <- a @x", "c <- a @x")
    after, _ = mended(snapshot, Wishes(relabel={"c": ("y",)}))
    assert after.header("c").branch_labels == ("y",)
    assert b"branch_labels = ('y',)" in after.file("c").data
    assert not diagnose(after)
    for label in ("head", "x@y", "a"):
        with pytest.raises(CannotPlan, match="cannot be a branch label"):
            mended(snapshot, Wishes(relabel={"c": (label,)}))
    with pytest.raises(CannotPlan, match="no revision 'nope'"):
        mended(snapshot, Wishes(relabel={"nope": ("y",)}))


LONG = "a" * 32 + "bcd"


def test_ids_become_shorter_wherever_they_are_named() -> None:
    snapshot = chain("z", f"{LONG} <- z", f"{LONG}x <- {LONG}", f"c <- z +{LONG}")
    mends = shortened(snapshot)
    ids = {mend.revision: mend.after[0] for mend in mends if mend.part is Part.ID}
    assert ids == {LONG: "a" * 32, f"{LONG}x": "a" * 30 + "_2"}
    after = snapshot.after(edit for mend in mends for edit in mend.edits)
    assert parents(after, ids[f"{LONG}x"]) == ("a" * 32,)
    assert after.header("c").depends_on == ("a" * 32,)
    assert {finding.code for finding in diagnose(after)} <= {"FC102"}


def test_an_id_of_nothing_but_underscores_becomes_one_that_is_something() -> None:
    (mend,) = shortened(chain("_" * 40))
    assert mend.after == ("_2",)


def test_a_computed_parent_is_taken_from_the_docstring() -> None:
    snapshot = computed(chain("a", "b <- a", "c <- b"), b"down_revision = 'b'", "c")
    after, (notice,) = placed(snapshot)
    assert parents(after, "c") == ("b",)
    assert after.file("c").data == snapshot.file("c").data
    assert "c_add_c.py" in notice


def test_a_computed_id_is_the_one_that_is_missed() -> None:
    snapshot = computed(chain("a", "b <- a", "c <- b"), b"revision = 'b'", "b")
    assert "b" not in snapshot.graph
    after, _ = placed(snapshot)
    assert parents(after, "b") == ("a",)
    alone = computed(chain("a", "b <- a"), b"revision = 'b'", "b")
    assert placed(alone) == (alone, ())


def test_a_number_for_an_id_is_not_taken_for_the_id_that_is_missing() -> None:
    number = b"revision = 17\ndown_revision = 'a'\n"
    snapshot = chain("a", "c <- b", extra={"b.py": number})
    assert placed(snapshot) == (snapshot, ())


def computed(snapshot: Facts, line: bytes, revision: str) -> Facts:
    """The chain with a call around a value."""
    file = snapshot.file(revision)
    name, _, value = line.partition(b" = ")
    data = file.data.replace(b"\n" + line, b"\n" + name + b" = str(" + value + b")")
    assert data != file.data
    extra = {each.name: each.data for each in snapshot.files if each is not file}
    return chain(extra={**extra, file.name: data})


# --- What databases have run ---------------------------------------------------------------------


def unproven(
    before: Facts, wishes: Wishes | None = None, history: GitHistory | None = None
) -> None:
    after, mends = mended(before, wishes, history)
    refuse_unproven(before, after, mends)


UNKNOWN = "prod has run c, and it is not known whether {} has run there"


@pytest.mark.parametrize(
    ("chain_of", "tables", "other"),
    [
        (("aaa", "zzz9 <- aaa", "c <- zzz"), "t_aaa t_c", "zzz9"),
        (("aaa", "c <- aa"), "t_c", "aaa"),
    ],
)
def test_what_a_database_is_not_known_to_have_run_is_put_below_nothing(
    chain_of: tuple[str, ...], tables: str, other: str
) -> None:
    """The name may have been another revision's, whose file is gone."""
    snapshot = chain(*chain_of)
    told = looked_at(snapshot, db("c", "prod"))
    with pytest.raises(UnsafeForDatabases, match=UNKNOWN.format(other)) as refused:
        unproven(told)
    assert f"--attach c={other}" in refused.value.remedy
    unproven(told, Wishes(attach={"c": other}))  # who knows it may say it
    seen = looked_at(snapshot, db("c", "prod", tables=tables))
    with pytest.raises(UnsafeForDatabases, match="the tables of prod show that something else"):
        unproven(seen, Wishes(attach={"c": other}))
    proven = looked_at(snapshot, db("c", "prod", tables=f"t_{other} t_aaa t_c"))
    unproven(proven)
    elsewhere = looked_at(snapshot, db("aaa", "prod", tables="t_aaa"))
    unproven(elsewhere)


@pytest.mark.parametrize(
    ("tables", "when"),
    [
        (None, "put c on b, if b has run there"),
        ("t_a t_b t_c t_gone", "put c on b, which prod has run"),
        ("t_a t_c", ""),
    ],
)
def test_what_has_lost_its_parent_is_put_on_the_rest_with_a_whole_command(
    tables: str | None, when: str
) -> None:
    told = looked_at(chain("a", "b <- a", "c <- gone"), db("c", "prod", tables=tables))
    with pytest.raises(UnsafeForDatabases) as refused:
        unproven(told)
    ways = {each.text: each.commands for each in refused.value.remedy.ways}
    attached, replaced = ways.get(when), ways.get("put a no-op revision in place of gone")
    assert attached == ((f"{REPAIR} --attach c=b",) if when else None)
    assert replaced == ((f"{REPAIR} --tombstone gone=b",) if when else None)
    if when:
        unproven(told, Wishes(attach={"c": "b"}))


def test_what_was_below_a_lost_parent_is_not_known() -> None:
    snapshot = looked_at(chain("a", "c <- gone"), db("c", "prod"))
    with pytest.raises(UnsafeForDatabases, match=UNKNOWN.format("what was below it")):
        unproven(snapshot)


def test_an_id_that_git_knows_is_the_same_revision() -> None:
    snapshot = chain("a", "new <- a", "c <- old")
    unproven(looked_at(snapshot, db("c", "prod"), lost=[lost("old <- a", renamed="new")]))


def test_a_cycle_tells_nothing_of_what_has_run() -> None:
    snapshot = chain("a", "b <- c :2024-01-01", "c <- b :2024-01-02")
    with pytest.raises(UnsafeForDatabases, match="prod has run b"):
        unproven(looked_at(snapshot, db("b", "prod")), history=landed("a", "b", "c"))


def test_tables_tell_what_of_a_cycle_has_run() -> None:
    """The first migration was put on the last one, by hand."""
    snapshot = chain("a <- c", "b <- a", "c <- b")
    history = landed("a", "b", "c")
    unproven(looked_at(snapshot, db("c", "prod", tables="t_a t_b t_c")), history=history)
    with pytest.raises(UnsafeForDatabases, match="not known whether a, b has run") as refused:
        unproven(looked_at(snapshot, db("c", "prod")), history=history)
    assert "--root a" in refused.value.remedy
    with pytest.raises(UnsafeForDatabases, match="the tables of prod show"):
        unproven(looked_at(snapshot, db("c", "prod", tables="t_b t_c")), history=history)


def test_dates_do_not_tell_what_of_a_cycle_has_run() -> None:
    """The right cut may leave c on b, with both below the stamp."""
    snapshot = chain("a", "b <- a, d :2024-01-01", "c <- b :2024-01-02", "d <- c :2024-01-03")
    unproven(looked_at(snapshot, db("d", "prod")))
    unproven(looked_at(snapshot, db("b", "prod", tables="t_a t_b")))
    with pytest.raises(UnsafeForDatabases, match="not known whether c, d has run in prod"):
        unproven(looked_at(snapshot, db("b", "prod")))
    unproven(looked_at(snapshot, db("b", "prod")), Wishes(attach={"b": "a"}))
    url = "sqlite:///prod.db"
    with pytest.raises(UnsafeForDatabases) as refused:
        unproven(looked_at(snapshot, db("b", url), db("a", "sqlite:///dev.db")))
    *_, out = refused.value.remedy.ways
    assert out.commands == ("{fixchain} repair{own} --database sqlite:///dev.db",)


def relinked(tables: str | None = None) -> Facts:
    """Somebody has put c on a by hand, and left b, on which its docstring has it, where it is."""
    by_hand = migration(rev("c <- b")).replace(b"down_revision = 'b'", b"down_revision = 'a'")
    return looked_at(chain("a", "b <- a", extra={"c.py": by_hand}), db("c", "prod", tables=tables))


def test_where_a_docstring_says_that_more_has_run_it_is_not_known() -> None:
    with pytest.raises(UnsafeForDatabases, match="whether b has run there, too"):
        refuse_doubted(relinked(), {})
    refuse_doubted(relinked(), {"c"})  # who knows it may say it
    refuse_doubted(relinked(tables="t_a t_c"), {})
    assert ran_in(relinked(tables="t_a t_b t_c")) == set()  # that is refused for its tables


def test_a_docstring_that_agrees_with_the_link_is_no_doubt() -> None:
    """The journal holds a chain in which c was on nothing, as in a repair that Git took back."""
    snapshot = chain("a", "b <- a", "c <- b")
    refuse_doubted(looked_at(snapshot, db("c"), old=graph("a", "b <- a", "c")), {})


def test_the_ways_out_of_a_doubt_name_the_database() -> None:
    with pytest.raises(UnsafeForDatabases) as refused:
        refuse_doubted(relinked(), {})
    shown, has, has_not, *_ = refused.value.remedy.ways
    assert shown.commands == ("{fixchain} check{asked}",)
    assert has.text.startswith("if b has run in prod, ")
    assert has_not.text.startswith("if not, ")


def test_a_docstring_that_names_what_has_run_in_any_case_is_no_doubt() -> None:
    by_hand = migration(rev("c <- a")).replace(b"down_revision = 'a'", b"down_revision = 'b'")
    snapshot = chain("a", "b <- a", "d", extra={"c.py": by_hand})
    refuse_doubted(looked_at(snapshot, db("c", "prod")), {})


def test_a_child_that_has_run_is_on_what_has_run() -> None:
    """Its date says otherwise, and so did nobody look at the database."""
    snapshot = two("c <- b :2024-02-01")
    after, _ = mended(looked_at(snapshot, db("c", tables="t_a two t_c")))
    assert after.file("b").name == "b_two.py"
    assert parents(after, "c") == ("b",)


# --- Several at once -----------------------------------------------------------------------------


def twice(id_: str) -> list[Rev]:
    """Two migrations with one id, which make different tables."""
    return [
        rev(f"{id_} <- a", date=date, file=f"{id_}_{name}.py").doing(
            f"op.create_table('{id_}{name}')"
        )
        for name, date in (("one", "2024-01-02"), ("two", "2024-03-02"))
    ]


def test_a_child_of_two_ids_that_stand_twice() -> None:
    child = rev("c <- x, y :2024-06-01").doing(
        "op.add_column('xtwo', sa.Column('n'))", "op.add_column('ytwo', sa.Column('n'))"
    )
    after, mends = mended(chain("a", *twice("x"), *twice("y"), child))
    new = {mend.path.name: mend.after[0] for mend in mends if mend.part is Part.ID}
    assert parents(after, "c") == (new["x_two.py"], new["y_two.py"])


def test_a_child_that_names_an_id_as_parent_and_dependency() -> None:
    child = rev("c <- x +x :2024-06-01").doing("op.add_column('xtwo', sa.Column('n'))")
    after, mends = mended(chain("a", *twice("x"), child))
    (new,) = (mend.after[0] for mend in mends if mend.part is Part.ID)
    assert parents(after, "c") == after.header("c").depends_on == (new,)


def test_a_copy_that_stands_on_another() -> None:
    later = rev("y <- x :2024-07-01", file="y_late.py").doing(
        "op.add_column('xtwo', sa.Column('n'))"
    )
    after, mends = mended(chain("a", *twice("x"), rev("y <- a", date="2024-01-05"), later))
    new = {mend.path.name: mend.after[0] for mend in mends if mend.part is Part.ID}
    assert parents(after, new["y_late.py"]) == (new["x_two.py"],)
    assert not after.graph.duplicates


@pytest.mark.parametrize(
    ("id_", "name", "renamed"),
    [
        ("2", "2021_2_two.py", "2021_new1_two.py"),
        ("b", "table_b.py", "table_new1.py"),
        ("b", "tableb.py", "tableb.py"),
        ("b", "b.py", "new1.py"),
    ],
)
def test_an_id_in_a_name_is_a_word_of_it(id_: str, name: str, renamed: str) -> None:
    one = rev(f"{id_} <- a", date="2024-01-02", file="zz.py").doing("op.create_table('one')")
    two_ = rev(f"{id_} <- a", date="2024-03-02", file=name).doing("op.create_table('two')")
    after, _ = mended(chain("a", one, two_))
    assert after.file("new1").name == renamed


def test_likenesses_that_disagree_are_a_guess() -> None:
    snapshot = chain("users", rev("xyz <- users", file="Users.py"), "c <- Users")
    after, (mend,) = mended(snapshot)
    assert parents(after, "c") == ("xyz",)
    assert is_guess(mend)
    snapshot = chain("abcdef", rev("xyz <- abcdef", file="abc.py"), "c <- abc")
    after, (mend,) = mended(snapshot)
    assert parents(after, "c") == ("xyz",)
    assert is_guess(mend)


def test_a_word_that_only_begins_like_it_is_a_guess() -> None:
    _, (mend,) = mended(chain(rev("a", file="initially_done.py"), "c <- initial"))
    assert is_guess(mend)


def test_what_two_name_comes_back_once() -> None:
    snapshot = looked_at(chain("a", "c <- gone", "d <- gone"), lost=[lost("gone <- a")])
    _, mends = mended(snapshot)
    assert [mend.revision for mend in mends] == ["gone"]


def test_a_pin_takes_the_place_of_the_missing_parent_alone() -> None:
    after, _ = mended(chain("a", "b <- a", "z <- a", "c <- b, gone"), Wishes(attach={"c": "z"}))
    assert parents(after, "c") == ("b", "z")
    after, _ = mended(chain("a", "b <- a", "c <- b, gone"), Wishes(attach={"c": "a"}))
    assert parents(after, "c") == ("b",)


def test_reasons_are_those_of_the_link_that_is_cut() -> None:
    snapshot = chain(
        "a",
        rev("b <- d").doing("op.create_table('tb')"),
        rev("c <- b").doing("op.create_table('tc')"),
        rev("d <- c").doing("op.add_column('tb', sa.Column('n'))", "op.create_table('td')"),
    )
    after, (mend,) = mended(snapshot)
    assert parents(after, "b") == ()
    assert "d uses table tb, which b creates" in mend.why[0].detail


# --- Merge points without their parents ----------------------------------------------------------


def empty(spec: str, message: str = "merge heads") -> dict[str, bytes]:
    """An empty migration with this message, as ``extra`` of a chain."""
    item = replace(rev(spec, date="2024-01-20"), upgrade=(), downgrade=())
    data = migration(item).replace(f"add {item.revision}".encode(), message.encode(), 1)
    return {f"{item.revision}_.py": data}


FORK = ("a", "b1 <- a", "b2 <- a")


@pytest.mark.parametrize("spec", ["m", "m <- gone", "m <- gone, lost"])
@pytest.mark.parametrize("message", ["merge heads", "Merged b1 and the rest", "Merging"])
def test_an_empty_merge_gets_the_heads_that_it_joined(spec: str, message: str) -> None:
    after, (mend,) = mended(chain(*FORK, "c <- m", extra=empty(spec, message)))
    assert parents(after, "m") == ("b1", "b2")
    assert not is_guess(mend)
    assert not diagnose(after, Family.CHAIN)


def test_one_parent_that_is_left_stays() -> None:
    after, _ = mended(chain(*FORK, extra=empty("m <- b2, gone")))
    assert parents(after, "m") == ("b2", "b1")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (empty("m", "add emerging markets"), "no word for it"),
        ({"m_.py": migration(rev("m")).replace(b"add m", b"merge heads")}, "not empty"),
    ],
)
def test_what_is_no_merge_stays_a_base(data: dict[str, bytes], what: str) -> None:
    after, mends = mended(chain(*FORK, extra=data))
    assert (parents(after, "m"), mends) == ((), ()), what


def test_a_head_that_came_later_is_not_joined() -> None:
    later = rev("z <- a", date="2024-02-01")
    after, (mend,) = mended(chain(*FORK, later, extra=empty("m")))
    assert parents(after, "m") == ("b1", "b2")
    assert is_guess(mend)  # as dates tell it
    snapshot = chain(*FORK, "z <- a", extra=empty("m"))
    m = snapshot.file("m").path
    history = landed("a", "b1", "b2")
    history = replace(history, landings={**history.landings, m: Landing(3, "c3", DAY)})
    after, (mend,) = mended(snapshot, history=history)
    assert parents(after, "m") == ("b1", "b2")
    assert not is_guess(mend)


def test_what_the_docstring_or_message_names_is_joined() -> None:
    more = ("z <- a", "y <- a")
    data = empty("m")["m_.py"].replace(b"Revises: \n", b"Revises: z, y\n")
    after, (mend,) = mended(chain(*FORK, *more, extra={"m_.py": data}))
    assert (parents(after, "m"), kinds(mend)) == (("z", "y"), ["docstring"])
    after, (mend,) = mended(chain(*FORK, *more, extra=empty("m", "merge b1 and y")))
    assert (parents(after, "m"), kinds(mend)) == (("b1", "y"), ["message"])


def test_parents_that_it_had_before_a_change_or_when_it_landed() -> None:
    """A rebase may have moved it after it landed."""
    snapshot = chain(*FORK, "z <- a", extra=empty("m"))
    then = chain(*FORK, "z <- a", extra=empty("m <- b2, z"))
    history = GitHistory({snapshot.file("m").path: Landing(4, "c4", DAY)})
    snapshot = replace(snapshot, git_history=history)
    case = Case(snapshot, Wishes(), new_ids(snapshot), chain_at={"c4": then}.get)
    after, (found,) = mend(case)
    assert (parents(after, "m"), kinds(found)) == (("b2", "z"), ["git", GUESS])
    moved = chain(*FORK, "z <- a", extra=empty("m <- b1, z"))
    cut = chain(*FORK, "z <- a", extra=empty("m <- b1"))
    before = {snapshot.file("m").path: [cut, moved]}.__getitem__
    after, (found,) = mend(replace(case, chains_before=before))
    assert (parents(after, "m"), kinds(found)) == (("b1", "z"), ["git"])


def test_what_the_oldest_commits_of_a_shallow_clone_lack_is_not_known_to_be_later() -> None:
    snapshot = chain("a", "b <- a", "c <- b :2024-03-01", extra=empty("m <- x, y"))
    landings = {file.path: Landing(0, file.name, DAY) for file in snapshot.files}
    chain_at = {snapshot.file("m").name: chain("a", "m <- x, y")}.get
    for cut_off, parents_now in (((), "a"), (landings, "b")):
        history = GitHistory(landings, cut_off=frozenset(cut_off))
        there = replace(snapshot, git_history=history)
        after, (found,) = mend(Case(there, Wishes(), new_ids(there), chain_at=chain_at))
        assert (parents(after, "m"), is_guess(found)) == ((parents_now,), bool(cut_off))


@pytest.mark.parametrize("row", ["", "c"])
@pytest.mark.parametrize(
    ("now", "then", "parent"),
    [
        ("c <- c", "c <- b", "b"),
        ("c <- never", "c <- a", "a"),
        ("c <- never", "c <- gone", ""),
    ],
)
def test_an_edited_link_goes_back_to_what_it_was_when_the_file_landed(
    now: str, then: str, parent: str, row: str
) -> None:
    """As a search that replaced one id too many leaves it; the docstring was replaced, too.

    That is a guess: since it landed, it may have been put on another revision on purpose.
    """
    snapshot = looked_at(chain("a", "b <- a", now), db(row, tables=f"t_a t_c t_{parent}"))
    added = GitHistory({snapshot.file("c").path: Landing(4, "c4", DAY)})
    snapshot = replace(snapshot, git_history=added)
    case = Case(snapshot, Wishes(), new_ids(snapshot), chain_at={"c4": chain("a", then)}.get)
    after, (found,) = mend(case)
    assert (parents(after, "c"), is_guess(found)) == ((parent,) if parent else (), True)
    if parent:
        refuse_unproven(snapshot, after, [found])


@pytest.mark.parametrize("is_committed", [False, True])
@pytest.mark.parametrize(("now", "certain"), [("c <- c", True), ("c <- never", False)])
def test_an_edited_link_goes_back_to_what_it_was_before_the_last_change(
    now: str, *, certain: bool, is_committed: bool
) -> None:
    """It was on another revision when it landed, and has been put on this one since."""
    snapshot = chain("a", "b <- a", now)
    added = GitHistory({snapshot.file("c").path: Landing(4, "c4", DAY)})
    snapshot = replace(snapshot, git_history=added)
    before = chain("a", "b <- a", "c <- b")
    landed, head = chain("a", "c <- a"), snapshot if is_committed else before
    chains = {snapshot.file("c").path: [head, before if is_committed else landed]}
    at = {"c4": landed}.get
    case = Case(snapshot, Wishes(), new_ids(snapshot), at, chains.__getitem__)
    after, (found,) = mend(case)
    assert (parents(after, "c"), is_guess(found)) == (("b",), not certain)


def test_a_file_that_is_committed_under_another_name_alone_gets_the_link_of_that_commit() -> None:
    snapshot = chain("a", "b <- a", "c <- c")
    before = chain("a", "b <- a", "c <- a")
    case = Case(snapshot, Wishes(), new_ids(snapshot), chains_before=lambda _: [before])
    after, (found,) = mend(case)
    assert (parents(after, "c"), kinds(found)) == (("a",), ["git", "itself"])
    assert not is_guess(found)


def test_a_merge_of_what_is_on_another_branch_is_straightened() -> None:
    elsewhere = {"branch": "main", "kept": True}
    known = [lost("x <- b", **elsewhere), lost("y <- b", **elsewhere)]
    snapshot = looked_at(chain("a", "b <- a", "c <- b", extra=empty("m <- x, y")), lost=known)
    after, mends = mended(snapshot)
    assert parents(after, "m") == ("c",)
    assert [(each.part, is_guess(each)) for each in mends] == [(Part.PARENTS, False)]
    full = {"m_.py": migration(rev("m <- x, y"))}
    after, mends = mended(looked_at(chain("a", "b <- a", "c <- b", extra=full), lost=known))
    assert parents(after, "m") == ("c",)
    assert [(each.part, is_guess(each)) for each in mends] == [(Part.PARENTS, True)]


USES_X = "op.add_column('t_x', sa.Column('colour', sa.String(40)))"


def test_a_merge_point_does_not_drop_what_others_need() -> None:
    """Of a removed parent, a later migration or a database may still need what it made."""
    files = ("a", "b <- a", "c <- m")
    after, (mend,) = mended(
        looked_at(
            chain(*files[:2], rev(files[2]).doing(USES_X), extra=empty("m <- b, x")),
            lost=[lost("x <- a")],
        )
    )
    assert (parents(after, "m"), mend.part, is_guess(mend)) == (("b", "x"), Part.FILE, True)
    for row, back in (("m", True), ("c", True), ("b", False)):
        snapshot = chain(*files, extra=empty("m <- b, x"))
        after, _ = mended(looked_at(snapshot, db(row), lost=[lost("x <- a")]))
        assert ("x" in after.graph) is back, row


def test_a_merge_point_drops_a_removed_parent_only_as_a_guess() -> None:
    snapshot = chain("a", "b <- a", "c <- m", extra=empty("m <- b, x"))
    after, (mend,) = mended(
        looked_at(snapshot, lost=[lost("x <- y"), lost("y <- a")]), Wishes(strategy="linear")
    )
    assert (parents(after, "m"), is_guess(mend)) == (("b",), True)
    (way,) = mend.choices.ways
    assert way.commands == (
        "{fixchain} repair --strategy linear --bring-back x --bring-back y{databases}",
    )
    nothing = Rev("x", ("a",), upgrade=(), downgrade=())
    for row in ("b", "m"):
        after, (mend,) = mended(looked_at(snapshot, db(row), lost=[lost(nothing)]))
        assert (parents(after, "m"), is_guess(mend)) == (("b",), False)


def test_a_lost_base_is_left_out_by_no_link_to_another_lineage() -> None:
    snapshot = looked_at(chain("a", "p2 <- p1"), lost=[lost("p1 @plug")])
    after, (mend,) = mended(snapshot)
    assert (after.graph.bases, mend.choices.ways) == (("a", "p1"), ())


@pytest.mark.parametrize("row", ["", "c"])
def test_a_squash_replaces_the_lost_revisions_whose_tables_it_makes(row: str) -> None:
    makes = [f"op.create_table('t_{each}', sa.Column('id', sa.Integer()))" for each in "xyz"]
    gone = [lost("x <- a"), lost("y <- x")]
    for made, parent in ((makes, "squash"), (makes[1:], "y")):
        files = "a", rev("squash <- a").doing(*made), "c <- y"
        after, mends = mended(looked_at(chain(*files), db(row), lost=gone))
        assert parents(after, "c") == (parent,)
        assert all(map(is_guess, mends))
    # What another branch has is not gone.
    kept = [replace(each, branch="main", kept=True) for each in gone]
    files = "a", rev("squash <- a").doing(*makes), "c <- y"
    after, _ = mended(looked_at(chain(*files), db(row), lost=kept))
    assert parents(after, "c") == ("y",)


@pytest.mark.parametrize("place", ["old/versions", "versions/2023"])
def test_what_a_squash_replaces_may_have_been_elsewhere(place: str) -> None:
    """In a directory that has moved since, or in one of several below a version location."""
    makes = "op.create_table('t_x', sa.Column('id', sa.Integer()))"
    snapshot = chain(rev("squash").doing(makes), "c <- x")
    snapshot = replace(snapshot, environment=replace(snapshot.environment, recursive=True))
    gone = lost("x", path=snapshot.environment.directory / place / "x.py")
    after, (mend,) = mended(looked_at(snapshot, lost=[gone]))
    assert (parents(after, "c"), is_guess(mend)) == (("squash",), True)


def test_a_squash_below_what_main_has_is_put_there_by_a_printed_command() -> None:
    makes = [f"op.create_table('t_{each}', sa.Column('id', sa.Integer()))" for each in "xy"]
    snapshot = chain("a", rev("squash <- a").doing(*makes), "c <- y")
    main = PublishedChain("main", "main", "main", chain("a", "x <- a", "y <- x", "c <- y").files)
    snapshot = replace(snapshot, published_chains=(main,))
    told = looked_at(snapshot, lost=[lost("x <- a"), lost("y <- x")])
    with pytest.raises(UnsafeForDatabases, match="main has c, and not squash") as refused:
        unproven(told)
    assert refused.value.remedy.ways[0].commands == (f"{REPAIR} --attach c=squash",)
    unproven(told, Wishes(attach={"c": "squash"}))


def test_what_is_needed_is_not_to_be_left_out() -> None:
    last = rev("c <- x").doing(USES_X)
    for files, row, tables, ways in (
        ((last,), "b", None, 0),
        (("c <- x",), "c", None, 0),
        (("c <- x",), "c", "t_a t_x t_b t_c", 0),
        (("c <- x",), "b", None, 1),
    ):
        there = db(row, tables=tables)
        snapshot = looked_at(chain("a", "b <- a", *files), there, lost=[lost("x <- a")])
        _, (mend,) = mended(snapshot)
        assert (mend.part, len(mend.choices.ways)) == (Part.FILE, ways)


def test_nothing_comes_from_another_branch_without_what_it_needs() -> None:
    elsewhere = lost("x <- unknown", branch="main", kept=True)
    after, (mend,) = mended(looked_at(chain("a", "b <- x"), lost=[elsewhere]))
    assert (parents(after, "b"), mend.part) == ((), Part.PARENTS)
    assert is_guess(mend)


def test_another_way_is_to_leave_out_what_is_on_another_branch() -> None:
    elsewhere = lost("x <- a", branch="main", kept=True)
    snapshot = looked_at(chain("a", "b <- a", "c <- x", "d <- x"), lost=[elsewhere])
    after, (mend,) = mended(snapshot, Wishes(strategy="linear"))
    assert after.file("x").data == elsewhere.data
    assert is_guess(mend)
    leave, merge = mend.choices.ways
    assert leave.commands == (
        "{fixchain} repair --strategy linear --attach c=b --attach d=b{databases}",
    )
    assert merge.commands == ("git merge --no-edit main",)


def test_a_wrong_parent_with_a_right_docstring_is_one_fault() -> None:
    data = migration(rev("c <- b")).replace(b"down_revision = 'b'", b"down_revision = 'x'")
    codes = [each.code for each in diagnose(chain("a", "b <- a", extra={"c.py": data}))]
    assert codes == ["FC103"]
    data = data.replace(b"Revises: b", b"Revises: z")
    codes = [each.code for each in diagnose(chain("a", "b <- a", extra={"c.py": data}))]
    assert codes == ["FC103", "FC111"]
