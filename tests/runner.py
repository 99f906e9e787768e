"""A runner of GitHub Actions for one composite action: real clones, and the variables it sets."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests import commands
from tests.commands import environment
from tests.repositories import Repository, script

ACTION = Path(__file__).parent.parent / ".github/actions/fixchain"
_EXPRESSION = re.compile(r"\$\{\{ ([\w.]+) \}\}")
# `python3 -I -m venv PLACE`, and in it the pip that then installs fixchain.
_PYTHON = """\
#!/bin/sh
[ "$1 $2 $3" = "-I -m venv" ] || exit 9
mkdir -p "$4/bin"
printf '#!/bin/sh\\necho "$PIP_CONSTRAINT $*" >>LOG\\n' >"$4/bin/python"
printf '#!/bin/sh\\nexec SCRIPTS/fixchain "$@"\\n' >"$4/bin/fixchain"
chmod +x "$4/bin/python" "$4/bin/fixchain"
"""


class Ran(NamedTuple):
    """What came of an action."""

    exit_code: int
    stdout: str
    stderr: str
    outputs: dict[str, str]
    summary: str


class Runner:
    """A machine for one job.

    Args:
        place: an empty directory.
        remote: the bare repository that stands for GitHub's.
    """

    def __init__(self, place: Path, remote: Path) -> None:
        self.temporary = place / "temp"
        self.temporary.mkdir(parents=True)
        self.workspace = place / "workspace"
        self._remote = remote
        self.programs = place / "bin"
        self.installed = place / "installed"
        script(
            self.programs / "python3",
            _PYTHON.replace("LOG", str(self.installed)).replace("SCRIPTS", str(commands.place)),
        )

    def check_out(self, commit: str, depth: int = 1) -> Repository:
        """Do what ``actions/checkout`` does; a depth of 0 is all there is."""
        clone = Repository(self.workspace)
        clone.git("remote", "add", "origin", f"file://{self._remote}")
        much = [f"--depth={depth}"] if depth else []
        wanted = [f"+{commit}:refs/remotes/pull/1/merge"]
        if not depth:
            wanted.append("+refs/heads/*:refs/remotes/origin/*")
        clone.git("fetch", "--quiet", "--no-tags", *much, "origin", *wanted)
        clone.git("checkout", "--quiet", "--detach", commit)
        return clone

    def run(self, event: str, payload: Mapping[str, Any], **inputs: str) -> Ran:
        """Run the action's steps one after the other, until one fails."""
        action = yaml.safe_load((ACTION / "action.yml").read_text())
        given = {name: each["default"] for name, each in action["inputs"].items()} | inputs
        known: dict[str, Any] = {
            "inputs": given,
            "github": {"event": payload, "token": "token"},
            "steps": {},
        }
        files = {name: self.temporary / name.lower() for name in ("output", "summary")}
        said, complained, exit_code = "", "", 0
        for step in action["runs"]["steps"]:
            for file in files.values():
                file.touch()
            files["output"].write_text("")
            variables = {
                **self._variables(event, payload),
                "GITHUB_OUTPUT": str(files["output"]),
                "GITHUB_STEP_SUMMARY": str(files["summary"]),
                **{name: _filled(text, known) for name, text in step.get("env", {}).items()},
            }
            text = script(self.temporary / "step.sh", step["run"])
            done = subprocess.run(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(text)],
                cwd=self.workspace,
                env=environment(variables),
                capture_output=True,
                check=False,
            )
            said, complained = said + done.stdout.decode(), complained + done.stderr.decode()
            lines = files["output"].read_text().splitlines()
            outputs = dict(line.split("=", 1) for line in lines)
            known["steps"][step["id"]] = {"outputs": outputs}
            exit_code = done.returncode
            if exit_code:
                break
        results = {name: _filled(each["value"], known) for name, each in action["outputs"].items()}
        return Ran(exit_code, said, complained, results, files["summary"].read_text())

    def _variables(self, event: str, payload: Mapping[str, Any]) -> dict[str, str]:
        base = payload.get("pull_request", {}).get("base", {}).get("ref", "")
        return {
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTION_PATH": str(ACTION),
            "GITHUB_BASE_REF": base,
            "GITHUB_EVENT_NAME": event,
            "GITHUB_REPOSITORY": "you/app",
            "GITHUB_WORKSPACE": str(self.workspace),
            "RUNNER_TEMP": str(self.temporary),
        }


def _filled(text: str, known: Mapping[str, Any]) -> str:
    """A text with the values of its expressions; one that is not there is empty."""

    def value(found: re.Match[str]) -> str:
        place: Any = known
        for name in found[1].split("."):
            place = place.get(name) if isinstance(place, Mapping) else None
        return "" if place is None else str(place)

    filled = _EXPRESSION.sub(value, text)
    assert "${{" not in text or filled != text, text
    return filled
