"""``unwind`` on real databases and in real repositories: lost revisions' own downgrade."""

from __future__ import annotations

import importlib
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import flask_migrate  # type: ignore[import-untyped]
import pytest
from alembic import command
from alembic.config import Config
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from flask_chainfix.commands import unwind
from flask_chainfix.commands.session import Session
from flask_chainfix.commands.unwind import UnwindWishes, carry_out_unwind, plan_unwind
from flask_chainfix.common.errors import StaleSnapshot
from flask_chainfix.databases.applied.rows import tops
from flask_chainfix.environment.locate import open_directory
from flask_chainfix.model.databases import DatabaseWishes
from flask_chainfix.rehearsal import unwinding
from tests.commands import Done, fixchain, flask, run
from tests.nightly import by_day_on, examples, first_of
from tests.rehearsals import add, drop, plain, upgrade, with_app
from tests.repositories import Repository, needs_git
from tests.stamped import another_url, rows_of, sql, stamp
from tests.strategies_oracle import revisions
from tests.support import Rev, chain, graph
from tests.test_catch_up import schema_of

pytestmark = [needs_git, pytest.mark.usefixtures("own_git")]

_NOTE = "op.add_column('b', sa.Column('note', sa.String(20)))"
_NO_NOTE = "with op.batch_alter_table('b') as batch:\n    batch.drop_column('note')"


@pytest.fixture
def project(top: Path) -> Path:
    """A repository whose main branch has ``a``."""
    plain(top, "a")
    Repository(top)
    commit(top)
    return top


def commit(project: Path, day: int = 1) -> str:
    (project / ".gitignore").write_text("*.db\n__pycache__\nbackups\n.fixchain\n")
    return Repository(project).commit(day)


def on_branch(project: Path, *specs: str, name: str = "feature") -> Repository:
    """Have a branch with more migrations, which is checked out."""
    repository = Repository(project)
    repository.branch(name)
    for spec in specs:
        add(project, spec)
    commit(project, 2)
    return repository


def take_back(url: str, *options: str) -> Done:
    return fixchain("unwind", "--database", url, *options)


def stamped_at(project: Path, url: str, revision: str) -> None:
    """Have Alembic stamp a database."""
    config = Config()
    config.set_main_option("script_location", str(project / "migrations"))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    command.stamp(config, revision)


def refused(url: str, *said: str, options: tuple[str, ...] = ()) -> Done:
    """It changes nothing, and says why."""
    before = rows_of(url), schema_of(url)
    done = take_back(url, "--yes", "--no-backup", *options)
    assert done.exit_code == 3, done
    for words in said:
        assert words in " ".join(done.stderr.split()), done.stderr
    assert (rows_of(url), schema_of(url)) == before
    return done


# --- Down to what this code has ------------------------------------------------------------------


@pytest.mark.parametrize("database_url", by_day_on("mariadb"), indirect=True)
def test_a_database_is_taken_back(project: Path, database_url: str) -> None:
    upgrade(project, database_url, "a")
    before = schema_of(database_url)
    feature = on_branch(project, "b <- a")
    add(project, "c <- b", _NOTE, _NO_NOTE)
    commit(project)
    upgrade(project, database_url, "c")
    feature.switch("main")
    shown = take_back(database_url, "--dry-run")
    assert shown.exit_code == 1, shown
    assert "c → a" in shown.stdout
    assert f"c c_add.py of feature, commit {feature.git('rev-parse', '--short', 'feature')}" in (
        " ".join(shown.stdout.split())
    )
    assert "drops column b.note, with the data in it" in shown.stdout
    assert "drops table b, with the data in it" in shown.stdout
    assert rows_of(database_url) == ["c"]
    done = take_back(database_url, "--yes")
    assert done.exit_code == 0, done
    assert (rows_of(database_url), schema_of(database_url)) == (["a"], before)
    assert feature.git("status", "--porcelain") == ""
    again = take_back(database_url, "--yes")
    assert (again.exit_code, "nothing to downgrade" in again.stdout) == (0, True)


@pytest.fixture
def ahead(project: Path, tmp_path: Path) -> str:
    """The URL of a SQLite database that is ahead by ``b`` of the branch ``feature``."""
    url = f"sqlite:///{tmp_path / 'one.db'}"
    feature = on_branch(project, "b <- a")
    upgrade(project, url, "b")
    feature.switch("main")
    return url


def test_it_is_asked_and_copied_first(project: Path, ahead: str) -> None:
    sql(ahead, "INSERT INTO b VALUES (7)")
    asked = take_back(ahead)
    assert (asked.exit_code, "pass --yes" in asked.stderr, rows_of(ahead)) == (3, True, ["b"])
    done = take_back(ahead, "--yes", "--format", "json")
    assert done.exit_code == 0, done
    document = done.document
    assert document["plan"]["strategy"] == "unwind"
    (each,) = document["unwinding"]
    assert (each["stamp"], each["stamp_after"]) == (["b"], ["a"])
    (revision,) = each["revisions"]
    assert (revision["revision"], revision["branch"], revision["drops"]) == (
        "b",
        "feature",
        ["table b"],
    )
    assert [each["result"] for each in document["databases"]] == ["moved"]
    (copy,) = document["backups"]
    assert sql(f"sqlite:///{project / copy['path']}", "SELECT id FROM b") == [(7,)]


def test_the_command_that_shows_a_file_works(project: Path, ahead: str) -> None:
    shown = take_back(ahead, "--dry-run").stdout
    (typed,) = (line.split() for line in shown.splitlines() if "git show" in line)
    assert "def downgrade" in Repository(project).git(*typed[1:])


def test_branches_merges_and_dependencies_go_as_alembic_has_them_go(
    project: Path, postgresql: str
) -> None:
    """Not a row is other than what Alembic's own downgrade leaves with the code of the branch."""
    add(project, "x")
    add(project, "y <- x")
    commit(project)
    feature = on_branch(project, "b <- a", "c <- a", "m <- b, c", "d <- m")
    path = add(project, "z <- y")
    path.write_text(path.read_text().replace("depends_on = None", "depends_on = 'm'"))
    commit(project)
    upgrade(project, postgresql, "heads")
    assert rows_of(postgresql) == ["d", "z"]
    feature.switch("main")
    done = take_back(postgresql, "--yes", "--no-backup")
    assert done.exit_code == 0, done
    assert rows_of(postgresql) == ["a", "y"]
    tables = {str(row[0]) for row in sql(postgresql, "SELECT tablename FROM pg_tables")}
    assert {"a", "x", "y"} <= tables
    assert not {"b", "c", "d", "m", "z"} & tables


@settings(
    max_examples=examples(3),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
@given(data=st.data(), revs=revisions(most=7, dependencies=True))
def test_any_part_of_a_chain_is_taken_back(data: st.DataObject, revs: tuple[Rev, ...]) -> None:
    """What is left is what main alone would have made, table by table and row by row."""
    whole = graph(*revs)
    some = data.draw(st.lists(st.sampled_from(sorted(whole)), min_size=1, max_size=3))
    kept = whole.required(some)
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patched:
        place = Path(directory, "project")
        plain(place)
        patched.chdir(place)
        patched.setattr(sys, "dont_write_bytecode", True)
        for branch, there in (("main", kept), ("feature", frozenset(whole) - kept)):
            Repository(place).git(
                "checkout", "-q", "--orphan" if branch == "main" else "-b", branch
            )
            for rev in revs:
                if rev.revision in there:
                    path = add(place, f"{rev.revision} <- {', '.join(rev.parents)}")
                    tied = f"depends_on = {tuple(rev.depends_on) or None!r}"
                    path.write_text(path.read_text().replace("depends_on = None", tied))
            commit(place)
        url = f"sqlite:///{directory}/one.db"
        try:
            upgrade(place, url, "heads")
        except KeyError:  # a fault of Alembic's own with some merge points
            reject()
        Repository(place).switch("main")
        done = take_back(url, "--yes", "--no-backup")
        assert done.exit_code == 0, done
        found = sql(url, "SELECT name FROM sqlite_master WHERE name <> 'alembic_version'")
        assert {row[0] for row in found if "sqlite_" not in str(row[0])} == kept
        left = chain(*(rev for rev in revs if rev.revision in kept)).graph
        assert tuple(rows_of(url)) == tops(left, kept)
        upgrade(place, url, "heads")


@pytest.mark.parametrize("database_url", by_day_on("sqlite"), indirect=True)
def test_rows_that_alembic_leaves_are_settled(project: Path, database_url: str) -> None:
    """Its own downgrade leaves a row for ``a`` beside that of ``b``, from which nothing goes up."""
    add(project, "b <- a")
    add(project, "x")
    commit(project)
    feature = on_branch(project)
    path = add(project, "c <- b")
    path.write_text(path.read_text().replace("depends_on = None", "depends_on = 'a'"))
    commit(project)
    upgrade(project, database_url, "heads")
    feature.switch("main")
    assert take_back(database_url, "--yes", "--no-backup").exit_code == 0
    assert rows_of(database_url) == ["b", "x"]
    upgrade(project, database_url, "heads")


@pytest.mark.nightly
def test_what_is_lost_goes_far_down(project: Path, tmp_path: Path) -> None:
    names = [f"r{number:02}" for number in range(25)]
    specs = [f"{one} <- {below}" for one, below in zip(names, ["a", *names], strict=False)]
    feature = on_branch(project, *specs)
    url = f"sqlite:///{tmp_path / 'one.db'}"
    upgrade(project, url, "r24")
    feature.switch("main")
    feature.git("branch", "-q", "-m", "feature", "other")
    assert take_back(url, "--yes", "--no-backup").exit_code == 0
    assert rows_of(url) == ["a"]
    assert "r00" not in str(schema_of(url))


def test_where_there_was_no_migration_yet(top: Path, tmp_path: Path) -> None:
    plain(top)
    (top / "migrations/versions/.keep").touch()
    Repository(top)
    commit(top)
    feature = on_branch(top, "a")
    url = f"sqlite:///{tmp_path / 'one.db'}"
    upgrade(top, url, "a")
    feature.switch("main")
    (top / "migrations/versions").mkdir(exist_ok=True)
    assert take_back(url, "--yes", "--no-backup").exit_code == 0
    assert rows_of(url) == []


def test_several_databases_and_one_that_is_not_ahead(project: Path, ahead: str) -> None:
    place = Path(make_url(ahead).database or "").parent
    other, behind = (f"sqlite:///{place / name}" for name in ("other.db", "behind.db"))
    shutil.copy(place / "one.db", place / "other.db")
    upgrade(project, behind, "a")
    named = [word for url in (other, behind) for word in ("--database", url)]
    done = take_back(ahead, *named, "--yes", "--no-backup")
    assert "Downgraded: 1 revision in 2 databases." in done.stdout, done
    assert rows_of(ahead) == rows_of(other) == rows_of(behind) == ["a"]


@pytest.mark.parametrize("database_url", by_day_on("sqlite"), indirect=True)
def test_a_database_that_two_urls_name_is_taken_back_once(
    project: Path, database_url: str, tmp_path: Path
) -> None:
    feature = on_branch(project, "b <- a")
    upgrade(project, database_url, "b")
    feature.switch("main")
    with another_url(database_url, tmp_path) as other:
        done = take_back(database_url, "--database", other, "--yes")
        assert done.exit_code == 0, done
        assert "leads to the same database as" in " ".join(done.stdout.split())
        assert "Downgraded: 1 revision in 1 database." in done.stdout
        assert rows_of(database_url) == ["a"]
        assert len([*Path("backups").glob("*.sha256")]) == 1


def test_it_runs_as_alembic_itself_would(project: Path, ahead: str) -> None:
    """It is no scratch database: nothing is given up for speed, and no app is told of one."""
    env = project / "migrations/env.py"
    checks = """\
        import os
        with engine.connect() as beside:
            assert beside.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert "FIXCHAIN_REHEARSAL" not in os.environ
        context.configure("""
    env.write_text(env.read_text().replace("        context.configure(", checks, 1))
    ini = f"[alembic]\nscript_location = migrations\nsqlalchemy.url = {ahead}\n"
    (project / "alembic.ini").write_text(ini)
    done = fixchain("unwind", "--yes", "--no-backup")
    assert done.exit_code == 0, done
    assert rows_of(ahead) == ["a"]


# --- In an app -----------------------------------------------------------------------------------


def app(project: Path, *words: str) -> Done:
    return flask("db", *words, cwd=project, env={"FLASK_APP": "panel:create_app"})


def test_an_apps_own_database(top: Path) -> None:
    with_app(top, "a", more="app.config['SEEN'] = True")
    Repository(top)
    commit(top)
    feature = on_branch(top, "b <- a")
    assert app(top, "upgrade").exit_code == 0
    feature.switch("main")
    check = app(top, "fixchain", "check")
    assert "flask db fixchain unwind" in check.stdout
    done = app(top, "fixchain", "unwind", "--yes")
    assert done.exit_code == 0, done
    assert rows_of(f"sqlite:///{top / 'instance/own.db'}") == ["a"]
    assert feature.git("status", "--porcelain") == "?? instance/" or not feature.git(
        "status", "--porcelain"
    )


_TWO = """
def upgrade(engine_name):
    globals()["upgrade_%s" % engine_name]()

def downgrade(engine_name):
    globals()["downgrade_%s" % engine_name]()

def upgrade_():
    op.create_table("b", sa.Column("id", sa.Integer, primary_key=True))

def downgrade_():
    op.drop_table("b")

def upgrade_other():
    op.create_table("far", sa.Column("id", sa.Integer, primary_key=True))

def downgrade_other():
    {other}
"""


def two_binds(top: Path, other: str, down: str) -> tuple[str, str]:
    """An app with two databases, both ahead of its code."""
    urls = f"sqlite:///{top / 'one.db'}", other
    with_app(top, uri=urls[0], binds={"other": other})
    template = Path(flask_migrate.__file__).parent / "templates/flask-multidb/env.py"
    shutil.copy(template, top / "migrations/env.py")
    header = (
        "from alembic import op\nimport sqlalchemy as sa\nrevision = {!r}\ndown_revision = {}\n"
    )
    empty = header.format("a", None) + _TWO.format(other="pass")
    empty = empty.replace("op.create_table(", "dict(a=").replace("op.drop", "str")
    versions = top / "migrations/versions"
    (versions / "a.py").write_text(header.format("a", None) + "def upgrade(engine_name): pass\n")
    with (versions / "a.py").open("a") as file:
        file.write("def downgrade(engine_name): pass\n")
    Repository(top)
    commit(top)
    Repository(top).branch("feature")
    (versions / "b.py").write_text(header.format("b", "'a'") + _TWO.format(other=down))
    commit(top)
    assert app(top, "upgrade").exit_code == 0
    Repository(top).switch("main")
    return urls


def test_several_binds(top: Path, postgresql: str) -> None:
    urls = two_binds(top, postgresql, 'op.drop_table("far")')
    done = app(top, "fixchain", "unwind", "--yes", "--no-backup")
    assert done.exit_code == 0, done
    assert [rows_of(url) for url in urls] == [["a"], ["a"]]
    assert not {"b", "far"} & set(str([schema_of(url) for url in urls]).split("'"))


@pytest.mark.parametrize(
    "options", first_of(pytest.param(each) for each in [("--dry-run",), ("--yes", "--no-backup")])
)
def test_which_bind_a_url_means_is_not_known(
    top: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    _, other = two_binds(top, f"sqlite:///{tmp_path / 'other.db'}", "pass")
    done = app(top, "fixchain", "unwind", "--no-database", "--database", other, *options)
    assert (done.exit_code, "which of them" in done.stderr) == (3, True), done
    assert rows_of(other) == ["b"]


def test_each_bind_is_told_what_it_loses_itself(top: Path, tmp_path: Path) -> None:
    two_binds(top, f"sqlite:///{tmp_path / 'other.db'}", 'op.drop_table("far")')
    done = app(top, "fixchain", "unwind", "--dry-run", "--format", "json")
    first, second = done.document["unwinding"]
    assert [each["revisions"][0]["drops"] for each in (first, second)] == [
        ["table b"],
        ["table far"],
    ]


def test_what_was_taken_back_is_told_in_every_format(
    project: Path, tmp_path: Path, own_git: None
) -> None:
    feature = on_branch(project, "b <- a")
    url = f"sqlite:///{tmp_path / 'one.db'}"
    upgrade(project, url, "b")
    feature.switch("main")
    output = tmp_path / "result.md"
    done = take_back(url, "--yes", "--no-backup", "--format", "markdown", "--output", str(output))
    assert done.exit_code == 0, done
    told = output.read_text()
    assert "Downgraded: 1 revision in 1 database" in told
    assert "drops table b, with the data in it" in told


@pytest.mark.parametrize(
    "command_", first_of(pytest.param(each) for each in [("unwind",), ("trace",), ("catch-up",)])
)
def test_no_database_is_left(top: Path, command_: tuple[str, ...]) -> None:
    with_app(top, "a")
    done = app(top, "fixchain", *command_, "--no-database")
    assert done.exit_code == 3
    assert "--no-database leaves out the app's own" in done.stderr
    assert f"flask db fixchain {command_[0]}\n" in done.stderr


# --- What stops half-way -------------------------------------------------------------------------


def test_a_downgrade_that_fails(project: Path, database_url: str) -> None:
    """What has been done is told as the database shows it."""
    feature = on_branch(project, "b <- a")
    down = f"{drop('c')}\nop.drop_table('gone')"
    add(project, "c <- b", None, down)
    add(project, "d <- c")
    commit(project)
    upgrade(project, database_url, "d")
    before = schema_of(database_url)
    feature.switch("main")
    done = take_back(database_url, "--yes", "--no-backup", "--format", "json")
    assert done.exit_code == 3, done
    error = done.document["error"]["message"]
    assert "unwind has stopped at c" in error
    assert "c_add.py:" in error
    (database,) = done.document["databases"]
    if make_url(database_url).get_backend_name() == "postgresql":
        assert "nothing was changed: it is stamped at d" in error
        assert (rows_of(database_url), schema_of(database_url)) == (["d"], before)
    else:
        assert f"it is stamped at {rows_of(database_url)[0]}" in error
        assert "table d is gone" in error
        assert "table c is gone" in error
    assert database["result"] == "failed"
    # What it names is typed, once its cause is out of the way.
    *_, (*there, again) = [each["commands"] for each in done.document["error"]["remedies"]]
    if "stamp" not in str(there):
        assert (again, there[1]) == ("git checkout -", "alembic downgrade a")
        return
    assert there == ["git checkout feature", "alembic stamp b", "git checkout -"]
    feature.switch("feature")
    stamped_at(project, database_url, "b")
    feature.switch("main")
    assert fixchain(*again.split()[1:], "--yes", "--no-backup").exit_code == 0
    assert (rows_of(database_url), "'b'" in str(schema_of(database_url))) == (["a"], False)


def test_a_copy_comes_back_first(project: Path, tmp_path: Path) -> None:
    feature = on_branch(project)
    add(project, "b <- a", None, f"{drop('b')}\nop.drop_table('gone')")
    commit(project)
    url = f"sqlite:///{tmp_path / 'one.db'}"
    upgrade(project, url, "b")
    feature.switch("main")
    done = take_back(url, "--yes", "--format", "json")
    restore = done.document["error"]["remedies"][0]["commands"]
    assert restore == [done.document["backups"][0]["restore"]]
    assert run("sh", "-c", restore[0], cwd=project).exit_code == 0
    assert rows_of(url) == ["b"]
    assert "'b'" in str(schema_of(url))


def test_an_interruption_is_told_as_what_the_database_holds(
    project: Path, ahead: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(unwinding.EnvPyRun, "take_back", interrupted)
    refused(ahead, "unwind has stopped: interrupted", "nothing was changed")


def test_env_py_wants_another_database(project: Path, ahead: str, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    env = project / "migrations/env.py"
    text = env.read_text()
    line = f'    section["sqlalchemy.url"] = "sqlite:///{other}"\n    engine ='
    env.write_text(text.replace("    engine =", line, 1))
    refused(ahead, f"wants to connect to the SQLite database {other}", "config.get_main_option")
    assert not other.exists()


def test_what_is_never_to_go_back(project: Path, mariadb: str) -> None:
    """Nothing that is above it is taken back first."""
    feature = on_branch(project)
    add(project, "b <- a", None, "'never again'\nraise RuntimeError('no way back')")
    add(project, "c <- b")
    commit(project)
    upgrade(project, mariadb, "c")
    feature.switch("main")
    done = refused(mariadb, "b cannot be downgraded: downgrade() in b_add.py only raises")
    assert "unwind" not in done.stderr


def test_a_helper_that_only_the_branch_has(project: Path, tmp_path: Path) -> None:
    feature = on_branch(project)
    (project / "branch_helpers.py").write_text("def drop(op):\n    op.drop_table('b')\n")
    importlib.invalidate_caches()  # Python looks into a directory once in a tick of the clock
    add(
        project,
        "b <- a",
        None,
        "helpers.drop(op)",
        before="import sys\nsys.path.insert(0, '.')\nimport branch_helpers",
    )
    commit(project)
    url = f"sqlite:///{tmp_path / 'one.db'}"
    upgrade(project, url, "b")
    feature.switch("main")
    done = refused(url, "No module named 'branch_helpers'", "git checkout feature")
    assert "alembic downgrade a" in done.stderr


def test_a_helper_beside_the_migrations(project: Path, tmp_path: Path) -> None:
    """It is found where it lies in the work tree, whatever way it is looked for."""
    (project / "migrations/beside.py").write_text("NAME = 'b'\n")
    (project / "migrations/versions/name.txt").write_text("b")
    commit(project)
    feature = on_branch(project)
    before = """\
import sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent.parent))
import beside
assert Path(__file__).parent.joinpath("name.txt").read_text() == beside.NAME
"""
    add(project, "b <- a", None, "op.drop_table(beside.NAME)", before=before)
    commit(project)
    url = f"sqlite:///{tmp_path / 'one.db'}"
    upgrade(project, url, "b")
    feature.switch("main")
    assert take_back(url, "--yes", "--no-backup").exit_code == 0
    assert rows_of(url) == ["a"]


@pytest.mark.parametrize("second_look", [True, False])
def test_a_database_that_moves_meanwhile(
    project: Path, ahead: str, monkeypatch: pytest.MonkeyPatch, *, second_look: bool
) -> None:
    """It is seen before anything runs, and once more where it runs."""
    runtime = open_directory("migrations")
    session = Session(runtime, databases=DatabaseWishes(urls=(ahead,)))
    wishes = UnwindWishes(backup=False)
    plan = plan_unwind(session, wishes)
    sql(ahead, "UPDATE alembic_version SET version_num = 'elsewhere'")
    if not second_look:
        monkeypatch.setattr(unwind, "refuse_moved", lambda *_: None)
    with pytest.raises(StaleSnapshot, match="elsewhere"):
        carry_out_unwind(session, plan, wishes)
    assert "'b'" in str(schema_of(ahead))


def test_one_that_moves_once_another_was_taken_back(
    project: Path, ahead: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has run is told all the same."""
    place = Path(make_url(ahead).database or "")
    other = f"sqlite:///{shutil.copy(place, place.with_name('other.db'))}"
    take = unwinding.EnvPyRun.take_back

    def moving(*given: Any) -> object:
        done = take(*given)
        sql(other, "UPDATE alembic_version SET version_num = 'elsewhere'")
        return done

    monkeypatch.setattr(unwinding.EnvPyRun, "take_back", moving)
    done = take_back(ahead, "--database", other, "--yes", "--no-backup")
    assert done.exit_code == 3, done
    assert "Not everything was downgraded: 1 of 2 databases fit this code." in done.stdout
    assert "elsewhere" in done.stderr
    assert "Nothing was changed" not in done.stderr
    assert rows_of(ahead) == ["a"]


def test_migrations_that_change_meanwhile(project: Path, ahead: str) -> None:
    runtime = open_directory("migrations")
    session = Session(runtime, databases=DatabaseWishes(urls=(ahead,)))
    wishes = UnwindWishes(backup=False)
    plan = plan_unwind(session, wishes)
    add(project, "b <- a")
    with pytest.raises(StaleSnapshot, match="migrations have changed"):
        carry_out_unwind(session, plan, wishes)
    assert rows_of(ahead) == ["b"]


def test_an_exit_status_is_not_trusted(project: Path, ahead: str) -> None:
    """An ``env.py`` that rolls back what it has run, and says nothing."""
    env = project / "migrations/env.py"
    text = env.read_text().replace(
        "context.run_migrations()",
        "context.run_migrations()\n    with engine.begin() as again:\n"
        "        again.exec_driver_sql(\"UPDATE alembic_version SET version_num = 'b'\")",
    )
    env.write_text(text)
    done = take_back(ahead, "--yes", "--no-backup")
    assert done.exit_code == 3, done
    assert "it is stamped at b, and not at a" in " ".join(done.stderr.split())


# --- Which file ----------------------------------------------------------------------------------


def versions(project: Path, *downs: str, ups: Mapping[int, str] | None = None) -> Repository:
    """A branch for each version of ``b``: ``feature0``, ``feature1``; main is checked out."""
    repository = Repository(project)
    for number, down in enumerate(downs):
        repository.branch(f"feature{number}", "main")
        add(project, "b <- a", (ups or {}).get(number), down)
        commit(project, 2 + number)
    repository.switch("main")
    return repository


def built(project: Path, tmp_path: Path, branch: str, to: str = "b") -> str:
    url = f"sqlite:///{tmp_path / 'one.db'}"
    repository = Repository(project)
    repository.switch(branch)
    upgrade(project, url, to)
    repository.switch("main")
    return url


_QUIETLY = f"{drop('b')}\nop.execute('SELECT 1')"


def test_nothing_tells_which_version_has_run(project: Path, tmp_path: Path) -> None:
    versions(project, drop("b"), _QUIETLY)
    url = built(project, tmp_path, "feature1")
    done = refused(url, "2 versions of b whose downgrade() differs", "feature0", "feature1")
    assert f"unwind --from feature1 --database {url}" in " ".join(done.stderr.split())
    shown = take_back(url, "--from", "feature1", "--dry-run")
    assert "b_add.py of feature1" in shown.stdout
    assert take_back(url, "--from", "feature1", "--yes", "--no-backup").exit_code == 0
    assert rows_of(url) == ["a"]


def test_what_the_database_holds_tells(project: Path, tmp_path: Path) -> None:
    other = "op.create_table('other', sa.Column('id', sa.Integer))"
    versions(project, drop("other"), drop("b"), ups={0: other})
    url = built(project, tmp_path, "feature0")
    assert "drops table other" in take_back(url, "--dry-run").stdout
    assert take_back(url, "--yes", "--no-backup").exit_code == 0
    assert "other" not in str(schema_of(url))


def test_the_branch_that_has_all_of_it_tells(project: Path, tmp_path: Path) -> None:
    repository = versions(project, drop("b"), _QUIETLY)
    repository.switch("feature1")
    add(project, "c <- b")
    commit(project, 9)
    url = built(project, tmp_path, "feature1", "c")
    shown = take_back(url, "--dry-run").stdout
    assert "b_add.py of feature1" in shown
    assert take_back(url, "--yes", "--no-backup").exit_code == 0


def test_versions_that_do_the_same_are_one(project: Path, tmp_path: Path) -> None:
    versions(project, drop("b"), f"# as it was\n{drop('b')}")
    assert take_back(built(project, tmp_path, "feature0"), "--yes", "--no-backup").exit_code == 0


def test_what_a_branch_has_now_counts_more_than_what_it_had(project: Path, tmp_path: Path) -> None:
    versions(project, _QUIETLY)
    Repository(project).switch("feature0")
    add(project, "b <- a", None, drop("b"))
    commit(project, 5)
    url = built(project, tmp_path, "feature0")
    assert "b_add.py of feature0" in take_back(url, "--dry-run").stdout
    assert take_back(url, "--yes", "--no-backup").exit_code == 0


def test_a_version_that_git_has_never_seen(project: Path, ahead: str) -> None:
    """It may be taken back all the same, by those who know better."""
    sql(ahead, "ALTER TABLE b RENAME TO other")
    notices = take_back(ahead, "--dry-run", "--format", "json").document["notices"]
    assert f"{ahead} lacks b (b): another version may have run there" in notices
    done = refused(ahead, "no such table: b", "nothing was changed")
    assert "git checkout feature" in done.stderr


def test_a_branch_that_was_deleted(project: Path, ahead: str) -> None:
    """It is found as long as Git's reflog leads to it; later its commit can be named."""
    repository = Repository(project)
    tip = repository.git("rev-parse", "feature")
    repository.git("branch", "-q", "-D", "feature")
    assert f"b_add.py of {tip[:7]}" in " ".join(take_back(ahead, "--dry-run").stdout.split())
    repository.git("reflog", "expire", "--expire=now", "--all")
    done = refused(ahead, "b is nowhere in Git", "unwind --from COMMIT")
    assert "git fetch --all" in done.stderr
    shown = take_back(ahead, "--from", tip, "--dry-run").stdout
    assert f"b_add.py of {tip}" in " ".join(shown.split())
    assert take_back(ahead, "--from", tip[:10], "--yes", "--no-backup").exit_code == 0
    assert rows_of(ahead) == ["a"]
    assert take_back(ahead, "--from", "-nowhere", "--yes").exit_code == 0  # nothing is ahead


def test_what_keeps_git_from_finding_it_is_told(project: Path, ahead: str) -> None:
    repository = Repository(project)
    repository.git("branch", "-q", "-D", "feature")
    repository.git("reflog", "expire", "--expire=now", "--all")
    (project / ".git/shallow").write_text(f"{repository.git('rev-parse', 'main')}\n")
    refused(ahead, "b is nowhere in Git", "the clone is shallow", "git fetch --unshallow")


def test_outside_of_git_nothing_is_fetched(project: Path, ahead: str) -> None:
    shutil.rmtree(project / ".git")
    done = refused(ahead, "b is nowhere here", "no Git repository was found")
    assert "git fetch" not in done.stderr
    assert "--from" not in done.stderr


def test_what_nobody_reaches_is_left_alone(project: Path, ahead: str) -> None:
    done = fixchain("unwind", "--no-database", "--stamp", "b")
    assert (done.exit_code, "is left alone: it is not reached" in done.stdout) == (0, True), done
    assert "No database that is reached from here is ahead of this code" in done.stdout


def test_a_ref_that_is_none(ahead: str) -> None:
    refused(ahead, "--upload-pack=x", options=("--from=--upload-pack=x",))
    refused(ahead, "nowhere", options=("--from", "nowhere"))


def test_a_removed_file(project: Path, ahead: str) -> None:
    repository = Repository(project)
    repository.merge("feature", day=4)
    (project / "migrations/versions/b_add.py").unlink()
    gone = commit(project, 5)
    repository.git("branch", "-q", "-D", "feature")
    shown = take_back(ahead, "--dry-run").stdout
    assert f"b_add.py as it was before commit {gone}" in shown
    assert take_back(ahead, "--yes", "--no-backup").exit_code == 0
    assert rows_of(ahead) == ["a"]


# --- What is not taken back ----------------------------------------------------------------------


def test_a_migration_that_has_another_id_now(project: Path, ahead: str) -> None:
    add(
        project,
        "new <- a",
        "op.create_table('b', sa.Column('id', sa.Integer(), primary_key=True))",
        drop("b"),
    )
    commit(project)
    refused(ahead, "b is not gone: the same migration is new now", "restamp --lost b=new")


def test_a_chain_that_is_broken(project: Path, ahead: str) -> None:
    add(project, "x <- nowhere")
    refused(ahead, "the chain is broken")


def test_an_id_that_is_not_safe_in_sql(project: Path, tmp_path: Path) -> None:
    """Alembic puts ids into its statements as they are."""
    feature = on_branch(project)
    path = add(project, "b <- a")
    evil = "b' OR '1'='1"
    path.write_text(path.read_text().replace("revision = 'b'", f"revision = {evil!r}"))
    commit(project)
    feature.switch("main")
    url = f"sqlite:///{tmp_path / 'one.db'}"
    upgrade(project, url, "a")
    sql(url, "UPDATE alembic_version SET version_num = 'b'' OR ''1''=''1'")
    refused(url, "is not run: Alembic puts ids into its SQL")


def test_a_file_that_does_not_tell_what_it_is_built_on(project: Path, tmp_path: Path) -> None:
    feature = on_branch(project)
    path = add(project, "b <- a")
    path.write_text(path.read_text().replace("down_revision = 'a'", "down_revision = str('a')"))
    commit(project)
    feature.switch("main")
    url = f"sqlite:///{tmp_path / 'one.db'}"
    stamp(url, "b")
    refused(url, "does not show what it is built on")


def test_a_lost_file_that_does_not_go_with_the_chain(project: Path, tmp_path: Path) -> None:
    """Alembic loads no two revisions with one label."""
    feature = on_branch(project)
    add(project, "b <- a", before="branch_labels = 'one'")
    commit(project, 3)
    url = f"sqlite:///{tmp_path / 'one.db'}"
    upgrade(project, url, "b")
    feature.switch("main")
    add(project, "c <- a", before="branch_labels = 'one'")
    commit(project, 4)
    done = refused(url, "together with the lost files the chain would be broken")
    assert "git checkout feature" in done.stderr
    assert "BRANCH" not in done.stderr


def test_names_and_links_of_a_hostile_repository(project: Path, tmp_path: Path) -> None:
    """No name in it leads anywhere: contents are run as bytes, and nothing is written."""
    repository = Repository(project)
    path = add(project, "b <- a")
    blob = repository.git("hash-object", "-w", str(path))
    path.unlink()
    link = repository.git("hash-object", "-w", "--stdin", answer=b"../../../../etc/passwd")
    names = [("100644", blob, "$(touch owned);`x`\x1b[2J.py"), ("120000", link, "out.py")]
    listed = "".join(f"{mode} blob {each}\t{name}\0" for mode, each, name in names)
    tree = repository.git("mktree", "-z", answer=listed.encode())
    for name in ("versions", "migrations"):
        tree = repository.git("mktree", answer=f"040000 tree {tree}\t{name}\n".encode())
    tip = repository.git("commit-tree", tree, "-p", "main", "-m", "x")
    repository.git("update-ref", "refs/heads/$(touch${IFS}owned)", tip)
    url = f"sqlite:///{tmp_path / 'one.db'}"
    upgrade(project, url, "a")
    sql(url, "UPDATE alembic_version SET version_num = 'b'", "CREATE TABLE b (id INTEGER)")
    shown = take_back(url, "--dry-run")
    assert "\x1b" not in shown.stdout
    assert "git show '$(touch" in shown.stdout or "git show $'$(touch" in shown.stdout
    assert take_back(url, "--yes", "--no-backup").exit_code == 0
    assert rows_of(url) == ["a"]
    assert not list(project.rglob("owned"))
    assert repository.git("status", "--porcelain") == ""


def test_another_migration_has_the_name_of_the_file(project: Path, ahead: str) -> None:
    path = add(project, "b <- a", "pass", "raise RuntimeError")
    path.write_text(path.read_text().replace("revision = 'b'", "revision = 'mine'"))
    commit(project)
    assert take_back(ahead, "--yes", "--no-backup").exit_code == 0
    assert rows_of(ahead) == ["a"]


def test_schemas_are_chosen_by_env_py(project: Path) -> None:
    done = fixchain("unwind", "--database", "sqlite:///x.db", "--schemas", "t_*")
    assert (done.exit_code, "--schemas" in done.stderr) == (2, True)
