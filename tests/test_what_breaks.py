"""What a finding says that breaks: Alembic does it, on the same files, in the version that is here.

A claim is a small chain with a fault, and what Alembic does with it. The sentence that the finding
shows is held against that: every command it quotes was run, every message and exception that it
quotes was what came of it. ``…`` in a message stands for anything.
"""

from __future__ import annotations

import io
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import revision as alembic_revision
from sqlalchemy import create_engine, inspect
from sqlalchemy.pool import NullPool

from flask_chainfix.commands.check import Against, check
from flask_chainfix.commands.rehearse import rehearse
from flask_chainfix.commands.session import Session
from flask_chainfix.diagnosis.rules import all_rules
from flask_chainfix.environment.locate import open_directory
from flask_chainfix.model.databases import DatabaseWishes
from flask_chainfix.model.findings import Finding
from flask_chainfix.model.rehearsal import RehearsalRequest
from flask_chainfix.report.results import Checked, Rehearsed
from tests.disk import SCRIPT_MAKO
from tests.repositories import Repository, needs_git
from tests.stamped import Again, sql
from tests.support import Rev, chain, rev, write

ENV_PY = """\
from alembic import context
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

target_metadata = None
engine = create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=target_metadata)
    with context.begin_transaction():
        context.run_migrations()
"""
COMMANDS: Mapping[str, Callable[..., Any]] = {
    "heads": command.heads,
    "branches": command.branches,
    "history": command.history,
    "show": command.show,
    "current": command.current,
    "revision": command.revision,
    "revision --autogenerate": lambda config: command.revision(config, autogenerate=True),
    "merge": command.merge,
    "upgrade": command.upgrade,
    "downgrade": command.downgrade,
    "stamp": command.stamp,
}
EVERY = (
    "heads", "branches", "history", "show heads", "current", "revision", "merge heads",
    "upgrade head", "downgrade base", "stamp heads",
)  # fmt: skip
MULTIPLE_HEADS = "Multiple head revisions are present for given argument 'head'"


class Outcome(NamedTuple):
    """What came of a command of Alembic's: what was printed, warned of, and raised."""

    line: str
    failed: bool
    text: str


@dataclass
class Project:
    """A migration environment with a database, and what Alembic has done there."""

    directory: Path
    url: str
    done: list[Outcome] = field(default_factory=list)

    def alembic(self, line: str) -> Outcome:
        """Run a command as Alembic's own command line does, but in this process."""
        name = max((name for name in COMMANDS if line.startswith(name)), key=len)
        printed = io.StringIO()
        config = Config(stdout=printed)
        config.set_main_option("script_location", str(self.directory))
        config.set_main_option("sqlalchemy.url", self.url.replace("%", "%%"))
        failed, said = False, ""
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                COMMANDS[name](config, *line[len(name) :].split())
            except Exception as error:
                failed, said = True, f"{type(error).__name__}: {error}"
        text = "\n".join([printed.getvalue(), *(str(each.message) for each in warned), said])
        self.done.append(Outcome(line, failed, text))
        return self.done[-1]

    def put(self, *specs: str | Rev) -> None:
        write(chain(*specs), self.directory)

    @property
    def tables(self) -> set[str]:
        engine = create_engine(self.url, poolclass=NullPool)
        return set(inspect(engine).get_table_names()) - {"alembic_version"}

    @property
    def rows(self) -> set[str]:
        return {str(row) for (row,) in sql(self.url, "SELECT version_num FROM alembic_version")}


Show = Callable[[Project], None]


def stops(line: str, *texts: str) -> Show:
    """The command fails, and says all of this."""

    def show(project: Project) -> None:
        outcome = project.alembic(line)
        assert outcome.failed
        assert all(text in outcome.text for text in texts), outcome

    return show


def works(line: str, *texts: str) -> Show:
    """The command does not fail, and says all of this."""

    def show(project: Project) -> None:
        outcome = project.alembic(line)
        assert not outcome.failed, outcome
        assert all(text in outcome.text for text in texts), outcome

    return show


def every_command_stops(text: str) -> tuple[Show, ...]:
    return tuple(stops(line, text) for line in EVERY)


def tried(line: str) -> Show:
    """The command is run, whatever comes of it."""

    def show(project: Project) -> None:
        project.alembic(line)

    return show


def says_nothing(line: str) -> Show:
    """The command does not fail, and prints nothing."""

    def show(project: Project) -> None:
        outcome = project.alembic(line)
        assert (outcome.failed, outcome.text.strip()) == (False, "")

    return show


def never_ends(line: str) -> Show:
    """The command takes more steps than any that ends with so small a chain."""

    def show(project: Project) -> None:
        with few_steps(300_000):
            assert "TooMany" in project.alembic(line).text

    return show


class TooMany(Exception):
    """More steps than were allowed."""


@contextmanager
def few_steps(most: int) -> Iterator[None]:
    """Stop what runs more lines of Python than that."""
    steps = count()

    def step(*_: object) -> Any:
        if next(steps) > most:
            sys.settrace(None)
            raise TooMany
        return step

    before = sys.gettrace()
    sys.settrace(step)
    try:
        yield
    finally:
        sys.settrace(before)


def by_hand(*statements: str) -> Show:
    """Somebody runs SQL in the database."""

    def show(project: Project) -> None:
        sql(project.url, *statements)

    return show


def stamped(*rows: str) -> Show:
    """The database gets these rows, and nothing else."""
    return by_hand(
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)",
        *(f"INSERT INTO alembic_version VALUES ('{row}')" for row in rows),
    )


def has(tables: str, *, rows: str) -> Show:
    """The database has these tables, and these rows in its version table."""

    def show(project: Project) -> None:
        assert (project.tables, project.rows) == (set(tables.split()), set(rows.split()))

    return show


def committed(project: Project) -> None:
    """Others have got what is there now."""
    Repository(project.directory.parent).commit(1)


def on_a_new_database(project: Project) -> None:
    project.url = project.url.replace(".db", "_new.db")


def two_branches_meet(project: Project) -> None:
    """Two branches add a migration each; Git merges them without a conflict, into two heads."""
    repository = Repository(project.directory.parent)
    repository.commit(1)
    for branch, revision in (("mine", "y"), ("theirs", "z")):
        repository.branch(branch, "main")
        project.put(f"{revision} <- b")
        repository.commit(2)
    repository.merge("mine", day=3)
    works("heads", "y (head)", "z (head)")(project)
    repository.switch("main")


def a_merge_is_undone(project: Project) -> None:
    """Git merges both branches into two heads; then all is as before the merge."""
    two_branches_meet(project)
    repository = Repository(project.directory.parent)
    repository.git("checkout", "-q", "theirs")
    stops("upgrade head", MULTIPLE_HEADS)(project)
    repository.git("reset", "-q", "--hard", "HEAD^1")


def both_in_one_line_fail(project: Project) -> None:
    """What two branches do fails once one stands on the other; then they are apart again."""
    repository = Repository(project.directory.parent)
    repository.commit(1)
    repository.branch("theirs", "main")
    project.put(rev("z <- b").doing(TABLE.format("new"), "op.drop_table('t_b')"))
    repository.commit(2)
    repository.branch("mine", "main")
    for deed, text in (
        ("op.add_column('t_b', sa.Column('c', sa.Integer()))", "no such"),
        (TABLE.format("new"), "already exists"),
    ):
        project.put(rev("y <- b").doing(deed))
        repository.commit(3)
        repository.merge("theirs", day=4)
        project.put(rev("y <- z").doing(deed))
        on_a_new_database(project)
        stops("upgrade head", text)(project)
        repository.git("reset", "-q", "--hard", "HEAD^1")


# --- The claims ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Claim:
    """What a finding says of what breaks.

    Attributes:
        code: of the finding.
        name: what the chain looks like.
        revisions: the chain, in the notation of ``support``.
        shows: what Alembic does with it.
        files: what else there is in the environment's directory, by path.
        database: whether the finding is one about a database.
        kind: of the database.
        against: the Git revision that the files are compared with.
        rehearsed: whether only a rehearsal finds it.
    """

    code: str
    name: str
    revisions: tuple[str | Rev, ...]
    shows: tuple[Show, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    database: bool = False
    kind: str = "sqlite"
    against: str | None = None
    rehearsed: bool = False


def uses(spec: str, table: str, column: str = "note") -> Rev:
    """A revision that adds a column to a table."""
    return rev(spec).doing(f"op.add_column('{table}', sa.Column('{column}', sa.Integer()))")


TABLE = "op.create_table('{}', sa.Column('id', sa.Integer()))"


def in_versions(content: str) -> dict[str, str]:
    return {"versions/b_add_b.py": content}


HEADER = "revision = 'b'\ndown_revision = 'a'\n"
LONG = "an_id_that_is_longer_than_thirty_two"

CLAIMS = (
    Claim(
        "FC101",
        "a base that needs another one",
        ("a", uses("b", "t_a"), "c"),
        (stops("upgrade heads", "no such table: t_a"), has("t_c", rows="c")),
    ),
    Claim(
        "FC101",
        "joined",
        ("a", "b", "m <- a, b"),
        (works("upgrade head"), has("t_a t_b t_m", rows="m")),
    ),
    Claim(
        "FC102",
        "two branches",
        ("a", "b <- a", "c <- a"),
        (stops("upgrade head", MULTIPLE_HEADS), stops("revision", "Multiple heads are present")),
    ),
    Claim(
        "FC102",
        "a trunk beside labelled branches",
        ("a", "b <- a @x", "c <- a @y", "d <- a"),
        (works("upgrade heads"), has("t_a t_b t_c t_d", rows="b c d")),
    ),
    Claim("FC103", "a gap", ("a", "b <- gone"), every_command_stops("KeyError: 'gone'")),
    Claim(
        "FC104",
        "in the middle",
        ("a", Rev("b", ("a",), file="b1.py"), uses("b <- a", "t_a"), "c <- b"),
        (
            works("heads", "Revision b is present more than once"),
            stops("upgrade head", MULTIPLE_HEADS),
            works("upgrade c"),
            has("t_a t_c", rows="c"),  # what b1.py does is left out
        ),
    ),
    Claim(
        "FC104",
        "a base",
        ("a", "a"),
        (
            works("heads", "Revision a is present more than once"),
            stops("upgrade head", MULTIPLE_HEADS),
        ),
    ),
    Claim(
        "FC105",
        "of two",
        ("a <- b", "b <- a"),
        every_command_stops("Cycle is detected in revisions (a, b)"),
    ),
    Claim(
        "FC105",
        "of one",
        ("a", "b <- b"),
        every_command_stops("Self-loop is detected in revisions (b)"),
    ),
    Claim(
        "FC105",
        "by depends_on",
        ("a", "b <- a +c", "c <- b"),
        every_command_stops("Dependency cycle is detected in revisions (a, b, c)"),
    ),
    Claim(
        "FC105",
        "with a way past it",
        ("r", "a <- b, r", "b <- a", "c <- b"),
        (
            works("heads", "c (head)"),
            works("upgrade head"),
            tried("downgrade base"),
            has("", rows="b"),
        ),
    ),
    Claim(
        "FC105",
        "with a way past it, in which the parent of a revision runs after it",
        ("r", uses("a <- b, r", "t_b"), "b <- a", "c <- b"),
        (
            works("heads", "c (head)"),
            stops("upgrade head", "no such table: t_b"),
            works("downgrade base"),
        ),
    ),
    Claim(
        "FC105",
        "with a way past it, on which Alembic goes on for ever",
        ("r", "a <- r +y", "b <- a", "x <- r", "y <- x +b", "m <- b, y"),
        (works("heads", "m (head)"), never_ends("upgrade head"), works("downgrade base")),
    ),
    Claim("FC106", "no Python", ("a",), every_command_stops("SyntaxError"), in_versions("def (")),
    Claim(
        "FC106",
        "a conflict",
        ("a",),
        every_command_stops("SyntaxError"),
        in_versions("<<<<<<< HEAD\nrevision = 'b'\n=======\n>>>>>>> x\n"),
    ),
    Claim(
        "FC106",
        "no migration",
        ("a",),
        every_command_stops("Could not determine revision id"),
        in_versions("x = 1\n"),
    ),
    Claim("FC107", "a gap", ("a", "b <- a +gone"), every_command_stops("KeyError: 'gone'")),
    *(
        Claim(
            "FC108",
            f"with {sign}",
            ("a", f"b{sign}b <- a"),
            every_command_stops(f"Character(s) '{sign}' not allowed in revision identifier"),
        )
        for sign in "@-+:"
        if sign in alembic_revision._revision_illegal_chars  # a colon is there in newer ones
    ),
    Claim(
        "FC108",
        "a number",
        ("a",),
        every_command_stops("TypeError"),
        in_versions("revision = 17\ndown_revision = 'a'\n"),
    ),
    Claim(
        "FC108",
        "a number as a parent",
        ("a",),
        every_command_stops("TypeError"),
        in_versions("revision = 'b'\ndown_revision = 17\n"),
    ),
    Claim(
        "FC108",
        "empty, with a child",
        ("a", Rev("", ("a",), file="empty.py", upgrade=()), Rev("c", ("",))),
        (works("history", "<base> -> c (head)"), tried("upgrade heads")),
    ),
    Claim(
        "FC108",
        "empty, and the head",
        ("a", Rev("", ("a",), file="empty.py", upgrade=())),
        (works("history"), works("upgrade head"), has("", rows="")),
    ),
    Claim(
        "FC108",
        "base",
        ("a", "base <- a"),
        (
            stops("history", "AssertionError"),
            stops("upgrade head", "AssertionError"),
            says_nothing("heads"),
        ),
    ),
    Claim(
        "FC108",
        "a number as a label",
        ("a",),
        (stops("heads", "TypeError"), stops("history", "TypeError"), works("upgrade head")),
        in_versions(f"{HEADER}branch_labels = 17\ndef upgrade():\n    pass\n"),
    ),
    Claim("FC109", "on SQLite", (LONG,), (works("upgrade head"),)),
    Claim(
        "FC109",
        "on PostgreSQL",
        (LONG,),
        (stops("upgrade head", "value too long for type character varying(32)"),),
        kind="postgresql",
    ),
    Claim(
        "FC109",
        "on MariaDB",
        (LONG,),
        (stops("upgrade head", "Data too long for column 'version_num'"),),
        kind="mariadb",
    ),
    Claim(
        "FC110",
        "a parent",
        ("a",),
        (works("upgrade head"), has("t_a", rows="b")),
        in_versions("revision = 'b'\ndown_revision = 'A'.lower()\ndef upgrade():\n    pass\n"),
    ),
    Claim(
        "FC111",
        "another parent",
        ("a",),
        (works("upgrade head"), has("t_a", rows="b")),
        in_versions(f"'''x\n\nRevises: gone\n'''\n{HEADER}def upgrade():\n    pass\n"),
    ),
    Claim(
        "FC112",
        "beside one other parent",
        ("a", "b <- a", "m <- a, b"),
        (works("upgrade head"), has("t_a t_b t_m", rows="m"), works("branches", "-> m (head)")),
    ),
    Claim(
        "FC112",
        "beside two other parents",
        ("a", "b <- a", "c <- a", "m <- a, b, c"),
        (stops("upgrade head", "KeyError: 'a'"), works("heads", "m (head)"), works("history")),
    ),
    Claim(
        "FC112",
        "beside two other parents, below which a database stands",
        ("a", "b <- a", "c <- a", "m <- a, b, c"),
        (
            works("upgrade b"),
            works("upgrade c"),
            stops("upgrade head", "KeyError: 'a'"),
            works("heads", "m (head)"),
            works("history"),
        ),
    ),
    Claim(
        "FC112",
        "tied by depends_on",
        ("a", "b <- a", "c <- a +b", "d <- a", "m <- b, c, d"),
        (stops("upgrade head", "KeyError: 'b'"), works("heads", "m (head)"), works("history")),
    ),
    Claim(
        "FC112",
        "beside two other parents, and passed over by chance",
        ("a", "b <- a", "c <- a", "m <- b, c", "n <- a, b, c", "z <- n, m"),
        (
            works("upgrade heads"),
            has("t_a t_b t_c t_m t_n t_z", rows="z"),
            on_a_new_database,
            stops("upgrade n", "KeyError: 'a'"),
        ),
    ),
    Claim(
        "FC113",
        "twice",
        ("a @x", "b <- a @x"),
        every_command_stops("already used by revision"),
    ),
    Claim(
        "FC113",
        "also an id",
        ("a @b", "b <- a"),
        every_command_stops("Branch name 'b' in revision a already used by revision b"),
    ),
    Claim(
        "FC201",
        "used before it is created",
        (uses("a", "t_b"), "b <- a"),
        (stops("upgrade head", "no such table: t_b"),),
    ),
    Claim(
        "FC202",
        "a column is added to it",
        (uses("a", "gone"),),
        (stops("upgrade head", "no such table: gone"),),
    ),
    Claim(
        "FC203",
        "in one line",
        ("a", rev("b <- a").doing(TABLE.format("t_a"))),
        (stops("upgrade head", "table t_a already exists"),),
    ),
    Claim(
        "FC204",
        "an index is made on it",
        ("a", rev("b <- a").doing("op.create_index('i', 't_a', ['gone'])")),
        (stops("upgrade head", "column", "gone"),),
    ),
    Claim(
        "FC205",
        "a column made twice, or dropped twice",
        ("a", uses("b <- a", "t_a"), uses("c <- b", "t_a")),
        (
            stops("upgrade head", "already exists"),
            lambda project: project.put(
                "a",
                uses("b <- a", "t_a"),
                rev("c <- b").doing(*["op.drop_column('t_a', 'note')"] * 2),
            ),
            stops("upgrade head", "does not exist"),
        ),
        kind="postgresql",
    ),
    Claim(
        "FC206",
        "a column that stays",
        ("a", replace(uses("b <- a", "t_a"), downgrade=("pass",))),
        (
            works("upgrade head"),
            works("downgrade a"),
            stops("upgrade head", "duplicate column name: note"),
        ),
        rehearsed=True,
    ),
    Claim(
        "FC301",
        "of a file that is gone",
        ("a",),
        (
            stamped("gone"),
            stops("upgrade head", "Can't locate revision identified by 'gone'"),
            stops("current", "Can't locate revision identified by 'gone'"),
        ),
        database=True,
    ),
    Claim(
        "FC302",
        "stamped without having run",
        ("a", "b <- a", "c <- b"),
        (
            works("upgrade a"),
            works("stamp b"),
            works("upgrade head"),
            has("t_a t_c", rows="c"),
            lambda project: project.put(uses("d <- c", "t_b")),
            stops("upgrade head", "no such table: t_b"),
        ),
        database=True,
    ),
    Claim(
        "FC303",
        "of two branches that are one line now",
        ("a", "b <- a", "c <- b"),
        (
            stamped("b", "c"),
            stops("upgrade head", "Requested revision c overlaps with other requested revisions b"),
        ),
        database=True,
    ),
    Claim("FC304", "nobody listens", ("a",), (works("heads"),), database=True, kind="nowhere"),
    Claim(
        "FC305",
        "one of two tables",
        ("a", rev("b <- a").doing(TABLE.format("x"), TABLE.format("y"))),
        (
            works("upgrade a"),
            by_hand("CREATE TABLE x (id INTEGER)"),
            stops("upgrade head", "table x already exists"),
        ),
        database=True,
    ),
    Claim(
        "FC306",
        "stamped below what has run",
        ("a", "b <- a"),
        (
            works("upgrade head"),
            works("stamp a"),
            stops("upgrade head", "table t_b already exists"),
        ),
        database=True,
    ),
    Claim(
        "FC307",
        "a table made by hand",
        ("a", rev("b <- a").doing(TABLE.format("x"))),
        (
            works("upgrade a"),
            works("upgrade head"),
            by_hand("CREATE TABLE y (id INTEGER)"),
            works("upgrade head"),
        ),
        database=True,
    ),
    Claim(
        "FC401",
        "beside the other",
        ("a",),
        (works("upgrade head"), has("t_a", rows="a")),
        {
            "../alembic.ini": "[alembic]\nscript_location = migrations\n",
            "../alembic/env.py": ENV_PY,
            "../alembic/versions/b.py": HEADER,
        },
    ),
    Claim(
        "FC402",
        "as `alembic init` writes it",
        ("a",),
        (works("upgrade head"), stops("revision --autogenerate", "does not provide a MetaData")),
    ),
    Claim(
        "FC501",
        "does something else",
        ("a", "b <- a"),
        (
            committed,
            works("upgrade head"),
            lambda project: project.put(rev("b <- a").doing(TABLE.format("other"))),
            works("upgrade head"),
            has("t_a t_b", rows="b"),
            on_a_new_database,
            works("upgrade head"),
            has("t_a other", rows="b"),
        ),
        against="HEAD",
    ),
    Claim(
        "FC501",
        "deleted",
        ("a", "b <- a"),
        (
            committed,
            works("upgrade head"),
            lambda project: (project.directory / "versions/b_add_b.py").unlink(),
            stops("upgrade head", "Can't locate revision identified by 'b'"),
        ),
        against="HEAD",
    ),
    Claim("FC502", "not kept up", ("a", "b <- a"), (two_branches_meet,), {"chain.lock": "a: a\n"}),
    Claim("FC503", "two heads", ("a", "b <- a"), (a_merge_is_undone,), against="mine"),
    Claim("FC504", "in one line", ("a", "b <- a"), (both_in_one_line_fail,), against="theirs"),
)


@pytest.fixture
def project(claim: Claim, top: Path, again: Again, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The files of a claim, and an empty database of its kind."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # files change within a second
    nowhere = "mysql+pymysql://nobody@127.0.0.1:1/nothing"
    url = nowhere if claim.kind == "nowhere" else again.url(claim.kind, top)
    made = Project(top / "migrations", url)
    files = {"env.py": ENV_PY, "script.py.mako": SCRIPT_MAKO, **claim.files}
    made.put(*claim.revisions)
    for name, content in files.items():
        path = made.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return made


def finding(claim: Claim, project: Project) -> Finding:
    """The finding of ``check`` that the claim is about."""
    databases = DatabaseWishes(urls=(project.url,) if claim.database else ())
    session = Session(open_directory(str(project.directory)), databases=databases)
    report: Checked | Rehearsed = check(
        session,
        strict=False,
        schema=True,
        against=Against(claim.against) if claim.against else None,
    )
    if claim.rehearsed:
        assert claim.code not in {each.code for each in report.diagnosis.findings}
        report = rehearse(session, RehearsalRequest(stairway=True))
    found = [each for each in report.diagnosis.findings if each.code == claim.code]
    assert found, report.diagnosis.findings
    return found[0]


@needs_git
@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: f"{claim.code}, {claim.name}")
def test_alembic_does_what_a_finding_says(claim: Claim, project: Project) -> None:
    for show in claim.shows:
        show(project)
    breaks = finding(claim, project).breaks
    for quoted in re.findall("“(.*?)”", breaks):
        if quoted == "{alembic}":
            assert [each.line for each in project.done if each.failed] == list(EVERY)
        elif quoted.startswith("{alembic} "):
            line = quoted.partition(" ")[2]
            assert any(each.line.startswith(line) for each in project.done), line
        else:
            said = ".*".join(map(re.escape, quoted.split("…")))
            assert any(re.search(said, each.text, re.DOTALL) for each in project.done), quoted
    for error in re.findall(r"\b[A-Z]\w*Error\b", breaks):
        assert any(error in each.text for each in project.done), error


def test_every_rule_has_a_claim() -> None:
    assert {claim.code for claim in CLAIMS} == {rule.code for rule in all_rules()}
