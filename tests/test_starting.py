"""What commands import: those that only read files start without what reads databases."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import pytest

from flask_chainfix.cli.main import app_group, main
from tests.commands import command_of, fixchain, run


@pytest.mark.parametrize("group", [main, app_group])
def test_a_summary_is_the_first_sentence_of_the_help(group: click.Group) -> None:
    for name, summary in group.commands.items():
        assert summary.get_short_help_str(1_000) == command_of(name).get_short_help_str(1_000)


def test_the_package_runs_as_a_module(tmp_path: Path) -> None:
    done = run(sys.executable, "-m", "flask_chainfix", "--version", cwd=tmp_path)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == fixchain("--version").stdout
