"""The examples of the README and of the pages in docs/.

A block that begins with ``$`` is run, line by line, on a copy of the sample app that the page has
for itself. The lines below each command are what it prints, stderr before stdout; ``[…]`` on a line
of its own stands for any number of lines. Commands in an HTML comment prepare what the next block
shows.

``python -m tests.readme`` writes the outputs anew.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from difflib import SequenceMatcher
from pathlib import Path
from typing import NamedTuple

from tests import commands
from tests.commands import SCRIPTS, fixchain, flask, run

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = (README, *sorted((ROOT / "docs/pages").rglob("*.md")))
LEFT_OUT = "[…]"
_BLOCK = re.compile(r"(?<=```console\n)\$ .*?(?=```)|(?<=<!--\n)\$ .*?(?=-->)", re.DOTALL)


class Step(NamedTuple):
    """A command, and the output that the page gives; ``None`` if the page does not show it."""

    command: str
    expected: str | None


class Sample:
    """A copy of the sample app in which commands are run."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        ignored = shutil.ignore_patterns("instance", "__pycache__", ".fixchain")
        shutil.copytree(ROOT / "sample_app", directory / "sample_app", ignore=ignored)

    def run(self, step: Step) -> str:
        """What a command prints, with what differs from run to run made alike.

        Raises:
            RuntimeError: a command that the page does not show has failed.
        """
        program, *arguments = shlex.split(step.command)
        # What Alembic prints goes to the stdout that it was imported with.
        alembic = "fixchain" not in step.command and step.expected is not None
        if program == "flask" and not alembic:
            done = flask(*arguments, cwd=self._directory, env=_environment())
        elif program == "fixchain":
            done = fixchain(*arguments, cwd=self._directory, env=_environment())
        else:
            done = run(program, *arguments, cwd=self._directory, env=_environment())
        output = done.stderr + done.stdout
        if step.expected is None and done.exit_code:
            raise RuntimeError(f"$ {step.command}\n{output}")
        return steady(output)


def _environment() -> dict[str, str]:
    return {
        "COLUMNS": "80",
        "FLASK_APP": "sample_app",
        "GIT_AUTHOR_NAME": "you",
        "GIT_AUTHOR_EMAIL": "you@example.org",
        "GIT_COMMITTER_NAME": "you",
        "GIT_COMMITTER_EMAIL": "you@example.org",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "PYTEST_ADDOPTS": "-p no:hypothesispytest",  # whose imports take longer than all else
        "PATH": os.pathsep.join((str(commands.place), str(SCRIPTS), os.environ["PATH"])),
    }


def steady(output: str) -> str:
    """Output without times, versions and checksums."""
    output = re.sub(r"\d{8}T\d{6}Z", "20261122T170000Z", output)
    output = re.sub(r"\b[0-9a-f]{64}\b", "0123456789abcdef" * 4, output)
    output = re.sub(r"\d+\.\d\d s$", "0.01 s", output, flags=re.MULTILINE)
    output = re.sub(r"(?<=  )\d+\.\d\d$", "0.01", output, flags=re.MULTILINE)
    return re.sub(r"alembic \d+\.\d+\.\d+", "alembic 1.20.1", output)


def steps(text: str) -> list[Step]:
    """The commands of a page, in its order."""
    return [step for block in _BLOCK.finditer(text) for step in _steps_at(block)]


def matches(expected: str, output: str) -> bool:
    """Whether the output that a page gives fits the real one."""
    pattern = r"(?:.*\n)*?".join(re.escape(part) for part in expected.split(f"{LEFT_OUT}\n"))
    return re.fullmatch(pattern, output) is not None


def renewed(text: str) -> str:
    """A page with the outputs that its commands have now; what was left out stays out."""
    with tempfile.TemporaryDirectory() as scratch:
        sample = Sample(Path(scratch))

        def rerun(block: re.Match[str]) -> str:
            return "".join(_renewed(sample, step) for step in _steps_at(block))

        return _BLOCK.sub(rerun, text)


def _steps_at(block: re.Match[str]) -> Iterator[Step]:
    shown = block.string[: block.start()].endswith("```console\n")
    for part in re.split(r"^\$ ", block[0], flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield Step(command, output if shown else None)


def _renewed(sample: Sample, step: Step) -> str:
    output = sample.run(step)
    if step.expected is None:
        return f"$ {step.command}\n"
    kept = matches(step.expected, output)
    return f"$ {step.command}\n{step.expected if kept else shortened(output, step.expected)}"


def shortened(output: str, before: str) -> str:
    """Output without what the page left out before."""
    gap, new, old = f"{LEFT_OUT}\n", output.splitlines(True), before.splitlines(True)
    lines: list[str] = []
    for _, start, end, first, last in SequenceMatcher(None, old, new, False).get_opcodes():
        if gap in (changed := old[start:end]):
            head, tail = first + changed.index(gap), last - changed[::-1].index(gap)
            lines += [*new[first:head], gap, *new[max(head, tail) : last]]
        else:
            lines += new[first:last]
    short = "".join(lines)
    return short if matches(short, output) else output


def main() -> None:
    """Write the outputs anew, in the pages named or in all of them."""
    for page in map(Path, sys.argv[1:]) if sys.argv[1:] else PAGES:
        page.write_text(renewed(page.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
