"""Fresh processes, and what they took."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
_EXPECTED = (0, 1, 3)  # check says with 1 that it has found something, with 3 that it has refused


class Took(NamedTuple):
    """What one process took: seconds by name, and the peak of its memory in bytes."""

    seconds: Mapping[str, float]
    peak: float


def task(name: str, *arguments: object, cold: bool = False) -> Took:
    """Run one of ``tasks`` in a fresh process; ``cold``: without writing bytecode."""
    words = [sys.executable, "-m", "tests.benchmarks.tasks", name, *map(str, arguments)]
    process = subprocess.run(
        words, cwd=ROOT, env=_environment(cold), stdout=subprocess.PIPE, check=True, text=True
    )
    figures: dict[str, float] = json.loads(process.stdout)
    return Took(figures, figures.pop("peak"))


def program(words: Sequence[str], directory: Path) -> Took:
    """Run one of the programs of this interpreter, and time it from outside.

    Its own work counts as ``cpu``.
    """
    path = Path(sysconfig.get_path("scripts"), words[0])
    start = perf_counter()
    process = subprocess.Popen(
        [str(path), *words[1:]],
        cwd=directory,
        env=_environment(cold=False),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in _EXPECTED:
        raise RuntimeError(f"{' '.join(words)} ended with {process.returncode}")
    peak = usage.ru_maxrss if sys.platform == "darwin" else usage.ru_maxrss * 1024
    return Took({"seconds": seconds, "cpu": usage.ru_utime + usage.ru_stime}, peak)


def in_turns(
    repetitions: int,
    measured: Mapping[str, Callable[[], Took]],
    chosen: Callable[[Sequence[float]], float] = min,
) -> dict[str, Took]:
    """Run each measurement several times, taking turns.

    Args:
        repetitions: how often.
        measured: the measurements by name.
        chosen: which figure of the repetitions counts; the least, as what is added to it is the
            machine's doing.

    Returns:
        What counts of each measurement.
    """
    results: dict[str, list[Took]] = {name: [] for name in measured}
    for _ in range(repetitions):
        for name, run in measured.items():
            results[name].append(run())
    return {
        name: Took(
            {key: chosen([took.seconds[key] for took in all_took]) for key in all_took[0].seconds},
            chosen([took.peak for took in all_took]),
        )
        for name, all_took in results.items()
    }


def _environment(cold: bool) -> dict[str, str]:
    """This process's environment, but for what would decide about bytecode or the app."""
    ours = ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "FLASK_APP")
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    return environment | {"PYTHONDONTWRITEBYTECODE": "1"} if cold else environment
