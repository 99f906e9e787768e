"""What hooks, jobs and checklists hold: for any name they run ``check``, and nothing else."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from flask_chainfix.cli.check import check
from flask_chainfix.model.hook_files import (
    GIT_HOOK,
    JOB,
    KINDS,
    PRE_COMMIT,
    WORKFLOW,
    Call,
    Kind,
    calls_check,
)
from tests.repositories import needs_git, script

CALL = Call("migrations", (), "flask-chainfix==1.0")


def load(kind: Kind, call: Call = CALL) -> Any:
    """The lines of a configuration; those for pre-commit are an item of a list."""
    text = kind.text(call)
    return yaml.safe_load(f"repos:\n{text}" if kind is PRE_COMMIT else text)


# --- What they hold ------------------------------------------------------------------------------


def test_the_item_for_pre_commit() -> None:
    assert load(PRE_COMMIT)["repos"] == [
        {
            "repo": "local",
            "hooks": [
                {
                    "id": "fixchain",
                    "name": "migration chain (fixchain not found? activate its environment)",
                    "entry": "fixchain",
                    "args": ["check"],
                    "language": "system",
                    "always_run": True,
                    "pass_filenames": False,
                }
            ],
        }
    ]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_file_that_holds_the_lines_calls_check(kind: Kind) -> None:
    text = kind.text(Call("a\nb", ("-d", "a\nb"), "flask-chainfix"))
    for written in (text, f"old\n{text}old\n", f"old\r\n{text}".replace("\n", "\r\n")):
        assert calls_check(written.encode())


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", False),
        (b"#!/bin/sh\n# fixchain check\necho check\n", False),
        (b"#!/bin/sh\nflask db fixchain check\n", True),
        (b"repos:\n- repo: local\n  hooks:\n  - id: fixchained\n", False),
        (b"repos:\n- repo: local\n  hooks:\n  - id: 'fixchain'  # ours\r\n", True),
        (b"a:\n  script: fixchain -d x check --strict\n", True),
        (b"fixchain:\n  script: other\n", False),
        (b"\xff\0", False),
    ],
)
def test_a_call_of_somebody_is_known(data: bytes, expected: bool) -> None:
    assert calls_check(data) is expected


# --- What they run -------------------------------------------------------------------------------

NAMES = [
    "backend/migrations",
    "./-d",
    "it's; touch x",
    "$(touch x) `touch x` ${{ github.token }} $HOME",
    "ä: # 'b' \"c\"\\",
    "a\nfixchain:\n  b: \x1b[31m\x85\u2028\U0001f40d",
]


def recorded(shell: str, directory: Path, **variables: str) -> list[str]:
    """The arguments with which a shell calls ``fixchain``, which is not run, if nothing else."""
    stub = '#!/bin/sh\nprintf "%s\\0" "$@" >> "$CALLS"\n'
    program = script(directory / "bin/fixchain", stub)
    calls = directory / "calls"
    search = f"{program.parent}:{os.defpath}"
    subprocess.run(
        ["sh", "-ec", shell],
        cwd=directory,
        env={"PATH": search, "CALLS": str(calls), **variables},
        check=True,
    )
    words = calls.read_bytes().decode().split("\0")[:-1]
    calls.unlink()
    assert {path.name for path in directory.iterdir()} <= {"bin", "fixchain.xml"}
    return words


@needs_git
@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_one_argument_and_nothing_else(name: str, tmp_path: Path) -> None:
    call = Call(name, ("-d", name), "flask-chainfix==1.0")
    (repo,) = load(PRE_COMMIT, call)["repos"]
    assert repo["hooks"][0]["args"] == ["-d", name, "check"]
    assert load(JOB, call).keys() == {"fixchain"}
    job = load(JOB, call)["fixchain"]["script"][1]
    step = load(WORKFLOW, call)["jobs"]["fixchain"]["steps"][-1]["run"]
    for shell in (job, step):
        assert recorded(shell, tmp_path)[:3] == ["-d", name, "check"]
    assert "${{" not in step
    hook = GIT_HOOK.text(call).replace("-e ", "-n ")  # it need not be there
    assert recorded(hook, tmp_path) == ["-d", name, "check"]


@needs_git
def test_the_workflow_compares_with_the_target_branch(tmp_path: Path) -> None:
    workflow = load(WORKFLOW)
    assert workflow[True] == "pull_request"  # YAML 1.1 takes `on` for a truth value
    assert workflow["permissions"] == {"contents": "read"}
    checkout, _, _, check = workflow["jobs"]["fixchain"]["steps"]
    assert checkout["with"] == {"fetch-depth": 0}
    assert check["env"] == {"BASE": "${{ github.base_ref }}"}
    hostile = "$(touch x)`touch y`; touch z"
    expected = ["check", "--against", f"origin/{hostile}", "--format", "github"]
    assert recorded(check["run"], tmp_path, BASE=hostile) == expected


@needs_git
def test_the_job_compares_with_where_the_branch_began(tmp_path: Path) -> None:
    job = load(JOB)["fixchain"]
    assert job["variables"] == {"GIT_DEPTH": "0"}
    expected = ["check", "--against", "b c", "--format", "junit"]
    assert recorded(job["script"][1], tmp_path, CI_MERGE_REQUEST_DIFF_BASE_SHA="b c") == expected
    assert (tmp_path / job["artifacts"]["reports"]["junit"]).is_file()


@pytest.mark.parametrize("kind", [WORKFLOW, JOB])
def test_the_jobs_know_the_options_of_check(kind: Kind) -> None:
    commands = re.findall(r"fixchain check .*", kind.text(CALL))
    (words,) = (shlex.split(command.partition(" > ")[0])[2:] for command in commands)
    context = check.make_context("check", [*words])
    assert context.params["output_format"] in ("github", "junit")
    assert "--against" in words
