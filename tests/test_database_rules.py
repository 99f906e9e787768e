"""Findings about databases that have moved: what they say, and when they are held back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from flask_chainfix.common.remedies import Tools
from flask_chainfix.databases.applied.contents import traced
from flask_chainfix.databases.applied.lost import distance
from flask_chainfix.databases.facts import Facts
from flask_chainfix.diagnosis.lost_revisions import notes_on_taken
from flask_chainfix.diagnosis.numbering import can_have_file
from flask_chainfix.diagnosis.rules import Family, diagnose
from flask_chainfix.model.databases import DatabaseState, DatabaseStatus, LostRevision
from flask_chainfix.model.environment import Settings
from flask_chainfix.model.findings import Finding, Severity
from flask_chainfix.report import render
from flask_chainfix.report.display import Style
from tests.results import checked
from tests.statuses import db, looked_at, lost, moved, unreachable
from tests.support import Rev, chain, graph

FORK = graph("a", "b <- a", "c <- a")
LINE = chain("a", "b <- a", "c <- b")


def found(snapshot: Facts) -> list[Finding]:
    return list(diagnose(snapshot, Family.DATABASE))


def only(code: str, snapshot: Facts) -> Finding:
    (finding,) = found(snapshot)
    assert finding.code == code
    assert finding.breaks
    assert not finding.repairable
    return finding


def test_databases_that_fit_the_chain() -> None:
    assert found(looked_at(LINE, db(), db("c"), db("a", "old"), db("b", "older"))) == []
    assert found(looked_at(LINE, db("b"), old=FORK)) == []
    assert found(LINE) == []


# --- FC301 ---------------------------------------------------------------------------------------


def unknown(*known: LostRevision, row: str = "x", now: Facts = LINE) -> Finding:
    finding = only("FC301", looked_at(now, db((row,)), lost=known))
    assert (finding.severity, finding.revisions) == (Severity.ERROR, (row,))
    start = f"production is stamped with {row!r}, which no migration file has: "
    assert finding.message.startswith(start)
    return replace(finding, message=finding.message[len(start) :])


def hints(finding: Finding) -> list[str]:
    return str(finding.hint).split("; or ")


PLACE = "x_add_x.py, commit 1a2b3c4 of Ann, 2024-03-01"
BRING_BACK = "bring its file back from Git: `{fixchain} repair --bring-back x{databases}`"
TOMBSTONE = "put a no-op revision in its place: `{fixchain} repair --tombstone x{databases}`"
NOBODY_KNOWS = (
    "put a no-op revision in its place, if it was on c: `{fixchain} repair --tombstone x=c"
    "{databases}`"
)


@pytest.mark.parametrize(
    "data", [b"<<<<<<< HEAD\nrevision = 'x'\n=======\n>>>>>>> other\n", b"def (:"]
)
def test_a_file_that_cannot_be_read_is_not_lost(data: bytes) -> None:
    """What is to be done is said of the file: no way that takes the revision for gone is named."""
    now = chain("a", "b <- a", extra={"x_add_x.py": data})
    snapshot = looked_at(now, db("x"), lost=[lost("x <- b")])
    (unreadable,) = diagnose(now, Family.CHAIN)
    finding = only("FC301", snapshot)
    assert unreadable.message.startswith("x_add_x.py ")
    assert finding.message == (
        "production is stamped with 'x', which x_add_x.py may have, but that file"
        f" {unreadable.message.removeprefix('x_add_x.py ')}"
    )
    assert finding.hint == unreadable.hint
    (status,) = snapshot.databases.statuses
    assert distance(snapshot, status) is None
    mended = looked_at(chain("a", "b <- a"), db("x"), lost=[lost("x <- b")])
    assert distance(mended, status) == (0, 1)


def test_a_file_that_was_removed() -> None:
    finding = unknown(lost("x <- b"))
    assert finding.message == f"its file was removed ({PLACE})"
    assert hints(finding) == [
        BRING_BACK,
        "move the stamp to b, the nearest ancestor that is left, if what x did is no longer there:"
        " `{fixchain} restamp --lost x=b{databases}`",
        TOMBSTONE,
    ]


def test_what_a_lost_revision_made_is_named_where_it_is_there() -> None:
    now = looked_at(LINE, db(("x",), tables="t_a t_b t_x"), lost=[lost("x <- b")])
    assert hints(only("FC301", now)) == [
        BRING_BACK,
        "move the stamp to b, the nearest ancestor that is left, once t_x, which x made, is gone:"
        " `{fixchain} restamp --lost x=b{databases}`",
        "put a no-op revision in its place; t_x then stays without a migration:"
        " `{fixchain} repair --tombstone x{databases}`",
    ]
    gone = looked_at(LINE, db(("x",), tables="t_a t_b"), lost=[lost("x <- b")])
    assert "if what x did is no longer there" in hints(only("FC301", gone))[1]


def test_what_the_chain_makes_too_is_no_sign_of_a_lost_revision() -> None:
    same = Rev("x", ("b",), upgrade=("op.create_table('t_c')",))
    now = looked_at(LINE, db(("x",), tables="t_a t_b t_c"), lost=[lost(same)])
    moving, ancestor = hints(only("FC301", now))
    assert "restamp --lost x=c" in moving
    assert "if what x did is no longer there" in ancestor


def test_a_file_that_was_removed_and_did_nothing() -> None:
    finding = unknown(lost(Rev("x", ("b",), upgrade=(), downgrade=())))
    assert hints(finding)[0] == (
        "move the stamp to b, the nearest ancestor that is left, as x did nothing:"
        " `{fixchain} restamp --lost x=b{databases}`"
    )


def test_several_that_were_removed_in_a_row() -> None:
    finding = unknown(lost("x <- w"), lost("w <- b"))
    assert hints(finding)[:2] == [
        "bring its file and those of w, which it is built on, back from Git:"
        " `{fixchain} repair --bring-back x --bring-back w{databases}`",
        "move the stamp to b, the nearest ancestor that is left, if what x, w did is no longer"
        " there: `{fixchain} restamp --lost x=b{databases}`",
    ]


def test_what_was_built_on_something_unknown() -> None:
    assert hints(unknown(lost("x <- w"))) == [NOBODY_KNOWS]


def test_a_merge_point_that_was_removed_has_no_single_ancestor() -> None:
    finding = unknown(lost("x <- b, c"), now=chain("a", "b <- a", "c <- a", "d <- b, c"))
    assert hints(finding) == [BRING_BACK, TOMBSTONE]


def test_a_migration_with_another_id() -> None:
    finding = unknown(lost("x <- a", renamed="b"))
    assert finding.message == f"the same migration is b now ({PLACE})"
    assert hints(finding) == [
        "move the stamp to its new id: `{fixchain} restamp --lost x=b{databases}`"
    ]


def test_a_migration_with_another_id_that_does_something_else_by_now() -> None:
    finding = unknown(lost("x <- a", renamed="b", edited=True))
    assert finding.message == f"the same migration is b now, edited since ({PLACE})"
    assert hints(finding)[:2] == [
        "move the stamp to its new id, if what was edited does not matter there:"
        " `{fixchain} restamp --lost x=b{databases}`",
        BRING_BACK,
    ]


def test_a_new_id_that_is_gone_as_well_does_not_count() -> None:
    assert hints(unknown(lost("x <- b", renamed="y")))[0] == BRING_BACK


def test_a_file_on_another_branch() -> None:
    finding = unknown(lost("x <- b", branch="feature", kept=True))
    assert finding.message == f"it is on the branch feature, which is not merged here ({PLACE})"
    assert hints(finding)[0] == (
        "merge feature, which has it, then repair: `git merge --no-edit feature`, then"
        " `{fixchain} repair{databases}`"
    )


def test_a_file_that_was_removed_on_another_branch() -> None:
    finding = unknown(lost("x <- b", branch="feature"))
    assert finding.message.startswith("its file was removed")
    assert "merge" not in finding.hint


def test_a_file_that_is_only_not_where_migrations_are_looked_for() -> None:
    path = Path("/p/archive/x_add_x.py")
    message = unknown(lost("x <- b", kept=True, path=path)).message
    assert message == f"its file is in Git, but not in a version location ({PLACE})"


def test_a_file_whose_deletion_is_not_committed() -> None:
    finding = unknown(lost("x <- b", kept=True))
    assert finding.message == f"its file is in Git, but not on disk ({PLACE})"
    assert hints(finding)[0] == BRING_BACK
    assert commands(finding)[1] == ("{fixchain} unwind{databases}",)


def test_a_database_is_taken_back_first() -> None:
    finding = unknown(lost("x <- b", branch="feature", kept=True, checkout="feature"))
    back, merge, *_ = finding.hint.ways
    assert back.commands == ("{fixchain} unwind{databases}",)
    assert back.text.endswith("this drops table t_x, with the data in it")
    assert merge.commands[0] == "git merge --no-edit feature"


@pytest.mark.parametrize("known", ["x <- b, a", "x <- w", "x"])
def test_no_downgrade_where_it_would_not_lead_here(known: str) -> None:
    finding = unknown(lost(known, checkout="1a2b3c4"))
    assert "downgrade" not in "".join(
        command for way in finding.hint.ways for command in way.commands
    )


SQUASH = Rev("s").doing("op.create_table('t_a'); op.create_table('t_x')")


def squashed(tables: str, *known: LostRevision, row: str = "x") -> list[tuple[str, ...]]:
    """The ways for a database whose old chain is gone, where s makes all that it made."""
    snapshot = looked_at(chain(SQUASH), db(row, tables=tables), lost=known)
    return commands(only("FC301", snapshot))


RESTAMP = ("{fixchain} restamp --lost x=s{databases}",)


def test_a_chain_that_was_squashed() -> None:
    old = lost("x <- a"), lost("a")
    assert squashed("t_a t_x", *old)[0] == RESTAMP
    assert not any("repair" in command for way in squashed("t_a t_x", *old) for command in way)


def test_a_chain_that_was_squashed_after_more_had_come() -> None:
    """What stood on x has not run there, whatever it did: its table is none of the squashed."""
    old = lost("x <- a", above=("y",), checkout="1a2b3c4"), lost("a")
    (way,) = squashed("t_a t_x", *old)
    assert way[:3] == ("git checkout 1a2b3c4", "{alembic} upgrade heads", "git checkout -")


def test_the_schema_decides_first_where_another_chain_has_taken_the_place() -> None:
    """The old files would come back beside those that make the same."""
    finding = only("FC301", looked_at(chain(SQUASH), db("x"), lost=[lost("x <- a"), lost("a")]))
    assert commands(finding)[0] == ("{fixchain} check{asked}",)
    merged = chain("a", Rev("s", ("a",)).doing("op.create_table('t_x')"))
    finding = only("FC301", looked_at(merged, db("x"), lost=[lost("x <- a", dropped=True)]))
    assert commands(finding)[0] == ("{fixchain} check{asked}",)


def test_half_of_a_squashed_chain_has_run() -> None:
    (way,) = squashed("t_a", lost("a", above=("x",), checkout="1a2b3c4"), row="a")
    assert way[0] == "git checkout 1a2b3c4"


def test_all_of_a_chain_has_run_and_the_squashed_one_makes_more() -> None:
    """There is no rest of the old chain to run."""
    ways = squashed("t_a", lost("a", checkout="1a2b3c4"), row="a")
    assert [way[-1] for way in ways] == [
        "{alembic} upgrade head",
        "{fixchain} restamp --lost a=s{databases}",
    ]


def test_migrations_that_were_made_anew_without_git() -> None:
    assert squashed("t_a t_x")[0] == RESTAMP
    assert squashed("t_a t_x later")[0] == ()  # newer code may have made that


def test_a_lost_row_waits_for_a_file_that_cannot_be_read() -> None:
    """Every command that would move it is refused; and a rebase that stopped there may bring it."""
    data = b"<<<<<<< HEAD\nrevision = 'c'\n=======\n>>>>>>> other\n"
    now = chain("a", "b <- a", extra={"c_add_c.py": data})
    known = [lost("x <- b", kept=True, branch="feature", checkout="feature")]
    finding = only("FC301", looked_at(now, db("x"), lost=known))
    assert "it is on the branch feature" in finding.message
    assert commands(finding) == [("{fixchain} check{asked}",)]
    assert "c_add_c.py" in finding.hint


def test_a_row_that_nobody_knows() -> None:
    finding = unknown()
    assert finding.message == "Git knows nothing of it"
    assert [each.partition(",")[0] for each in hints(finding)] == [
        "look for newer code that has it",
        "put a no-op revision in its place",
    ]
    assert hints(finding)[1] == NOBODY_KNOWS


@pytest.mark.parametrize("row", ["ABCDEF", "abcdeg", " abcdef", "abcdef1234"])
def test_a_row_that_is_close_to_an_id(row: str) -> None:
    finding = unknown(row=row, now=chain("z", "abcdef <- z"))
    assert finding.message == "Git knows nothing of it; a similar id is abcdef"
    assert hints(finding)[0].startswith(
        "move the stamp, if it is abcdef: `{fixchain} restamp --lost "
    )


@pytest.mark.parametrize("row", ["abc", "a"])
def test_a_row_that_is_a_part_of_one_id(row: str) -> None:
    finding = unknown(row=row, now=chain("z", "abcdef <- z", "bcde <- abcdef"))
    assert finding.message == "Alembic takes it for abcdef, the only id that begins with it"
    assert "Can't locate" not in finding.breaks
    assert commands(finding) == [(f"{{fixchain}} restamp --lost {row}=abcdef{{databases}}",)]


def test_a_part_of_an_id_that_was_typed_is_to_be_typed_in_full() -> None:
    typed = replace(db("abc", "--stamp abc"), by_user=True)
    finding = only("FC301", looked_at(chain("z", "abcdef <- z"), typed))
    assert hints(finding) == ["give the whole id, abcdef, to --stamp"]


def test_below_a_missing_dependency_it_is_not_known_what_has_run() -> None:
    for dependency, known in (("gone", None), ("a", (0, 0))):
        snapshot = looked_at(chain("a", f"b <- a +{dependency}"), db("b"))
        assert distance(snapshot, *snapshot.databases.statuses) == known


def test_a_row_that_several_ids_begin_with() -> None:
    finding = unknown(row="abc", now=chain("abcdef", "abcxyz <- abcdef"))
    assert finding.message == "Git knows nothing of it"
    assert "Can't locate" in finding.breaks


def test_a_row_that_differs_in_blanks_is_moved_in_one_way() -> None:
    finding = unknown(row="abcdef ", now=chain("z", "abcdef <- z"))
    typed = [command for way in commands(finding) for command in way]
    assert len(typed) == len(set(typed)) == 1


@pytest.mark.parametrize(
    ("row", "quoted"),
    [
        ("it's", " 'it'\"'\"'s=b'"),
        ("x; rm -r y", " 'x; rm -r y=b'"),
        ("$(x)", " '$(x)=b'"),
        ("-x", "=-x=b"),
    ],
)
def test_commands_can_be_copied_whatever_the_row_is(row: str, quoted: str) -> None:
    removed = lost("x <- b", revision=row)
    assert f"restamp --lost{quoted}" in unknown(removed, row=row).hint


@pytest.mark.parametrize("row", ["../x", "a/b", 'a"b', "a\nb", "a@b", "-x", "x" * 300, "base"])
def test_no_tombstone_is_offered_that_could_not_be_written(row: str) -> None:
    assert not can_have_file(row)
    assert "tombstone" not in unknown(row=row).hint
    assert "tombstone" not in unknown(lost("x <- b", revision=row), row=row).hint


@pytest.mark.parametrize("row", ["1a2b3c4d5e6f", "add_users", "2024.01_x", "Größe", "a b"])
def test_ids_that_are_written(row: str) -> None:
    assert can_have_file(row)


def test_databases_with_one_lost_row_are_named_together() -> None:
    (one,) = found(looked_at(LINE, db("x", "one"), db("b x", "two"), lost=[lost("x <- b")]))
    assert one.message.startswith("one, two are stamped with 'x', which no migration file has")


def test_a_row_that_only_the_chain_before_the_repair_has_is_lost_as_well() -> None:
    """Its file was deleted after the repair."""
    finding = only("FC301", looked_at(LINE, db("x"), old=graph("a", "x <- a")))
    assert finding.revisions == ("x",)


def test_rows_of_a_restored_backup_are_unknown_again() -> None:
    snapshot = looked_at(LINE, db("x"), moved=[moved("x", "b")])
    assert only("FC301", snapshot).revisions == ("x",)


# --- FC302 ---------------------------------------------------------------------------------------


def test_a_database_that_has_skipped_a_revision() -> None:
    snapshot = looked_at(LINE, db("c", tables="t_a t_c"), old=FORK)
    finding = only("FC302", snapshot)
    assert finding.severity is Severity.ERROR
    assert finding.message == (
        "production is stamped with c, but b, below that in the chain, never ran there"
    )
    assert finding.revisions == ("b",)
    assert [place.path.name for place in finding.locations] == ["b_add_b.py"]
    assert "repair again with that database named" in finding.hint


def test_a_stamp_may_be_the_computed_id_of_a_file() -> None:
    computed = b'number = 2\nrevision = f"{number:03}"\ndown_revision = "a"\n'
    snapshot = chain("a", extra={"002.py": computed, "x.py": computed})
    finding = only("FC301", looked_at(snapshot, db("002")))
    assert finding.message == (
        "production is stamped with '002', which 002.py may have, but that file computes its id"
    )
    assert not commands(finding)[0]


def test_the_parent_of_a_file_that_computes_its_id_is_not_that_id() -> None:
    computed = b'number = 2\nrevision = f"{number:03}"\ndown_revision = "gone"\n'
    now = looked_at(chain("a", extra={"002.py": computed}), db("gone"), lost=[lost("gone <- a")])
    assert "002.py" not in only("FC301", now).message


def test_one_computed_id_explains_one_missing_parent() -> None:
    computed = b'number = 2\nrevision = f"{number:03}"\ndown_revision = "a"\n'
    snapshot = chain("a", "b <- 002", "c <- lost", extra={"002.py": computed})
    named = [each.revisions for each in diagnose(snapshot) if each.code == "FC103"]
    assert [each for names in named for each in names] == ["c"]


def test_one_that_may_have_skipped_it_is_a_warning() -> None:
    finding = only("FC302", looked_at(LINE, db("c"), old=FORK))
    assert finding.severity is Severity.WARNING
    assert "may never have run there" in finding.message
    assert [way.commands for way in finding.hint.ways] == [
        ("{fixchain} restamp --current{databases}",),
        ("{alembic} stamp a", "{alembic} upgrade b", "{alembic} stamp c"),
        ("{fixchain} undo --no-database", "{fixchain} repair{databases}"),
    ]
    current, *others = finding.hint.ways
    assert current.text.endswith("all below its stamp then counts as run")
    assert all(way.text.startswith("if the chain before the repair did, ") for way in others)


def test_one_that_the_chain_as_it_is_has_built() -> None:
    assert found(looked_at(LINE, db("c", tables="t_a t_b t_c"), old=FORK)) == []
    assert found(looked_at(LINE, db("c"), old=FORK, moved=[moved("b c", "c")])) == []


def test_without_an_old_chain_a_table_that_is_not_there_proves_it() -> None:
    finding = only("FC302", looked_at(LINE, db("c", tables="t_a t_c")))
    assert (finding.severity, finding.revisions) == (Severity.ERROR, ("b",))
    assert finding.message.endswith("what should be there by then is missing: t_b (b)")
    assert commands(finding) == [
        ("{alembic} stamp a", "{alembic} upgrade b", "{alembic} stamp c"),
        ("{fixchain} catch-up --server{databases}",),
    ]
    assert found(looked_at(LINE, db("c", tables="t_a t_b t_c"))) == []


def test_a_column_that_a_later_revision_has_added_shows_that_the_earlier_one_was_skipped() -> None:
    adds = Rev("c", ("b",)).doing("op.add_column('t_a', sa.Column('n', sa.Integer()))")
    line = chain("a", "b <- a", adds)
    columns = [("t_a", "id"), ("t_a", "n")]
    finding = only("FC302", looked_at(line, db("c", tables="t_a"), columns=columns))
    assert commands(finding) == [
        ("{alembic} stamp a", "{alembic} upgrade b", "{alembic} stamp c"),
        ("{fixchain} catch-up --server{databases}",),
    ]


def test_what_is_skipped_below_overlapping_rows_is_not_left_to_catch_up() -> None:
    """An upgrade, and so one to the migration of catch-up, stops at such rows."""
    line = chain("a", "d <- a", "b <- d", "c <- b")
    old = graph("a", "b <- a", "c <- a", "d <- a")
    findings = found(looked_at(line, db("b c", tables="t_a t_b t_c"), old=old))
    (finding,) = (each for each in findings if each.code == "FC302")
    by_alembic, undoing = commands(finding)
    assert by_alembic[-3:] == ("{alembic} stamp a", "{alembic} upgrade d", "{alembic} stamp c")
    assert undoing[0].startswith("{fixchain} undo")


def test_the_chain_that_wrote_the_rows_comes_before_work_by_hand() -> None:
    """The id is that of another migration now, as after two branches that both counted to b."""
    stranger = db("b", tables="t_a t_c")
    snapshot = looked_at(LINE, stranger)
    known = replace(snapshot.databases, origins={stranger.identity: "1a2b3c4"})
    first = {commands(each)[0] for each in found(replace(snapshot, databases=known))}
    assert first == {("{fixchain} restamp --old 1a2b3c4{databases}",)}


def test_none_of_the_tables_is_there() -> None:
    finding = only("FC302", looked_at(LINE, db("c", tables="other")))
    assert finding.revisions == ("a", "b", "c")
    assert commands(finding) == [("{alembic} stamp base", "{alembic} upgrade head")]


def test_tables_that_can_be_in_another_schema_are_not_missed() -> None:
    elsewhere = replace(db("c", tables="other"), complete=False)
    assert found(looked_at(LINE, elsewhere)) == []


def commands(finding: Finding) -> list[tuple[str, ...]]:
    return [way.commands for way in finding.hint.ways]


def test_a_rename_that_has_run_is_told_once() -> None:
    """The table is gone because a later revision, not stamped yet, has renamed it."""
    line = chain("a", Rev("b", ("a",)).doing("op.rename_table('t_a', 'u')"))
    finding = only("FC306", looked_at(line, db("a", tables="u")))
    assert finding.revisions == ("b",)
    assert commands(finding) == [("{alembic} stamp b",)]


# --- FC305 and FC306 -----------------------------------------------------------------------------


def test_tables_and_no_stamp() -> None:
    finding = only("FC306", looked_at(LINE, db(tables="t_a t_b")))
    assert (finding.severity, finding.revisions) == (Severity.ERROR, ("a", "b"))
    assert finding.message == (
        "production is not stamped, but what the next upgrade would create is there already:"
        " t_a (a), t_b (b)"
    )
    assert commands(finding) == [("{alembic} stamp b",)]


def test_what_no_table_shows_is_for_the_user_to_look_at() -> None:
    line = chain("a", Rev("b", ("a",)).doing("op.add_column('t_a', sa.Column('n', sa.Integer()))"))
    finding = only("FC306", looked_at(line, db(tables="t_a")))
    assert commands(finding) == [("{alembic} stamp b",), ("{alembic} stamp a",)]
    assert "if it has what b changes, which its schema does not show" in finding.hint


def test_a_column_that_is_early_keeps_no_repair_from_the_database() -> None:
    adds = Rev("b", ("a",)).doing("op.add_column('t_a', sa.Column('n', sa.Integer()))")
    early = looked_at(chain("a", adds, "c <- gone"), db("a", tables="t_a"), columns=[("t_a", "n")])
    finding = only("FC306", early)
    assert commands(finding) == [("{fixchain} repair{databases}",)]


def test_a_repair_on_another_branch_has_moved_the_stamp() -> None:
    """Two heads are one line there, and two heads here again."""
    finding = only(
        "FC306", looked_at(chain("a", "b <- a", "c <- a"), db("c", tables="t_a t_b t_c"))
    )
    assert finding.revisions == ("b",)
    assert commands(finding) == [("{alembic} stamp b",)]


def test_a_revision_that_has_run_in_part() -> None:
    both = "op.create_table('s'); op.create_table('e')"
    line = chain("a", Rev("b", ("a",)).doing(both))
    finding = only("FC305", looked_at(line, db("a", tables="t_a s")))
    assert finding.message == (
        "production is stamped with a, and b has run there in part: s is there already, but e is"
        " not"
    )
    assert commands(finding)[:2] == [
        ("{fixchain} catch-up --finish b --server{databases}",),
        ("{alembic} upgrade --sql a:b",),
    ]
    # The stamp is named once the rest is there: typed before, it would skip that for ever.
    by_hand = only("FC306", looked_at(line, db("a", tables="t_a s e")))
    assert commands(by_hand) == [("{alembic} stamp b",)]


@pytest.mark.parametrize(
    "specs",
    [
        ("a", "b <- a", "c <- gone"),
        ("a <- c", "b <- a", "c <- b"),
        ("a", "b <- a", Rev("c", (), upgrade=(), downgrade=())),
    ],
    ids=["a missing parent", "a cycle", "a merge that has lost its parents"],
)
def test_what_lies_below_a_gap_is_not_said_to_be_there_too_early(
    specs: tuple[str | Rev, ...],
) -> None:
    assert found(looked_at(chain(*specs), db("c", tables="t_a t_b t_c"))) == []


@pytest.mark.parametrize(
    "statement",
    [
        "op.create_table('t', if_not_exists=True)",
        "op.create_table('t', schema='s')",
        "op.drop_table('t'); op.create_table('t')",
        "op.execute(TEXT); op.create_table('t')",
        "name() and op.create_table('t')",
    ],
)
def test_a_table_that_does_not_stop_the_upgrade_is_no_fault(statement: str) -> None:
    line = chain("a", Rev("b", ("a",)).doing(statement))
    assert found(looked_at(line, db("a", tables="t_a t"))) == []


def test_tables_that_are_named_to_be_in_public_are_not_looked_for_elsewhere() -> None:
    """Tenants have schemas of their own, and share these."""
    shared = "op.create_table('shared', schema='public')"
    line = chain("a", Rev("b", ("a",)).doing(shared))
    assert found(looked_at(line, db("b", tables="t_a"))) == []


def test_what_is_known_of_older_chains_is_not_that_of_others() -> None:
    """The same look at a database, judged before and after an older chain is known."""
    now = chain("a", "b <- a", "c <- b")
    then = chain("a", "c <- a")
    (status,) = looked_at(now, db("c", tables="t_a t_c")).databases.statuses
    alone, knowing = looked_at(now, status), looked_at(now, status, old=then.graph)
    knowing = replace(alone, old=knowing.old)
    verdicts = [traced(facts, status) for facts in (alone, knowing)]
    assert [each and each.revisions["b"].verdict.value for each in verdicts] == [
        "unknown",
        "not-run",
    ]


@pytest.mark.parametrize(
    "above",
    ["op.drop_table('t_b')", "op.rename_table('t_b', 't_a')", "op.execute(TEXT)"],
)
def test_a_table_that_was_taken_away_later_is_not_missed(above: str) -> None:
    line = chain("a", "b <- a", Rev("c", ("b",)).doing(above))
    assert found(looked_at(line, db("c", tables="t_a"))) == []
    assert [each.code for each in found(looked_at(line, db("b", tables="t_a")))] == ["FC302"]


def test_what_a_later_revision_makes_where_it_is_missing() -> None:
    """As a migration of catch-up does, which need not be written again."""
    first = Rev("a").doing("op.create_table('t_a'); op.create_table('t_r')")
    guarded = "if not sa.inspect(op.get_bind()).has_table('{}'):\n    op.create_table('{}')"
    for table, best in (("t_r", "{alembic} upgrade head"), ("t_x", "{fixchain} catch-up --server")):
        later = Rev("b", ("a",)).doing(guarded.format(table, table))
        finding = only("FC302", looked_at(chain(first, later), db("a", tables="t_a")))
        assert commands(finding)[0][0].startswith(best)


# --- FC303 ---------------------------------------------------------------------------------------


def test_rows_that_overlap() -> None:
    finding = only("FC303", looked_at(LINE, db("b c"), old=FORK))
    assert (finding.severity, finding.revisions) == (Severity.ERROR, ("b",))
    assert finding.message == (
        "production is stamped with b, c; b is below another of these in the chain, and so"
        " redundant"
    )
    assert commands(finding) == [("{fixchain} restamp{databases}",)]


def test_rows_beside_each_other_do_not_overlap() -> None:
    assert found(looked_at(chain("a", "b <- a", "c <- a", "d <- b, c"), db("b c"))) == []


def test_rows_can_overlap_and_be_unknown_and_stranded_at_once() -> None:
    line = chain("a", "b <- a", "c <- b", "d <- c")
    old = graph("a", "b <- a", "c <- a", "d <- a")
    codes = [each.code for each in found(looked_at(line, db("b d"), old=old))]
    assert codes == ["FC302", "FC303"]
    lost, overlapping = found(looked_at(line, db("b d x")))
    assert (lost.code, overlapping.code) == ("FC301", "FC303")
    assert str(overlapping.hint) == "fix FC301 first"  # restamp would refuse x


# --- FC304 ---------------------------------------------------------------------------------------


def test_a_database_that_does_not_answer() -> None:
    finding = only("FC304", looked_at(LINE, unreachable("far", "it is down", "start it"), db("c")))
    assert (finding.severity, finding.revisions) == (Severity.WARNING, ())
    assert finding.message == "far cannot be read: it is down"
    start, told = finding.hint.ways
    assert start.text == "start it"
    assert told.text.startswith("if it stands at c, say so")
    assert told.commands == ("{fixchain} repair{own} --stamp c",)


def test_a_named_database_that_does_not_exist() -> None:
    named = DatabaseStatus("far", "far", DatabaseState.MISSING)
    finding = only("FC304", looked_at(LINE, named, db("c")))
    assert (finding.severity, finding.message) == (Severity.WARNING, "far does not exist")
    assert "correct its name" in finding.hint
    own = replace(named, own=True)  # a new developer has none yet
    assert found(looked_at(LINE, own, db("c"))) == []


# --- Settings and formats ------------------------------------------------------------------------

ALL = looked_at(
    LINE,
    db("x", "lost"),
    db("c", "stranded", tables="t_a t_c"),
    db("b c", "twice"),
    unreachable("far", "it is down", "start it"),
    lost=[lost("x <- b")],
    old=FORK,
)
CODES = ["FC301", "FC302", "FC303", "FC304"]


@pytest.mark.parametrize("code", CODES)
def test_each_can_be_ignored(code: str) -> None:
    assert [finding.code for finding in found(ALL)] == CODES
    settings = Settings(ignore=frozenset({code}))
    quiet = replace(ALL, environment=replace(ALL.environment, settings=settings))
    assert [finding.code for finding in found(quiet)] == [each for each in CODES if each != code]
    assert [each.code for each in diagnose(quiet, Family.DATABASE, ignored=True)] == [code]


def shown(name: str) -> str:
    tools = Tools(databases=" --database")
    report = checked(ALL, found(ALL), tools=tools)
    return render(name, report, Style(width=200))


def test_github_shows_them_without_a_file_where_there_is_none() -> None:
    lines = shown("github").splitlines()
    assert lines[0].startswith("::error title=FC301 unknown-stamp::lost is stamped with 'x'")
    assert lines[0].endswith("flask db fixchain repair --tombstone x --database")
    assert "b_add_b.py,title=FC302 stranded-revisions,line=" in lines[1]
    assert lines[2].startswith("::error title=FC303 overlapping-stamps::twice is stamped")
    assert lines[3].startswith("::warning title=FC304 database-unreachable::far cannot be read")


def test_json_shows_them() -> None:
    document = json.loads(shown("json"))
    assert [finding["code"] for finding in document["findings"]] == CODES
    assert {finding["repairable"] for finding in document["findings"]} == {False}
    assert [each["state"] for each in document["databases"]] == [
        "stamped",
        "stamped",
        "stamped",
        "unreachable",
    ]


def test_text_shows_them_and_says_what_to_type_next() -> None:
    text = shown("text")
    assert (
        "bring its file back from Git:\n         flask db fixchain repair --bring-back x --database"
        in text
    )
    assert text.startswith("The databases do not fit the migration chain: 1 unknown stamp")
    assert "flask db fixchain check --database\n" in text


def test_a_broken_chain_comes_first_in_the_verdict() -> None:
    broken = looked_at(chain("a", "b <- a", "c <- a"), db("x"))
    findings = diagnose(broken, Family.CHAIN, Family.DATABASE)
    text = render("text", checked(broken, findings), Style())
    assert text.startswith("The migration chain is broken: 2 heads, 1 unknown stamp.")


@pytest.mark.parametrize("name", ["text", "json", "github"])
def test_nowhere_is_alembics_purge_suggested(name: str) -> None:
    assert "purge" not in shown(name)


# --- Lost revisions that are taken for others ----------------------------------------------------


def note(*known: LostRevision, row: str = "x", other: str = "b") -> str:
    now = chain("a", "b <- a", "c <- b", "d <- a")
    (told,) = notes_on_taken(looked_at(now, db(row), lost=known), {"x": other})
    return told


def x_doing(*statements: str) -> LostRevision:
    return lost(Rev("x", ("b",), upgrade=statements, downgrade=()))


STAYS = "; whatever of that is in the database stays there, and no migration accounts for it"


@pytest.mark.parametrize(
    ("statements", "told"),
    [
        (("op.create_table('t', sa.Column('id', sa.Integer()))",), "creates table t"),
        (("op.add_column('t_a', sa.Column('n', sa.Integer()))",), "creates column t_a.n"),
        (
            ("op.drop_column('t_a', 'n')", "op.create_index('i', 't_a', ['id'])"),
            "drops column t_a.n, creates index t_a.i",
        ),
        (("op.rename_table('t_a', 'u')",), "drops table t_a, creates table u"),
        (("op.execute('UPDATE t_a SET id = 1')",), "uses table t_a"),
        (("op.execute(TEXT)",), "does not show what it does"),
        (
            ("op.drop_table('t_a')", "op.execute(TEXT)"),
            "drops table t_a, does more than its source shows",
        ),
        (
            ("op.execute('CREATE EXTENSION e')",),
            "does nothing to tables, and perhaps something else",
        ),
        (
            tuple(f"op.drop_table('t{number}')" for number in range(6)),
            "drops table t0, drops table t1, drops table t2, drops table t3 and 2 more",
        ),
    ],
)
def test_what_lies_between_is_told(statements: tuple[str, ...], told: str) -> None:
    assert note(x_doing(*statements)) == f"x counts as b: x {told}{STAYS}"


def test_what_is_proven_to_do_nothing() -> None:
    told = "x counts as b: x is proven to do nothing, so nothing is lost"
    assert note(x_doing()) == told


def test_several_between() -> None:
    known = lost("x <- w"), lost(Rev("w", ("b",), upgrade=(), downgrade=()))
    assert note(*known).startswith("x counts as b: x creates table t_x, w does nothing;")


def test_what_will_run_again_or_never() -> None:
    known = x_doing()
    assert note(known, other="a").endswith("; b ran there as far as Git knows, and will run again")
    assert note(known, other="c").endswith("; nothing shows that c ran there, and it never will")
    both = note(known, other="d")
    assert "b ran there as far as Git knows, and will run again" in both
    assert "nothing shows that d ran there" in both


def test_a_new_id() -> None:
    told = "x counts as b: Git shows that it is the same migration under a new id"
    assert note(lost("x <- a", renamed="b")) == told


def test_a_new_id_of_something_else_by_now() -> None:
    told = note(lost("x <- a", renamed="b", edited=True))
    assert "has been edited since commit 1a2b3c4" in told
    assert "will never run on these databases" in told


def test_what_git_does_not_know() -> None:
    assert "what x did, and whether b ran, cannot be checked" in note()
    assert "what w did, and whether b ran, cannot be checked" in note(lost("x <- w"))


def test_what_no_database_has() -> None:
    assert note(row="b") == "no database has run x, so --lost x=b changes nothing"
