"""Hooks and CI jobs for a directory of a hostile name: each passes it on, and does nothing else."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from flask_chainfix.commands.hook_texts import (
    CHECKLIST,
    GIT_HOOK,
    JOB,
    PRE_COMMIT,
    WORKFLOW,
    HookCall,
    HookKind,
)
from tests.attacks.strings import alone_or_together

KINDS = (PRE_COMMIT, GIT_HOOK, WORKFLOW, JOB, CHECKLIST)
AFTER = {
    PRE_COMMIT: ["--staged"],
    GIT_HOOK: ["--staged"],
    WORKFLOW: ["--against", "main", "--format", "github"],
    JOB: ["--format", "junit"],  # what it compares with is said by a line before
}
_STUB = '#!/bin/sh\nprintf "%s\\0" "$@" > "$WRITTEN"\n'


@pytest.fixture
def ran_by(tmp_path: Path) -> Callable[[str, str], list[str]]:
    """What runs a shell script beside a directory, and tells what it has given to fixchain."""
    programs, written = tmp_path / "programs", tmp_path / "written"
    programs.mkdir()
    (programs / "fixchain").write_text(_STUB)
    (programs / "fixchain").chmod(0o755)

    def run(script: str, place: str) -> list[str]:
        here = tmp_path / "here"
        (here / place).mkdir(parents=True, exist_ok=True)
        (here / place / "env.py").touch()
        (here / "fixchain.xml").touch()  # the report of GitLab's job
        before = sorted(here.rglob("*"))
        subprocess.run(
            ["/bin/sh", "-c", script],
            cwd=here,
            env={"PATH": str(programs), "WRITTEN": str(written), "AGAINST": "main"},
            check=True,
        )
        assert sorted(here.rglob("*")) == before
        words = os.fsdecode(written.read_bytes()).split("\0")[:-1]
        written.unlink()
        return words

    return run


def _in_yaml(kind: HookKind, text: str) -> Any:
    """The command that a configuration in YAML holds."""
    assert "".join(text.split("\n")).isprintable()
    if kind is PRE_COMMIT:
        return yaml.safe_load(f"repos:\n{text}")["repos"][0]["hooks"][0]["args"]
    document = yaml.safe_load(text)
    if kind is JOB:
        return document["fixchain"]["script"][-1]
    step = document["jobs"]["fixchain"]["steps"][-1]
    # What GitHub would put something into before any shell sees it.
    assert "${{" not in step["run"]
    return step["run"]


def _words_of(
    kind: HookKind, text: str, place: str, run: Callable[[str, str], list[str]]
) -> list[str]:
    """What a file gives to fixchain."""
    if kind is PRE_COMMIT:
        words: list[str] = _in_yaml(kind, text)
        return words
    return run(text if kind is GIT_HOOK else _in_yaml(kind, text), place)


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind is not CHECKLIST], ids=lambda kind: kind.name
)
def test_a_hostile_name_is_one_word(
    kind: HookKind, ran_by: Callable[[str, str], list[str]]
) -> None:
    for given in alone_or_together(16):
        place = "./" + re.sub("[\0\udc80/]", "_", given)[:60]
        text = kind.text(HookCall(place, ("-d", place), "flask-chainfix", f"{place}/bin"))
        words = _words_of(kind, text, place, ran_by)
        assert words[:3] == ["-d", place, "check"]
        assert words[3:] == AFTER[kind]


def test_the_checklist_holds_no_name() -> None:
    assert "\x1b" not in CHECKLIST.text(HookCall("\x1b[31m", ("-d", "\x1b[31m"), "flask-chainfix"))
