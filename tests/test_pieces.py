"""Hooks, jobs and checklists go into files of other people, which mean what they meant before."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_chainfix.cli.check import check
from flask_chainfix.common.errors import CannotMerge
from flask_chainfix.model.pieces import Call
from flask_chainfix.pieces.kinds import GIT_HOOK, JOB, PRE_COMMIT, WORKFLOW, Kind
from tests.repositories import needs_git, script

CALL = Call("migrations", (), "flask-chainfix==1.0")
ELSEWHERE = Call("backend/migrations", ("-d", "backend/migrations"), "flask-chainfix==1.0")
ENTRY = {
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


def load(data: bytes) -> Any:
    return yaml.load(data, yaml.CSafeLoader)


def added(kind: Kind, data: bytes, call: Call = CALL) -> bytes:
    return kind.merged(data, kind.text(call, data))


def assert_kept(data: bytes, result: bytes) -> None:
    """All that is new is in one place."""
    start = next((at for at, byte in enumerate(data) if byte != result[at]), len(data))
    assert result.endswith(data[start:])


def with_entry(document: Any) -> Any:
    return {**document, "repos": [ENTRY, *document["repos"]]}


def with_job(document: Any, result: Any) -> Any:
    return {**document, "fixchain": result["fixchain"]}


# --- pre-commit ----------------------------------------------------------------------------------

SAMPLE_CONFIG = b"""\
# See https://pre-commit.com for more information
# See https://pre-commit.com/hooks.html for more hooks
repos:
-   repo: https://github.com/pre-commit/pre-commit-hooks
    rev: v3.2.0
    hooks:
    -   id: trailing-whitespace
    -   id: end-of-file-fixer
"""
USUAL_CONFIG = b"""\
default_language_version:
  python: python3.11
default_stages: [pre-commit, "pre-push"]
exclude: |
    (?x)^(
        migrations/.*|
        # repos:
        docs/"unclosed
    )$

ci:
  autofix_commit_msg: 'style: [it''s automatic]'   # not "ours"
  skip: [
    mypy,   # it isn't quick
    "a: b",
  ]
repos: # in this order

  # Formatting
  - repo: https://github.com/astral-sh/ruff-pre-commit
    rev: v0.6.0
    hooks:
      - {id: ruff, args: [--fix, --exit-non-zero-on-fix]}
      - id: ruff-format
  - repo: local
    hooks:
      - id: tests
        entry: bash -c 'pytest "$@"' --
        language: system
"""
CONFIGS = {
    "pre-commit's sample": SAMPLE_CONFIG,
    "usual": USUAL_CONFIG,
    "CRLF": USUAL_CONFIG.replace(b"\n", b"\r\n"),
    "no final line end": SAMPLE_CONFIG[:-1],
    "document start": b"---\n" + SAMPLE_CONFIG,
    "keys behind the list": SAMPLE_CONFIG + b"\nfail_fast: true\n'minimum': \"2\"\n",
    "at the margin": b"repos:\n- repo: a\n  hooks: []\n- repo: b\n  hooks: []\n",
    "far in": b"repos:\n        - repo: a\n          hooks: []\n",
    "anchors": b"x: &x [a]\nrepos:\n  - repo: a\n    hooks: &h\n      - {id: b, args: *x}\n",
}


@pytest.mark.parametrize("name", CONFIGS)
def test_the_item_is_the_only_change_of_a_configuration(name: str) -> None:
    data = CONFIGS[name]
    result = added(PRE_COMMIT, data)
    assert load(result) == with_entry(load(data))
    assert_kept(data, result)
    assert result.count(b"\r\n") in (0, result.count(b"\n"))
    assert PRE_COMMIT.there(result)
    assert not PRE_COMMIT.there(data)


def test_the_item_is_indented_like_the_others() -> None:
    assert b"\nrepos:\n-   repo: local\n    hooks:\n    -   id: fixchain\n" in added(
        PRE_COMMIT, SAMPLE_CONFIG
    )
    assert b"\n  - repo: local\n    hooks:\n      - id: fixchain\n" in added(
        PRE_COMMIT, USUAL_CONFIG
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no list repos"),
        (b"exclude: x\n", "no list repos"),
        (b"# repos:\n", "no list repos"),
        (b"repos: []\n", "an item a line"),
        (b"repos: [{repo: a, hooks: []}]\n", "an item a line"),
        (b"repos:\n", "an item a line"),
        (b"repos:\n  -\n    repo: a\n", "an item a line"),
        (b"repos: &all\n  - repo: a\n", "an item a line"),
        (b"'repos':\n  - repo: a\n", "an item a line"),
        (b"repos:\n  [a]\n", "an item a line"),
        (b"repos:\n\t- repo: a\n", "line 2 holds a tab"),
        (b"repos:\n  - repo: a\nrepos:\n  - repo: b\n", "line 3 has the key repos again"),
        (b"repos:\n  - repo: a\n---\nrepos:\n  - repo: b\n", "line 3"),
        (b"---\n---\nrepos:\n  - repo: a\n", "line 2"),
        (b"%YAML 1.1\n---\nrepos:\n  - repo: a\n", "line 1"),
        (b"repos:\n  - repo: a\n...\n", "line 3"),
        (b"- repos:\n  - repo: a\n", "line 1"),
        (b"{repos: [a]}\n", "line 1"),
        (b"x: 'a\nrepos:\n  - repo: b'\n", "line 2 stands at the margin"),
        (b"x: [a\nrepos:\n  - repo: b]\n", "line 2 stands at the margin"),
        (b"repos:\n  - repo: 'a\n", "not closed"),
        (b"repos:\n  - repo: a\n  - {b: [c}\n", "not closed"),
        (b"? a\n: b\nrepos:\n  - repo: a\n", "line 1"),
        (b"repos:\n  - repo: \xff\n", "not UTF-8"),
        (b"repos:\r  - repo: a\n", "characters"),
        ("repos:\n  - repo: a\u2028\n".encode(), "characters"),
    ],
)
def test_a_configuration_of_another_form_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(CannotMerge, match=reason):
        added(PRE_COMMIT, data)


# --- GitLab --------------------------------------------------------------------------------------

USUAL_JOBS = b"""\
include:
  - template: Security/SAST.gitlab-ci.yml
  - local: '/ci/*.yml'

stages: [build, test]

.defaults: &defaults
  image: python:3.12
  before_script:
    - pip install -r requirements.txt

test:
  <<: *defaults
  stage: test
  script:
    - !reference [.setup, script]
    - |
      cat <<END
      fixchain: 'not a job
      END
    - echo "a: b" && pytest
  coverage: '/TOTAL.*? (100(?:\\.0+)?\\%|[1-9]?\\d(?:\\.\\d+)?\\%)$/'
  rules:
    - if: '$CI_PIPELINE_SOURCE == "push"'
      when: always
"""
JOBS = {
    "usual": USUAL_JOBS,
    "CRLF": USUAL_JOBS.replace(b"\n", b"\r\n"),
    "no final line end": USUAL_JOBS[:-1],
    "one job": b"test:\n  script: pytest\n",
    "a comment at the end": b"test:\n  script: pytest\n# vim: et",
    "a block at the end": b"test:\n  script:\n    - |\n      a\n      b\n",
    "a block that keeps its lines": b"test:\n  script:\n    - |+\n      a\n\n\n",
    "stages": b"stages:\n  # first\n  - 'build'  # x\n  - test\na:\n  script: b\n",
}


class GitLab(yaml.CSafeLoader):
    """Knows GitLab's tag."""


GitLab.add_constructor("!reference", lambda loader, node: None)


@pytest.mark.parametrize("name", JOBS)
def test_the_job_is_the_only_change_of_the_jobs(name: str) -> None:
    data = JOBS[name]
    result = added(JOB, data, ELSEWHERE)
    before, after = yaml.load(data, GitLab), yaml.load(result, GitLab)
    assert after == with_job(before, after)
    assert result.startswith(data)
    assert result.count(b"\r\n") in (0, result.count(b"\n"))
    assert JOB.there(result)
    assert not JOB.there(data)
    job = after["fixchain"]
    assert job.get("stage") == ("build" if "stages" in before else None)
    assert job["script"][1].startswith("fixchain -d backend/migrations check --against ")
    assert job["script"][1].endswith(" > " + job["artifacts"]["reports"]["junit"])
    assert job["artifacts"]["when"] == "always"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no job"),
        (b"# later\n", "no job"),
        (b"- a\n", "line 1"),
        (b"spec:\n  inputs: {}\n---\na:\n  script: b\n", "line 3"),
        (b"fixchain:\n  script: other\n", "another job"),
        (b"stages: *all\n", "first stage"),
        (b"stages: ['.pre', build]\na:\n  script: b\n", "does not run alone"),
        (b"stages:\n  - !reference [.a, b]\n", "first stage"),
        (b"a:\n  script: |\n    b", "without a line end"),
        (b"a:\n  &x b: c\n", "before a key"),
        (b"a:\n  script: >3x\n", "block of text"),
        (b"a: [b,#c\n  d]\n", "comment or not"),
        (b"a: 'b' c\n", "goes on"),
    ],
)
def test_jobs_of_another_form_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(CannotMerge, match=reason):
        added(JOB, data)


# --- What the pieces run -------------------------------------------------------------------------

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
    config = load(added(PRE_COMMIT, SAMPLE_CONFIG, call))
    assert config["repos"][0]["hooks"][0]["args"] == ["-d", name, "check"]
    job = yaml.load(added(JOB, USUAL_JOBS, call), GitLab)["fixchain"]["script"][1]
    step = load(added(WORKFLOW, b"", call))["jobs"]["fixchain"]["steps"][-1]["run"]
    for shell in (job, step):
        assert recorded(shell, tmp_path)[:3] == ["-d", name, "check"]
    assert "${{" not in step
    hook = added(GIT_HOOK, b"", call).decode().replace("-e ", "-n ")  # it need not be there
    assert recorded(hook, tmp_path) == ["-d", name, "check"]


@needs_git
def test_the_workflow_compares_with_the_target_branch(tmp_path: Path) -> None:
    workflow = load(added(WORKFLOW, b""))
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
    job = load(added(JOB, b"a:\n  script: b\n"))["fixchain"]
    assert job["variables"] == {"GIT_DEPTH": "0"}
    expected = ["check", "--against", "b c", "--format", "junit"]
    assert recorded(job["script"][1], tmp_path, CI_MERGE_REQUEST_DIFF_BASE_SHA="b c") == expected
    assert (tmp_path / job["artifacts"]["reports"]["junit"]).is_file()


@pytest.mark.parametrize(("kind", "data"), [(WORKFLOW, b""), (JOB, USUAL_JOBS)])
def test_the_jobs_know_the_options_of_check(kind: Kind, data: bytes) -> None:
    commands = re.findall(r"fixchain check .*", added(kind, data).decode())
    (words,) = (shlex.split(command.partition(" > ")[0])[2:] for command in commands)
    context = check.make_context("check", [*words])
    assert context.params["output_format"] in ("github", "junit")
    assert "--against" in words


# --- Any YAML ------------------------------------------------------------------------------------

PARTS = [
    b"a: b\n",
    b"a1: don't [do:it\n",
    b"a2:   # a 'comment\n",
    b'# a "comment\n',
    b"\n",
    b'\'a3\': "b # \\" c"\n',
    b"a4: 'b''\n  c'  # d'\n",
    b'a5: "b \\\n  c"\n',
    b"a6: [b, 'c]', {d: \"e}\"},\n  f]\n",
    b"a7: {b: c,  # ]\n  d: e}\n",
    b"a8: |\n  'b\n   [c\n # d\n",
    b'a9: >-  # b\n\n  c: "\n',
    b"b1: |+2\n    c\n\n",
    b"b2:\n  - |\n    c '\n  - d: |\n      \" e\n    f: g\n",
    b"b3:\n- - c\n  - 'd'\n- e: f\n",
    b"b4: &x c\nb5: *x\nb6: !!str &y 'z'\n",
    b"b7: c\n  d 'e' f\n  g\n",
    b"b8: http://c:d#e\n",
    b"b9: -c\n",
]
REPOS = [
    b"repos:\n- repo: r\n  hooks: []\n",
    b"repos:\n  - repo: r\n    hooks: [{id: h}]\n",
    b"repos:  # all\n\n  # of them\n  -   repo: 'r'\n",
]


STROKES = [*"\"'[]{}|>#:&*!?-, \n\\a", "\n  ", ": "]


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    """Parts in any order, in one of two kinds of lines."""
    parts = draw(st.lists(st.sampled_from(PARTS), unique=True))
    parts.insert(draw(st.integers(0, len(parts))), draw(st.sampled_from(REPOS)))
    data = b"".join(parts)
    return data.replace(b"\n", b"\r\n") if draw(st.booleans()) else data


def assert_means_the_same(kind: Kind, data: bytes, expected: Callable[[Any, Any], Any]) -> None:
    result = added(kind, data)
    before, after = load(data), load(result)
    assert after == expected(before, after)
    assert_kept(data, result)


@settings(max_examples=150)
@given(documents())
def test_usual_yaml_is_merged(data: bytes) -> None:
    assert_means_the_same(PRE_COMMIT, data, lambda before, after: with_entry(before))
    assert_means_the_same(JOB, data, with_job)


@settings(max_examples=400)
@given(
    documents(),
    st.lists(
        st.tuples(st.integers(0), st.sampled_from(STROKES)),
        min_size=1,
        max_size=3,
    ),
    st.booleans(),
)
def test_other_yaml_is_merged_or_refused(
    data: bytes, strokes: list[tuple[int, str]], cut: bool
) -> None:
    for number, stroke in strokes:
        at = number % (len(data) + 1)
        data = data[:at] + stroke.encode() + data[at + cut :]
    try:
        document = load(data)
    except yaml.YAMLError:
        return
    for kind, expected in ((PRE_COMMIT, lambda a, b: with_entry(a)), (JOB, with_job)):
        try:
            added(kind, data)
        except CannotMerge:
            continue
        assert isinstance(document, dict)
        assert_means_the_same(kind, data, expected)
