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
    from flask_chainfix import workflows
    from flask_chainfix.report import Tools
    from flask_chainfix.runtime import open_directory

    runtime = open_directory(environment)
    start = process_time()
    report = workflows.check(runtime, Tools(), strict=False)
    seconds = process_time() - start
    assert report.exit_code == 0, report.findings
    return {"seconds": seconds}


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
    from flask_chainfix import workflows
    from flask_chainfix.report import Tools
    from flask_chainfix.runtime import open_directory

    runtime = open_directory(environment)
    start = process_time()
    report = workflows.check(runtime, Tools(), strict=False, schema=True)
    seconds = process_time() - start
    assert report.exit_code == 0, report.findings
    return {"seconds": seconds}


def repair(environment: str, confirmed: str) -> Figures:
    """Our ``repair`` in its parts, and everything put back afterwards.

    Args:
        environment: a chain with extra bases.
        confirmed: whether Alembic shall be asked (``True``), which loads the chain three times.
    """
    from flask_chainfix import runtime as alembics
    from flask_chainfix import store, workflows
    from flask_chainfix.model import Wishes
    from flask_chainfix.report import Tools

    runtime = alembics.open_directory(environment)
    directory = runtime.environment.directory
    start = perf_counter()
    report = workflows.plan_repair(runtime, Tools(), Wishes())
    planned = perf_counter()
    assert report.after is not None, report.error
    figures: Figures = {"plan": planned - start, "files": len(report.edits)}
    with store.locked(directory), store.changed_files(directory, report.edits) as journal:
        written = asked = perf_counter()
        peak = _peak()
        if confirmed == "True":
            alembics.confirm(runtime, report.after)
            asked = perf_counter()
            figures["confirm"] = asked - written
    done = perf_counter()
    with store.locked(directory):
        store.undo(journal, runtime.environment.version_locations)
    for edit in report.edits:
        py_compile.compile(str(edit.path), doraise=True)
    return {**figures, "write": written - planned + done - asked, "peak": peak}


def _peak() -> int:
    """The most memory that this process has had, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


_TASKS: dict[str, Callable[..., Figures]] = {
    task.__name__: task
    for task in (generate, compile_all, cut, read, parse, alembic, check, check_schema, repair)
}


if __name__ == "__main__":
    answer = _TASKS[sys.argv[1]](*sys.argv[2:])
    print(json.dumps({"peak": _peak(), **answer}))
