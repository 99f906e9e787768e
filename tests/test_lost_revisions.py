"""Stamps that lead nowhere, with real files, a real Git and a real database: found, never guessed.

Every project here has the migrations a, b and x, and a database that has run all of them. Then x
is lost in one way or another.
"""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path
from subprocess import run
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, inspect
from sqlalchemy.pool import NullPool

import flask_chainfix
from flask_chainfix.common.errors import CannotWrite
from flask_chainfix.databases.applied import row_moves
from flask_chainfix.model.databases import Move, MoveResult, MoveState
from tests.commands import Done, fixchain, on_terminal
from tests.disk import tree
from tests.rehearsals import add, plain
from tests.repositories import Repository, needs_git
from tests.stamped import rows_of, sql

pytestmark = needs_git

YES = ("--yes",)
JSON = ("--format", "json")


class Project:
    """A plain Alembic project in a repository, and a database that has run its migrations."""

    def __init__(self, place: Path) -> None:
        self.repository = Repository(place / "repository")
        self.top = self.repository.top
        self.versions = self.top / "migrations/versions"
        self.url = f"sqlite:///{place / 'app.db'}"

    def make(self) -> None:
        """Write the migrations, commit them, and run them."""
        plain(self.top, "a", "b <- a", "x <- b")
        (self.top / ".gitignore").write_text("__pycache__\n.fixchain\n")
        self.commit(1)
        self.upgrade()

    def commit(self, day: int) -> str:
        return self.repository.commit(day)

    def path(self, revision: str) -> Path:
        return self.versions / f"{revision}_add.py"

    def lose(self, *revisions: str, day: int = 2) -> str:
        """Delete files, and return the commit that does."""
        for revision in revisions:
            self.path(revision).unlink()
        return self.commit(day)

    @property
    def config(self) -> Config:
        """Alembic's own."""
        config = Config()
        config.set_main_option("script_location", str(self.top / "migrations"))
        config.set_main_option("sqlalchemy.url", self.url)
        return config

    def upgrade(self, target: str = "head") -> None:
        """What ``alembic upgrade`` does."""
        command.upgrade(self.config, target)

    def downgrade(self, target: str) -> None:
        """What ``alembic downgrade`` does."""
        command.downgrade(self.config, target)

    def stamp(self, row: str) -> None:
        """Have the database stamped with one row, whatever it is."""
        sql(self.url, "DELETE FROM alembic_version")
        quoted = row.replace("'", "''")
        sql(self.url, f"INSERT INTO alembic_version VALUES ('{quoted}')")

    @property
    def rows(self) -> list[str]:
        return rows_of(self.url)

    @property
    def tables(self) -> set[str]:
        engine = create_engine(self.url, poolclass=NullPool)
        return set(inspect(engine).get_table_names()) - {"alembic_version"}

    def columns(self, table: str) -> set[str]:
        engine = create_engine(self.url, poolclass=NullPool)
        return {each["name"] for each in inspect(engine).get_columns(table)}

    def run(self, *arguments: str) -> Done:
        """Run a command that looks at the database."""
        name, *rest = arguments
        return fixchain(name, "--database", self.url, *rest)

    def finding(self) -> dict[str, Any]:
        """The finding about the lost row, which must be the only one."""
        done = self.run("check", *JSON)
        assert done.exit_code == 1
        (finding,) = done.document["findings"]
        assert (finding["code"], finding["severity"]) == ("FC301", "error")
        assert isinstance(finding, dict)
        return finding

    def refuses(self, *arguments: str) -> str:
        """What a command says that ends with 3 and changes neither a file nor a row."""
        files, rows = tree(self.top), self.rows
        done = self.run(*arguments)
        assert done.exit_code == 3, done
        assert (tree(self.top), self.rows) == (files, rows)
        return done.stderr

    def does(self, *arguments: str) -> str:
        """What a command says that does its work."""
        done = self.run(*arguments)
        assert done.exit_code == 0, done
        return done.stdout

    def ignore(self, code: str) -> None:
        settings = f"[alembic]\nscript_location = migrations\n[fixchain]\nignore = {code}\n"
        (self.top / "alembic.ini").write_text(settings)

    def undo(self) -> None:
        assert self.run("undo", "--yes").exit_code == 0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the project is made that each test gets a copy of."""
    return tmp_path_factory.mktemp("made")


@pytest.fixture
def project(made: Path, tmp_path: Path, own_git: None, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    if not any(made.iterdir()):
        Project(made).make()
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    copy = Project(tmp_path)
    monkeypatch.chdir(copy.top)
    return copy


def says(message: str, *parts: str) -> None:
    for part in parts:
        assert part in message


# --- Where it went -------------------------------------------------------------------------------


def test_a_file_that_was_deleted(project: Project) -> None:
    commit = project.lose("x", day=9)
    says(
        project.finding()["message"],
        "is stamped with 'x'",
        f"its file was removed (x_add.py, commit {commit} of a, 2024-01-10)",
    )


def test_a_migration_that_has_another_id(project: Project) -> None:
    renamed(project)
    finding = project.finding()
    says(finding["message"], "the same migration is y now (x_add.py, commit")
    assert finding["hint"].startswith("move the stamp to its new id: `fixchain restamp --lost x=y ")


def test_a_migration_on_another_branch_only(project: Project) -> None:
    project.repository.branch("feature")
    project.repository.switch("main")
    project.lose("x")
    project.repository.switch("feature")
    add(project.top, "z <- x")
    commit = project.commit(3)
    project.upgrade()
    project.repository.switch("main")
    finding = project.finding()
    says(
        finding["message"],
        "is stamped with 'z'",
        f"it is on the branch feature, which is not merged here (z_add.py, commit {commit} of a",
    )
    back, merge, *_ = finding["remedies"]
    says(back["text"], "this drops table z, table x, with the data in it")
    (unwind,) = back["commands"]
    assert merge["commands"][0] == "git merge --no-edit feature"
    # Typed, that leaves nothing behind.
    project.does(*unwind.split()[1:], "--yes", "--no-backup")
    assert (project.rows, project.tables) == (["b"], {"a", "b"})
    project.does("check")


def test_a_plan_that_brings_a_file_back_suggests_no_rebase(project: Project) -> None:
    """It would not see the file, which is not there before the repair."""
    project.repository.branch("feature")
    add(project.top, "z <- x")
    project.commit(2)
    project.upgrade()
    project.repository.switch("main")
    add(project.top, "y <- x")
    project.commit(3)
    for way in ("--bring-back", "--tombstone"):
        done = project.run("repair", way, "z", "--dry-run")
        says(flat(done.stdout), "the main branch (main) has y and not z")
        assert "rebase" not in done.stdout


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.usefixtures("warm_programs")
def test_a_migration_on_a_branch_that_was_deleted(project: Project, number: int) -> None:
    project.repository.branch("feature")
    add(project.top, "z <- x")
    project.commit(2)
    add(project.top, "y <- z")
    tip = project.commit(3)
    project.upgrade()
    project.repository.switch("main")
    project.repository.git("branch", "-D", "feature")
    finding = project.finding()
    says(finding["message"], "no branch has it any more, but Git still knows the commit (y_add.py")
    back, merge = finding["remedies"][:2]
    says(back["text"], "this drops table y, table z, with the data in it")
    assert merge["commands"][0] == f"git merge --no-edit {tip}"
    for typed in finding["remedies"][number]["commands"]:
        place, *words = shlex.split(typed)
        unasked = () if place == "git" else ("--yes", *["--no-backup"][number:])
        done = run([place, *words, *unasked], check=False)
        assert done.returncode == 0
    project.does("check")
    assert project.rows == [["x"], ["y"]][number]


@pytest.mark.parametrize("untracked", [True, False])
def test_what_is_stashed_is_popped_not_merged(project: Project, *, untracked: bool) -> None:
    """Of a stash, one commit has what was not tracked, and another one what was added."""
    add(project.top, "z <- x")
    add(project.top, "y <- z")
    project.upgrade()
    if not untracked:
        project.repository.git("add", "--all")
    project.repository.git("stash", "--quiet", "--include-untracked")
    finding = project.finding()
    says(finding["message"], "is stamped with 'y'", "it is in Git's stash (y_add.py, commit ")
    assert finding["remedies"][1]["commands"] == ["git stash pop"]
    shown = project.run("unwind", "--dry-run").stdout
    (command,) = {
        line.strip() for line in shown.splitlines() if "git show" in line and "y_" in line
    }
    assert "add y" in project.repository.git(*command.split()[1:])
    add(project.top, "w <- y")
    done = fixchain("repair", "--dry-run", "--no-database")
    says(flat(done.stdout + done.stderr), "git stash pop")
    assert "git merge" not in done.stdout + done.stderr
    project.path("w").unlink()
    project.repository.git("stash", "pop", "--quiet")
    project.does("check")


def test_a_row_that_git_has_never_seen(project: Project) -> None:
    project.stamp("nope")
    finding = project.finding()
    assert finding["message"].endswith("Git knows nothing of it")
    ways = finding["remedies"]
    says(ways[0]["text"], "look for newer code that has it")
    says(ways[1]["commands"][0], "repair --tombstone nope=x")


def test_a_tombstone_never_goes_below_what_may_have_run_already(project: Project) -> None:
    add(project.top, "y <- x", 'op.execute("DELETE FROM x")', "pass")
    project.upgrade()
    project.stamp("nope")
    if_run, if_not = project.finding()["remedies"][1:]
    says(if_run["text"], "if y has run there")
    says(if_run["commands"][0], "repair --tombstone nope=y")
    says(if_not["text"], "if y has not")
    says(if_not["commands"][0], "repair --tombstone nope=x")
    # y has run: the first way keeps it from running again.
    project.does("repair", "--tombstone", "nope=y", *YES)
    project.upgrade()
    assert project.rows == ["nope"]


def test_a_row_that_git_has_never_seen_beside_another(project: Project) -> None:
    """Above the other row a tombstone would leave rows that Alembic cannot have written."""
    project.stamp("nope")
    sql(project.url, "INSERT INTO alembic_version VALUES ('x')")
    _, tombstone, take_out = (way["commands"] for way in project.finding()["remedies"])
    says(tombstone[0], "repair --tombstone nope=b")
    says(take_out[0], "restamp --lost nope=x")
    for typed, row in ((tombstone[0], "nope"), (take_out[0], "x")):
        done = fixchain(*shlex.split(typed)[1:], *YES)
        assert (done.exit_code, project.rows) == (0, [row]), done
        project.upgrade()
        project.does("check")
        project.undo()


def test_a_row_that_git_has_never_seen_beside_a_base(project: Project) -> None:
    project.stamp("nope")
    sql(project.url, "INSERT INTO alembic_version VALUES ('a')")
    _, take_out = (way["commands"] for way in project.finding()["remedies"])
    says(take_out[0], "restamp --lost nope=a")


@pytest.mark.parametrize("row", ["9BC123DEF", "9bc123dfe", "9bc123def "])
def test_a_row_that_is_close_to_an_id(project: Project, row: str) -> None:
    add(project.top, "9bc123def <- x", "pass", "pass")
    project.stamp(row)
    finding = project.finding()
    assert finding["message"].endswith("a similar id is 9bc123def")
    says(finding["hint"], "move the stamp, if it is 9bc123def: `fixchain restamp --lost")


def test_a_row_that_is_a_part_of_an_id_is_what_alembic_takes_it_for(project: Project) -> None:
    add(project.top, "9bc123def <- x", "pass", "pass")
    project.stamp("x")
    sql(project.url, "UPDATE alembic_version SET version_num = '9bc12'")
    project.upgrade()
    assert project.rows == ["9bc12"], "Alembic has nothing to do"
    finding = project.finding()
    says(finding["message"], "Alembic takes it for 9bc123def")
    (way,) = finding["remedies"]
    type_all(project, way["commands"])
    assert project.rows == ["9bc123def"]


def test_outside_of_git_it_is_said_that_nothing_is_known(
    tmp_path: Path, own_git: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain(tmp_path, "a")
    monkeypatch.chdir(tmp_path)
    done = fixchain("check", "--stamp", "x")
    assert done.exit_code == 1
    says(done.stdout, "Git", "what became of lost revisions is not known")


# --- Nothing is done silently --------------------------------------------------------------------


@pytest.mark.parametrize("broken", [False, True], ids=["the files are in order", "they are not"])
def test_repair_alone_refuses_and_names_the_choices(project: Project, broken: bool) -> None:
    project.lose("x")
    if broken:
        add(project.top, "c <- a")
    for options in ((), YES, ("--dry-run",)):
        says(
            project.refuses("repair", *options),
            "which no migration file has: its file was removed",
            "repair --bring-back x",
            "repair --tombstone x",
            "restamp --lost x=b",
        )


def test_restamp_alone_refuses_and_names_the_way_to_the_choices(project: Project) -> None:
    project.lose("x")
    says(project.refuses("restamp", *YES), "no migration file has x", "check --database")


def test_a_database_that_is_left_out_is_no_obstacle(project: Project) -> None:
    project.lose("x")
    add(project.top, "c <- a")
    assert fixchain("repair", *YES).exit_code == 0


def test_to_ignore_the_finding_makes_no_plan_safe(project: Project) -> None:
    project.lose("x")
    project.ignore("FC301")
    project.does("check")
    add(project.top, "c <- a")
    says(project.refuses("repair", *YES), "which no migration file has", "leave that database out")


# --- The file comes back -------------------------------------------------------------------------


def test_the_file_is_back_byte_for_byte_and_undo_takes_it_away(project: Project) -> None:
    data = project.path("x").read_bytes()
    project.lose("x")
    before = tree(project.versions)
    told = project.does("repair", "--bring-back", "x", *YES)
    says(told, "x  new, on b", "agrees: the head is")
    assert "not fixed by this" not in flat(told)
    assert "what the migrations do to the schema is checked once" not in flat(told)
    assert project.path("x").read_bytes() == data
    assert project.rows == ["x"]
    project.does("check")
    add(project.top, "y <- x")
    project.upgrade()
    assert project.tables == {"a", "b", "x", "y"}
    project.stamp("x")
    project.path("y").unlink()
    project.does("undo", *YES)
    assert project.rows == ["x"]
    assert tree(project.versions) == before


def test_the_plan_tells_which_file_comes_back(project: Project) -> None:
    project.repository.branch("feature")
    add(project.top, "c <- b")
    kept = project.commit(2)
    project.repository.switch("main")
    removed = project.lose("x", day=3)
    done = project.run("repair", "--bring-back", "x", "--bring-back", "c", "--dry-run")
    says(
        flat(done.stdout),
        f"git: as it was before commit {removed} that removed it, by a",
        f"git: as commit {kept} of feature has it, by a",
    )


def test_what_main_has_got_meanwhile_is_joined_with_what_comes_back(project: Project) -> None:
    """This database has run the one, and those that stand where main does have run the other."""
    data = project.path("x").read_bytes()
    project.lose("x")
    add(project.top, "c <- b")
    project.commit(3)
    project.does("repair", "--bring-back", "x", *YES)
    assert project.path("x").read_bytes() == data
    assert "down_revision = 'b'" in project.path("c").read_text()
    project.upgrade()
    assert project.tables == {"a", "b", "c", "x"}


def test_what_comes_back_is_relinked_where_that_is_safer(project: Project) -> None:
    data = project.path("x").read_bytes()
    project.lose("x")
    add(project.top, "c <- b")
    project.commit(3)
    done = fixchain("repair", "--bring-back", "x", "--stamp", "c", *YES)
    assert done.exit_code == 0, done
    assert project.path("x").read_bytes() == data.replace(b"revision = 'b'", b"revision = 'c'")


def test_several_come_back_together_or_not_at_all(project: Project) -> None:
    data = [project.path(name).read_bytes() for name in "bx"]
    project.lose("b", "x")
    message = project.refuses("repair", "--bring-back", "x", *YES)
    says(message, "x is built on b, which no migration file has either", "--bring-back b")
    hint = project.finding()["hint"]
    assert "repair --bring-back x --bring-back b " in hint
    project.does("repair", "--bring-back", "x", "--bring-back", "b", *YES)
    assert [project.path(name).read_bytes() for name in "bx"] == data
    project.does("check")


def test_a_file_comes_back_to_where_migrations_are_looked_for(project: Project) -> None:
    attic = project.versions / "attic"
    attic.mkdir()
    data = project.path("x").read_bytes()
    project.path("x").rename(attic / "x_add.py")
    project.commit(2)
    (attic / "x_add.py").unlink()
    project.commit(3)
    project.does("repair", "--bring-back", "x", *YES)
    assert project.path("x").read_bytes() == data


def test_a_file_that_is_only_in_a_directory_that_is_not_read(project: Project) -> None:
    """To bring it back from Git would make a second file with its id."""
    (project.versions / "2024").mkdir()
    project.path("x").rename(project.versions / "2024/x_add.py")
    project.commit(2)
    moving, *_ = project.finding()["remedies"]
    moved = ["git mv -- migrations/versions/2024/x_add.py migrations/versions"]
    assert moving["commands"] == moved
    type_all(project, moved)
    project.does("check")


def test_a_database_of_another_environment_is_left_to_it(project: Project) -> None:
    shutil.copytree(project.top / "migrations", project.top / "second")
    for path in project.top.glob("second/versions/*.py"):
        path.unlink()
    add(project.top, "s")
    (project.versions / "s_add.py").rename(project.top / "second/versions/s_add.py")
    project.commit(2)
    done = fixchain("-d", "second", "check", "--database", project.url, *JSON)
    (finding,) = [each for each in done.document["findings"] if each["code"] == "FC301"]
    says(finding["message"], "it belongs to another environment, migrations")
    first, *others = finding["remedies"]
    says(first["text"], "work on this database in the environment migrations")
    assert first["commands"] == [f"fixchain -d migrations check --database {project.url}"]
    assert fixchain(*shlex.split(first["commands"][0])[1:]).exit_code == 0
    assert not any("git mv" in command for way in others for command in way["commands"])


def test_no_way_moves_a_stamp_or_leaves_out_what_has_run_in_a_broken_chain(
    project: Project,
) -> None:
    add(project.top, "y <- x")
    project.lose("x")
    document = project.run("check", *JSON).document
    (lost,) = (each for each in document["findings"] if each["code"] == "FC301")
    commands = [command for way in lost["remedies"] for command in way["commands"]]
    assert commands
    assert not any("restamp" in command for command in commands)
    assert document["plan"]["choices"] == []
    alone = fixchain("check", *JSON).document["plan"]["choices"]
    assert "--attach y=b" in alone[0]["commands"][0]
    for command_ in commands:
        project.does(*shlex.split(command_)[1:2], *shlex.split(command_)[2:-2], *YES)
        project.does("check")
        project.undo()


def test_a_stamp_goes_where_only_a_column_is_missing_and_that_is_made(project: Project) -> None:
    columns = "sa.Column('id', sa.Integer, primary_key=True), sa.Column('name', sa.String(9))"
    add(project.top, "x <- b", f"op.create_table('x', {columns})")
    project.commit(2)
    project.stamp("b")
    document = project.run("check", *JSON).document
    (finding,) = document["findings"]
    (there,) = finding["remedies"]
    assert finding["code"] == "FC306"
    says(there["text"], "except that it lacks x.name")
    stamping, made = there["commands"]
    assert stamping == "alembic stamp x"
    project.stamp("x")
    done = fixchain(*shlex.split(made)[1:], *YES)
    assert done.exit_code == 0, done
    project.upgrade()
    assert project.columns("x") == {"id", "name"}
    assert project.run("check", "--strict").exit_code == 0


@pytest.mark.parametrize(
    ("revision", "words"),
    [
        ("a", "a is not lost: a_add.py has it"),
        ("nope", "Git knows nothing of 'nope'"),
    ],
)
def test_what_cannot_come_back(project: Project, revision: str, words: str) -> None:
    says(project.refuses("repair", "--bring-back", revision, *YES), words)


def test_a_file_whose_name_is_taken_does_not_come_back(project: Project) -> None:
    project.lose("x")
    add(project.top, "c <- b").rename(project.path("x"))
    message = project.refuses("repair", "--bring-back", "x", *YES)
    says(message, "another migration now has the file name of x: x_add.py")


def test_what_has_come_back_under_another_id_is_not_brought_back_twice(project: Project) -> None:
    renamed(project, file="y_add.py")
    message = project.refuses("repair", "--bring-back", "x", *YES)
    says(message, "the same migration is y now", "restamp --lost x=y")


# --- A revision without a body in its place ------------------------------------------------------


def test_a_tombstone_goes_where_git_knows_its_place(project: Project) -> None:
    project.lose("x")
    before = tree(project.versions)
    told = project.does("repair", "--tombstone", "x", *YES)
    says(told, "x  new, on b", "git: x_add.py was on b, by commit")
    (path,) = set(project.versions.glob("*.py")) - {project.path("a"), project.path("b")}
    assert "op.create_table" not in path.read_text()
    project.does("check")
    add(project.top, "y <- x")
    project.upgrade()
    assert (project.rows, project.tables) == (["y"], {"a", "b", "x", "y"})
    project.path("y").unlink()
    project.stamp("x")
    project.undo()
    assert tree(project.versions) == before


def test_a_tombstone_goes_where_the_user_says(project: Project) -> None:
    project.stamp("nope")
    says(project.refuses("repair", "--tombstone", "nope", *YES), "--tombstone nope=x")
    says(project.refuses("repair", "--tombstone", "nope=gone", *YES), "no revision 'gone'")
    says(project.does("repair", "--tombstone", "nope=x", *YES), "nope  new, on x")
    project.upgrade()
    assert project.rows == ["nope"]


def test_tombstones_of_several_in_a_row(project: Project) -> None:
    project.lose("b", "x")
    told = project.does("repair", "--tombstone", "x", "--tombstone", "b", *YES)
    says(told, "x  new, on b", "b  new, on a")
    project.undo()
    says(project.does("repair", "--tombstone", "x", *YES), "x  new, on a")
    project.upgrade()


@pytest.mark.parametrize("wishes", [("y=y",), ("y=z", "z=y"), ("y=z", "z=w", "w=z")])
def test_tombstones_are_never_on_each_other(project: Project, wishes: tuple[str, ...]) -> None:
    """Alembic cannot load a cycle; the plan would not be what is written."""
    typed = [part for each in wishes for part in ("--tombstone", each)]
    refused = fixchain("repair", *typed, "--no-database", *YES)
    assert refused.exit_code == 3, refused
    says(refused.stderr, "would form a cycle", "--tombstone")
    assert not [*Path("migrations/versions").glob("*tombstone*")]


def test_a_tombstone_of_the_first_revision(project: Project) -> None:
    """It is a base again, and what has landed since goes on it, as it has not run there."""
    project.lose("a", "b", "x")
    project.stamp("a")
    add(project.top, "z")
    project.does("repair", "--tombstone", "a", *YES)
    assert "down_revision = 'a'" in project.path("z").read_text()
    project.upgrade()
    assert "z" in project.tables


HOSTILE = [
    "../../x",
    "/tmp/x",
    "sub/x",
    '"""',
    "it's",
    'a"\nimport os\nb = "',
    "${1/0}",
    "%(rev)s/..",
    "x@1",
    "-x",
    "x:y",
    "x\0y",
    "x" * 300,
    "x\ud800",
    "base",
    "..",
]


def test_nothing_is_written_for_what_is_no_id(project: Project) -> None:
    for row in HOSTILE:
        message = project.refuses("repair", "--tombstone", f"{row}=b", *YES)
        says(message, "no file can be written for the id", "restamp --lost")
        says(project.refuses("repair", "--bring-back", row, *YES), "Git knows nothing of")


def test_a_stamp_that_is_no_id_is_told_and_can_be_moved(project: Project) -> None:
    for row in ("../../x", 'it\'s "x"', "a\nb", "x@1", "-x", "x" * 300):
        project.stamp(row)
        finding = project.finding()
        assert finding["message"].partition(" is stamped with ")[2].startswith(f"{row!r}, which")
        assert "tombstone" not in finding["hint"]
        project.does("restamp", "--lost", f"{row}=x", *YES)
        assert project.rows == ["x"]


@pytest.mark.parametrize("row", ["gone", "go=ne", "x=y"])
def test_of_ids_with_equals_signs_the_rows_and_the_chain_tell_what_is_meant(
    project: Project, row: str
) -> None:
    add(project.top, "y=1 <- x", "pass", "pass")
    project.stamp("go=ne")
    ways = project.finding()["remedies"]
    (printed,) = {each for way in ways for each in way["commands"] if "--lost go=ne=y=1 " in each}
    project.does(*shlex.split(printed)[1:], *YES)
    assert project.rows == ["y=1"]
    add(project.top, "1 <- y=1", "pass", "pass")
    for revision in ("y=1", "1"):
        project.stamp(row)
        project.does("restamp", "--lost", f"{row}={revision}", *YES)
        assert project.rows == [revision]


@pytest.mark.parametrize("row", ["", " ", "x ", " x", "\t", "x=y", "nope="])
def test_an_empty_row_and_others_that_nobody_sees_are_moved_as_printed(
    project: Project, row: str
) -> None:
    project.stamp(row)
    (typed,) = [
        typed for way in project.finding()["remedies"] for typed in way["commands"] if typed
    ]
    done = run(["bash", "-c", f"printf '%s\\0' {typed}"], capture_output=True, check=True)
    name, command, *arguments = done.stdout.decode().split("\0")[:-1]
    assert (name, command) == ("fixchain", "restamp")
    said = flat(fixchain("restamp", *arguments, "--yes").stdout)
    says(said, f"{row if row == row.strip() and row else repr(row)} → x moved")
    assert project.rows == ["x"]


def test_several_rows_that_nobody_knows_need_one_command(project: Project) -> None:
    """A command for one of them would be refused because of the other."""
    for rows, moved in (("one", "two"), ["two"]), (("", "one"), ["x"]):
        project.stamp(rows[0])
        sql(project.url, f"INSERT INTO alembic_version VALUES ('{rows[1]}')")
        findings = project.run("check", *JSON).document["findings"]
        typed = {each["remedies"][-1]["commands"][0] for each in findings}
        (command,) = typed
        _, name, *arguments = shlex.split(command)
        done = fixchain(name, *arguments, "--yes")
        assert done.exit_code == 0, done
        assert project.rows == moved
        project.run("undo", *YES)


def test_rows_of_several_databases_that_nobody_knows(project: Project, tmp_path: Path) -> None:
    """What a refusal names keeps the options of the command that it refuses."""
    other = f"sqlite:///{tmp_path / 'other.db'}"
    sql(other, "CREATE TABLE alembic_version (version_num VARCHAR(32))")
    sql(other, *(f"CREATE TABLE {name} (id INTEGER)" for name in "abx"))
    sql(other, "INSERT INTO alembic_version VALUES ('other9')")
    project.stamp("nope")
    refused = project.run("repair", "--database", other, "--tombstone", "nope=x", "--yes", *JSON)
    assert refused.exit_code == 3
    ways = refused.document["error"]["remedies"]
    commands = [command for way in ways for command in way["commands"]]
    assert len(commands) == 2
    for typed in commands:
        _, name, *arguments = shlex.split(typed)
        says(typed, "--tombstone nope=x")
        assert fixchain(name, *arguments, "--yes").exit_code == 0, typed
        assert fixchain("undo", *YES, *arguments[arguments.index("--database") :]).exit_code == 0


def test_a_refusal_names_what_the_files_on_disk_allow(project: Project, tmp_path: Path) -> None:
    """Not what the planned ones would; and for an empty row, what its tables match."""
    other = f"sqlite:///{tmp_path / 'other.db'}"
    sql(other, "CREATE TABLE alembic_version (version_num VARCHAR(32))")
    sql(other, "CREATE TABLE a (id INTEGER)", "INSERT INTO alembic_version VALUES ('')")
    project.stamp("nope")
    refused = project.run("repair", "--database", other, "--tombstone", "nope=x", "--yes", *JSON)
    ways = refused.document["error"]["remedies"]
    (typed,) = (each for way in ways for each in way["commands"] if "restamp" in each)
    _, name, *arguments = shlex.split(typed)
    fixchain(name, *arguments, "--yes")
    assert rows_of(other) == ["a"]
    assert project.run("repair", "--database", other, "--tombstone", "nope=x", *YES).exit_code == 0


def test_an_odd_id_that_git_knows_comes_back_as_it_was(project: Project) -> None:
    text = project.path("x").read_text().replace("revision = 'x'", 'revision = "it\'s ${x}/../y"')
    project.path("x").write_text(text)
    project.commit(2)
    project.stamp("it's ${x}/../y")
    project.lose("x", day=3)
    says(project.refuses("repair", "--tombstone", "it's ${x}/../y", *YES), "no file can be written")
    project.does("repair", "--bring-back", "it's ${x}/../y", *YES)
    assert project.path("x").read_text() == text


# --- The stamp moves -----------------------------------------------------------------------------


def renamed(project: Project, *, file: str = "x_add.py", more: str = "") -> None:
    """Give x the id y, and perhaps more to do."""
    text = project.path("x").read_text().replace("revision = 'x'", "revision = 'y'")
    if more:
        text = text.replace("\n\n\ndef downgrade", f"\n    {more}\n\n\ndef downgrade")
    project.path("x").unlink()
    (project.versions / file).write_text(text)
    project.commit(2)


def test_to_the_new_id(project: Project) -> None:
    renamed(project)
    told = project.does("restamp", "--lost", "x=y", *YES)
    says(flat(told), "x counts as y: Git shows that it is the same migration under a new id")
    assert project.rows == ["y"]
    project.upgrade()
    assert project.tables == {"a", "b", "x"}
    project.undo()
    assert project.rows == ["x"]


def test_to_the_new_id_of_what_has_been_edited(project: Project) -> None:
    renamed(project, more="op.execute('DELETE FROM x')")
    says(project.finding()["message"], "the same migration is y now, edited since")
    told = project.does("restamp", "--lost", "x=y", *YES)
    says(flat(told), "has been edited since commit", "will never run on these databases")


def test_not_to_a_new_id_whose_tables_are_not_there(project: Project) -> None:
    renamed(project, more="op.create_table('more', sa.Column('id', sa.Integer()))")
    way = "create more by hand as y does now, then move the stamp to that id"
    says(project.finding()["hint"], way, "upgrade --sql b:y")
    told = project.refuses("restamp", "--lost", "x=y", *YES)
    says(flat(told), "y would stand for what is not there: more (y)", way)
    sql(project.url, "CREATE TABLE more (id INTEGER)")
    project.does("restamp", "--lost", "x=y", *YES)


def test_migrations_that_were_made_anew_with_more_in_them(project: Project) -> None:
    """There is nothing left to run in the old code, which would be the same remedy for ever."""
    for name in "abx":
        project.path(name).unlink()
    every = "\n".join(f"op.create_table('{t}', sa.Column('id', sa.Integer()))" for t in "abxy")
    add(project.top, "new", every, "pass")
    project.commit(2)
    restore, by_hand = project.finding()["remedies"]
    assert by_hand["text"] == "make y by hand as new does, then move the stamp to it"
    says(project.refuses("restamp", "--lost", "x=new", *YES), by_hand["text"])

    git, rm, write, upgrade = restore["commands"]
    assert write.endswith("revision --autogenerate -m 'what is new'")
    assert upgrade.endswith("upgrade head")
    for typed in (git, rm):
        run(shlex.split(typed), check=True)
    project.does("check")
    project.upgrade()
    assert project.rows == ["x"]

    project.lose("a", "b", "x", day=3)
    add(project.top, "new", every, "pass")
    sql(project.url, "CREATE TABLE y (id INTEGER)")
    project.does("restamp", "--lost", "x=new", *YES)
    project.upgrade()
    assert project.rows == ["new"]


def test_to_the_nearest_ancestor(project: Project) -> None:
    """What lies between is told before anybody is asked, and where nobody is."""
    project.lose("x")
    asked = project.run("restamp", "--lost", "x=b")
    assert (asked.exit_code, project.rows) == (3, ["x"])
    noted = "x counts as b: x creates table x; whatever of that is in the database stays"
    says(flat(asked.stdout), noted)
    document = project.run("restamp", "--lost", "x=b", "--dry-run", *JSON).document
    assert any(notice.startswith(noted) for notice in document["notices"])
    says(flat(project.does("restamp", "--lost", "x=b", *YES)), noted)
    assert project.rows == ["b"]
    project.does("check")


@pytest.mark.usefixtures("warm_programs")
def test_on_a_terminal_the_note_comes_before_the_question(project: Project) -> None:
    project.lose("x")
    done = on_terminal(
        "fixchain",
        *("restamp", "--database", project.url, "--lost", "x=b"),
        cwd=project.top,
        answer="n\n",
    )
    assert (done.exit_code, project.rows) == (1, ["x"])
    says(flat(done.stdout), "x counts as b: x creates table x")
    says(done.stderr, "Move the stamps of 1 database?", "Nothing was changed.")


def test_past_several_that_are_lost(project: Project) -> None:
    project.lose("b", "x")
    says(
        flat(project.does("restamp", "--lost", "x=a", *YES)),
        "x counts as a: x creates table x, b creates table b; whatever of that",
    )
    assert project.rows == ["a"]


def test_past_what_did_nothing(project: Project) -> None:
    add(project.top, "n <- x", "pass", "pass")
    project.commit(2)
    project.upgrade()
    project.lose("n", day=3)
    says(project.finding()["remedies"][0]["commands"][0], "restamp --lost n=x")
    told = project.does("restamp", "--lost", "n=x", *YES)
    says(flat(told), "n is proven to do nothing, so nothing is lost")
    assert project.rows == ["x"]


def test_further_than_the_nearest_ancestor(project: Project) -> None:
    project.lose("x")
    refused = project.refuses("restamp", "--lost", "x=a", "--dry-run")
    says(refused, "x was on b as far as Git knows, and not on a")


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        ("b=a", "b is not lost: b_add.py has it"),
        ("x=nope", "there is no revision 'nope' in this chain"),
    ],
)
def test_what_can_be_taken_for_nothing_else(project: Project, lost: str, words: str) -> None:
    project.lose("x")
    says(project.refuses("restamp", "--lost", lost, *YES), words)


def test_a_backup_from_before_is_found_out_again(project: Project) -> None:
    project.lose("x")
    project.does("restamp", "--lost", "x=b", *YES)
    project.stamp("x")
    says(project.finding()["message"], "is stamped with 'x'")
    says(project.refuses("restamp", *YES), "no migration file has x")
    project.does("restamp", "--lost", "x=b", *YES)
    assert project.rows == ["b"]


def test_rows_that_an_earlier_repair_has_moved_can_be_stranded_by_a_later_one(
    project: Project,
) -> None:
    add(project.top, "c <- b")
    project.upgrade("heads")
    assert project.rows == ["c", "x"]
    project.does("repair", *YES)
    (top,) = project.rows
    (below,) = {"c", "x"} - {top}
    add(project.top, f"d <- {below}")
    assert fixchain("repair", "--attach", f"{top}=d", *YES).exit_code == 0
    (finding,) = project.run("check", *JSON).document["findings"]
    assert (finding["code"], finding["revisions"]) == ("FC302", ["d"])
    project.ignore("FC302")
    add(project.top, "e <- a")
    says(project.refuses("repair", *YES), "d, below that in the chain, never ran there")
    project.undo()
    project.does("repair", *YES)
    project.upgrade()
    assert project.tables == {"a", "b", "c", "d", "e", "x"}


# --- What is never suggested ---------------------------------------------------------------------


def test_nowhere_is_alembics_purge_suggested() -> None:
    """On a chain that cannot be loaded it deletes the rows and then stops with a traceback."""
    package = Path(flask_chainfix.__file__).parent
    texts = {path: path.read_text("utf-8") for path in package.rglob("*.py")}
    assert len(texts) > 50
    assert [path.name for path, text in texts.items() if "stamp --purge" in text] == []


def flat(text: str) -> str:
    """Text without the line ends of a narrow page."""
    return re.sub(r"\s+", " ", text)


# --- What comes back, all the way ----------------------------------------------------------------


def test_two_that_build_on_each_other_come_back_and_the_stamps_follow(project: Project) -> None:
    add(project.top, "k <- x")
    add(project.top, "c <- b")
    project.upgrade("heads")
    project.commit(2)
    project.lose("x", "k", day=3)
    assert project.rows == ["c", "k"]
    project.does("repair", "--bring-back", "x", "--bring-back", "k", *YES)
    assert len(project.rows) == 1
    project.upgrade()  # a table that is made twice would stop it
    assert project.tables == {"a", "b", "c", "k", "x"}
    project.undo()


@pytest.mark.parametrize("remedy", ["--bring-back", "--tombstone"])
def test_an_undo_leaves_a_row_as_lost_as_it_was(project: Project, remedy: str) -> None:
    project.lose("x")
    project.does("repair", remedy, "x", *YES)
    project.undo()
    assert project.rows == ["x"]
    assert not project.path("x").exists()


def test_what_an_undo_would_need_to_know_is_written_down_or_nothing_is_changed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.lose("x")

    def full(*_: object) -> None:
        raise CannotWrite("the journal cannot be written: it is full", "make room")

    with monkeypatch.context() as patched:
        patched.setattr("flask_chainfix.disk.recorded_rows.RowLog.record", full)
        done = project.run("repair", "--tombstone", "x", *YES)
    says(done.stderr, "the journal cannot be written")
    assert done.exit_code == 3
    assert {path.name for path in project.versions.glob("*.py")} == {"a_add.py", "b_add.py"}
    assert project.run("undo", *YES).exit_code == 3  # there is none
    project.does("repair", "--tombstone", "x", *YES)


@pytest.mark.parametrize("remedy", ["--bring-back", "--tombstone"])
def test_a_rehearsal_knows_what_comes_back(project: Project, remedy: str) -> None:
    project.lose("x")
    done = project.run("repair", remedy, "x", "--rehearse", "--dry-run", *JSON)
    assert done.exit_code == 1, done
    (way,) = done.document["rehearsal_ways"]
    assert way["rows"] == ["x"]


def test_a_merge_point_gets_a_tombstone_on_both(project: Project) -> None:
    add(project.top, "c <- b")
    add(project.top, "m <- c, x")
    project.upgrade()
    project.path("m").unlink()
    project.does("repair", "--tombstone", "m=c,x", *YES)
    project.does("check")
    project.upgrade()
    assert project.rows == ["m"]


def test_no_file_is_written_for_a_stamp_that_cannot_follow(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(project.top, "c <- b")
    project.commit(2)

    def refused(*_: object) -> tuple[MoveResult, ...]:
        move = Move("production", "id", ("x",), ("x",))
        return (MoveResult(move, MoveState.REFUSED, "nobody knows", "find out"),)

    monkeypatch.setattr(row_moves, "planned_moves", refused)
    says(project.refuses("repair", *YES), "the stamp of production could not follow the files")
    document = project.run("repair", "--dry-run", *JSON).document
    assert (document["exit_code"], document["plan"]) == (3, None)


# --- What the main branch has --------------------------------------------------------------------


def behind_main(project: Project) -> None:
    """A branch that is checked out, and a database that has run what ``main`` has besides."""
    project.repository.branch("feature")
    project.repository.switch("main")
    add(project.top, "y <- x")
    project.commit(2)
    project.upgrade()
    project.repository.branch("a-colleague")
    project.repository.switch("feature")
    add(project.top, "mine <- x")
    project.commit(3)


@pytest.mark.parametrize("against", [(), ("--against", "main")], ids=["alone", "against main"])
def test_what_main_has_is_merged_before_anything_is_taken_back(
    project: Project, against: tuple[str, ...]
) -> None:
    behind_main(project)
    done = project.run("check", *JSON, *against)
    (finding,) = [each for each in done.document["findings"] if each["code"] == "FC301"]
    says(finding["message"], "it is on main, which is not merged here")
    merge, back, *_ = finding["remedies"]
    says(back["text"], "this drops table y, with the data in it")
    # The merge that breaks the chain is committed once that is mended.
    assert merge["commands"][0] == f"git merge --no-{'commit' if against else 'edit'} main"
    type_all(project, merge["commands"])
    assert project.tables == {"a", "b", "x", "y"}
    project.does("check")


def test_unwind_tells_that_main_has_what_it_takes_back(project: Project) -> None:
    behind_main(project)
    done = project.run("unwind", "--dry-run")
    says(
        flat(done.stdout),
        "main has y: `git merge --no-edit main` brings it, and nothing is downgraded",
    )


@pytest.mark.parametrize(
    "command_", [("rebase", "main"), ("rebase", "--apply", "main"), ("cherry-pick", "main..mine")]
)
def test_what_the_stopped_operation_is_still_to_bring_is_not_taken_back(
    project: Project, command_: tuple[str, ...]
) -> None:
    repository, app = project.repository, project.top / "app.py"
    repository.branch("mine")
    app.write_text("mine\n")
    project.commit(2)
    add(project.top, "y <- x")
    project.commit(3)
    project.upgrade()
    repository.switch("main")
    app.write_text("main\n")
    project.commit(4)
    if command_[0] == "rebase":
        repository.switch("mine")
    with pytest.raises(AssertionError):
        repository.git(*command_, day=5)
    app.write_text("both\n")
    repository.git("add", "-A")
    finding, operation = project.finding(), command_[0]
    goes_on_with = f"GIT_EDITOR=true git {operation} --continue"
    says(finding["message"], f"the {operation} that has stopped is still to bring it")
    (goes_on,) = finding["remedies"]
    assert goes_on["commands"] == ["git add -- migrations", goes_on_with]
    says(project.refuses("unwind", "--yes"), "y is not gone", goes_on_with)
    for typed in goes_on["commands"]:
        repository.type(typed, day=5)
    project.does("check")
    assert project.tables == {"a", "b", "x", "y"}


def test_one_merge_is_one_step(project: Project) -> None:
    """It brings what is lost, and is what would break the chain."""
    behind_main(project)
    shown = project.run("check", "--against", "main").stdout
    says(shown, "FC301", "FC503")
    assert shown.split("What to do")[1].count("git merge --no-commit main") == 1


def type_all(project: Project, commands: list[str]) -> None:
    for command_ in commands:
        tool, *arguments = shlex.split(command_)
        if tool == "git":
            project.repository.git(*arguments, day=5)
        else:
            agreed = ["--accept-guesses"] if "repair" in arguments else []
            done = fixchain(*arguments, *agreed, "--yes")
            assert done.exit_code == 0, done
