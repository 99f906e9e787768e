"""What hooks, jobs and checklists hold: for any name they run ``check``, and nothing else."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from flask_chainfix.cli.check import check
from flask_chainfix.commands.hook_calls import calls_check
from flask_chainfix.commands.hook_texts import (
    CHECKLIST,
    GIT_HOOK,
    JOB,
    PRE_COMMIT,
    WORKFLOW,
    HookCall,
    HookKind,
)
from tests.repositories import needs_git, script

KINDS = (PRE_COMMIT, GIT_HOOK, WORKFLOW, JOB, CHECKLIST)
CALL = HookCall("migrations", (), "flask-chainfix==1.0")


def load(kind: HookKind, call: HookCall = CALL) -> Any:
    """The lines of a configuration; those for pre-commit are an item of a list."""
    text = kind.text(call)
    return yaml.safe_load(f"repos:\n{text}" if kind is PRE_COMMIT else text)


# --- What they hold ------------------------------------------------------------------------------


def test_the_item_for_pre_commit(tmp_path: Path) -> None:
    (repo,) = load(PRE_COMMIT)["repos"]
    (hook,) = repo["hooks"]
    entry = hook.pop("entry")
    assert (repo["repo"], hook) == (
        "local",
        {
            "id": "fixchain",
            "name": "migration chain",
            "args": ["check", "--staged"],
            "language": "system",
            "always_run": True,
            "pass_filenames": False,
        },
    )
    assert recorded(f"{entry} 'a b' $'c\\nd'", tmp_path, shell="bash") == ["a b", "c\nd"]
    assert recorded(f"{entry} x", tmp_path, place=".venv/bin") == ["x"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_file_that_holds_the_lines_calls_check(kind: HookKind) -> None:
    text = kind.text(HookCall("a\nb", ("-d", "a\nb"), "flask-chainfix"))
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


def recorded(
    line: str, directory: Path, *, shell: str = "sh", place: str = "bin", **variables: str
) -> list[str]:
    """The arguments with which a shell calls ``fixchain``, which is not run, if nothing else."""
    stub = '#!/bin/sh\nprintf "%s\\0" "$@" >> "$CALLS"\n'
    shutil.rmtree(directory / "bin", ignore_errors=True)
    script(directory / place / "fixchain", stub)
    script(directory / "bin/git", "#!/bin/sh\n")
    calls = directory / "calls"
    search = f"{directory}/bin:{os.defpath}"
    subprocess.run(
        [shell, "-ec", line],
        cwd=directory,
        env={"PATH": search, "CALLS": str(calls), **variables},
        check=True,
    )
    words = calls.read_bytes().decode().split("\0")[:-1]
    calls.unlink()
    assert {path.name for path in directory.iterdir()} <= {"bin", ".venv", "fixchain.xml"}
    return words


@needs_git
@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_one_argument_and_nothing_else(name: str, tmp_path: Path) -> None:
    call = HookCall(name, ("-d", name), "flask-chainfix==1.0")
    (repo,) = load(PRE_COMMIT, call)["repos"]
    assert repo["hooks"][0]["args"] == ["-d", name, "check", "--staged"]
    assert load(JOB, call).keys() == {"fixchain"}
    job = load(JOB, call)["fixchain"]["script"][-1]
    step = load(WORKFLOW, call)["jobs"]["fixchain"]["steps"][-1]["run"]
    for shell in (job, step):
        assert recorded(shell, tmp_path)[:3] == ["-d", name, "check"]
    assert "${{" not in step
    hook = GIT_HOOK.text(call).replace("-e ", "-n ")  # it need not be there
    assert recorded(hook, tmp_path) == ["-d", name, "check", "--staged"]


HOSTILE = "$(touch x)`touch y`; touch z"


@needs_git
def test_the_workflow_compares_with_what_it_is_to_be_merged_into(tmp_path: Path) -> None:
    workflow = load(WORKFLOW)
    # YAML 1.1 takes `on` for a truth value
    assert workflow[True].keys() == {"pull_request", "merge_group", "push"}
    assert workflow["permissions"] == {"contents": "read"}
    checkout, _, _, check = workflow["jobs"]["fixchain"]["steps"]
    assert checkout["with"] == {"fetch-depth": 0}
    expression = check["env"]["AGAINST"]
    assert "format('origin/{0}', github.base_ref)" in expression
    assert "github.event.merge_group.base_sha" in expression
    against = f"origin/{HOSTILE}"
    expected = ["check", "--against", against, "--format", "github"]
    assert recorded(check["run"], tmp_path, AGAINST=against) == expected
    assert recorded(check["run"], tmp_path, AGAINST="") == ["check", "--format", "github"]


@needs_git
def test_what_was_checked_is_checked_again_when_the_main_branch_moves(tmp_path: Path) -> None:
    """The last run of each open pull request is run again, also where one cannot."""
    job = load(WORKFLOW)["jobs"]["again"]
    assert job["if"] == "github.event_name == 'push'"
    gh = """\
#!/bin/sh
echo "$*" >> "$CALLS"
case $1-$2 in
pr-list) printf '%s\\n' a b c ;;
run-list) case $8 in a) echo 1 ;; c) echo 3 ;; esac ;;
run-rerun) [ "$3" != 1 ] ;;
esac
"""
    program = script(tmp_path / "bin/gh", gh)
    variables = {"GITHUB_REF_NAME": HOSTILE, "CALLS": str(tmp_path / "calls")}
    done = subprocess.run(
        ["bash", "-ec", job["steps"][0]["run"]],
        cwd=tmp_path,
        env={"PATH": f"{program.parent}:{os.defpath}", **variables},
        capture_output=True,
        check=True,
    )
    calls = (tmp_path / "calls").read_text()
    assert f"pr list --base {HOSTILE} " in calls
    assert {f"run rerun {run}" for run in "13"} <= set(calls.splitlines())
    assert done.stdout == b"::notice::run 1 cannot be run again\n"
    assert {path.name for path in tmp_path.iterdir()} == {"bin", "calls"}


@needs_git
def test_the_job_compares_with_the_target_branch(tmp_path: Path) -> None:
    job = load(JOB)["fixchain"]
    assert job["variables"] == {"GIT_DEPTH": "0"}
    lines = "\n".join(job["script"][1:])
    expected = ["check", "--against", f"origin/{HOSTILE}", "--format", "junit"]
    assert recorded(lines, tmp_path, CI_MERGE_REQUEST_TARGET_BRANCH_NAME=HOSTILE) == expected
    assert recorded(lines, tmp_path) == ["check", "--format", "junit"]
    assert (tmp_path / job["artifacts"]["reports"]["junit"]).is_file()


@pytest.mark.parametrize("kind", [WORKFLOW, JOB])
def test_the_jobs_know_the_options_of_check(kind: HookKind) -> None:
    (command,) = re.findall(r"fixchain (check .*)", kind.text(CALL))
    words = shlex.split(re.sub(r"\$\{AGAINST:\+(.*?)\}", r"\1", command).partition(" > ")[0])[1:]
    context = check.make_context("check", [word for word in words if word != "$@"])
    assert context.params["output_format"] in ("github", "junit")
