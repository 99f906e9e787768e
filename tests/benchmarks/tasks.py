"""What is measured, each in a process of its own: ``python -m tests.benchmarks.tasks NAME ARG…``.

A task prints one JSON object: seconds by name, and the peak of its memory in bytes. What waits for
no disk is timed in seconds of this process's own work, so that other programs do not count.
"""

from __future__ import annotations

import compileall
import json
import os
import py_compile
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time

Figures = dict[str, float]


def generate(environment: str, shape: str, size: str) -> Figures:
    """Not measured: write a chain."""
    from . import chains

    chains.generate(Path(environment), shape, int(size))
    return {}


def write_hostile(place: str, kind: str, size: str) -> Figures:
    """Not measured: write a hostile project."""
    from . import hostile

    hostile.write(Path(place), kind, int(size))
    return {}


def compile_all(environment: str) -> Figures:
    """Not measured: write the bytecode that Alembic's first load would leave behind."""
    compileall.compile_dir(environment, quiet=1, workers=os.cpu_count() or 1)
    return {}


def cut(environment: str, size: str) -> Figures:
    """Not measured: give a chain 1 % extra bases."""
    from . import chains

    for path in chains.cut(Path(environment), int(size)):
        py_compile.compile(str(path), doraise=True)
    return {}


def share(environment: str, size: str, lines: str) -> Figures:
    """Not measured: commit a chain, and add what is to be rebased."""
    from . import chains

    chains.share(Path(environment), int(size), int(lines))
    return {}


def read(environment: str) -> Figures:
    """Bare reading: the least that anything can take that looks at every file."""
    start = process_time()
    for entry in os.scandir(f"{environment}/versions"):
        if entry.name.endswith(".py"):
            with open(entry.path, "rb") as file:
                file.read()
    return {"seconds": process_time() - start}


def alembic(environment: str) -> Figures:
    """Alembic: load every migration, and tell the heads."""
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", environment)
    start = process_time()
    heads = ScriptDirectory.from_config(config).get_heads()
    seconds = process_time() - start
    assert heads
    return {"seconds": seconds}


def check(environment: str) -> Figures:
    """Our ``check`` on a healthy chain, from the first file to the findings."""
    from flask_chainfix.commands.check import check as check_chain
    from flask_chainfix.commands.session import Session
    from flask_chainfix.environment.locate import open_directory

    runtime = open_directory(environment)
    start = process_time()
    report = check_chain(Session(runtime), strict=False)
    seconds = process_time() - start
    assert report.exit_code == 0, report.diagnosis.findings
    return {"seconds": seconds}


def part(environment: str, size: str, branches: str) -> Figures:
    """Not measured: commit a chain, and branches of it that add a revision each."""
    from . import chains

    chains.part(Path(environment), int(size), int(branches))
    return {}


def parse(environment: str) -> Figures:
    """One ``ast.parse`` of every file: the least that anything can take that understands them."""
    import ast

    files = [path.read_bytes() for path in Path(environment, "versions").glob("*.py")]
    start = process_time()
    for data in files:
        ast.parse(data)
    return {"seconds": process_time() - start}


def check_schema(environment: str) -> Figures:
    """Our ``check --schema`` on a healthy chain, from the first file to the findings."""
    from flask_chainfix.commands.check import check as check_chain
    from flask_chainfix.commands.session import Session
    from flask_chainfix.environment.locate import open_directory

    runtime = open_directory(environment)
    start = process_time()
    report = check_chain(Session(runtime), strict=False, schema=True)
    seconds = process_time() - start
    assert report.exit_code == 0, report.diagnosis.findings
    return {"seconds": seconds}


def draw_page(environment: str, file: str) -> Figures:
    """Our ``graph --format html``."""
    from . import pages

    return pages.draw_page(environment, file)


def browse(file: str) -> Figures:
    """That page in a browser."""
    from . import pages

    return pages.browse(file)


def repair(environment: str, confirmed: str) -> Figures:
    """Our ``repair`` in its parts, and everything put back afterwards.

    Args:
        environment: a chain with extra bases.
        confirmed: whether Alembic shall be asked (``True``), which loads the chain three times.
    """
    from flask_chainfix import disk
    from flask_chainfix.commands.repair import plan_repair
    from flask_chainfix.commands.session import Session
    from flask_chainfix.environment.locate import open_directory
    from flask_chainfix.model.plans import Wishes
    from flask_chainfix.rehearsal.confirm import confirm

    runtime = open_directory(environment)
    directory = runtime.environment.directory
    start = perf_counter()
    plan = plan_repair(Session(runtime), Wishes()).proposal.planned
    planned = perf_counter()
    assert plan is not None
    figures: Figures = {"plan": planned - start, "files": len(plan.edits)}
    with disk.locked(directory), disk.changed_files(directory, plan.edits) as journal:
        written = asked = perf_counter()
        peak = _peak()
        if confirmed == "True":
            confirm(runtime, plan.after)
            asked = perf_counter()
            figures["confirm"] = asked - written
    done = perf_counter()
    with disk.locked(directory):
        disk.undo(journal, runtime.environment.version_locations)
    for edit in plan.edits:
        py_compile.compile(str(edit.path), doraise=True)
    return {**figures, "write": written - planned + done - asked, "peak": peak}


def rebase(environment: str, lines: str) -> Figures:
    """Our ``rebase``, from the first file to the plan; what Git does for it counts as well.

    Args:
        environment: a chain that is shared, with revisions beside it.
        lines: in how many lines they stand.
    """
    from flask_chainfix.commands import rebase as rebases
    from flask_chainfix.commands.session import Session
    from flask_chainfix.environment.locate import open_directory

    runtime = open_directory(environment)
    start = sum(os.times()[:4])
    report = rebases.plan_rebase(Session(runtime), None)
    seconds = sum(os.times()[:4]) - start
    planned = report.proposal.planned
    assert planned is not None, report.error
    assert len(planned.edits) == int(lines)
    return {"seconds": seconds}


def tenants(url: str, size: str) -> Figures:
    """Read and move the version rows of many schemas of one PostgreSQL database.

    Args:
        url: of an empty database.
        size: the number of schemas; the rows of each tenth change before they are moved.
    """
    from sqlalchemy.engine import make_url

    from flask_chainfix.databases.restamping import move_rows
    from flask_chainfix.databases.targets import Target
    from flask_chainfix.databases.version_tables import read_statuses
    from flask_chainfix.model.databases import Move, MoveState

    names = [f"tenant_{number}" for number in range(int(size))]
    _make_tenants(url, names)
    compared = _compare_tenants(url, names)
    targets = {item.identity: item for item in (Target(n, make_url(url), n) for n in names)}
    start = perf_counter()
    _read_in_a_loop(url, names)
    looped = perf_counter()
    statuses = read_statuses([*targets.values()], lambda *_: None)
    read = perf_counter()
    assert all(status.rows == ("a",) for status in statuses)
    _change(url, names[::10])
    moves = [Move(item.name, key, ("a",), ("b",)) for key, item in targets.items()]
    begun = perf_counter()
    results = move_rows(targets, moves, lambda _: None, lambda *_: None)
    moved = perf_counter()
    rows = [status.rows for status in read_statuses([*targets.values()], lambda *_: None)]
    for number, result in enumerate(results):
        state, row = (MoveState.MOVED, "b") if number % 10 else (MoveState.REFUSED, "other")
        assert (result.state, rows[number]) == (state, (row,)), result
    return {"loop": looped - start, "read": read - looped, "move": moved - begun, **compared}


def trace(place: str, size: str) -> Figures:
    """Compare a SQLite database with the chain that has built it, and read it without that.

    Args:
        place: the database's file, which is not there yet.
        size: the number of revisions; each makes a table of seven columns with an index.
    """
    from sqlalchemy import create_engine, inspect

    from flask_chainfix.databases.applied.verdicts import trace
    from flask_chainfix.databases.targets import Target
    from tests.traces import facts_of, line_of_tables, read_live, run

    written = line_of_tables(int(size))
    engine = create_engine(f"sqlite:///{place}")
    run(engine, (operation for each in written for operation in each.operations))
    facts = facts_of(written, "sqlite")
    start = process_time()
    with engine.connect() as connection:
        look = inspect(connection)
        for name in look.get_table_names():
            look.get_columns(name), look.get_pk_constraint(name), look.get_indexes(name)
            look.get_unique_constraints(name), look.get_foreign_keys(name)
            look.get_check_constraints(name)
    begun = process_time()
    with engine.connect() as connection:
        live = read_live(connection, Target("the database", engine.url))
    read = process_time()
    histories = facts.histories
    understood = process_time()
    found = trace(facts, live)
    done = process_time()
    assert histories
    assert found.fits == (written[-1].revision,)
    return {
        "inspector": begun - start,
        "read": read - begun,
        "understand": understood - read,
        "compare": done - understood,
    }


def _make_tenants(url: str, names: list[str]) -> None:
    from sqlalchemy import create_engine

    with create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
        for name in names:
            connection.exec_driver_sql(
                f"CREATE SCHEMA {name}; CREATE TABLE {name}.account (id INTEGER);"
                f" CREATE TABLE {name}.alembic_version (version_num VARCHAR(32) PRIMARY KEY);"
                f" INSERT INTO {name}.alembic_version VALUES ('a')"
            )


def _read_in_a_loop(url: str, names: list[str]) -> None:
    """The least that a script would do: one connection, two queries for each schema."""
    from sqlalchemy import create_engine, text

    tables = text("SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = :name")
    with create_engine(url).connect() as connection:
        for name in names:
            assert len(connection.execute(tables, {"name": name}).all()) == 2
            rows = connection.execute(text(f"SELECT version_num FROM {name}.alembic_version"))
            assert rows.all() == [("a",)]


def _compare_tenants(url: str, names: list[str]) -> Figures:
    """Compare each schema with another database; and send the same queries in a plain loop."""
    from sqlalchemy import create_engine, event
    from sqlalchemy.engine import make_url

    from flask_chainfix.databases.applied.verdicts import trace as trace_of
    from flask_chainfix.databases.live_schema import read_schemas
    from flask_chainfix.databases.reflecting import read_whole
    from flask_chainfix.databases.targets import Target
    from flask_chainfix.rehearsal.schemas.drift import compare_with
    from flask_chainfix.rehearsal.scratch import Scratch
    from flask_chainfix.schema.live import Live
    from tests.support import chain, rev

    engine = create_engine(url)
    sent: list[tuple[str, dict[str, object]]] = []
    with engine.connect() as connection:
        event.listen(
            connection,
            "before_cursor_execute",
            lambda _c, _u, statement, parameters, *_: sent.append((statement, parameters)),
        )
        read_whole(connection, names[0])
    start = perf_counter()
    with engine.connect() as connection:
        for name in names:
            with connection.begin():
                for statement, parameters in sent:
                    own = {
                        key: name if value == names[0] else value
                        for key, value in parameters.items()
                    }
                    assert connection.exec_driver_sql(statement, own).all() is not None
    looped = perf_counter()
    targets = [Target(name, make_url(url), name) for name in names]
    scratch = Scratch({"": make_url(url).set(database="postgres")}, "another one")
    found = compare_with(chain(rev("a")), scratch, targets)
    compared = perf_counter()
    assert [each.object.name for each in found[targets[-1].identity].differences] == ["account"]
    assert len(found) == len(names)
    assert not any(each.problem for each in found.values()), found
    lives = read_schemas(targets, frozenset(), lambda *_: None)
    distinct = {live for live in lives.values() if isinstance(live, Live)}
    shown = {live: trace_of(chain(rev("a")), live) for live in distinct}
    traced = perf_counter()
    assert len(lives) == len(names)
    assert shown
    assert all(each.differences for each in shown.values())
    queries, compare = looped - start, compared - looped
    return {"queries": queries, "compare": compare, "trace": traced - compared}


def _change(url: str, names: list[str]) -> None:
    from sqlalchemy import create_engine

    with create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
        for name in names:
            connection.exec_driver_sql(f"UPDATE {name}.alembic_version SET version_num = 'other'")


def _peak() -> int:
    """The most memory that this process has had, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


_TASKS: dict[str, Callable[..., Figures]] = {
    task.__name__: task
    for task in (
        generate,
        write_hostile,
        compile_all,
        cut,
        share,
        part,
        read,
        parse,
        alembic,
        check,
        check_schema,
        draw_page,
        browse,
        repair,
        rebase,
        tenants,
        trace,
    )
}


if __name__ == "__main__":
    answer = _TASKS[sys.argv[1]](*sys.argv[2:])
    print(json.dumps({"peak": _peak(), **answer}))
