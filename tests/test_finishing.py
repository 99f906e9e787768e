"""``catch-up --finish`` on real databases: what is left of a revision that stopped half-way."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from flask_chainfix import disk
from flask_chainfix.commands.catch_up_finish import FinishWishes, carry_out_finish, plan_finish
from flask_chainfix.commands.session import Session
from flask_chainfix.common.errors import Interrupted, RepairRunning, StaleSnapshot
from flask_chainfix.databases import connecting
from flask_chainfix.environment.locate import open_directory
from flask_chainfix.model.databases import DatabaseWishes
from flask_chainfix.report.database_results import Finished
from tests.commands import SCRIPTS, Done, fixchain, run
from tests.nightly import by_day_on, first_of_each
from tests.rehearsals import add, create, plain, stamp
from tests.stamped import rows_of, sql
from tests.test_catch_up import schema_of, upgrade

_THREE = """
op.create_table("secrets", sa.Column("id", sa.Integer, primary_key=True))
op.add_column("a", sa.Column("note", sa.String(20)))
op.create_table("endpoints", sa.Column("id", sa.Integer, primary_key=True))
op.bulk_insert(sa.table("endpoints", sa.column("id", sa.Integer)), [{"id": 7}, {"id": 8}])
"""

_FIRST = {
    "sqlite": "CREATE TABLE secrets (id INTEGER NOT NULL, PRIMARY KEY (id))",
    "postgresql": "CREATE TABLE secrets (id SERIAL NOT NULL PRIMARY KEY)",
    "mysql": "CREATE TABLE secrets (id INTEGER NOT NULL AUTO_INCREMENT PRIMARY KEY)",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    plain(tmp_path, "a")
    add(tmp_path, "b <- a", _THREE, "pass")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def finish(url: str, *options: str, revision: str = "b") -> Done:
    return fixchain("catch-up", "--finish", revision, "--server", "--database", url, *options)


@pytest.mark.parametrize("database_url", by_day_on("postgresql"), indirect=True)
def test_what_is_left_is_run_and_stamped(project: Path, database_url: str) -> None:
    upgrade(project, database_url, "a")
    sql(database_url, _FIRST[make_url(database_url).get_backend_name()])
    shown = finish(database_url, "--dry-run")
    assert shown.exit_code == 1, shown
    assert "1 of 4 statements of b have run" in shown.stdout
    assert "ALTER TABLE a ADD COLUMN note VARCHAR(20);" in shown.stdout
    assert "CREATE TABLE secrets" not in shown.stdout
    done = finish(database_url, "--yes", "--no-backup")
    assert done.exit_code == 0, done
    assert rows_of(database_url) == ["b"]
    assert sql(database_url, "SELECT id FROM endpoints ORDER BY id") == [(7,), (8,)]


@pytest.fixture
def half(project: Path, tmp_path: Path) -> str:
    """The URL of a SQLite database in which the first statement of ``b`` has run."""
    url = f"sqlite:///{tmp_path / 'one.db'}"
    upgrade(project, url, "a")
    sql(url, _FIRST["sqlite"])
    return url


def _refused(url: str, *said: str) -> Done:
    before = schema_of(url)
    done = finish(url, "--yes", "--no-backup")
    assert done.exit_code == 3, done
    for words in said:
        assert words in done.stderr, done.stderr
    assert (schema_of(url), rows_of(url)) == (before, ["a"])
    return done


def test_it_is_asked_and_copied_first(project: Path, half: str) -> None:
    asked = finish(half)
    assert (asked.exit_code, "pass --yes" in asked.stderr) == (3, True), asked
    assert rows_of(half) == ["a"]
    done = finish(half, "--yes", "--format", "json")
    assert done.exit_code == 0, done
    (unfinished,) = done.document["unfinished"]
    assert (unfinished["revision"], unfinished["done"], len(unfinished["left"])) == ("b", 1, 3)
    (copy,) = done.document["backups"]
    assert "secrets" in str(schema_of(f"sqlite:///{project / copy['path']}"))
    assert [each["result"] for each in done.document["databases"]] == ["moved"]
    # The stamp goes back; what has run stays.
    assert fixchain("undo", "--database", half, "--yes").exit_code == 0
    assert rows_of(half) == ["a"]
    again = finish(half, "--yes")
    assert "does not show whether this ran: INSERT INTO endpoints" in again.stderr
    assert "alembic stamp b" in again.stderr


def test_only_the_stamp_may_be_left(project: Path, half: str) -> None:
    add(project, "b <- a", create("secrets"), "pass")
    done = finish(half, "--yes", "--no-backup")
    assert "only the stamp is left" in done.stdout
    assert rows_of(half) == ["b"]
    assert "it has all that b makes" in " ".join(finish(half).stdout.split())


_TABLES = "".join(
    f"op.create_table({name!r}, sa.Column('id', sa.Integer, primary_key=True))\n"
    for name in ("accounts", "books", "copies")
)


@pytest.mark.parametrize("database_url", by_day_on("sqlite"), indirect=True)
@pytest.mark.parametrize(
    ("parent", "lost"),
    first_of_each(
        [
            pytest.param("", "accounts", id="a first revision, accounts"),
            pytest.param(" <- a", "books", id="a later one, books"),
            pytest.param("", "books", id="a first revision, books"),
            pytest.param(" <- a", "accounts", id="a later one, accounts"),
        ],
        lambda case: case[0],
    ),
)
def test_what_is_there_is_left_out_wherever_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str, parent: str, lost: str
) -> None:
    """Autogenerate sorts tables by name."""
    plain(tmp_path, *(["a"] if parent else []))
    monkeypatch.chdir(tmp_path)
    add(tmp_path, f"b{parent}", _TABLES, "pass")
    upgrade(tmp_path, database_url)
    right = schema_of(database_url)
    sql(database_url, f"DROP TABLE {lost}")
    sql(
        database_url,
        "UPDATE alembic_version SET version_num = 'a'" if parent else "DELETE FROM alembic_version",
    )
    done = finish(database_url, "--yes", "--no-backup")
    assert done.exit_code == 0, done
    assert (schema_of(database_url), rows_of(database_url)) == (right, ["b"])


def test_without_a_version_table_nothing_runs_before_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    """What had run could not be stamped; nor may the databases of ``env.py`` be stamped instead."""
    plain(tmp_path)
    monkeypatch.chdir(tmp_path)
    add(tmp_path, "b", _TABLES, "pass")
    upgrade(tmp_path, database_url)
    right = schema_of(database_url)
    sql(database_url, "DROP TABLE books", "DROP TABLE alembic_version")
    before = schema_of(database_url)
    done = finish(database_url, "--yes", "--no-backup")
    assert done.exit_code == 3, done
    assert "has no version table" in done.stderr
    assert "create its version table there" in " ".join(done.stderr.split())
    assert "stamp base" not in done.stderr
    assert schema_of(database_url) == before
    (tmp_path / "alembic.ini").write_text(
        f"[alembic]\nscript_location = migrations\nsqlalchemy.url = {database_url}\n"
    )
    own = fixchain(
        "-c", "alembic.ini", "catch-up", "--finish", "b", "--server", "--database", "--yes"
    )
    assert "stamp base fixchain -c alembic.ini catch-up" in " ".join(own.stderr.split())
    stamp(tmp_path, database_url, "base")
    assert finish(database_url, "--yes", "--no-backup").exit_code == 0
    assert (schema_of(database_url), rows_of(database_url)) == (right, ["b"])


def test_what_the_schema_does_not_show_is_not_run(project: Path, half: str) -> None:
    silent = "op.execute('UPDATE a SET id = id + 1')"
    up = _THREE.replace("op.add_column", f"{silent}\nop.add_column")
    add(project, "b <- a", up, "pass")
    done = _refused(half, "does not show whether this ran: UPDATE a SET id = id + 1")
    assert "alembic upgrade --sql a:b" in done.stderr


def test_what_depends_on_rows_is_not_run(project: Path, half: str) -> None:
    reads = "for row in op.get_bind().execute(sa.text('SELECT id FROM a')):\n    pass"
    add(project, "b <- a", f"{_THREE}\n{reads}", "pass")
    _refused(half, "it reads rows: SELECT id FROM a")


def test_a_database_that_was_never_on_its_way(project: Path, half: str) -> None:
    sql(half, "DROP TABLE secrets", "CREATE TABLE endpoints (id INTEGER)")
    _refused(half, "fits no point between its statements")


def test_nothing_has_run_or_something_else_has_to(project: Path, half: str) -> None:
    sql(half, "DROP TABLE secrets")
    add(project, "c <- b")
    done = finish(half)
    said = " ".join(done.stdout.split())
    assert (done.exit_code, "`alembic upgrade b` runs it" in said) == (0, True), done
    later = finish(half, revision="c")
    assert "b has not run there, which c requires" in " ".join(later.stdout.split())
    assert finish(half, revision="gone").exit_code == 3


def test_a_statement_that_fails_is_told_and_gone_on_from(project: Path, mariadb: str) -> None:
    """What MariaDB has made final stays, and the next time goes on behind it."""
    up = 'op.create_unique_constraint("uq_note", "a", ["note"])'
    add(project, "b <- a", _THREE.replace("op.bulk", f"{up}\nop.bulk"), "pass")
    upgrade(project, mariadb, "a")
    sql(mariadb, _FIRST["mysql"], "INSERT INTO a VALUES (1), (2)")
    sql(mariadb, "ALTER TABLE a ADD COLUMN note VARCHAR(20)", "UPDATE a SET note = 'same'")
    done = finish(mariadb, "--yes", "--no-backup")
    assert done.exit_code == 3
    assert "statement 2 of 3 has failed" in done.stderr
    assert "those before it have run" in done.stderr
    assert rows_of(mariadb) == ["a"]
    sql(mariadb, "DELETE FROM a WHERE id = 2")
    assert finish(mariadb, "--yes", "--no-backup").exit_code == 0
    assert rows_of(mariadb) == ["b"]


def test_a_column_with_the_name_of_the_version_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what Alembic itself sends for the stamp is no statement of the revision."""
    plain(tmp_path, "a")
    env = tmp_path / "migrations/env.py"
    env.write_text(env.read_text().replace("configure(", "configure(version_table='version', "))
    monkeypatch.chdir(tmp_path)
    up = (
        'op.create_table("plugin", sa.Column("version", sa.Integer))\n'
        'op.create_table("last", sa.Column("id", sa.Integer))\n'
        'op.execute("INSERT INTO plugin (version) VALUES (2)")'
    )
    add(tmp_path, "b <- a", up, "pass")
    url = f"sqlite:///{tmp_path / 'one.db'}"
    upgrade(tmp_path, url, "a")
    sql(url, "CREATE TABLE plugin (version INTEGER)")
    done = finish(url, "--yes", "--no-backup")
    assert done.exit_code == 0, done
    assert "1 of 3 statements of b have run" in done.stdout
    assert sql(url, "SELECT version FROM plugin") == [(2,)]
    assert rows_of(url, "version") == ["b"]


# --- What happens meanwhile ----------------------------------------------------------------------


def carry_out(project: Path, meanwhile: Callable[[], object], *urls: str) -> Finished:
    """Plan, have something happen, and carry the plan out."""
    runtime = open_directory(str(project / "migrations"))
    session = Session(runtime, databases=DatabaseWishes(urls=urls))
    wishes = FinishWishes("b", "own", backup=False)
    plan = plan_finish(session, wishes)
    assert len(plan.databases) == len(urls)
    meanwhile()
    return carry_out_finish(session, plan, wishes)


def test_nothing_runs_beside_a_repair(project: Path, half: str) -> None:
    before = schema_of(half)
    with ExitStack() as held, pytest.raises(RepairRunning):
        carry_out(project, lambda: held.enter_context(disk.locked(project / "migrations")), half)
    assert (schema_of(half), rows_of(half)) == (before, ["a"])


def test_nothing_runs_once_a_file_has_changed(project: Path, half: str) -> None:
    before = schema_of(half)
    with pytest.raises(StaleSnapshot, match="migrations have changed"):
        carry_out(project, lambda: add(project, "b <- a", create("other"), "pass"), half)
    assert (schema_of(half), rows_of(half)) == (before, ["a"])


def test_what_is_finished_is_told_where_another_database_has_changed(
    project: Path, half: str, tmp_path: Path
) -> None:
    other, last = (f"sqlite:///{tmp_path / name}.db" for name in ("other", "last"))
    for url in (other, last):
        upgrade(project, url, "a")
        sql(url, _FIRST["sqlite"])
    done = carry_out(project, lambda: sql(other, "DROP TABLE secrets"), half, other, last)
    assert isinstance(done.error, StaleSnapshot)
    assert "other.db has changed since the plan was made" in done.error.message
    finished, untouched = done.error.lines
    assert "one.db: finished, and stamped at b" in finished
    assert "last.db: nothing was changed" in untouched
    assert [rows_of(each) for each in (half, other, last)] == [["b"], ["a"], ["a"]]
    assert [each.move.after for each in done.moves] == [("b",)]


def test_an_interruption_says_what_may_have_run(
    project: Path, half: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    def meanwhile() -> None:
        monkeypatch.setattr(connecting, "run_statements", interrupted)

    with pytest.raises(Interrupted, match=r"some of what was left of b may have run in .*one\.db"):
        carry_out(project, meanwhile, half)


@pytest.mark.nightly
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_what_has_run_is_told_also_if_the_result_cannot_be_written(
    project: Path, half: str
) -> None:
    """An undo would take back an earlier repair."""
    typed = "catch-up --finish b --server --yes --no-backup --format json"
    shell = f'exec "$0" {typed} --database "$1" >/dev/full'
    done = run("bash", "-c", shell, SCRIPTS / "fixchain", half, cwd=project)
    assert "error: what was left has run as far as it could, but the result" in done.stderr
    assert f"fixchain check --database {half}" in done.stderr
    assert "undo" not in done.stderr


def test_no_backup_goes_with_finish(project: Path) -> None:
    assert fixchain("catch-up", "--no-backup").exit_code == 2
