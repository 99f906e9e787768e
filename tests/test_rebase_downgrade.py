"""rebase --downgrade: down with the old chain, the files, up with the new one; all or nothing."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import flask_migrate  # type: ignore[import-untyped]
import pytest
from sqlalchemy import create_engine, inspect
from sqlalchemy.pool import NullPool

from flask_chainfix.disk import writing
from tests.commands import Done, fixchain
from tests.disk import migrations
from tests.nightly import first_of
from tests.rehearsals import add, create, drop, empty_project, plain, upgrade, with_app
from tests.repositories import Repository, needs_git
from tests.stamped import rows_of, sql
from tests.test_rebase_databases import db, panel

pytestmark = [
    needs_git,
    pytest.mark.usefixtures("own_git"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # what the sample's env.py uses
]

THEIRS = ("a <- ", "b <- a", "c <- b")
_UNTIL_C = "if sa.inspect(op.get_bind()).has_table('c'):\n    raise RuntimeError('not above c')"


@pytest.fixture
def url(database_url: str) -> str:
    return database_url


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A plain environment whose branch ``main`` has a, b, c; m and n, on b, are mine."""
    project = plain(empty_project(tmp_path, monkeypatch), *THEIRS)
    Repository(project).commit(1)
    add(project, "m <- b")
    add(project, "n <- m")
    return project


def rebase(url: str, *args: str) -> Done:
    return fixchain("rebase", "--downgrade", "--database", url, "--yes", *args)


def tables(url: str) -> set[str]:
    engine = create_engine(url, poolclass=NullPool)
    return {*inspect(engine).get_table_names()} - {"alembic_version"}


def backups(project: Path) -> list[Path]:
    return [path for path in project.glob("backups/*") if path.suffix not in (".sha256", "")]


def put_back(project: Path, before: object, done: Done) -> None:
    """Every file is as it was, and nothing is left of the attempt."""
    assert done.exit_code == 3, done.stdout
    assert "every file is as it was" in done.stderr
    assert migrations(project / "migrations") == before
    assert not list(project.glob("migrations/.fixchain/*.unfinished"))


def test_down_and_up_again(project: Path, url: str) -> None:
    upgrade(project, url, "n")
    sql(url, "INSERT INTO b VALUES (1)", "INSERT INTO m VALUES (1)")
    before = migrations(project / "migrations")
    done = rebase(url, "--format", "json")
    assert done.exit_code == 0, done.stderr
    assert (rows_of(url), tables(url)) == (["n"], {*"abcmn"})
    assert sql(url, "SELECT id FROM b") == [(1,)]
    assert sql(url, "SELECT id FROM m") == []
    (way,) = done.document["downgrades"]
    assert (way["down"], way["up"]) == (["n", "m"], ["c", "m", "n"])
    assert way["drops"] == ["table m", "table n"]
    (copy,) = done.document["backups"]
    assert Path(copy["path"]).exists()
    upgrade(project, url, "heads")
    undone = fixchain("undo", "--yes", "--database", url)
    assert "as they were before the rebase" in undone.stdout
    assert migrations(project / "migrations") == before
    assert rows_of(url) == ["c", "n"]  # which is what has run there
    assert rebase(url).exit_code == 0
    assert rows_of(url) == ["n"]


def test_a_downgrade_that_fails_half_way(project: Path, url: str) -> None:
    fails = f"{drop('m')}\nraise RuntimeError('not today')"
    file = add(project, "m <- b", down=fails)
    upgrade(project, url, "n")
    before = migrations(project / "migrations")
    done = rebase(url)
    put_back(project, before, done)
    assert rows_of(url) == ["n"]
    assert (
        f"the downgrade stops at m: RuntimeError: not today (migrations/versions/{file.name}:"
        in done.stderr
    )
    if url.startswith("postgresql"):  # which takes all of it back by itself
        assert tables(url) == {*"abmn"}
        assert ": as it was" in done.stderr
    else:
        assert tables(url) == {*"abn"}
        assert "not as it was: table m differs" in done.stderr
    assert "restore the backup:" in done.stderr


def test_a_downgrade_that_fails_before_anything_is_lost(project: Path, url: str) -> None:
    add(project, "n <- m", down=f"raise RuntimeError('not today')\n{drop('n')}")
    upgrade(project, url, "n")
    before = migrations(project / "migrations")
    done = rebase(url)
    put_back(project, before, done)
    assert (rows_of(url), tables(url)) == (["n"], {*"abmn"})
    assert "the downgrade stops at n: RuntimeError: not today" in done.stderr
    assert ": as it was\n" in done.stderr


def test_an_upgrade_that_fails(project: Path, url: str) -> None:
    add(project, "n <- m", f"{create('n')}\n{_UNTIL_C}")
    upgrade(project, url, "n")
    before = migrations(project / "migrations")
    done = rebase(url)
    put_back(project, before, done)
    assert "the upgrade stops at n: RuntimeError: not above c" in done.stderr
    assert rows_of(url) == ["n"] if url.startswith("postgresql") else ["m"]
    if url.startswith("postgresql"):
        assert (tables(url), rows_of(url)) == ({*"abmn"}, ["n"])
        assert "as it was, but for the data in table m, table n" in done.stderr
    else:  # half of n is left, and nobody can tell which half
        assert "not as it was: it is at m, and on the way back" in done.stderr
        (line,) = (line for line in done.stderr.splitlines() if "backups/" in line)
        assert shlex.split(line)


# --- On one kind, as it makes no difference there ------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'own.db'}"


def test_only_what_has_run_goes_down_and_comes_back(project: Path, file: str) -> None:
    upgrade(project, file, "m")
    assert rebase(file, "--no-backup").exit_code == 0
    assert (rows_of(file), tables(file), backups(project)) == (["m"], {*"abcm"}, [])


@pytest.mark.nightly
def test_an_upgrade_that_fails_before_it_does_anything(project: Path, file: str) -> None:
    add(project, "n <- m", f"{_UNTIL_C}\n{create('n')}")
    upgrade(project, file, "n")
    before = migrations(project / "migrations")
    done = rebase(file)
    put_back(project, before, done)
    assert (rows_of(file), tables(file)) == (["n"], {*"abmn"})
    assert "as it was, but for the data in table m, table n" in done.stderr


def test_theirs_that_cannot_be_taken_down(project: Path, file: str) -> None:
    add(project, "c <- b", down="raise NotImplementedError('never')")
    Repository(project).git("commit", "-q", "-m", "x", "migrations/versions/c_add.py", day=2)
    add(project, "m <- b", f"{_UNTIL_C}\n{create('m')}")
    upgrade(project, file, "m")
    before = migrations(project / "migrations")
    done = rebase(file)
    put_back(project, before, done)
    assert (rows_of(file), tables(file)) == (["c"], {*"abc"})
    assert "not as it was: it is at c, and on the way back the upgrade stops" in done.stderr


@pytest.mark.parametrize(
    "error", first_of([OSError(28, "No space left on device"), KeyboardInterrupt()])
)
def test_files_that_cannot_be_written(
    project: Path, file: str, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    upgrade(project, file, "n")
    before = migrations(project / "migrations")

    def fails(*_: object) -> None:
        assert rows_of(file) == ["b"]
        raise error

    monkeypatch.setattr(writing, "_write_all", fails)
    done = rebase(file)
    put_back(project, before, done)
    assert (rows_of(file), tables(file)) == (["n"], {*"abmn"})
    assert "as it was, but for the data in table m, table n" in done.stderr


def test_nothing_is_downgraded_without_asking(project: Path, file: str) -> None:
    upgrade(project, file, "n")
    before = migrations(project / "migrations")
    arguments = ("rebase", "--downgrade", "--database", file)
    looked = fixchain(*arguments, "--dry-run")
    assert looked.exit_code == 1
    assert "drops table m, table n, with the data in it" in looked.stdout
    assert fixchain(*arguments).exit_code == 3
    assert (rows_of(file), migrations(project / "migrations")) == (["n"], before)
    assert not (project / "backups").exists()


def test_a_copy_that_cannot_be_made(project: Path, file: str) -> None:
    upgrade(project, file, "n")
    (project / "backups").write_text("")
    done = rebase(file)
    assert (done.exit_code, rows_of(file)) == (3, ["n"])
    assert "rebase --downgrade --no-backup --database" in done.stderr


def test_who_cannot_be_downgraded(project: Path, file: str) -> None:
    done = fixchain("rebase", "--downgrade", "--yes", "--stamp", "n")
    assert done.exit_code == 3
    assert "cannot be downgraded here: it cannot be reached from here" in done.stderr
    assert "alembic downgrade b" in done.stderr
    before = migrations(project / "migrations")
    done = fixchain("rebase", "--downgrade", "--yes", "--no-database")
    assert (done.exit_code, migrations(project / "migrations")) == (3, before)
    assert "--no-database leaves out the app's own" in done.stderr
    assert "fixchain rebase --downgrade --database URL" in done.stderr
    upgrade(project, file, "b")
    assert rebase(file).exit_code == 0  # nobody needs it


_BOTH = """
def upgrade(engine_name=""):
    assert "FIXCHAIN_REHEARSAL" not in os.environ
    op.create_table("{0}", sa.Column("id", sa.Integer(), primary_key=True))


def downgrade(engine_name=""):
    op.drop_table("{0}")
"""


def test_the_apps_own_databases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One run of ``env.py`` takes every bind, and finds each by itself."""
    project = empty_project(tmp_path, monkeypatch)
    urls = {name: f"sqlite:///{tmp_path / name}.db" for name in ("", "users")}
    with_app(project, *THEIRS, uri=urls[""], binds={"users": urls["users"]})
    template = Path(flask_migrate.__file__).parent / "templates/flask-multidb/env.py"
    shutil.copy(template, project / "migrations/env.py")
    for spec in (*THEIRS, "m <- b", "n <- m"):
        path = add(project, spec, before="import os")
        text = path.read_text()
        path.write_text(text[: text.index("def upgrade")] + _BOTH.format(spec[0]))
        if spec == THEIRS[-1]:
            Repository(project).commit(1)
    db(project, "upgrade", "n")
    refused = panel("rebase", "--yes")
    assert refused.exit_code == 3
    by_url = ("--no-database", "--database", urls["users"])
    unclear = panel("rebase", "--downgrade", "--dry-run", *by_url)
    assert (unclear.exit_code, "which of them" in unclear.stderr) == (3, True)
    (typed, *_) = (line for line in refused.stderr.splitlines() if " --downgrade " in line)
    words = shlex.split(typed)
    done = panel(*words[words.index("fixchain") + 1 :], "--yes")
    assert done.exit_code == 0, done.stderr
    for url in urls.values():
        assert (rows_of(url), tables(url)) == (["n"], {*"abcmn"})
    assert "Downgraded, and upgraded again  bind users" in done.stdout
    assert panel("check").exit_code == 0


def test_a_merge_that_would_be_refused_is_not_offered(project: Path, file: str) -> None:
    upgrade(project, file, "n")
    merge = "--strategy merge"
    done = fixchain("rebase", "--yes", "--database", file)
    assert (done.exit_code, merge in done.stderr) == (3, True)
    sql(file, *(f"DROP TABLE {name}" for name in "ab"))
    add(project, "m <- ")
    done = fixchain("rebase", "--yes", "--database", file)
    assert "has run m, n of yours, and not a, b, c" in done.stderr
    assert (done.exit_code, merge in done.stderr) == (3, False)


def test_all_go_back_if_one_stops(project: Path, file: str, tmp_path: Path) -> None:
    other = f"sqlite:///{tmp_path / 'other.db'}"
    stops = "if {*sa.inspect(op.get_bind()).get_table_names()} >= {'c', 'odd'}:\n    raise OSError"
    add(project, "m <- b", f"{stops}\n{create('m')}")
    for url in (file, other):
        upgrade(project, url, "n")
    sql(other, "CREATE TABLE odd (id INTEGER)")
    before = migrations(project / "migrations")
    done = rebase(file, "--database", other)
    put_back(project, before, done)
    assert done.stderr.count(": as it was, but for the data in table m, table n") == 2
    assert (rows_of(file), tables(file)) == (["n"], {*"abmn"})
    assert (rows_of(other), tables(other)) == (["n"], {*"abmn", "odd"})


def test_what_has_run_of_theirs_and_several_lines_of_mine(project: Path, file: str) -> None:
    add(project, "d <- c")
    Repository(project).git("add", "migrations/versions/d_add.py")
    Repository(project).git("commit", "-q", "-m", "x", day=2)
    for spec in ("o <- b", "p <- n, o", "q <- a"):
        add(project, spec)
    for revision in ("c", "p", "q"):
        upgrade(project, file, revision)
    assert rows_of(file) == ["c", "p", "q"]
    done = rebase(file, "--format", "json")
    assert done.exit_code == 0, done.stderr
    (way,) = done.document["downgrades"]
    assert ({*way["down"]}, way["below"]) == ({*"mnopq"}, ["c"])
    assert (rows_of(file), tables(file)) == (fixchain_heads(), {*"abcdmnopq"})
    assert len(fixchain_heads()) == 1


def fixchain_heads() -> list[str]:
    document = fixchain("check", "--format", "json").document
    assert document["exit_code"] == 0
    heads: list[str] = document["heads"]
    return heads
