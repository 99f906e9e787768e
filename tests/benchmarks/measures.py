"""The experiments: which chains, and what is measured on each."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple
from uuid import uuid4

from .processes import ROOT, Took, in_turns, program, task

READING, ALEMBIC, CHECK = "bare reading of the files", "Alembic: load, heads", "check, in process"
PARSE, SCHEMA = "ast.parse of the files", "check --schema, in process"
DRAW, EMPTY_PAGE = "graph --format html, in process", "an empty page in the browser"
ROWS_THERE, SWITCH = "that page, until its rows are there", "until it shows the other state"
LOOP, READ_TENANTS = "a loop over one connection", "read where each stands"
QUERIES, COMPARE_TENANTS = "a loop of the queries of a comparison", "compare each exactly"
TRACE_TENANTS = "trace each"
INSPECTOR, TRACE = "SQLAlchemy's inspector, table by table", "trace, all of it"
CHECK_ALONE, AGAINST = "check of one of them", "check --against, both sides moved"
WITH_OTHERS = "check --against --with all others"
REBASE = "rebase, 20 of mine in 1 line"
CLICK, PYTEST, SAMPLE_HEADS = "python -c 'import click'", "pytest, one test", "flask db heads: CPU"
# What starts quickly: the command, what it is compared with, how many times its CPU time at most.
STARTS = (
    ("fixchain --version", CLICK, 3.0),
    ("fixchain --help", CLICK, 3.0),
    ("fixchain explain FC102", CLICK, 3.0),
    ("fixchain check, 10 revisions", "alembic heads, 10 revisions", 0.35),
    ("fixchain check, 1,000 revisions", "alembic heads, 1,000 revisions", 0.4),
    ("fixchain check, the broken sample", SAMPLE_HEADS, 0.6),
    ("pytest --fixchain, one test", PYTEST, 1.3),
)
HEADS, CHECK_SAMPLE = "flask db heads", "fixchain check"
# Beyond that, compiling every file and Alembic take minutes, and nothing new is learned: no cold
# start, no confirmation (Alembic loads the chain three times there), and Alembic only once.
_LARGEST_PATIENT = 10_000
_GROWTH = 4
_HOSTILE = (
    ("missing parents of one merge", 1_000_000),
    ("parents of one merge", 8_000),
    ("f-strings, each of two", 40),
    ("interpolations in each value", 100),
)
_BRANCHES = 20
EMPTY = "empty files"


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        name: what was measured.
        seconds: the fastest repetition.
        peak: bytes of memory; ``None`` where it is not this process that matters.
    """

    name: str
    seconds: float
    peak: float | None = None


class Section(NamedTuple):
    """What was measured on one chain.

    Attributes:
        title: the chain, in words.
        revisions: how many it has; 0 where that says nothing.
        rows: the measurements.
    """

    title: str
    revisions: int
    rows: tuple[Row, ...]

    def seconds(self, name: str) -> float | None:
        """The seconds of one row, if it was measured."""
        return next((row.seconds for row in self.rows if row.name == name), None)


def plain_chain(scratch: Path, size: int, repetitions: int | None) -> Section:
    """A healthy chain, cold and warm; then cut into pieces, and repaired."""
    patient = size <= _LARGEST_PATIENT
    times = repetitions or (7 if size <= 1_000 else 5 if patient else 2)
    with _chain(scratch, "plain", size) as environment:
        cold: list[Row] = []
        if patient:
            names = {"alembic": f"{ALEMBIC}, cold", "check": f"{CHECK}, cold"}
            runs = {names[name]: partial(task, name, environment, cold=True) for name in names}
            cold = _rows(in_turns(min(times, 2), runs))
        task("compile_all", environment)
        alembic = {ALEMBIC: partial(task, "alembic", environment)}
        warm = _measured(1, {} if patient else alembic)
        warm += _measured(
            times,
            {
                READING: partial(task, "read", environment),
                **(alembic if patient else {}),
                CHECK: partial(task, "check", environment),
                "check, whole process": partial(
                    program, ("fixchain", "-d", str(environment), "check"), ROOT
                ),
            },
        )
        task("cut", environment, size)
        repair = {"repair": partial(task, "repair", environment, patient)}
        repaired = in_turns(min(times, 2) if patient else 1, repair)
    return Section(f"{size:,} revisions", size, (*warm, *cold, *_repair_rows(repaired["repair"])))


def shared_chain(scratch: Path, size: int, repetitions: int | None) -> Section:
    """A chain that Git has, and revisions beside it that go on top; compared with a check."""
    with (
        _chain(scratch, "plain", size) as healthy,
        _chain(scratch, "shared", size) as one,
        _chain(scratch, "shared in 4 lines", size) as four,
    ):
        for environment, lines in ((one, 1), (four, 4)):
            task("share", environment, size, lines)
        for environment in (healthy, one, four):
            task("compile_all", environment)
        runs = {
            CHECK: partial(task, "check", healthy),
            REBASE: partial(task, "rebase", one, 1),
            "rebase, 20 of mine in 4 lines": partial(task, "rebase", four, 4),
        }
        rows = _measured(repetitions or 5, runs)
    return Section(f"{size:,} revisions that others have", size, tuple(rows))


def parted_chain(scratch: Path, size: int, repetitions: int | None) -> Section:
    """A chain with branches that are to land on it: CPU seconds of whole processes, medians.

    Git's own work counts as well.
    """
    with _chain(scratch, "plain", size) as environment:
        task("part", environment, size, _BRANCHES)
        task("compile_all", environment)
        check = ("fixchain", "-d", str(environment), "check")
        against = (*check, "--against", "moved")
        others = [f"--with=b{number}" for number in range(1, _BRANCHES)]
        commands = {CHECK_ALONE: check, AGAINST: against, WITH_OTHERS: (*against, *others)}
        runs = {name: partial(program, words, environment) for name, words in commands.items()}
        took = in_turns(repetitions or 5, runs, median)
    rows = tuple(Row(name, each.seconds["cpu"], each.peak) for name, each in took.items())
    return Section(f"{size:,} revisions, {_BRANCHES} branches of them", size, rows)


def busy_chain(scratch: Path, size: int, repetitions: int | None) -> Section:
    """A healthy chain of 40 operations a migration, and what it takes to understand them."""
    with _chain(scratch, "busy", size) as environment:
        task("compile_all", environment)
        runs = {
            PARSE: partial(task, "parse", environment),
            SCHEMA: partial(task, "check_schema", environment),
        }
        rows = _measured(repetitions or (5 if size <= 1_000 else 2), runs)
    return Section(f"{size:,} revisions of 40 operations each", size, tuple(rows))


class PageSection(NamedTuple):
    """What was measured of a page, and how many bytes it has."""

    section: Section
    size: int


def page(scratch: Path, size: int, repetitions: int | None) -> PageSection:
    """The page of a healthy chain written; then, with the chain cut into pieces, looked at."""
    with _chain(scratch, "plain", size) as environment:
        task("compile_all", environment)
        file = scratch / "page.html"
        runs = {
            SCHEMA: partial(task, "check_schema", environment),
            DRAW: partial(task, "draw_page", environment, file),
        }
        rows = _measured(repetitions or (3 if size <= 1_000 else 1), runs)
        task("cut", environment, size)
        drawn = task("draw_page", environment, file)
        took = task("browse", file).seconds
    rows += [
        Row(EMPTY_PAGE, took["empty"]),
        Row(ROWS_THERE, took["rows"]),
        Row(SWITCH, took["switch"]),
    ]
    title = f"the page of {size:,} revisions"
    return PageSection(Section(title, size, tuple(rows)), int(drawn.seconds["bytes"]))


def growing_chains(
    scratch: Path, shape: str, title: str, size: int, repetitions: int | None
) -> list[Section]:
    """A chain that is hard on Alembic, and one four times as long to see how time grows."""
    sections = []
    for length, with_alembic in ((size, True), (size * _GROWTH, False)):
        with _chain(scratch, shape, length) as environment:
            task("compile_all", environment)
            runs = {CHECK: partial(task, "check", environment)}
            rows = _measured(repetitions or 5, runs)
            if with_alembic:
                rows += _measured(1, {ALEMBIC: partial(task, "alembic", environment)})
            revisions = len(list((environment / "versions").glob("*.py")))
        sections.append(Section(title.format(length), revisions, tuple(rows)))
    return sections


def sample(scratch: Path, repetitions: int | None) -> Section:
    """Whole commands on the sample app, as somebody types them."""
    shutil.copytree(ROOT / "sample_app", scratch / "sample_app")
    app = ("flask", "--app", "sample_app")
    commands = {
        HEADS: (*app, "db", "heads"),
        CHECK_SAMPLE: ("fixchain", "-d", "sample_app/migrations", "check"),
        "flask db fixchain check": (*app, "db", "fixchain", "check"),
    }
    runs = {name: partial(program, words, scratch) for name, words in commands.items()}
    versions = (scratch / "sample_app/migrations/versions").glob("*.py")
    rows = tuple(_measured(repetitions or 15, runs))
    return Section("the sample app, whole processes", len(list(versions)), rows)


def starts(scratch: Path, repetitions: int | None) -> Section:
    """How long commands take to start: CPU time of whole processes, medians."""
    small, large = (_project(scratch / f"starts-{size}", size) for size in (10, 1_000))
    (small / "test_one.py").write_text("def test_one():\n    assert True\n")
    pytest = ("pytest", "-q", "-p", "no:cacheprovider")
    commands = {
        CLICK: (("python", "-c", "import click"), small),
        "fixchain --version": (("fixchain", "--version"), small),
        "fixchain --help": (("fixchain", "--help"), small),
        "fixchain explain FC102": (("fixchain", "explain", "FC102"), small),
        "alembic heads, 10 revisions": (("alembic", "heads"), small),
        "fixchain check, 10 revisions": (("fixchain", "check"), small),
        "alembic heads, 1,000 revisions": (("alembic", "heads"), large),
        "fixchain check, 1,000 revisions": (("fixchain", "check"), large),
        SAMPLE_HEADS: (("flask", "--app", "sample_app", "db", "heads"), scratch),
        "fixchain check, the broken sample": (
            ("fixchain", "-d", "sample_app/migrations", "check"),
            scratch,
        ),
        PYTEST: (pytest, small),
        "pytest --fixchain, one test": ((*pytest, "--fixchain"), small),
    }
    runs = {name: partial(program, *command) for name, command in commands.items()}
    for run in runs.values():
        run()
    took = in_turns(repetitions or 10, runs, median)
    rows = tuple(Row(name, each.seconds["cpu"], each.peak) for name, each in took.items())
    return Section("starting: CPU seconds of whole processes, medians", 0, rows)


def _project(place: Path, size: int) -> Path:
    """A project of Alembic's with a healthy chain, and its bytecode."""
    task("generate", place / "migrations", "plain", size)
    (place / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
    task("compile_all", place)
    return place


def hostile_projects(scratch: Path, empty: int) -> Section:
    """``check`` of projects that are to take all time or memory, in seconds of its own work."""
    rows = []
    for kind, size in (*_HOSTILE, (EMPTY, empty)):
        place = scratch / "hostile"
        task("write_hostile", place, kind, size)
        took = program(("fixchain", "-c", str(place / "alembic.ini"), "check"), ROOT)
        rows.append(Row(f"{size:,} {kind}", took.seconds["cpu"], took.peak))
        shutil.rmtree(place)
    return Section("check of hostile projects, whole processes", 0, tuple(rows))


def traced_schema(scratch: Path, size: int) -> Section:
    """A database of as many tables as its chain has revisions, compared with that."""
    took = task("trace", scratch / f"traced-{size}.db", size)
    rows = (
        Row(INSPECTOR, took.seconds["inspector"]),
        Row("read the schema", took.seconds["read"]),
        Row("understand the migrations", took.seconds["understand"]),
        Row("compare them", took.seconds["compare"]),
        Row(TRACE, sum(took.seconds[name] for name in ("read", "understand", "compare"))),
    )
    return Section(f"trace of {size:,} revisions and as many tables", size, rows)


def tenant_schemas(server: str, size: int) -> Section:
    """Many schemas with a version table each, read and moved; each tenth changes in between."""
    from sqlalchemy import create_engine, text
    from sqlalchemy.engine import make_url

    name = f"chainfix_benchmark_{uuid4().hex}"
    url = make_url(server).set(database=name).render_as_string(hide_password=False)
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as admin:
        admin.execute(text(f"CREATE DATABASE {name}"))
        try:
            took = task("tenants", url, size)
        finally:
            admin.execute(text(f"DROP DATABASE {name}"))
    engine.dispose()
    rows = (
        Row(LOOP, took.seconds["loop"]),
        Row(READ_TENANTS, took.seconds["read"]),
        Row("move the rows of each", took.seconds["move"]),
        Row(QUERIES, took.seconds["queries"]),
        Row(COMPARE_TENANTS, took.seconds["compare"]),
        Row(TRACE_TENANTS, took.seconds["trace"]),
    )
    return Section(f"{size:,} schemas of one PostgreSQL database", size, rows)


@contextmanager
def _chain(scratch: Path, shape: str, size: int) -> Iterator[Path]:
    environment = scratch / f"{shape}-{size}"
    task("generate", environment, shape, size)
    yield environment
    shutil.rmtree(environment)


def _measured(times: int, runs: Mapping[str, Callable[[], Took]]) -> list[Row]:
    for run in runs.values():
        if times > 1:
            run()  # whatever the first run of all caches is there for those that count
    return _rows(in_turns(times, runs))


def _rows(results: dict[str, Took]) -> list[Row]:
    return [Row(name, took.seconds["seconds"], took.peak) for name, took in results.items()]


def _repair_rows(took: Took) -> list[Row]:
    files = int(took.seconds["files"])
    rows = [
        Row(f"repair: plan for {files:,} extra bases", took.seconds["plan"], took.peak),
        Row(f"repair: write {files:,} files, synced", took.seconds["write"]),
    ]
    if "confirm" in took.seconds:
        rows.append(Row("repair: confirmed by Alembic", took.seconds["confirm"]))
    return rows
