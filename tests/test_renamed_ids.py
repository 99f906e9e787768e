"""Databases that follow a migration whose id is another by now, also where two had the same one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from tests.commands import Done, fixchain
from tests.rehearsals import add, create, plain
from tests.repositories import Repository, needs_git
from tests.stamped import rows_of, sql, stamp

YES = ("--yes",)
JSON = ("--format", "json")
LONG = "a_revision_id_that_is_longer_than_the_table"
SHORT = "a_revision_id_that_is_longer_tha"
IN_SQL = "op.execute('CREATE TABLE IF NOT EXISTS two (id INTEGER)')"
TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'alembic_version'"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def twice(project: Path, *, one: str | None = None, two: str = create("two")) -> None:
    """A chain in which two migrations have the id b: ``b_add.py`` and the later ``b_two.py``."""
    plain(project, "a")
    later = add(project, "b <- a", two).rename(project / "migrations/versions/b_two.py")
    dated(later, "2024-02-02")
    dated(add(project, "b <- a", one), "2024-01-01")


def dated(path: Path, day: str) -> None:
    text = path.read_text()
    path.write_text(text.replace('"""add b"""', f'"""add b\n\nCreate Date: {day}\n"""'))


def database(project: Path, row: str, *tables: str) -> str:
    url = f"sqlite:///{project / 'app.db'}"
    stamp(url, row)
    sql(url, *(f"CREATE TABLE {name} (id INTEGER)" for name in tables))
    return url


def new_id(*arguments: str) -> str:
    """The id that a repair which knows no database gives to the later migration."""
    done = fixchain("repair", *YES, *JSON, "--accept-guesses", *arguments)
    assert done.exit_code == 0, done
    (mend,) = (each for each in done.document["plan"]["mends"] if each["part"] == "revision")
    assert mend["path"].endswith("b_two.py")
    (new,) = mend["after"]
    return str(new)


def restamp(url: str, *arguments: str) -> Done:
    return fixchain("restamp", *YES, "--database", url, *arguments)


def findings(url: str) -> list[tuple[str, str, str]]:
    found = fixchain("check", "--database", url, *JSON).document["findings"]
    return [(each["code"], each["severity"], each["hint"]) for each in found]


def refusal(done: Done) -> tuple[str, str]:
    """Why a stamp is not moved, and what is to be done."""
    assert done.exit_code == 3, done
    message, remedy = re.split(r"\nremed(?:y: |ies, .*:\n)", done.stderr)
    return message, " ".join(remedy.split())


def typed(project: Path, remedy: str) -> None:
    """Do what a remedy says: run its commands of Alembic."""
    config = Config()
    config.set_main_option("script_location", str(project / "migrations"))
    config.set_main_option("sqlalchemy.url", f"sqlite:///{project / 'app.db'}")
    for verb, revision in commands(remedy):
        getattr(command, verb)(config, revision)


def commands(remedy: str) -> list[tuple[str, str]]:
    """Alembic's commands in a remedy."""
    return re.findall(r"alembic (stamp|upgrade) (\w+)", remedy)


def tables_of(url: str) -> list[str]:
    return sorted(str(name) for (name,) in sql(url, TABLES))


# --- An id that two migrations had ---------------------------------------------------------------


def test_a_new_merge_point_is_no_copy_that_was_deleted(project: Path) -> None:
    """What does nothing has the code of every merge point."""
    plain(project, "a")
    add(project, "b <- a", "pass", "pass").rename(project / "migrations/versions/b_copy.py")
    for spec, up in (("b <- a", "pass"), ("c <- b", None), ("d <- b", None)):
        add(project, spec, up, up)
    url = database(project, "b", "a")
    done = fixchain("repair", *YES, "--accept-guesses", "--strategy", "merge", "--no-database")
    assert done.exit_code == 0, done
    assert len(list((project / "migrations/versions").glob("*_merge_*.py"))) == 1
    moved = restamp(url)
    assert (moved.exit_code, rows_of(url)) == (0, ["b"]), moved


@pytest.mark.parametrize("two", [create("two"), IN_SQL])
def test_a_row_of_the_migration_that_was_renamed_is_not_taken_for_the_other(
    project: Path, two: str
) -> None:
    twice(project, two=two)
    url = database(project, "b", "a", "two")
    new = new_id()

    why, remedy = refusal(restamp(url))
    assert f"b was the id of b_add.py (now b) and {new}_two.py (now {new})" in why
    assert f"{new} ran there, and b never did" in why
    ((code, severity, hint),) = findings(url)
    assert (code, severity, commands(hint)) == ("FC302", "error", commands(remedy))
    assert rows_of(url) == ["b"]

    typed(project, remedy)
    assert tables_of(url) == ["a", "b", "two"]
    assert rows_of(url) == [new]
    assert restamp(url).exit_code == 0
    assert findings(url) == []


def test_so_it_is_below_a_stamp(project: Path) -> None:
    twice(project)
    add(project, "c <- b", f"{create('c')}\nop.execute('UPDATE two SET id = 1')")
    url = database(project, "c", "a", "two", "c")
    new_id()
    _, remedy = refusal(restamp(url))
    ((code, severity, hint),) = findings(url)
    assert (code, severity, commands(hint)) == ("FC302", "error", commands(remedy))
    typed(project, remedy)
    assert (tables_of(url), rows_of(url)) == (["a", "b", "c", "two"], ["c"])


def test_a_row_of_the_migration_that_kept_the_id_stays(project: Path) -> None:
    twice(project)
    url = database(project, "b", "a", "b")
    new = new_id()
    done = restamp(url)
    assert done.exit_code == 0, done
    assert "1 already right" in done.stdout
    assert findings(url) == []
    typed(project, f"`upgrade {new}`")
    assert restamp(url).exit_code == 0
    assert findings(url) == []


def test_without_tables_nothing_is_taken_for_right(project: Path) -> None:
    twice(project, one="op.execute('SELECT 1')", two="op.execute('SELECT 2')")
    url = database(project, "b", "a")
    new = new_id()
    why, remedy = refusal(restamp(url))
    assert "it is not known which of them ran there" in why
    assert "if b ran there, the stamp is right as it is" in remedy
    assert f"if {new} ran there, have Alembic run b there" in remedy
    ((code, severity, hint),) = findings(url)
    assert (code, severity) == ("FC302", "warning")
    assert f"fixchain restamp --database {url} --dry-run" in hint
    typed(project, remedy)
    assert rows_of(url) == [new]
    assert restamp(url).exit_code == 0


def test_beside_each_other_the_row_moves_to_the_one_that_ran(project: Path) -> None:
    twice(project)
    url = database(project, "b", "a", "two")
    new = new_id("--strategy", "merge")
    assert [each[0] for each in findings(url)] == ["FC302"]
    done = restamp(url)
    assert done.exit_code == 0, done
    assert rows_of(url) == [new]
    assert findings(url) == []
    typed(project, "alembic upgrade head")
    assert tables_of(url) == ["a", "b", "two"]


def test_beside_each_other_and_without_tables_the_commands_lead_there(project: Path) -> None:
    twice(project, one="op.execute('SELECT 1')", two="op.execute('SELECT 2')")
    url = database(project, "b", "a")
    new = new_id("--strategy", "merge")
    _, remedy = refusal(restamp(url))
    assert f"if {new} ran there, move the stamp" in remedy
    assert commands(remedy) == [("stamp", "a"), ("stamp", new)]
    typed(project, remedy)
    assert rows_of(url) == [new]
    assert restamp(url).exit_code == 0


def test_a_file_that_is_gone_may_have_run(project: Path) -> None:
    twice(project)
    url = database(project, "b", "a")
    path = project / f"migrations/versions/{new_id()}_two.py"
    content = path.read_bytes()
    path.unlink()
    why, remedy = refusal(restamp(url))
    assert "b_two.py ran there, and no migration file has it any more" in why
    assert "bring that file back from version control, with the id that it got" in remedy
    ((code, severity, hint),) = findings(url)
    assert (code, severity) == ("FC302", "error")
    assert "see how to bring back what has run there" in hint
    path.write_bytes(content)
    sql(url, "CREATE TABLE two (id INTEGER)")
    typed(project, refusal(restamp(url))[1])
    assert tables_of(url) == ["a", "b", "two"]
    assert restamp(url).exit_code == 0


@needs_git
def test_a_clone_without_the_journal_is_told_the_same(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(repository.top)
    twice(repository.top)
    old = repository.commit(1)
    new = new_id()
    clone = cloned(repository, tmp_path)
    monkeypatch.chdir(clone)
    url = database(clone, "b", "a", "two")
    assert all(f"restamp --old {old}" in hint for _, _, hint in findings(url))
    why, remedy = refusal(restamp(url, "--old", old))
    assert f"{new} ran there, and b never did" in why
    typed(clone, remedy)
    assert (tables_of(url), rows_of(url)) == (["a", "b", "two"], [new])
    assert restamp(url, "--old", old).exit_code == 0


def cloned(repository: Repository, tmp_path: Path) -> Path:
    (repository.top / ".gitignore").write_text(".fixchain/\n__pycache__/\n*.db\n")
    repository.git("rm", "-r", "-q", "--cached", "--ignore-unmatch", "migrations/.fixchain")
    repository.commit(2)
    repository.git("clone", "-q", ".", tmp_path / "clone")
    return tmp_path / "clone"


# --- An id that became shorter -------------------------------------------------------------------


@pytest.fixture
def shortened(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> tuple[Path, str]:
    """A clone that has the short id and no journal, and a commit with the long one."""
    monkeypatch.chdir(repository.top)
    plain(repository.top, LONG, f"c <- {LONG}")
    old = repository.commit(1)
    assert fixchain("repair", *YES, "--shorten-ids", "--stamp", "c").exit_code == 0
    clone = cloned(repository, tmp_path)
    monkeypatch.chdir(clone)
    return clone, old


@needs_git
def test_a_stamp_follows_a_shorter_id_without_the_journal(shortened: tuple[Path, str]) -> None:
    clone, old = shortened
    url = database(clone, LONG, LONG)
    assert [each[0] for each in findings(url)] == ["FC301"]
    done = restamp(url, "--old", old)
    assert done.exit_code == 0, done
    assert rows_of(url) == [SHORT]
    assert findings(url) == []


@needs_git
def test_a_stamp_above_a_shorter_id_stays(shortened: tuple[Path, str]) -> None:
    clone, old = shortened
    url = database(clone, "c", LONG, "c")
    done = restamp(url, "--old", old)
    assert done.exit_code == 0, done
    assert rows_of(url) == ["c"]
    assert "1 already right" in done.stdout


@needs_git
def test_what_was_edited_since_wants_the_users_word(shortened: tuple[Path, str]) -> None:
    clone, old = shortened
    (path,) = (clone / "migrations/versions").glob(f"{LONG}*")
    path.write_text(
        path.read_text().replace("def downgrade", "    op.execute('x')\n\n\ndef downgrade")
    )
    url = database(clone, LONG, LONG)
    _, remedy = refusal(restamp(url, "--old", old))
    said = f"--lost {LONG}={SHORT}"
    assert said in remedy
    assert said in findings(url)[0][2]
    assert restamp(url, "--old", old, *said.split()).exit_code == 0
    assert rows_of(url) == [SHORT]


@needs_git
def test_what_does_the_same_as_another_wants_the_users_word(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two that add to the same counter: that the first has run does not mean that both have."""
    monkeypatch.chdir(repository.top)
    plain(repository.top, "a")
    for spec in (f"{LONG} <- a", f"x <- {LONG}"):
        add(repository.top, spec, "op.execute('UPDATE a SET id = id + 1')", "pass")
    old = repository.commit(1)
    versions = repository.top / "migrations/versions"
    (versions / "x_add.py").unlink()
    (versions / f"{LONG}_add.py").unlink()
    add(repository.top, "y <- a", "op.execute('UPDATE a SET id = id + 1')", "pass")
    clone = cloned(repository, tmp_path)
    monkeypatch.chdir(clone)
    url = database(clone, LONG, "a")
    _, remedy = refusal(restamp(url, "--old", old))
    assert f"restamp --lost {LONG}=y" in remedy
