"""``rehearse --stairway``: each revision up, down and up again, with the schema compared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine

from flask_chainfix.databases.reflecting import read_whole
from flask_chainfix.schema.reflected import Reflected, differences
from tests import traces
from tests.commands import Done, fixchain
from tests.databases import SERVERS
from tests.nightly import by_day_on, examples
from tests.rehearsals import add, create, drop, line_of, plain
from tests.stamped import Again

COLUMN = "op.add_column('a', sa.Column('n', sa.Integer()))"
NO_MODELS = "target_metadata = None"


@pytest.fixture
def project(top: Path) -> Path:
    """The working directory, with an environment that has no revision yet."""
    return plain(top, models=NO_MODELS)


def stairway(*options: str) -> Done:
    return fixchain("rehearse", "--stairway", "--format", "json", *options)


def ran(done: Done) -> str:
    signs = {"up": "+", "down": "-"}
    return " ".join(
        f"{signs[step['direction']]}{step['revision']}{'!' if step['error'] else ''}"
        for step in done.document["rehearsal"]
    )


def gaps(done: Done) -> dict[str, str]:
    """What is said of each incomplete downgrade, by revision."""
    return {
        finding["revisions"][0]: finding["message"]
        for finding in done.document["findings"]
        if finding["code"] == "FC206"
    }


# --- What runs -----------------------------------------------------------------------------------


def test_each_revision_goes_up_down_and_up_before_the_next_one(project: Path) -> None:
    for spec in ("a", "b <- a"):
        add(project, spec)
    done = stairway()
    assert (done.exit_code, ran(done), gaps(done)) == (0, "+a -a +a +b -b +b", {})
    steps = done.document["rehearsal"]
    assert [step["round"] for step in steps] == [1, 1, 2] * 2
    assert all(step["seconds"] > 0 for step in steps)
    shown = " ".join(fixchain("rehearse", "--stairway").stdout.split())
    assert "2 revisions each up, down and up again" in shown


def test_branches_merge_points_and_dependencies(project: Path) -> None:
    for spec in ("a", "b <- a", "c <- a", "m <- b, c", "z <- m"):
        add(project, spec)
    add(project, "d <- a", before="").write_text(
        add(project, "d <- a").read_text().replace("depends_on = None", "depends_on = 'z'")
    )
    (project / "migrations/alembic.ini").write_text("[alembic]\n[fixchain]\nignore = FC102\n")
    done = stairway()
    assert (done.exit_code, gaps(done)) == (0, {}), done
    assert sorted(ran(done).split()) == sorted(
        sign + each for each in "abcmzd" for sign in ("+", "+", "-")
    )


def test_modules_are_new_each_time(project: Path) -> None:
    once = "calls.append(1)\nassert calls == [1]"
    add(project, "a", f"{once}\n{create('a')}", f"{once}\n{drop('a')}", before="calls = []")
    assert stairway().exit_code == 0


# --- What is found -------------------------------------------------------------------------------


def test_a_downgrade_that_does_nothing_is_found_and_all_others_still_run(project: Path) -> None:
    add(project, "a")
    path = add(project, "b <- a", COLUMN, "pass")
    add(project, "c <- b")
    done = stairway()
    assert (done.exit_code, ran(done)) == (1, "+a -a +a +b -b +c -c +c")
    assert gaps(done) == {"b": "the downgrade of b leaves column a.n"}
    (finding,) = done.document["findings"][-1:]
    assert (finding["name"], finding["severity"]) == ("downgrade-incomplete", "warning")
    line = line_of(path, "def downgrade")
    assert finding["locations"] == [{"path": "migrations/versions/b_add.py", "line": line}]
    assert not gaps(fixchain("check", "--schema", "--format", "json"))


def test_who_means_it_ignores_it(project: Path) -> None:
    add(project, "a", down="pass")
    (project / "migrations/alembic.ini").write_text("[alembic]\n[fixchain]\nignore = FC206\n")
    done = stairway()
    assert (done.exit_code, gaps(done)) == (0, {})


def test_what_the_settings_leave_out_does_not_count(project: Path) -> None:
    add(project, "a", down="pass")
    (project / "migrations/alembic.ini").write_text("[alembic]\n[fixchain]\nignore_objects = a\n")
    done = stairway()
    assert gaps(done) == {}


@pytest.mark.parametrize(
    ("up", "down", "said"),
    [
        (drop("a"), "pass", "does not bring back table a"),
        (
            "with op.batch_alter_table('a') as batch:\n"
            "    batch.add_column(sa.Column('n', sa.Integer(), nullable=False))",
            "with op.batch_alter_table('a') as batch:\n"
            "    batch.alter_column('n', existing_type=sa.Integer(), nullable=True)",
            None,
        ),
        (
            "op.execute('CREATE VIEW v AS SELECT id FROM a')",
            "pass",
            "leaves view v",
        ),
    ],
)
def test_what_differs_is_named(project: Path, up: str, down: str, said: str | None) -> None:
    add(project, "a")
    add(project, "b <- a", up, down)
    said = said or "leaves column a.n"
    assert gaps(stairway()) == {"b": f"the downgrade of b {said}"}


def test_one_that_undoes_a_part_is_named_although_the_second_way_up_fails(project: Path) -> None:
    add(project, "a")
    more = COLUMN.replace("'n'", "'m'")
    add(project, "b <- a", f"{COLUMN}\n{more}", "op.drop_column('a', 'm')")
    done = stairway()
    assert (done.exit_code, ran(done)) == (3, "+a -a +a +b -b +b!")
    assert gaps(done) == {"b": "the downgrade of b leaves column a.n"}
    assert done.document["rehearsal_failure"]["kind"] == "downgrade"


def test_one_that_refuses_is_no_fault_and_what_follows_can_be_rehearsed(project: Path) -> None:
    add(project, "a")
    add(project, "b <- a", COLUMN, "raise NotImplementedError('no way back')")
    add(project, "c <- b", down="pass")
    done = stairway()
    assert (done.exit_code, ran(done), gaps(done)) == (3, "+a -a +a +b -b!", {})
    failure = done.document["rehearsal_failure"]
    assert failure["cause"] == ("downgrade() itself raises this: going back is refused on purpose")
    (command,) = failure["remedies"][0]["commands"]
    again = fixchain(*command.split()[1:], "--format", "json")
    assert (again.exit_code, ran(again)) == (1, "+a +b +c -c")
    assert gaps(again) == {"c": "the downgrade of c leaves table c"}


def test_copies_of_batch_mode_change_nothing(project: Path) -> None:
    """Keys, checks and unique constraints that nobody has named; a key that may be null."""
    add(project, "p")
    table = (
        "op.execute('CREATE TABLE a (id INTEGER PRIMARY KEY, p INT REFERENCES p (id),"
        " u VARCHAR(9) UNIQUE DEFAULT (CURRENT_TIMESTAMP), CHECK (p > 2), UNIQUE (u, p))')"
    )
    add(project, "a <- p", table)
    batch = "with op.batch_alter_table('a') as batch:\n    batch."
    add(project, "b <- a", f"{batch}add_column(sa.Column('n', sa.Integer()))",
        f"{batch}drop_column('n')")  # fmt: skip
    done = stairway()
    assert (done.exit_code, gaps(done)) == (0, {}), done


ENUM = "op.create_table('a', sa.Column('id', sa.Integer(), primary_key=True), {})".format(
    "sa.Column('mood', sa.Enum('sad', 'ok', name='mood'))"
)
DROP_ENUM = f"{drop('a')}\nsa.Enum(name='mood').drop(op.get_bind(), checkfirst=True)"
INDEX = "op.create_index('i', 'a', ['id'])"


def test_the_type_that_a_downgrade_leaves_on_postgresql(
    project: Path, again: Again, tmp_path: Path
) -> None:
    url = again.url("postgresql", tmp_path)
    add(project, "a", ENUM, drop("a"))
    done = stairway("--database", url)
    assert gaps(done) == {"a": "the downgrade of a leaves type mood"}
    add(project, "a", ENUM, DROP_ENUM)
    done = stairway("--database", url)
    assert (done.exit_code, gaps(done)) == (0, {}), done


@pytest.mark.parametrize("server_url", by_day_on("mariadb", of=SERVERS), indirect=True)
def test_on_each_server(project: Path, server_url: str) -> None:
    add(project, "a")
    add(project, "b <- a", INDEX, "pass")
    add(project, "c <- b", "op.execute('UPDATE a SET id = id')", "pass")
    add(project, "d <- c", "op.alter_column('a', 'id', existing_type=sa.Integer(),"
        " type_=sa.BigInteger())", "pass")  # fmt: skip
    done = stairway("--database", server_url)
    assert done.exit_code == 1, done
    found = gaps(done)
    assert found.pop("b") == "the downgrade of b leaves index a.i"
    assert "leaves column a.id with type BIGINT" in found.pop("d")
    assert not found


# --- Random chains -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patched:
        place = tmp_path_factory.mktemp("chains")
        patched.chdir(place)
        yield place


@given(seed=st.integers(0, 10**9))
@settings(max_examples=examples(3), deadline=None)
def test_of_downgrades_that_do_nothing_those_are_found_that_had_something_to_undo(
    place: Path, seed: int
) -> None:
    written = traces.random_chain(Random(seed), 8)
    project = plain(place / f"{len(list(place.iterdir()))}", models=NO_MODELS)
    for each in written:
        up = "\n".join(each.operations).replace("\n        ", "\n    ") or "pass"
        add(project, f"{each.revision} <- {', '.join(each.parents)}", up, "pass")
    done = fixchain("-d", project / "migrations", "rehearse", "--stairway", "--format", "json")
    assert done.document["error"] is None, done
    assert set(gaps(done)) == changing(written, [step["revision"] for step in steps_up(done)])


def steps_up(done: Done) -> list[dict[str, Any]]:
    return [step for step in done.document["rehearsal"] if step["direction"] == "up"]


def changing(written: list[traces.Written], order: list[str]) -> set[str]:
    """The revisions that change the schema."""
    operations = {each.revision: each.operations for each in written}
    engine = create_engine("sqlite://")
    found, before = set(), schema_of(engine)
    for revision in dict.fromkeys(order):
        traces.run(engine, operations[revision])
        after = schema_of(engine)
        if differences(before, after):
            found.add(revision)
        before = after
    engine.dispose()
    return found


def schema_of(engine: Any) -> Reflected:
    with engine.connect() as connection:
        return read_whole(connection).schema
