"""Both sides of a merge have the same id: main's stays, mine gets another one, databases follow."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from tests.commands import fixchain
from tests.disk import migrations
from tests.nightly import first_of
from tests.rehearsals import create, drop, plain
from tests.repositories import VERSIONS, Repository, needs_git
from tests.stamped import rows_of, sql
from tests.support import alembic_loads, migration, read_directory, rev

pytestmark = [needs_git, pytest.mark.usefixtures("own_git")]

YES = ("--yes",)
JSON = ("--format", "json")


class Project(Repository):
    """A plain Alembic project in a repository; each migration makes a table of its own."""

    def write(self, spec: str, table: str, *more: str, name: str = "{id}_{table}") -> Path:
        item = rev(spec, file=None, date="2024-01-01")
        item = replace(item, upgrade=(create(table), *more), downgrade=(drop(table),))
        path = self.top / VERSIONS / f"{name.format(id=item.revision, table=table)}.py"
        path.write_bytes(migration(item))
        return path

    def database(self, name: str) -> str:
        return f"sqlite:///{self.top.parent / name}.db"

    def alembic(self, verb: str, name: str, to: str) -> None:
        config = Config()
        config.set_main_option("script_location", str(self.top / "migrations"))
        config.set_main_option("sqlalchemy.url", self.database(name))
        getattr(command, verb)(config, to)

    def tables(self, name: str) -> list[str]:
        found = sql(self.database(name), "SELECT name FROM sqlite_master WHERE type = 'table'")
        return sorted(str(each) for (each,) in found if each != "alembic_version")

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in (self.top / VERSIONS).glob("*.py"))

    @property
    def chain(self) -> dict[str, tuple[str, ...]]:
        return dict(read_directory(self.top / "migrations").graph.named_parents)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    top = tmp_path / "project"
    project = Project(top)
    plain(top, models="target_metadata = None")
    (top / ".gitignore").write_text("__pycache__/\n.fixchain/\n")
    monkeypatch.chdir(top)
    return project


def fork(project: Project, ids: tuple[str, str], mine: list[str], theirs: list[str]) -> None:
    """Two revisions that all have; then mine on a branch, and theirs on main, merged into it."""
    first, second = ids
    project.write(first, "first")
    project.write(f"{second} <- {first}", "second")
    project.commit(1)
    project.branch("feature")
    _line(project, second, mine, "mine", 2)
    project.switch("main")
    _line(project, second, theirs, "theirs", 4)
    project.alembic("upgrade", "main", "head")
    project.switch("feature")
    project.alembic("upgrade", "mine", "head")
    project.merge("main", day=6)


def _line(project: Project, below: str, ids: list[str], table: str, day: int) -> None:
    for number, id_ in enumerate(ids):
        project.write(f"{id_} <- {below}", f"{table}{number}")
        below = id_
        project.commit(day + number)


def is_as_on_main(project: Project, name: str) -> bool:
    return project.git("diff", "main", "--", f"{VERSIONS}/{name}.py") == ""


def runs_everywhere(project: Project, *tables: str) -> None:
    """Alembic upgrades an empty database, and one that stands at main's head, and comes back."""
    alembic_loads(read_directory(project.top / "migrations"))
    for name in ("empty", "main"):
        project.alembic("upgrade", name, "head")
        assert project.tables(name) == sorted(("first", "second", *tables))
        assert len(rows_of(project.database(name))) == 1
    project.alembic("downgrade", "empty", "base")
    assert project.tables("empty") == []


@pytest.mark.parametrize("verb", first_of(["rebase", "repair"]))
@pytest.mark.parametrize(
    ("ids", "mine", "theirs", "expected"),
    [
        (("0031", "0032"), ["0033", "0034"], ["0033"], ["0035", "0036"]),
        (("0031", "0032"), ["0033", "0034"], ["0033", "0034"], ["0035", "0036"]),
        (("8", "9"), ["10"], ["10", "11"], ["12"]),
        (("0001_first", "0002_second"), ["0003_same"], ["0003_same"], ["0004_same"]),
        (("0001_a", "0002_b"), ["0003_c", "0004_d"], ["0003_e"], ["0005_c", "0006_d"]),
    ],
)
def test_mine_goes_on_counting_above_theirs(
    project: Project,
    verb: str,
    ids: tuple[str, str],
    mine: list[str],
    theirs: list[str],
    expected: list[str],
) -> None:
    fork(project, ids, mine, theirs)
    before = migrations(project.top / "migrations")
    shown = fixchain("check", *JSON).document["plan"]["mends"]
    assert "    fixchain rebase --dry-run\n" in fixchain("check").stdout

    done = fixchain(verb, *YES, *JSON)

    assert done.exit_code == 0, done
    assert [each["after"] for each in shown] == [
        each["after"] for each in done.document["plan"]["mends"]
    ]
    chain = project.chain
    below = theirs[-1]
    for number, id_ in enumerate(expected):
        assert chain[id_] == (below,)
        below = id_
        path = project.top / VERSIONS / f"{id_}_mine{number}.py"
        assert f"Revision ID: {id_}\n" in path.read_text()
    assert all(is_as_on_main(project, f"{id_}_theirs{n}") for n, id_ in enumerate(theirs))
    runs_everywhere(
        project,
        *(f"mine{number}" for number in range(len(mine))),
        *(f"theirs{number}" for number in range(len(theirs))),
    )

    assert fixchain("undo", *YES).exit_code == 0
    assert migrations(project.top / "migrations") == before


def test_ids_that_do_not_count_get_one_like_those_of_alembic(project: Project) -> None:
    ids = ("02ce03a86f9d", "f06194fddb07")
    fork(project, ids, ["dd8fa03a5c4c"], ["dd8fa03a5c4c"])
    shown = fixchain("check", *JSON).document["plan"]["mends"]
    assert fixchain("rebase", *YES).exit_code == 0
    known = {*ids, "dd8fa03a5c4c"}
    ((new, parents),) = ((id_, on) for id_, on in project.chain.items() if id_ not in known)
    assert re.fullmatch("[0-9a-f]{12}", new)
    assert [each["after"] for each in shown] == [[new]]
    assert parents == ("dd8fa03a5c4c",)
    runs_everywhere(project, "mine0", "theirs0")


def test_a_child_that_uses_nothing_is_on_what_was_there_when_it_landed(project: Project) -> None:
    """Main's file came before the child by date, and was not on its branch."""
    fork(project, ("0031", "0032"), ["0033"], ["0033"])
    project.git("reset", "-q", "--hard", "HEAD^1")
    project.write("0034 <- 0033", "late")
    project.commit(7)
    project.merge("main", day=8)
    assert fixchain("rebase", *YES).exit_code == 0
    assert project.chain["0036"] == ("0035",)
    runs_everywhere(project, "late", "mine0", "theirs0")


def test_three_sides(project: Project) -> None:
    fork(project, ("0031", "0032"), ["0033"], ["0033"])
    project.branch("other", "main~1")
    project.write("0033 <- 0032", "third")
    project.commit(3)
    project.switch("feature")
    project.merge("other", day=8)
    assert fixchain("rebase", *YES).exit_code == 0
    assert sorted(project.chain) == ["0031", "0032", "0033", "0034", "0035"]
    assert is_as_on_main(project, "0033_theirs0")
    runs_everywhere(project, "mine0", "theirs0", "third")


def test_what_main_has_called_anew_is_still_mains(project: Project) -> None:
    fork(project, ("0031", "0032"), ["0033"], ["0033"])
    project.switch("main")
    project.git("mv", f"{VERSIONS}/0033_theirs0.py", f"{VERSIONS}/0033_a_better_name.py")
    project.commit(7)
    project.switch("feature")
    project.merge("main", day=8)
    assert fixchain("rebase", *YES).exit_code == 0
    assert is_as_on_main(project, "0033_a_better_name")
    assert "0034_mine0.py" in project.files
    runs_everywhere(project, "mine0", "theirs0")


def test_what_is_not_merged_yet_is_not_taken_for_mine(project: Project) -> None:
    fork(project, ("0031", "0032"), ["0033"], ["0033"])
    project.git("reset", "-q", "--hard", "HEAD^1")
    refused = fixchain("rebase", *YES)
    assert refused.exit_code == 3
    assert "main has 1 revision that is not here: 0033" in refused.stderr


def test_a_date_before_words_may_stand_on_both_sides(project: Project) -> None:
    fork(project, ("20240301_a", "20240302_b"), ["20240305_c"], ["20240305_d"])
    assert fixchain("rebase", *YES).exit_code == 0
    assert project.chain["20240305_c"] == ("20240305_d",)


# --- Databases -----------------------------------------------------------------------------------


def database(project: Project, name: str) -> tuple[str, str]:
    return ("--database", project.database(name))


def test_the_stamp_of_a_database_that_has_run_mine_follows(project: Project) -> None:
    """In one line it would pass over theirs for ever; so both are joined."""
    fork(project, ("0031", "0032"), ["0033", "0034"], ["0033", "0034"])
    before = migrations(project.top / "migrations")
    databases = (*database(project, "mine"), *database(project, "main"))
    shown = fixchain("check", *JSON, *databases).document
    done = fixchain("repair", *YES, *JSON, *databases)
    assert done.exit_code == 0, done
    assert done.document["plan"]["new_revisions"] == shown["plan"]["new_revisions"]
    assert project.chain["0037"] == ("0034", "0036") or project.chain["0037"] == ("0036", "0034")
    assert "0037_merge_2_heads.py" in project.files
    assert rows_of(project.database("mine")) == ["0036"]
    assert rows_of(project.database("main")) == ["0034"]
    for name in ("mine", "main", "empty"):
        project.alembic("upgrade", name, "head")
        assert rows_of(project.database(name)) == ["0037"]
        assert len(project.tables(name)) == 6
    assert fixchain("check", *databases).exit_code == 0
    assert before != migrations(project.top / "migrations")


def test_undo_puts_the_stamp_back_too(project: Project) -> None:
    fork(project, ("0031", "0032"), ["0033", "0034"], ["0033"])
    before = migrations(project.top / "migrations")
    databases = database(project, "mine")
    done = fixchain("repair", *YES, *databases)
    assert done.exit_code == 0, done.stderr
    assert rows_of(project.database("mine")) == ["0036"]
    assert fixchain("undo", *YES, *databases).exit_code == 0
    assert rows_of(project.database("mine")) == ["0034"]
    assert migrations(project.top / "migrations") == before


def test_rebase_names_a_way_for_a_database_that_has_run_mine(project: Project) -> None:
    fork(project, ("0031", "0032"), ["0033", "0034"], ["0033"])
    refused = fixchain("rebase", *YES, *database(project, "mine"))
    assert refused.exit_code == 3
    assert "has run 0035 (now 0033), 0036 (now 0034) of yours, and not 0033" in refused.stderr
    (typed,) = (line.strip() for line in refused.stderr.splitlines() if "  fixchain " in line)
    assert typed.endswith("--strategy merge")
    planned = fixchain("repair", "--dry-run", *database(project, "mine"), *JSON)
    assert planned.document["plan"]["strategy"] == "merge"
    assert planned.document["plan"]["choices"] == []  # it would only lead back here
    assert fixchain(*shlex.split(typed)[1:], *YES).exit_code == 0
    project.alembic("upgrade", "mine", "head")
    runs_everywhere(project, "mine0", "mine1", "theirs0")


def test_a_database_elsewhere_follows_by_restamp(project: Project) -> None:
    fork(project, ("0031", "0032"), ["0033", "0034"], ["0033"])
    assert fixchain("repair", "--strategy", "merge", *YES).exit_code == 0
    for name, rows in (("mine", ["0036"]), ("main", ["0033"])):
        done = fixchain("restamp", *YES, *database(project, name))
        assert done.exit_code == 0, done
        assert rows_of(project.database(name)) == rows
        project.alembic("upgrade", name, "head")
        assert len(project.tables(name)) == 5


def add_column(project: Project, spec: str, column: str, name: str) -> None:
    item = rev(spec, date="2024-01-01")
    up = f"op.add_column('second', sa.Column('{column}', sa.Integer()))"
    down = f"with op.batch_alter_table('second') as batch:\n        batch.drop_column('{column}')"
    item = replace(item, upgrade=(up,), downgrade=(down,))
    (project.top / VERSIONS / f"{name}.py").write_bytes(migration(item))


@pytest.mark.filterwarnings("ignore:Revision 0033 is present more than once:UserWarning")
@pytest.mark.parametrize("ran", ["nickname", "about_me", "other"])
def test_columns_tell_which_of_two_has_run(project: Project, ran: str) -> None:
    """Main's adds nickname, mine adds about_me; where neither is there, neither has run."""
    fork(project, ("0031", "0032"), [], [])
    project.switch("main")
    add_column(project, "0033 <- 0032", "nickname", "0033_nickname")
    project.commit(7)
    project.switch("feature")
    add_column(project, "0033 <- 0032", "about_me", "0033_about_me")
    project.commit(8)
    url = project.database("mine")
    stamped = "UPDATE alembic_version SET version_num = '0033'"
    sql(url, f"ALTER TABLE second ADD {ran} INTEGER", stamped)
    project.merge("main", day=9)

    done = fixchain("repair", *YES, *database(project, "mine"))

    if ran == "other":
        assert done.exit_code == 3
        assert "what should be there by then is missing: second.nickname (0033)" in done.stderr
        assert "alembic stamp 0032" in done.stderr
        project.alembic("stamp", "mine", "0032")
        done = fixchain("repair", *YES, *database(project, "mine"))
    assert done.exit_code == 0, done.stderr
    project.alembic("upgrade", "mine", "head")
    columns = {str(each[1]) for each in sql(url, "PRAGMA table_info(second)")}
    assert columns >= {"nickname", "about_me"}
    assert is_as_on_main(project, "0033_nickname")


def test_a_database_follows_a_new_number_and_comes_back(project: Project) -> None:
    fork(project, ("0001_a", "0002_b"), ["0003_c"], ["0003_d"])
    before = migrations(project.top / "migrations")
    assert (
        fixchain("repair", "--strategy", "merge", *YES, *database(project, "mine")).exit_code == 0
    )
    assert rows_of(project.database("mine")) == ["0004_c"]
    assert "0005_merge_2_heads" in project.chain
    assert fixchain("undo", *YES, *database(project, "mine")).exit_code == 0
    assert rows_of(project.database("mine")) == ["0003_c"]
    assert migrations(project.top / "migrations") == before


def test_a_link_that_main_does_not_have_decides_nothing(project: Project) -> None:
    """Main has c on nothing: here it is on d, which depends on one of two files with the id c."""
    project.write("c", "c")
    project.commit(1)
    project.branch("feature")
    project.write("c <- d", "c")
    project.write("d +c", "d")
    project.write("c", "other")
    refused = fixchain("repair", *YES)
    assert refused.exit_code == 3
    assert "c_c.py is on d here, and on nothing on main" in refused.stderr
    assert "by hand" in refused.stderr
    project.write("c", "c")  # as it says
    assert fixchain("repair", *YES).exit_code == 0
    assert project.chain["c"] == ()
