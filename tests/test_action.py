"""The GitHub Action: its steps, run as a runner would in real clones of a real remote."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from flask_chainfix.commands.hook_texts import JOB, WORKFLOW, HookCall
from tests.disk import environment
from tests.repositories import VERSIONS, Repository, needs_git, script
from tests.runner import ACTION, Runner

pytestmark = [needs_git, pytest.mark.usefixtures("own_git", "warm_programs")]

DOCUMENTS = Path(__file__).parent.parent / "docs/pages"


class Hub:
    """The remote, and one who pushes to it.

    Its ``main`` has two revisions.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self.author = Repository(place / "author")
        environment(self.author.top / "migrations", "a", "b <- a")
        self.author.commit(1)
        self.remote = place / "remote.git"
        self.author.git("clone", "--quiet", "--bare", self.author.top, self.remote)
        self.author.git("remote", "add", "origin", self.remote)

    def add(self, name: str, parent: str, *, day: int, empty: int = 0) -> str:
        """Commit a migration to what is checked out, on top of some empty commits; push it."""
        for _ in range(empty):
            self.author.git("commit", "-q", "--allow-empty", "-m", "x", day=day)
        self.author.add(name, parent=parent, day=day)
        self.author.git("push", "-q", "-f", "origin", "HEAD")
        return self.author.git("rev-parse", "HEAD")

    def merged(self, branch: str) -> str:
        """What GitHub makes of a pull request: a merge of both sides that no branch has."""
        author = self.author
        before = author.git("symbolic-ref", "--short", "HEAD")
        author.git("checkout", "-q", "--detach", "main")
        author.merge(branch, day=9)
        author.git("push", "-q", "-f", "origin", "HEAD:refs/pull/1/merge")
        commit = author.git("rev-parse", "HEAD")
        author.switch(before)
        return commit


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(tmp_path)


@pytest.fixture
def runner(hub: Hub) -> Runner:
    return Runner(hub.place / "runner", hub.remote)


def request(base: str = "main", number: int = 7) -> dict[str, Any]:
    return {"pull_request": {"number": number, "base": {"ref": base}}}


# --- What its file says --------------------------------------------------------------------------


def schema(name: str) -> Any:
    """A schema that GitHub's own editors use, as a package brings it."""
    if sys.version_info < (3, 11):
        pytest.skip("what holds these schemas is installed on Python 3.11 and newer")
    place = files("check_jsonschema") / f"builtin_schemas/vendor/{name}.json"
    return json.loads(place.read_text())


def assert_valid(text: str, name: str) -> Any:
    """A document in YAML; the schema of that name is what it follows."""
    from jsonschema import validate  # type: ignore[import-untyped]

    document = yaml.safe_load(text)
    if True in document:  # which YAML 1.1 takes `on` for
        document["on"] = document.pop(True)
    validate(document, schema(name))
    return document


def test_it_is_an_action_by_the_published_schema() -> None:
    document = assert_valid((ACTION / "action.yml").read_text(), "github-actions")
    assert document["inputs"].keys() == {"directory", "against", "format", "comment"}


def test_nothing_from_outside_is_text_of_a_script() -> None:
    action = yaml.safe_load((ACTION / "action.yml").read_text())
    assert action["runs"]["using"] == "composite"
    for step in action["runs"]["steps"]:
        assert "uses" not in step
        assert re.fullmatch(r'bash "\$GITHUB_ACTION_PATH/\w+\.sh"', step["run"])
    for path in ACTION.glob("*.sh"):
        assert "${{" not in path.read_text()
        subprocess.run(["bash", "-n", path], check=True)


def test_all_that_it_installs_is_pinned() -> None:
    lines = (ACTION / "constraints.txt").read_text().splitlines()
    pinned = {line.partition("==")[0] for line in lines if re.fullmatch(r"[a-z\d-]+==[\d.]+", line)}
    assert len(pinned) == len(lines) - 1  # the first is a comment
    needed, left = set[str](), ["flask-chainfix"]
    while left:
        for requirement in distribution(left.pop()).requires or ():
            name = re.split(r"[^\w.-]", requirement)[0].lower().replace("_", "-")
            if "extra ==" in requirement or "python_version < '3.10'" in requirement:
                continue
            if name not in needed | {"tomli", "greenlet", "importlib-metadata"}:
                left.append(name)
            needed.add(name)
    assert needed - {"greenlet", "importlib-metadata"} <= pinned


@pytest.mark.parametrize("call", [(), ("-d", "it's $(touch x) ${{ github.token }}: #")])
def test_what_hook_writes_follows_the_published_schemas(call: tuple[str, ...]) -> None:
    for kind, name in ((WORKFLOW, "github-workflows"), (JOB, "gitlab-ci")):
        assert_valid(kind.text(HookCall("migrations", call, "flask-chainfix==1.0")), name)


def test_the_workflows_of_the_guide_are_some_by_the_published_schema() -> None:
    blocks = re.findall(
        r"```yaml\n(on:.*?)```", (DOCUMENTS / "guides/ci.md").read_text(), re.DOTALL
    )
    assert blocks
    for block in blocks:
        assert_valid(block, "github-workflows")


# --- What its steps do ---------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [0, 1])
def test_a_pull_request_that_would_break_main(hub: Hub, runner: Runner, depth: int) -> None:
    """Its branch is checked out, healthy by itself; main has moved on."""
    hub.author.branch("feature")
    mine = hub.add("c", "b", day=2)
    hub.author.switch("main")
    hub.add("d", "b", day=3)
    runner.check_out(mine, depth)
    ran = runner.run("pull_request", request())
    assert ran.exit_code == 1, ran.stderr
    assert re.search(r"^::error .*title=FC503", ran.stdout, re.MULTILINE)
    assert "merge-would-break" in ran.stdout
    (line,) = runner.installed.read_text().splitlines()
    assert line.startswith(f"{ACTION}/constraints.txt -I -m pip install ")
    assert line.endswith(f"{ACTION}/../../..")


def test_a_pull_request_that_is_merged_already(hub: Hub, runner: Runner) -> None:
    """What GitHub checks out is a merge that is on no branch."""
    hub.author.branch("feature")
    hub.add("c", "b", day=2)
    commit = hub.merged("feature")
    runner.check_out(commit)
    ran = runner.run("pull_request", request())
    assert ran.exit_code == 0, ran.stdout + ran.stderr
    assert "::error" not in ran.stdout


def test_main_has_moved_since_it_was_merged(hub: Hub, runner: Runner) -> None:
    """A job is run again: the merge of then, and the main branch of now."""
    hub.author.branch("feature")
    hub.add("c", "b", day=2)
    commit = hub.merged("feature")
    hub.author.switch("main")
    hub.add("d", "b", day=3)
    runner.check_out(commit)
    ran = runner.run("pull_request", request())
    assert ran.exit_code == 1, ran.stderr
    assert "title=FC503" in ran.stdout


def test_a_shallow_clone_gets_as_much_as_it_takes(hub: Hub, runner: Runner) -> None:
    """The branches have parted 60 commits ago: more than the first step of deepening."""
    hub.author.branch("feature")
    mine = hub.add("c", "b", day=2, empty=60)
    hub.author.switch("main")
    hub.add("d", "b", day=3)
    clone = runner.check_out(mine)
    ran = runner.run("pull_request", request())
    assert ran.exit_code == 1, ran.stderr
    assert "title=FC503" in ran.stdout
    assert int(clone.git("rev-list", "--count", "HEAD")) > 60


def test_a_merge_queue(hub: Hub, runner: Runner) -> None:
    """What it would land is checked out: two branches that were healthy each."""
    base = hub.author.git("rev-parse", "HEAD")
    for day, name in enumerate("cd", 2):
        hub.author.branch(f"feature-{name}", "main")
        hub.add(name, "b", day=day)
    hub.author.branch("gh-readonly-queue/main/pr-1", base)
    hub.author.merge("feature-c", day=4)
    alone = hub.author.git("rev-parse", "HEAD")
    hub.author.merge("feature-d", day=5)
    hub.author.git("push", "-q", "origin", "HEAD")
    both = hub.author.git("rev-parse", "HEAD")
    payload = {"merge_group": {"base_sha": base, "base_ref": "refs/heads/main"}}
    runner.check_out(both)
    ran = runner.run("merge_group", payload)
    assert ran.exit_code == 1, ran.stderr
    assert "title=FC102" in ran.stdout
    runner.workspace.rename(hub.place / "done")
    runner.check_out(alone)
    assert runner.run("merge_group", payload).exit_code == 0


@pytest.mark.parametrize("before", ["known", "new", "lost"])
def test_a_push_to_main(hub: Hub, runner: Runner, before: str) -> None:
    """What main was is compared with, if there is anything left of it after a force-push."""
    old = hub.author.git("rev-parse", "HEAD")
    Path(hub.author.top, next(hub.author.top.glob(f"{VERSIONS}/b*.py"))).unlink()
    new = hub.add("c", "a", day=2)
    runner.check_out(new)
    sha = {"known": old, "new": "0" * 40, "lost": "1" * 40}[before]
    ran = runner.run("push", {"before": sha})
    assert ran.exit_code == (1 if before == "known" else 0), ran.stderr
    assert ("title=FC501" in ran.stdout) == (before == "known")


def test_a_broken_chain_on_any_other_event(hub: Hub, runner: Runner) -> None:
    commit = hub.add("c", "a", day=2)
    runner.check_out(commit)
    ran = runner.run("workflow_dispatch", {})
    assert ran.exit_code == 1
    assert "title=FC102" in ran.stdout


def test_what_to_compare_with_can_be_said(hub: Hub, runner: Runner) -> None:
    """A tag that the clone does not have yet."""
    hub.author.git("tag", "v1")
    hub.author.git("push", "-q", "origin", "v1")
    Path(hub.author.top, next(hub.author.top.glob(f"{VERSIONS}/b*.py"))).unlink()
    runner.check_out(hub.add("c", "a", day=2))
    ran = runner.run("push", {"before": "0" * 40}, against="v1")
    assert ran.exit_code == 1, ran.stderr
    assert "title=FC501" in ran.stdout


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("$(touch x)`touch x`;touch x", ""),
        ("-x'\"&&touch x", "format"),
        ("--upload-pack=touch x", "against"),
    ],
)
def test_hostile_branches_and_directories(hub: Hub, runner: Runner, name: str, given: str) -> None:
    branch = re.sub(r"[ ~^:?*\\\[]", "\x01", name).replace("\x01", "$IFS")
    hub.author.git("mv", "migrations", f"./{name}")
    hub.author.commit(2)
    hub.author.git("push", "-q", "origin", f"HEAD:refs/heads/{branch}")
    (Path(hub.author.top, name) / "versions/c.py").write_bytes(
        b"revision = 'c'\ndown_revision = 'a'\n"
    )
    hub.author.commit(3)
    hub.author.git("push", "-q", "origin", "HEAD:main")
    runner.check_out(hub.author.git("rev-parse", "HEAD"))
    inputs = {"directory": name, **({given: name} if given else {})}
    ran = runner.run("pull_request", request(branch), **inputs)
    assert ran.exit_code == (3 if given == "against" else 2 if given else 1), ran.stderr
    assert ("title=FC102" in ran.stdout) == (given != "against"), ran.stderr
    assert {path.name for path in runner.workspace.iterdir()} == {".git", name}
    assert not (hub.remote / "x").exists()


def test_a_branch_that_is_gone(hub: Hub, runner: Runner) -> None:
    runner.check_out(hub.author.git("rev-parse", "HEAD"))
    ran = runner.run("pull_request", request("gone"))
    assert ran.exit_code == 3
    assert "'origin/gone' is not a revision" in ran.stdout + ran.stderr


def test_what_lies_in_the_repository_is_not_imported(hub: Hub, runner: Runner) -> None:
    for name in ("venv", "pip", "click", "sitecustomize"):
        (hub.author.top / f"{name}.py").write_text("raise SystemExit(9)\n")
    hub.author.commit(2)
    hub.author.git("push", "-q", "origin", "HEAD")
    runner.check_out(hub.author.git("rev-parse", "HEAD"))
    assert runner.run("push", {"before": ""}).exit_code == 0


# --- Files, summaries and comments ---------------------------------------------------------------


def test_the_summary_of_the_job_and_a_report_on_wish(hub: Hub, runner: Runner) -> None:
    runner.check_out(hub.add("c", "a", day=2))
    ran = runner.run("push", {"before": ""}, format="sarif")
    assert ran.exit_code == 1, ran.stderr
    assert "title=FC102" in ran.stdout
    (report,) = json.loads(Path(ran.outputs["report"]).read_text())["runs"]
    assert "FC102" in {found["ruleId"] for found in report["results"]}
    assert ran.summary.count("<!-- fixchain check -->") == 1
    assert "FC102" in ran.summary


GH = """\
#!/bin/sh
printf '%s\\n' "$*" >>LOG
case $* in
*--paginate*) ANSWER ;;
*) cat "${GH_BODY:-/dev/null}"; for last in "$@"; do :; done; cat "${last#body=@}" >>LOG ;;
esac
"""


@pytest.mark.parametrize(
    ("answer", "broken", "method"),
    [
        (":", True, "POST repos/you/app/issues/7/comments"),
        ("echo 12", True, "PATCH repos/you/app/issues/comments/12"),
        ("echo 12", False, "PATCH repos/you/app/issues/comments/12"),
        (":", False, ""),
        ("exit 1", True, None),
    ],
)
def test_one_comment_in_a_pull_request(
    hub: Hub, runner: Runner, answer: str, broken: bool, method: str | None
) -> None:
    """None where all is well, unless there is one already, which then says so."""
    hub.author.branch("feature")
    runner.check_out(hub.add("c", "a" if broken else "b", day=2))
    log = hub.place / "log"
    script(runner.programs / "gh", GH.replace("LOG", str(log)).replace("ANSWER", answer))
    ran = runner.run("pull_request", request(), comment="true")
    assert ran.exit_code == (1 if broken else 0), ran.stderr
    said = log.read_text()
    assert said.startswith("api --paginate repos/you/app/issues/7/comments --jq ")
    assert ("the comment cannot be written" in ran.stdout) == (method is None)
    if method:
        assert f"--method {method} " in said
        assert "\n<!-- fixchain-action " in said
        assert ("FC102" in said) == broken
    else:
        assert "--method" not in said


@pytest.mark.nightly
def test_it_installs_what_it_says(tmp_path: Path) -> None:
    """With a real Python, from a real index."""
    output = tmp_path / "output"
    subprocess.run(
        ["bash", ACTION / "install.sh"],
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "RUNNER_TEMP": str(tmp_path),
            "GITHUB_ACTION_PATH": str(ACTION),
            "GITHUB_OUTPUT": str(output),
        },
        check=True,
    )
    tool = output.read_text().removeprefix("tool=").strip()
    environment(tmp_path / "migrations", "a", "b <- a")
    subprocess.run([tool, "check"], cwd=tmp_path, check=True)
