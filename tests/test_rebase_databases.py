"""The command ``rebase`` where databases have run some of what is mine: the ways out work."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import flask.cli
import pytest

from tests.commands import Done, fixchain, invoke
from tests.disk import migrations
from tests.nightly import first_of_each
from tests.rehearsals import add, empty_project, with_app
from tests.repositories import Repository, needs_git
from tests.stamped import rows_of, sql

pytestmark = [
    needs_git,
    pytest.mark.usefixtures("own_git"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # what the sample's env.py uses
]

THEIRS = ("a <- ", "b <- a", "c <- b")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An app whose branch ``main`` has a, b, c; m and n, on b, are not committed yet."""
    project = empty_project(tmp_path, monkeypatch)
    repository = Repository(project)
    with_app(project, *THEIRS, uri=f"sqlite:///{tmp_path / 'own.db'}")
    repository.commit(1)
    add(project, "m <- b")
    add(project, "n <- m")
    return project


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'own.db'}"


def panel(*args: str, group: tuple[str, ...] = ("fixchain",)) -> Done:
    """Run ``flask --app panel db fixchain ARGS`` in this process."""
    sys.modules.pop("panel", None)
    return invoke(flask.cli.cli, "--app", "panel", "db", *group, *args)


def db(project: Path, *args: str) -> None:
    """Run ``flask --app panel db ARGS``."""
    done = panel(*args, group=())
    assert done.exit_code == 0, done.stderr


def refused(project: Path) -> list[list[str]]:
    """The commands that a refusal names."""
    before = migrations(project / "migrations")
    done = panel("rebase", "--yes")
    assert done.exit_code == 3, done.stdout
    assert migrations(project / "migrations") == before
    message = done.stderr.splitlines()[0]
    assert "the app's database has run m, n of yours, and not c, which would come below" in message
    return commands_in(done)


def commands_in(done: Done) -> list[list[str]]:
    """The commands that stand alone on a line."""
    lines = done.stderr.splitlines()
    return [shlex.split(line) for line in lines if line.strip().startswith("flask ")]


def no_database_answers(project: Path) -> None:
    app = project / "panel.py"
    uri = next(line for line in app.read_text().splitlines() if "DATABASE_URI" in line)
    nowhere = uri.partition("=")[0] + "= 'postgresql+psycopg2://u@127.0.0.1:1/x'"
    app.write_text(app.read_text().replace(uri, nowhere))


def tables(url: str) -> set[str]:
    names = sql(url, "SELECT name FROM sqlite_master WHERE type = 'table'")
    return {str(name) for (name,) in names} - {"alembic_version"}


def test_taken_down_with_the_old_chain_and_up_with_the_new_one(project: Path, url: str) -> None:
    db(project, "upgrade", "n")
    _, down, again, up, _ = refused(project)
    assert down[-2:] == ["downgrade", "b"]
    db(project, *down[-2:])
    assert rows_of(url) == ["b"]
    done = panel(*again[again.index("fixchain") + 1 :], "--yes")
    assert done.exit_code == 0, done.stderr
    db(project, *up[-2:])
    assert (rows_of(url), tables(url)) == (["n"], {*"abcmn"})


def test_only_mine_is_taken_down(project: Path, url: str) -> None:
    add(project, "d <- c")
    Repository(project).git("add", "migrations/versions/d_add.py")
    Repository(project).git("commit", "-q", "-m", "x", day=2)
    db(project, "upgrade", "n")
    db(project, "upgrade", "c")
    done = panel("rebase", "--yes")
    assert "has run m, n of yours, and not d" in done.stderr
    _, down, *_ = commands_in(done)
    assert down[-2:] == ["downgrade", "m@b"]
    db(project, *down[-2:])
    assert (rows_of(url), tables(url)) == (["c"], {*"abc"})
    assert panel("rebase", "--yes").exit_code == 0


def test_the_order_kept_with_a_merge_revision(project: Path, url: str) -> None:
    db(project, "upgrade", "n")
    plan = panel("check", "--format", "json").document["plan"]
    assert plan["strategy"] == "merge"  # and Flask-Migrate has no template of Alembic's
    *_, merge = refused(project)
    assert merge[:4] == ["flask", "--app", "panel", "db"]
    assert panel(*merge[merge.index("fixchain") + 1 :], "--yes").exit_code == 0
    db(project, "upgrade")
    assert tables(url) == {*"abcmn"}
    assert len(rows_of(url)) == 1
    assert panel("rebase", "--yes").exit_code == 0  # it has run all by now


def test_a_database_that_has_run_both_keeps_what_it_has(project: Path, url: str) -> None:
    db(project, "upgrade", "heads")
    assert rows_of(url) == ["c", "n"]
    done = panel("rebase", "--yes")
    assert done.exit_code == 0, done.stderr
    assert "c, n → n  moved" in done.stdout
    assert rows_of(url) == ["n"]
    db(project, "upgrade")
    assert panel("undo", "--yes").exit_code == 0
    assert rows_of(url) == ["c", "n"]


COLUMNS = {name: f"op.add_column('a', sa.Column({name!r}, sa.Integer()))" for name in "cmn"}


@pytest.fixture
def of_columns(project: Path, url: str) -> Path:
    """The project where c, m and n only add columns, of which no table tells."""
    for spec in ("c <- b", "m <- b", "n <- m"):
        revision = spec[0]
        add(project, spec, COLUMNS[revision], f"op.drop_column('a', {revision!r})")
    repository = Repository(project)
    repository.git("add", "migrations/versions/c_add.py")
    repository.git("commit", "-q", "-m", "x", day=2)
    return project


def found(*args: str) -> dict[str, str]:
    """The codes of the databases' findings, with their severities."""
    findings = panel("check", *args, "--format", "json").document["findings"]
    return {each["code"]: each["severity"] for each in findings}


@pytest.mark.parametrize(
    ("command", "at"),
    first_of_each(
        [("rebase", ""), ("rebase", "b"), ("rebase", "c"), ("repair", "b")], lambda case: case[0]
    ),
)
def test_a_database_that_is_upgraded_after_it_has_run_all(
    of_columns: Path, url: str, command: str, at: str
) -> None:
    if at:
        db(of_columns, "upgrade", at)
    else:
        Path(url.removeprefix("sqlite:///")).touch()
    assert panel(command, "--yes").exit_code == 0
    db(of_columns, "upgrade")
    assert rows_of(url) == ["n"]
    assert panel("check", "--strict").exit_code == 0
    db(of_columns, "downgrade")
    assert found() == {}
    undone = panel("undo", "--yes")  # m has run on top of c, and what is beside it stays
    assert (undone.exit_code, rows_of(url)) == (0, ["c", "m"]), undone.stderr


def test_a_database_whose_rows_have_moved_may_be_upgraded_as_well(
    of_columns: Path, url: str
) -> None:
    db(of_columns, "upgrade", "m")
    db(of_columns, "upgrade", "c")
    assert panel("rebase", "--yes").exit_code == 0
    assert rows_of(url) == ["m"]
    db(of_columns, "upgrade")
    assert panel("check", "--strict").exit_code == 0
    assert panel("undo", "--yes").exit_code == 0
    assert rows_of(url) == ["c", "n"]


def test_a_database_that_the_repair_did_not_look_at_stays_in_doubt(
    of_columns: Path, url: str
) -> None:
    db(of_columns, "upgrade", "n")  # and never c
    assert panel("rebase", "--yes", "--no-database").exit_code == 0
    assert found() == {"FC302": "warning"}


def test_a_journal_from_before_these_notes_tells_no_more_than_it_did(
    of_columns: Path, url: str
) -> None:
    db(of_columns, "upgrade", "b")
    assert panel("rebase", "--yes").exit_code == 0
    (notes,) = (of_columns / "migrations/.fixchain").glob("*.rows")
    notes.unlink()
    db(of_columns, "upgrade")
    assert found() == {"FC302": "warning"}


def test_a_database_without_mine_is_no_matter(project: Path, url: str) -> None:
    db(project, "upgrade", "b")
    assert panel("rebase", "--yes").exit_code == 0
    db(project, "upgrade")
    assert rows_of(url) == ["n"]


def test_a_base_of_mine_that_has_run(project: Path, url: str) -> None:
    add(project, "m <- ")
    db(project, "upgrade", "b")
    db(project, "upgrade", "n")
    _, down, *_ = refused(project)
    assert down[-2:] == ["downgrade", "m@base"]
    db(project, *down[-2:])
    assert (rows_of(url), tables(url)) == (["b"], {*"ab"})


def test_nothing_to_do_asks_no_database(project: Path) -> None:
    no_database_answers(project)
    for name in "mn":
        (project / f"migrations/versions/{name}_add.py").unlink()
    assert panel("rebase", "--yes").exit_code == 0


def test_a_database_that_cannot_be_asked(project: Path) -> None:
    no_database_answers(project)
    done = panel("rebase", "--yes")
    assert done.exit_code == 3
    assert "the app's database cannot be read" in done.stderr
    assert panel("rebase", "--yes", "--no-database").exit_code == 0


def test_a_row_that_no_file_has(project: Path, url: str) -> None:
    db(project, "upgrade", "b")
    sql(url, "UPDATE alembic_version SET version_num = 'gone'")
    done = panel("rebase", "--yes")
    assert done.exit_code == 3
    assert "no plan is safe while it is not known what a database has run" in done.stderr


def test_without_an_app_those_that_are_named(project: Path, url: str) -> None:
    assert "no database was looked at" in fixchain("rebase", "--dry-run").stdout
    done = fixchain("rebase", "--yes", "--stamp", "n")
    assert done.exit_code == 3
    assert "--stamp n has run m, n of yours, and not c" in done.stderr
    assert "fixchain repair --stamp n --strategy merge" in done.stderr


def test_what_depends_on_others_is_not_taken_down(project: Path, url: str) -> None:
    """Alembic's downgrade would leave rows that overlap."""
    file = project / "migrations/versions/m_add.py"
    file.write_text(file.read_text().replace("depends_on = None", "depends_on = 'b'"))
    db(project, "upgrade", "n")
    *_, command, strategy, kind = refused(project)[0]
    assert (command, strategy, kind) == ("repair", "--strategy", "merge")
    done = panel(command, strategy, kind, "--yes")
    assert done.exit_code == 0, done.stderr
    db(project, "upgrade")
    assert {*"abcmn"} <= tables(url)


def test_a_plan_says_where_only_a_database_of_mine_decides(of_columns: Path, url: str) -> None:
    """Git would have it the other way round on main, where both sides have landed."""
    repository = Repository(of_columns)
    for name, day in (("x", 4), ("y", 5)):
        repository.git("checkout", "-q", "-b", name, "main~1")
        add(of_columns, f"{name} <- b")
        repository.git("add", f"migrations/versions/{name}_add.py")
        repository.git("commit", "-q", "-m", name, day=day)
        repository.switch("main")
        repository.merge(name, day=day)
    for revision in ("m", "n", "c"):
        (of_columns / f"migrations/versions/{revision}_add.py").unlink(missing_ok=True)
    db(of_columns, "upgrade", "y")
    said = " ".join(panel("repair", "--dry-run").stdout.split())
    alone = "has run y, and not x; it alone decides this, and --no-database leaves it out"
    assert alone in said
    without = " ".join(panel("repair", "--dry-run", "--no-database").stdout.split())
    assert "y b → x" in without
    repository.git("tag", "v1.0", "y")
    assert "alone" not in " ".join(panel("repair", "--dry-run").stdout.split())
