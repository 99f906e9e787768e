"""What a database holds decides: its tables against its rows, and what the tool advises then.

Real Alembic on SQLite, in this process. Each migration makes a table of its name.
"""

from __future__ import annotations

import shlex
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flask_chainfix.chain.revision_graph import Graph
from flask_chainfix.commands.check import check
from flask_chainfix.commands.repair import plan_repair
from flask_chainfix.commands.restamp import RestampWishes, plan_restamp
from flask_chainfix.commands.session import Session
from flask_chainfix.commands.undo import plan_undo
from flask_chainfix.common.errors import NothingToUndo
from flask_chainfix.common.remedies import Remedy, Tools
from flask_chainfix.databases.applied.rows import tops
from flask_chainfix.diagnosis.lost_revisions import taking_down_there
from flask_chainfix.environment.locate import Runtime, open_directory
from flask_chainfix.model.databases import DatabaseWishes
from flask_chainfix.model.findings import Finding
from flask_chainfix.model.plans import Wishes
from tests.commands import Done, fixchain
from tests.disk import tree
from tests.nightly import examples
from tests.rehearsals import add, create, drop, plain
from tests.repositories import Repository, needs_git
from tests.stamped import rows_of, sql, stamp
from tests.strategies_oracle import revisions
from tests.support import Rev, graph

TOOLS = Tools("alembic", "fixchain")
PROVING = {"FC302", "FC305", "FC306"}
TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'alembic_version'"


class Project:
    """A plain Alembic project, and a database that Alembic upgrades."""

    def __init__(self, top: Path, *specs: str) -> None:
        self.top = plain(top, *specs) if specs else top
        self.url = f"sqlite:///{top / 'app.db'}"
        self.wishes = DatabaseWishes(urls=(self.url,))

    @property
    def runtime(self) -> Runtime:
        return open_directory(str(self.top / "migrations"))

    @property
    def session(self) -> Session:
        """The environment with its database."""
        return Session(self.runtime, TOOLS, self.wishes)

    @property
    def tables(self) -> set[str]:
        return {str(name) for (name,) in sql(self.url, TABLES)}

    def hold(self, tables: Collection[str], rows: Collection[str]) -> None:
        """Have the database as something else has left it."""
        stamp(self.url, *rows)
        sql(self.url, *(f"CREATE TABLE {name} (id INTEGER)" for name in tables))

    def alembic(self, verb: str, *arguments: str) -> None:
        config = Config()
        config.set_main_option("script_location", str(self.top / "migrations"))
        config.set_main_option("sqlalchemy.url", self.url)
        getattr(command, verb)(config, *arguments)

    def findings(self) -> list[Finding]:
        """What the tables prove."""
        report = check(self.session, strict=False)
        return [finding for finding in report.diagnosis.findings if finding.code in PROVING]

    def follow(self, commands: Sequence[str]) -> None:
        """Type commands of Alembic."""
        for each in commands:
            program, verb, *arguments = shlex.split(each.format(alembic="alembic"))
            assert program == "alembic"
            self.alembic(verb, *arguments)

    def run(self, *arguments: str) -> Done:
        name, *rest = arguments
        return fixchain("-d", self.top / "migrations", name, "--database", self.url, *rest)


@contextmanager
def made(revs: Sequence[Rev]) -> Iterator[Project]:
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "dont_write_bytecode", True)
        specs = [f"{rev.revision} <- {', '.join(rev.parents)}" for rev in revs]
        yield Project(Path(directory), *specs)


def advised(findings: Sequence[Finding]) -> tuple[str, ...]:
    """The commands of the way that is named first."""
    return Remedy.of(findings[0].hint).ways[0].commands


@pytest.mark.parametrize("parent", ["c", "typo"])
def test_a_broken_link_makes_no_table_one_that_is_there_too_early(
    tmp_path: Path, parent: str
) -> None:
    """What is below the stamp is hidden by the fault; it has run all the same."""
    project = Project(tmp_path / "project", "a", "b <- a", "c <- b")
    project.alembic("upgrade", "head")
    path = project.top / "migrations/versions/b_add.py"
    path.write_text(path.read_text().replace("= 'a'", f"= {parent!r}"))
    assert project.findings() == []


def test_a_cycle_claims_nothing_of_what_has_run(tmp_path: Path) -> None:
    """Which of its revisions is below the stamp is what the fault hides."""
    project = Project(tmp_path / "project", "a", "b <- a", "c <- b", "x")
    project.alembic("upgrade", "b")
    path = project.top / "migrations/versions/b_add.py"
    path.write_text(path.read_text().replace("down_revision = 'a'", "down_revision = ('c', 'x')"))
    (finding,) = project.findings()
    assert finding.revisions == ("x",)  # below the cycle


@settings(
    max_examples=examples(6),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
@given(data=st.data(), revs=revisions(most=6))
def test_a_stamp_that_lies_is_found_and_put_right_as_advised(
    data: st.DataObject, revs: tuple[Rev, ...]
) -> None:
    """The tables are those of what has run; the rows say that something else has."""
    chain = graph(*revs)
    ran, said = (closed(data, chain) for _ in range(2))
    with made(revs) as project:
        project.hold(ran, tops(chain, said))
        findings = project.findings()
        assert bool(findings) == (ran != said)
        if findings:
            report = plan_repair(project.session, Wishes())
            assert report.proposal.planned is None
            assert report.error is not None
            project.follow(advised(findings))
            assert project.findings() == []
            assert sorted(rows_of(project.url)) in (
                sorted(tops(chain, ran)),
                sorted(tops(chain, chain)),  # where nothing was there, all of it was run
            )
        project.alembic("upgrade", "heads")
        assert project.tables == set(chain)


@settings(
    max_examples=examples(6),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
@given(data=st.data(), revs=revisions(most=6))
def test_what_was_spliced_below_a_stamp_is_run_as_advised(
    data: st.DataObject, revs: tuple[Rev, ...]
) -> None:
    """The rows claim all below them, and some of its tables are not there."""
    chain = graph(*revs)
    said = closed(data, chain)
    skipped = data.draw(st.sets(st.sampled_from(sorted(said)))) if said else set()
    with made(revs) as project:
        project.hold(said - skipped, tops(chain, said))
        findings = project.findings()
        assert [finding.code for finding in findings] == (["FC302"] if skipped else [])
        moves = plan_restamp(project.session, RestampWishes()).moves
        assert all(each.move.after == each.move.before for each in moves)
        if skipped:
            assert set(findings[0].revisions) == skipped
            project.follow(advised(findings))
            assert project.findings() == []
        project.alembic("upgrade", "heads")
        assert project.tables == set(chain)


@pytest.mark.parametrize(
    ("way", "command"),
    [
        pytest.param(0, "check", id="in one database, check"),
        pytest.param(1, "restamp", id="in all of them, restamp"),
        pytest.param(0, "restamp", id="in one database, restamp", marks=pytest.mark.nightly),
        pytest.param(1, "check", id="in all of them, check", marks=pytest.mark.nightly),
    ],
)
@needs_git
def test_a_branch_spliced_below_what_everybody_has(
    way: int, command: str, tmp_path: Path, own_git: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each way that is printed, typed, makes what is missing; new databases go on as before."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    repository = Repository(tmp_path / "repository")
    monkeypatch.chdir(repository.top)
    project = Project(repository.top, "a", "b <- a", "c <- b")
    repository.commit(1)
    repository.git("tag", "v1")
    project.alembic("upgrade", "head")
    for revision, parents in (("x", "a"), ("m", "b, x"), ("c", "m"), ("d", "c")):
        does = ["pass"] * 2 if revision == "m" else [create(revision), drop(revision)]
        add(project.top, f"{revision} <- {parents}", *does)
    options = [] if command == "check" else ["--old", "v1", "--dry-run"]
    document = project.run(command, *options, "--format", "json").document
    if command == "check":
        (finding,) = document["findings"]
        remedies = finding["remedies"]
    else:
        remedies = document["error"]["remedies"]
    for each in remedies[way]["commands"]:
        program, *arguments = shlex.split(each)
        if program == "alembic":
            project.follow([each])
        else:
            done = fixchain(*arguments, "--yes")
            assert done.exit_code == 0, done
    project.alembic("upgrade", "heads")
    assert project.tables == {*"abcxd"}
    assert project.findings() == []
    project.url = f"sqlite:///{project.top / 'new.db'}"
    project.alembic("upgrade", "heads")
    assert project.tables == {*"abcxd"}


def closed(data: st.DataObject, chain: Graph) -> frozenset[str]:
    """A set of revisions without gaps."""
    some = data.draw(st.lists(st.sampled_from(sorted(chain)), max_size=3))
    return frozenset(chain.required(some))


# --- Another branch is checked out ---------------------------------------------------------------


class InGit(Project):
    """The same in a repository, with two heads that both branches have."""

    def __init__(self, place: Path) -> None:
        self.repository = Repository(place / "repository")
        super().__init__(self.repository.top)
        plain(self.top, "a", "b <- a", "c <- a")
        (self.top / ".gitignore").write_text("__pycache__\n*.db\n.fixchain\n")
        self.repository.commit(1)
        self.repository.git("branch", "-M", "main")
        self.repository.branch("feature")


@pytest.fixture
def project(tmp_path: Path, own_git: None, monkeypatch: pytest.MonkeyPatch) -> InGit:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    made = InGit(tmp_path)
    monkeypatch.chdir(made.top)
    return made


def repaired_on_the_branch(project: InGit) -> None:
    """Both heads have run; a repair makes one line of them on a branch, and moves the stamp."""
    project.alembic("upgrade", "heads")
    done = project.run("repair", "--yes")
    assert done.exit_code == 0, done
    project.repository.commit(2)
    assert rows_of(project.url) in (["b"], ["c"])


@needs_git
def test_back_on_main_no_plan_is_called_safe(project: InGit) -> None:
    repaired_on_the_branch(project)
    project.repository.switch("main")
    before = tree(project.top / "migrations/versions")
    (finding,) = project.findings()
    assert finding.code == "FC306"

    refused = project.run("repair", "--yes")

    assert refused.exit_code == 3
    assert tree(project.top / "migrations/versions") == before
    project.follow(advised([finding]))
    assert rows_of(project.url) == ["b", "c"]
    done = project.run("repair", "--yes")
    assert done.exit_code == 0, done
    project.alembic("upgrade", "head")
    assert project.tables == {"a", "b", "c"}


@needs_git
def test_back_on_main_there_is_nothing_to_undo(project: InGit) -> None:
    repaired_on_the_branch(project)
    after = tree(project.top / "migrations/versions")
    project.repository.switch("main")
    with pytest.raises(
        NothingToUndo, match="these files hold none of the repairs in the journal"
    ) as caught:
        plan_undo(project.session)
    assert "check out the branch" in caught.value.remedy
    project.repository.switch("feature")
    assert tree(project.top / "migrations/versions").keys() == after.keys()
    assert project.run("undo", "--yes").exit_code == 0
    assert rows_of(project.url) == ["b", "c"]


@needs_git
@pytest.mark.parametrize("way", ["clone", "revert"])
def test_a_journal_that_came_along_judges_nothing(project: InGit, way: str, tmp_path: Path) -> None:
    """A row that the old chain can have written means what the chain as it is says."""
    project.hold(["a", "b", "c"], ["b", "c"])
    assert project.run("repair", "--yes").exit_code == 0
    if way == "revert":
        project.repository.git("checkout", "-q", "--", "migrations")
    else:
        project.repository.git("stash", "-q")
    assert list((project.top / "migrations/.fixchain").glob("*.json"))
    report = plan_restamp(project.session, RestampWishes())
    assert report.diagnosis.snapshot.old == ()


@needs_git
def test_a_repair_with_an_edit_on_top_still_speaks(project: InGit) -> None:
    repaired_on_the_branch(project)
    for path in (project.top / "migrations/versions").glob("*.py"):
        path.write_bytes(path.read_bytes() + b"# a remark\n")
    report = plan_restamp(project.session, RestampWishes())
    assert [set(chain.heads) for chain in report.diagnosis.snapshot.old] == [{"b", "c"}]


@needs_git
@pytest.mark.parametrize("row", ["m", "h"])
def test_what_has_the_code_takes_only_its_own_branch_back(project: InGit, row: str) -> None:
    """Beside it stands c, which this code has as well; in a merge point, or in a row of its own."""
    for spec in ("g <- b", "h <- g", "m <- c, h"):
        add(project.top, spec)
    project.repository.commit(2)
    project.alembic("upgrade", "c")
    project.alembic("upgrade", row)
    project.repository.switch("main")
    (lost,) = [
        each
        for each in project.run("check", "--format", "json").document["findings"]
        if each["code"] == "FC301"
    ]
    (unwind,) = lost["remedies"][0]["commands"]
    assert lost["remedies"][0]["text"].endswith("with the data in it")
    # Where the code of the branch is needed, Alembic's own command takes back as much.
    known = check(project.session, strict=False).diagnosis
    (there,) = taking_down_there(known.snapshot, row).ways
    assert there.commands == ("git checkout feature", "{alembic} downgrade g@b", "git checkout -")
    assert unwind == f"fixchain -d {project.top / 'migrations'} unwind --database {project.url}"
    done = project.run("unwind", "--yes", "--no-backup")
    assert done.exit_code == 0, done
    assert (rows_of(project.url), project.tables) == (["b", "c"], {"a", "b", "c"})


# --- Two lines of releases -----------------------------------------------------------------------


@needs_git
def test_one_id_for_two_migrations_on_two_lines(project: InGit) -> None:
    """On main 0005 makes y, in the release it makes x."""
    versions = project.top / "migrations/versions"
    for path in versions.glob("[bc]_*.py"):
        path.unlink()
    project.repository.commit(2)
    project.repository.branch("release")
    add(project.top, "n5 <- a", create("x"), drop("x")).rename(versions / "n5_x.py")
    project.repository.commit(3)
    project.alembic("upgrade", "head")
    project.repository.switch("feature")
    add(project.top, "n5 <- a", create("y"), drop("y")).rename(versions / "n5_y.py")
    project.repository.commit(4)

    assert [finding.code for finding in project.findings()] == ["FC302"]
    done = project.run("restamp", "--old", "release", "--yes")

    assert done.exit_code == 3, done
    assert "n5_x.py ran there, and no migration file has it any more" in done.stderr
    assert rows_of(project.url) == ["n5"]
    add(project.top, "n6 <- a", create("x"), drop("x"))  # under an id of its own
    done = project.run("restamp", "--old", "release", "--yes")
    assert done.exit_code == 0, done
    assert rows_of(project.url) == ["n6"]
    project.alembic("upgrade", "heads")
    assert project.tables == {"a", "x", "y"}


@needs_git
def test_a_migration_that_was_edited_is_still_the_same(project: InGit) -> None:
    (project.top / "migrations/versions/c_add.py").unlink()
    project.repository.commit(2)
    project.alembic("upgrade", "head")
    add(project.top, "b <- a", f"{create('b')}\nop.create_index('i', 'b', ['id'])")
    done = project.run("restamp", "--old", "HEAD", "--yes")
    assert done.exit_code == 0, done


# --- All migrations in one -----------------------------------------------------------------------


def squashed(project: InGit) -> None:
    """One migration that makes a, b and c takes the place of three."""
    for path in (project.top / "migrations/versions").glob("*.py"):
        path.unlink()
    add(project.top, "s", "\n".join(map(create, "abc")), "\n".join(map(drop, "cba")))
    project.repository.commit(2)


def ways(project: InGit) -> list[list[str]]:
    """The commands for the stamp that no file has, way by way."""
    (finding,) = project.run("check", "--format", "json").document["findings"]
    assert finding["code"] == "FC301"
    return [way["commands"] for way in finding["remedies"]]


def line(project: InGit) -> None:
    """One line instead of the two heads."""
    add(project.top, "c <- b")
    project.repository.commit(1)


@needs_git
def test_a_squash_that_the_database_has_run_in_full(project: InGit) -> None:
    line(project)
    project.alembic("upgrade", "head")
    squashed(project)
    ((command,),) = ways(project)
    assert " restamp --lost c=s " in command
    for wish in (["--tombstone", "c"], ["--bring-back", *("c", "--bring-back", "b"), *A]):
        refused = project.run("repair", *wish, "--yes")
        assert refused.exit_code == 3, refused
        assert "restamp --lost c=s" in refused.stderr
    done = project.run("restamp", "--lost", "c=s", "--yes")
    assert done.exit_code == 0, done
    project.alembic("upgrade", "head")
    assert (rows_of(project.url), project.findings()) == (["s"], [])


A = ("--bring-back", "a")


def merged_as_one(project: InGit) -> None:
    """A feature with x and y is merged to main as one migration, which makes both tables."""
    line(project)
    add(project.top, "x <- c")
    add(project.top, "y <- x")
    project.repository.commit(2)
    for name in "xy":
        (project.top / f"migrations/versions/{name}_add.py").unlink()
    add(project.top, "s <- c", f"{create('x')}\n{create('y')}", f"{drop('y')}\n{drop('x')}")
    project.repository.commit(3)


@needs_git
def test_a_squash_merge_that_the_database_has_run_in_full(project: InGit) -> None:
    """To downgrade would drop tables that the code needs, with their rows."""
    merged_as_one(project)
    project.hold("abcxyw", "y")  # w may be what y made, too: nothing says that s makes all
    sql(project.url, "INSERT INTO x VALUES (1)")
    shown = " ".join(project.run("check").stdout.split())
    assert "move the stamp to s, as all that it makes is there" in shown
    assert " restamp --lost y=s " in ways(project)[0][0]
    done = project.run("restamp", "--lost", "y=s", "--yes")
    assert done.exit_code == 0, done
    project.alembic("upgrade", "head")
    assert (rows_of(project.url), project.findings()) == (["s"], [])
    assert sql(project.url, "SELECT id FROM x") == [(1,)]


@needs_git
def test_a_squash_merge_on_what_has_not_run(project: InGit) -> None:
    """Main has changed rows meanwhile, which no schema shows: the stamp may not move past that."""
    merged_as_one(project)
    add(project.top, "d <- c", "op.execute('INSERT INTO a VALUES (7)')", "pass")
    path = project.top / "migrations/versions/s_add.py"
    path.write_text(path.read_text().replace("down_revision = 'c'", "down_revision = 'd'"))
    project.hold("abcxy", "y")
    assert not any("y=s" in command for way in ways(project) for command in way)
    assert project.run("restamp", "--lost", "y=s", "--yes").exit_code == 3
    assert rows_of(project.url) == ["y"]


@needs_git
def test_a_squash_merge_of_which_the_database_has_run_half(project: InGit) -> None:
    merged_as_one(project)
    project.hold("abcx", "x")
    sql(project.url, "INSERT INTO x VALUES (1)")
    assert project.run("restamp", "--lost", "x=s", "--yes").exit_code == 3
    assert rows_of(project.url) == ["x"]
    (checkout, upgrade, back, _), *others = ways(project)
    assert (upgrade, back) == ("alembic upgrade heads", "git checkout -")
    assert any("unwind" in command for way in others for command in way)
    project.repository.git(*checkout.split()[1:])
    project.alembic("upgrade", "heads")
    project.repository.git("checkout", "-q", "-")
    assert " restamp --lost y=s " in ways(project)[0][0]
    assert sql(project.url, "SELECT id FROM x") == [(1,)]


@needs_git
def test_a_refused_repair_does_not_send_back_to_itself(project: InGit) -> None:
    """While the chain is broken, only files can help, and repair refuses to begin."""
    merged_as_one(project)
    add(project.top, "last <- y")
    project.hold("abcxy", "y")
    wish = ("repair", "--attach", "last=s", "--yes")
    refused = project.run(*wish, "--format", "json")
    assert refused.exit_code == 3
    typed = [each for way in refused.document["error"]["remedies"] for each in way["commands"]]
    (command,) = typed
    assert "--database" not in command
    assert fixchain(*shlex.split(command)[1:], "--yes").exit_code == 0
    assert project.run("restamp", "--lost", "y=s", "--yes").exit_code == 0


@needs_git
def test_a_squash_of_which_the_database_has_run_half(project: InGit) -> None:
    """The code from before runs the rest; then its stamp can move."""
    line(project)
    project.alembic("upgrade", "b")
    squashed(project)
    assert project.run("restamp", "--lost", "b=s", "--yes").exit_code == 3
    assert rows_of(project.url) == ["b"]
    ((checkout, upgrade, back, _),) = ways(project)
    assert (upgrade, back) == ("alembic upgrade heads", "git checkout -")
    project.repository.git(*checkout.split()[1:])
    project.alembic("upgrade", "heads")
    project.repository.git("checkout", "-q", "-")
    assert " restamp --lost c=s " in ways(project)[0][0]


@pytest.mark.filterwarnings("ignore:Revision B referenced:UserWarning")
def test_no_command_of_alembics_is_a_remedy_while_the_files_are_broken(tmp_path: Path) -> None:
    """The repair knows the parent that is meant, but Alembic reads what is there."""
    project = Project(tmp_path, "a", "b <- a", "c <- B", "late")
    project.hold(["a", "b", "c", "late"], ["late"])
    with pytest.raises(KeyError):
        project.alembic("stamp", "c")
    refused = project.run("repair", "--yes", "--format", "json").document["error"]
    assert "it is not known what a database has run" in refused["message"]
    typed = [each for way in refused["remedies"] for each in way["commands"]]
    assert not [each for each in typed if each.startswith("alembic")]
