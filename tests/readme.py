"""Run the README's examples: ``python -m tests.readme`` writes their output anew.

A block that begins with ``$`` is run, line by line, on a copy of the sample app; the lines below
each command are what it printed. A line ``[…]`` in the README stands for any number of lines.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from flask_chainfix.rules import explanations

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
LEFT_OUT = "[…]"
_BLOCK = re.compile(r"(?<=```console\n)\$ .*?(?=```)", re.DOTALL)
_RULES = re.compile(r"(?<=<!-- the rules: begin -->\n).*?(?=<!-- the rules: end -->)", re.DOTALL)


class Sample:
    """A copy of the sample app in which commands are run."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        ignored = shutil.ignore_patterns("instance", "__pycache__", ".fixchain")
        shutil.copytree(ROOT / "sample_app", directory / "sample_app", ignore=ignored)

    def run(self, command: str) -> str:
        """What a command prints, with what differs from run to run made alike."""
        bin_directory = Path(sys.executable).parent
        environment = {
            **os.environ,
            "COLUMNS": "80",
            "FLASK_APP": "sample_app",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "PYTHONIOENCODING": "utf-8",
            "PATH": os.pathsep.join((str(bin_directory), os.environ["PATH"])),
        }
        done = subprocess.run(
            command.split(),
            cwd=self._directory,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
        )
        return steady(done.stdout)


def steady(output: str) -> str:
    """Output without times, versions and checksums."""
    output = re.sub(r"\d{8}T\d{6}Z", "20261122T170000Z", output)
    output = re.sub(r"\b[0-9a-f]{64}\b", "0123456789abcdef" * 4, output)
    output = re.sub(r"\d+\.\d\d s$", "0.01 s", output, flags=re.MULTILINE)
    output = re.sub(r"(?<=  )\d+\.\d\d$", "0.01", output, flags=re.MULTILINE)
    return re.sub(r"alembic \d+\.\d+\.\d+", "alembic 1.20.1", output)


def commands_of(block: str) -> Iterator[tuple[str, str]]:
    """The commands of a block, each with the output that the README gives."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def blocks(text: str) -> list[str]:
    """The blocks of the README that are run."""
    return _BLOCK.findall(text)


def rules_table() -> str:
    """The table of findings, from the rules themselves."""
    rows = (
        f"| {each.code} | {each.name} | {each.severity.value} | {each.summary} |\n"
        for each in explanations()
    )
    return "".join(("| code | name | severity | what it is |\n|---|---|---|---|\n", *rows))


def rules_in(text: str) -> str:
    """The table of findings that the README holds."""
    found = _RULES.search(text)
    assert found is not None
    return found[0]


def matches(expected: str, output: str) -> bool:
    """Whether the README's output fits the real one."""
    pattern = r"(?:.*\n)*?".join(re.escape(part) for part in expected.split(f"{LEFT_OUT}\n"))
    return re.fullmatch(pattern, output) is not None


def main() -> None:
    """Write the examples and the table anew; what was left out of an output stays out."""
    text = README.read_text("utf-8")
    with tempfile.TemporaryDirectory() as scratch:
        sample = Sample(Path(scratch))

        def rerun(block: re.Match[str]) -> str:
            written = ""
            for command, expected in commands_of(block[0]):
                output = sample.run(command)
                written += f"$ {command}\n"
                written += expected if matches(expected, output) else output
            return written

        text = _BLOCK.sub(rerun, text)
    text = _RULES.sub(lambda _: rules_table(), text)
    README.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
