"""The command ``hook``: what it puts where in real repositories, and that it works there."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml

from flask_chainfix import disk
from flask_chainfix.common.errors import CannotWrite, StaleSnapshot
from flask_chainfix.model.files import Edit
from tests import commands
from tests.commands import Done, fixchain, flask, on_terminal, run
from tests.disk import environment, tree
from tests.repositories import Repository, needs_git, script
from tests.support import migration, rev

pytestmark = [needs_git, pytest.mark.usefixtures("warm_programs")]

YES = ("hook", "--install", "--yes")
HOOK, MERGE_HOOK = (f".git/hooks/pre-{kind}commit" for kind in ("", "merge-"))
WORKFLOW = ".github/workflows/fixchain.yml"
TEMPLATE = ".github/pull_request_template.md"
BARE = os.defpath  # what programs get that are started from a desktop
GITLAB_TEMPLATE = ".gitlab/merge_request_templates/Default.md"
CONFIG = """\
repos:
- repo: https://github.com/pre-commit/pre-commit-hooks
  rev: v3.2.0
  hooks:
  - id: end-of-file-fixer
"""
JOBS = "stages: [build, test]\n\ntest:\n  stage: test\n  script: pytest\n"


class Project:
    """A repository with a healthy chain; commands run at its top."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.top = repository.top
        environment(self.top / "migrations", "a", "b <- a")
        self.hook = self.top / ".git/hooks/pre-commit"

    def put(self, name: str, text: str | bytes) -> Path:
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def read(self, name: str) -> str:
        return (self.top / name).read_bytes().decode()

    def broken(self, place: str = "migrations") -> None:
        self.put(f"{place}/versions/c.py", migration(rev("c <- a")))

    def commit(self) -> Done:
        self.repository.git("add", "-A")
        return run("git", "commit", "-q", "-m", "x", cwd=self.top)

    def diverged(self) -> None:
        """Set up the hooks, and branches of two heads that Git merges without conflicts."""
        assert fixchain(*YES).exit_code == 0
        self.commit()
        self.repository.branch("feature")
        self.put("migrations/versions/mine.py", migration(rev("mine <- b")))
        self.commit()
        self.repository.switch("main")
        self.put("migrations/versions/theirs.py", migration(rev("theirs <- b")))
        self.commit()
        self.repository.switch("feature")

    def assert_merged(self) -> None:
        assert fixchain("check", "--against", "main").exit_code == 0
        assert self.repository.git("rev-list", "--count", "--merges", "HEAD") == "1"

    def states(self, *options: str) -> dict[str, str]:
        """What a command says of each file."""
        document = fixchain(*options, "--format", "json").document
        return {piece["path"]: piece["state"] for piece in document["pieces"]}


@pytest.fixture
def project(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(repository.top)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "a")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "a")
    shutil.rmtree(repository.top / ".git/hooks", ignore_errors=True)
    return Project(repository)


# --- The plain hook ------------------------------------------------------------------------------


def test_a_commit_that_breaks_the_chain_is_refused(project: Project) -> None:
    done = fixchain(*YES)
    assert done.exit_code == 0, done.stderr
    assert project.commit() == Done(0, "", "")
    project.broken()
    refused = project.commit()
    assert refused.exit_code == 1
    assert "2 heads" in refused.stderr
    assert project.repository.git("rev-list", "--count", "HEAD") == "1"
    (project.top / "migrations/versions/c.py").unlink()
    project.put("other", "")
    assert project.commit().exit_code == 0


def test_a_merge_that_breaks_the_chain_stops_until_it_is_mended(project: Project) -> None:
    """Git runs no pre-commit hook for a merge without conflicts."""
    project.diverged()
    stopped = run("git", "merge", "--no-edit", "main", cwd=project.top)
    assert stopped.exit_code == 1
    assert "fixchain rebase" in stopped.stderr
    mended = fixchain("rebase", "--yes").stdout
    for command in ("git add migrations", "git commit --no-edit"):
        assert f"       {command}\n" in mended
        done = run(*command.split(), cwd=project.top)
        assert done.exit_code == 0, done.stderr
    project.assert_merged()


def test_the_printed_steps_of_a_merge_do_not_stop_at_the_hook(project: Project) -> None:
    project.diverged()
    (finding,) = fixchain("check", "--against=main", "--format=json").document["findings"]
    for command in finding["remedies"][0]["commands"]:
        agreed = ["--yes"] if command.startswith("fixchain") else []
        done = run(*shlex.split(command), *agreed, cwd=project.top)
        assert done.exit_code == 0, (command, done)
    project.assert_merged()


def test_what_it_prints_is_typed_from_any_directory(project: Project) -> None:
    (project.top / "sub").mkdir()
    environment(project.top / "sub/migrations", "a", "b <- a")
    fixchain("-d", "sub/migrations", *YES)
    project.broken("sub/migrations")
    project.repository.git("add", "-A")
    leading = 'cd "$(git rev-parse --show-toplevel)"'
    assert leading not in run("git", "commit", "-m", "x", cwd=project.top).stderr
    said = run("git", "commit", "-m", "x", cwd=project.top / "sub").stderr
    lines = [line.strip() for line in said.splitlines()]
    repair = next(line for line in lines if line.startswith("fixchain -d"))
    typed = f"{leading} && {repair}"
    assert leading in lines
    assert "Expected state" in said
    done = run("sh", "-c", typed, cwd=project.top / "sub")
    assert "Plan" in done.stdout, done


@pytest.mark.parametrize(
    ("place", "prefix"),
    [
        (".venv/bin", ""),
        ("venv/bin", ""),
        ("env/bin", ""),
        ("it's else where/bin", "it's else where"),
    ],
)
def test_an_editor_without_the_environment_finds_it(
    project: Project, monkeypatch: pytest.MonkeyPatch, place: str, prefix: str
) -> None:
    """It has a bare PATH. The environment that has installed the hook may be anywhere."""
    project.put(".gitignore", f"/{place}/\n")
    monkeypatch.setattr(sys, "prefix", str(project.top / prefix) if prefix else "/nowhere")
    fixchain(*YES)
    script(project.top / place / "fixchain", f'#!/bin/sh\nexec {commands.place}/fixchain "$@"\n')
    monkeypatch.setenv("PATH", BARE)
    assert project.commit() == Done(0, "", "")
    project.broken()
    refused = project.commit()
    assert refused.exit_code == 1
    assert "2 heads" in refused.stderr


@pytest.mark.parametrize(
    ("files", "stub"),
    [
        (["uv.lock", ".venv/pyvenv.cfg"], "run --no-sync fixchain"),
        (["poetry.lock"], "run fixchain"),
    ],
)
def test_the_environment_of_uv_and_poetry(
    project: Project, monkeypatch: pytest.MonkeyPatch, files: list[str], stub: str
) -> None:
    """Neither is called where it would make one."""
    project.put(".gitignore", ".venv\n")
    monkeypatch.setattr(sys, "prefix", "/nowhere")
    fixchain(*YES)
    for name in ("uv", "poetry"):
        text = f"""\
#!/bin/sh
case $* in
env*) exit 0 ;;
"{stub} "*) for _ in {stub}; do shift; done; exec {commands.place}/fixchain "$@" ;;
esac
touch {project.top}/made
"""
        script(project.top / f"../{name}/{name}", text)
    monkeypatch.setenv("PATH", f"{project.top}/../uv:{project.top}/../poetry:{BARE}")
    assert "fixchain was not found" in project.commit().stderr
    for name in files:
        project.put(name, "")
    assert project.commit() == Done(0, "", "")
    project.broken()
    assert "2 heads" in project.commit().stderr
    assert not (project.top / "made").exists()


def test_where_it_is_not_found_the_way_out_is_told(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the hook prints, typed as it stands, lets the commit through."""
    monkeypatch.setattr(sys, "prefix", "/nowhere")
    fixchain(*YES)
    monkeypatch.setenv("PATH", BARE)
    refused = project.commit()
    assert refused.exit_code == 1
    assert "fixchain was not found" in refused.stderr
    install, without = re.findall(r"^    (.*)$", refused.stderr, re.MULTILINE)
    assert install == "pip install flask-chainfix"
    assert run("sh", "-c", f"{without} --allow-empty -q -m y", cwd=project.top).exit_code == 0


def test_what_is_not_staged_does_not_count(project: Project) -> None:
    fixchain(*YES)
    project.commit()
    project.broken()
    assert run("git", "commit", "-q", "--allow-empty", "-m", "x", cwd=project.top) == Done(
        0, "", ""
    )


def test_a_hook_that_is_for_everybody_names_no_place_of_this_machine(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.repository.git("config", "core.hooksPath", ".githooks")
    monkeypatch.setattr(sys, "prefix", "/home/somebody")
    shown = fixchain("hook", "--print").stdout
    assert ".venv/bin" in shown
    assert "somebody" not in shown


def test_only_files_of_the_work_tree_are_to_be_committed(project: Project) -> None:
    own = fixchain(*YES).stdout
    assert "git add" not in own
    assert "  1. In every other clone, as Git copies no hooks, type once:\n" in own
    (project.top / ".github/workflows").mkdir(parents=True)
    both = fixchain(*YES).stdout
    (add,) = re.findall(r"^ +(git add .*)$", both, re.MULTILINE)
    (commit,) = re.findall(r"^ +(git commit .*)$", both, re.MULTILINE)
    assert run("sh", "-c", f"{add} && {commit} --no-verify", cwd=project.top).exit_code == 0
    assert project.repository.git("ls-files").split() == sorted([WORKFLOW, TEMPLATE])


def test_a_branch_without_migrations_can_be_committed_to(project: Project) -> None:
    fixchain(*YES)
    shutil.rmtree(project.top / "migrations")
    project.put(".gitignore", "__pycache__/\n")
    project.put("migrations/__pycache__/env.cpython-312.pyc", b"")  # Git leaves what it ignores
    done = project.commit()
    assert done.exit_code == 0, done.stderr


def test_a_merge_that_moves_the_environment_passes(project: Project) -> None:
    assert fixchain(*YES).exit_code == 0
    project.put(".gitignore", "__pycache__/\n")
    project.commit()
    project.repository.branch("feature")
    project.put("other", "")
    project.commit()
    project.repository.switch("main")
    project.repository.git("mv", "migrations", "db")
    project.commit()
    project.repository.switch("feature")
    project.put("migrations/__pycache__/env.cpython-312.pyc", b"")
    merged = run("git", "merge", "--no-edit", "main", cwd=project.top)
    assert merged.exit_code == 0, merged.stderr


@pytest.mark.parametrize(
    "old",
    ["", "#!/bin/sh -e\necho old", "#!/usr/bin/env python3\nprint()\n", "\0\xff"],
)
def test_a_hook_that_is_there_is_left_alone(project: Project, old: str) -> None:
    script(project.hook, old)
    done = fixchain(*YES)
    assert done.exit_code == 3
    assert "left alone: it is there already; add these lines below its first line" in done.stdout
    assert "\n    fixchain_said=$(fixchain_run check --staged) ||" in done.stdout
    assert "not everything could be set up: Git hook: " in done.stderr
    assert project.hook.read_text() == old


def test_the_lines_that_are_shown_do_what_they_say(project: Project) -> None:
    """Copied to where they are said to go, they check each commit and let the rest run."""
    script(project.hook, "#!/bin/sh\necho old\nexit 4\n")
    shown, merging = fixchain("hook", "--print", "--format", "json").document["pieces"]
    assert (merging["path"], merging["detail"]) == (MERGE_HOOK, None)
    assert merging["text"] == shown["text"]
    assert (shown["state"], shown["detail"]) == (
        "shown",
        "it is there already; add these lines below its first line, if it is a shell script",
    )
    script(project.hook, f"#!/bin/sh\n{shown['text']}echo old\nexit 4\n")
    assert project.commit() == Done(1, "", "old\n")
    project.broken()
    refused = project.commit()
    assert refused.exit_code == 1
    assert "2 heads" in refused.stderr
    assert "old" not in refused.stderr
    assert project.states(*YES) == {HOOK: "there", MERGE_HOOK: "written"}


def test_a_second_environment_is_checked_as_well(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    project.repository.git("remote", "add", "origin", "git@github.com:you/app.git")
    shutil.copytree(project.top / "migrations", project.top / "other/migrations")
    assert set(project.states(*YES).values()) == {"written"}
    second = ("-d", "other/migrations", *YES)
    # The lines for the first name no directory, and mean `migrations`.
    refused = dict.fromkeys((HOOK, MERGE_HOOK, WORKFLOW), "refused")
    assert project.states(*second) == {**refused, TEMPLATE: "there"}
    for name in refused:
        (project.top / name).unlink()
    assert set(project.states(*second).values()) == {"written", "there"}
    shutil.copytree(project.top / "migrations", project.top / "third/migrations")
    third = ("-d", "third/migrations", *YES)
    done = fixchain(third[0], third[1], *YES)
    assert done.exit_code == 3
    assert "add the check of third/migrations in these lines" in done.stdout
    states = project.states(*third)
    assert states == {**refused, TEMPLATE: "there"}
    shown = fixchain("-d", "third/migrations", "hook", "--print", "--format", "json").document
    for piece in shown["pieces"][:3]:
        path = project.top / piece["path"]
        path.write_text(f"{path.read_text()}{piece['text']}")
    assert set(project.states(*third).values()) == {"there"}
    assert set(project.states(*second).values()) == {"there"}


@pytest.mark.parametrize(
    "line",
    [
        "run: for each in orders users; do fixchain -d $each/migrations check; done",
        'run: fixchain -d "${{ matrix.app }}/migrations" check',
        "run: cd orders && fixchain -d migrations check",
        "{working-directory: orders, run: fixchain -d migrations check}",
        'run: cd "$PLACE" && fixchain -d migrations check',
        "run: cd web && make && cd ../orders && fixchain check",
        "run: flask --app orders db fixchain check",
    ],
)
def test_which_environment_is_checked_may_be_unknown(project: Project, line: str) -> None:
    project.repository.git("remote", "add", "origin", "git@github.com:you/app.git")
    (project.top / "orders").mkdir()
    shutil.copytree(project.top / "migrations", project.top / "orders/migrations")
    path = project.top / WORKFLOW
    path.parent.mkdir(parents=True)
    path.write_text(f"jobs:\n  a:\n    steps:\n      - {line}\n")
    assert project.states("-d", "orders/migrations", *YES)[WORKFLOW] == "there"


@pytest.mark.parametrize(
    "lines",
    [
        ["run: fixchain -d users/migrations check"],
        ["run: fixchain check"],
        ["run: cd web && npm ci", "run: fixchain check"],
        ["run: npm ci", "working-directory: web", "run: fixchain -d migrations check"],
        ['run: cd "$WEB" && npm ci', "run: fixchain -d users/migrations check"],
        ["run: pip install flask flask-chainfix", "run: fixchain check"],
    ],
)
def test_no_other_line_hides_that_an_environment_is_not_checked(
    project: Project, lines: list[str]
) -> None:
    project.repository.git("remote", "add", "origin", "git@github.com:you/app.git")
    (project.top / "orders").mkdir()
    shutil.copytree(project.top / "migrations", project.top / "orders/migrations")
    path = project.top / WORKFLOW
    path.parent.mkdir(parents=True)
    path.write_text(
        "".join(["jobs:\n  a:\n    steps:\n", *(f"      - {each}\n" for each in lines)])
    )
    assert project.states("-d", "orders/migrations", *YES)[WORKFLOW] == "refused"


def test_a_configuration_and_its_directory_are_one_environment(project: Project) -> None:
    script(project.hook, "#!/bin/sh\nfixchain check\n")
    project.put("alembic.ini", "[alembic]\nscript_location = migrations\n")
    assert project.states("-c", "alembic.ini", *YES)[".git/hooks/pre-commit"] == "there"


def test_own_calls_of_check_suffice(project: Project) -> None:
    script(project.hook, "#!/bin/sh\n# fixchain check\nflask db fixchain check\n")
    script(
        project.top / MERGE_HOOK, '#!/bin/sh\nexec "$(git rev-parse --git-path hooks)/pre-commit"\n'
    )
    done = fixchain("hook", "--install")
    assert done.exit_code == 0
    assert "everything is in place" not in done.stdout
    assert "already there, it differs from what would be written now" in done.stdout


def test_a_hook_for_merges_that_only_mentions_pre_commit_does_not_suffice(project: Project) -> None:
    script(project.top / MERGE_HOOK, "#!/bin/sh\n# unlike pre-commit, for merges\nmake lint\n")
    assert project.states(*YES) == {HOOK: "written", MERGE_HOOK: "refused"}
    assert project.read(MERGE_HOOK).endswith("\nmake lint\n")


def test_hooks_of_the_work_tree(project: Project) -> None:
    project.repository.git("config", "core.hooksPath", "tools/hooks")
    assert set(project.states(*YES).items()) == {
        ("tools/hooks/pre-commit", "written"),
        ("tools/hooks/pre-merge-commit", "written"),
    }
    project.broken()
    assert project.commit().exit_code == 1


def test_hooks_that_serve_other_repositories_are_left_alone(
    project: Project, tmp_path: Path
) -> None:
    shared = tmp_path / "shared"
    project.repository.git("config", "core.hooksPath", shared)
    done = fixchain(*YES)
    assert done.exit_code == 3
    assert "other repositories" in done.stderr
    assert not shared.exists()


def test_a_linked_work_tree_has_the_hooks_of_its_repository(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.commit()
    project.repository.git("worktree", "add", "-q", tmp_path / "linked")
    monkeypatch.chdir(tmp_path / "linked")
    assert project.states(*YES)[project.hook.as_posix()] == "written"
    linked = Repository(tmp_path / "linked")
    linked.put("c", parent="a")
    linked.git("add", "-A")
    assert run("git", "commit", "-m", "x", cwd=linked.top).exit_code == 1


# --- Configurations and jobs ---------------------------------------------------------------------


def test_pre_commit_would_run_a_check(project: Project) -> None:
    path = project.put(".pre-commit-config.yaml", CONFIG)
    done = fixchain(*YES, "--format", "json")
    assert done.exit_code == 3
    (shown,) = done.document["pieces"]
    assert (shown["path"], shown["state"]) == (path.name, "refused")
    assert "add these lines to its list `repos`" in shown["detail"]
    assert path.read_text() == CONFIG
    assert not project.hook.exists()
    (hook,) = yaml.safe_load(f"repos:\n{shown['text']}")["repos"][0]["hooks"]
    assert (hook["language"], hook["pass_filenames"], hook["always_run"]) == ("system", False, True)
    command = [*shlex.split(hook["entry"]), *hook["args"]]
    assert run(*command, cwd=project.top).exit_code == 0
    project.broken()
    project.repository.git("add", "-A")
    assert run(*command, cwd=project.top).exit_code == 1
    path.write_text(f"repos:\n{shown['text']}")
    assert project.states(*YES) == {path.name: "there"}


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ("git@github.com:you/app.git", {WORKFLOW, TEMPLATE}),
        ("https://user:word@github.example.org/you/app", {WORKFLOW, TEMPLATE}),
        ("ssh://git@gitlab.com:22/you/github-app", {GITLAB_TEMPLATE}),
        ("GitHub.com:you/app", {WORKFLOW, TEMPLATE}),
        ("/srv/github/app.git", set()),
        ("github/app.git", set()),
        ("https://example.org/github.com/app", set()),
    ],
)
def test_a_remote_tells_where_requests_are_made(
    project: Project, remote: str, expected: set[str]
) -> None:
    project.repository.git("remote", "add", "origin", remote)
    assert set(project.states("hook", "--print")) == {HOOK, MERGE_HOOK, *expected}
    for options in (("--print",), ("--install", "--yes")):
        done = fixchain("hook", *options)
        said = done.stdout + done.stderr
        assert said.count("there is no sign of GitHub or GitLab here") == (not expected)


@pytest.mark.parametrize(
    ("main", "expected"),
    [
        ("main", ["main", "master", "develop"]),
        ("trunk", ["trunk", "main", "master", "develop"]),
        ("2.0", ["2.0", "main", "master", "develop"]),
    ],
)
def test_the_workflow_checks_the_main_branch(
    project: Project, main: str, expected: list[str]
) -> None:
    project.repository.git("remote", "add", "origin", "git@github.com:you/app.git")
    project.commit()
    project.repository.git("update-ref", f"refs/remotes/origin/{main}", "HEAD")
    project.repository.git("remote", "set-head", "origin", main)
    fixchain(*YES)
    workflow = yaml.safe_load(project.read(WORKFLOW))
    assert workflow[True]["push"] == {"branches": expected}  # YAML 1.1 takes `on` for a truth value


def test_jobs_of_both_kinds(project: Project) -> None:
    (project.top / ".github/workflows").mkdir(parents=True)
    project.put(".gitlab-ci.yml", JOBS)
    done = fixchain(*YES)
    assert done.exit_code == 3
    assert "Written: 5 files." in done.stdout
    assert project.states(*YES) == {
        HOOK: "there",
        MERGE_HOOK: "there",
        WORKFLOW: "there",
        TEMPLATE: "there",
        ".gitlab-ci.yml": "refused",
        GITLAB_TEMPLATE: "there",
    }
    assert "fixchain check" in project.read(WORKFLOW)
    assert project.read(".gitlab-ci.yml") == JOBS


@pytest.mark.parametrize(
    "name",
    [
        ".github/PULL_REQUEST_TEMPLATE.md",
        "pull_request_template.md",
        "docs/Pull_Request_Template.md",
    ],
)
def test_a_template_that_is_there_is_left_alone(project: Project, name: str) -> None:
    (project.top / ".github/workflows").mkdir(parents=True)
    project.put(name, "What\r\nand why")
    assert project.states(*YES)[name] == "refused"
    assert project.read(name) == "What\r\nand why"


def test_another_workflow_of_that_name_is_left_alone(project: Project) -> None:
    project.put(WORKFLOW, "on: push\n")
    states = project.states(*YES)
    assert states == {
        HOOK: "written",
        MERGE_HOOK: "written",
        WORKFLOW: "refused",
        TEMPLATE: "written",
    }
    assert project.read(WORKFLOW) == "on: push\n"
    own = "jobs: {a: {steps: [{run: fixchain check}]}}\n"
    project.put(WORKFLOW, own)
    done = fixchain(*YES)
    assert done.exit_code == 0
    assert "already there, it differs from what would be written now; left alone" in done.stdout
    assert project.read(WORKFLOW) == own


def test_a_second_run_finds_nothing_to_do(project: Project) -> None:
    project.repository.git("remote", "add", "origin", "git@github.com:you/app.git")
    assert set(project.states(*YES).values()) == {"written"}
    before = tree(project.top)
    done = fixchain("hook", "--install")
    assert done.exit_code == 0
    assert done.stdout.startswith("Nothing to do: everything is in place.\n")
    assert done.stdout.count("already there\n") == 4
    assert set(project.states(*YES).values()) == {"there"}
    assert {name: node[:2] for name, node in tree(project.top).items()} == {
        name: node[:2] for name, node in before.items()
    }


# --- Names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["-d", "it's $(touch x)\n\x1b`touch x`"])
def test_a_directory_of_any_name(project: Project, name: str) -> None:
    (project.top / "migrations").rename(project.top / name)
    (project.top / ".github/workflows").mkdir(parents=True)
    install = ("--directory", name, *YES)
    assert set(project.states(*install).values()) == {"written"}
    assert set(project.states(*install).values()) == {"there"}
    assert "fixchain -d -" not in project.hook.read_text()
    assert project.commit().exit_code == 0
    project.broken(name)
    assert project.commit().exit_code == 1
    assert not (project.top / "x").exists()


def test_a_name_that_is_not_utf_8_is_refused(project: Project) -> None:
    name = os.fsdecode(b"\xff")
    (project.top / "migrations").rename(project.top / name)
    done = fixchain("-d", name, *YES, cwd=project.top)
    assert done.exit_code == 3
    assert "not UTF-8" in done.stderr
    assert not project.hook.exists()


def test_a_configuration_file_is_named_as_it_was(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.put("etc/alembic.ini", "[alembic]\nscript_location = migrations\n")
    assert fixchain("-c", "etc/alembic.ini", *YES).exit_code == 0
    assert "$(fixchain_run -c etc/alembic.ini check --staged)" in project.hook.read_text()
    project.broken()
    assert project.commit().exit_code == 1
    project.put("etc/alembic.ini", "[alembic]\nscript_location = ../migrations\n")
    monkeypatch.chdir(project.top / "etc")
    done = fixchain("-c", "alembic.ini", *YES)
    assert done.exit_code == 3
    assert f"hooks run in {project.top}" in done.stderr


def test_the_directory_is_named_as_seen_from_the_top(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(project.top / "backend/migrations", "a")
    monkeypatch.chdir(project.top / "backend")
    fixchain(*YES)
    assert "$(fixchain_run -d backend/migrations check --staged)" in project.hook.read_text()


def test_the_command_of_an_app(
    sample: Path, own_git: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GIT_CEILING_DIRECTORIES")
    Repository(sample)
    options = ("db", "fixchain", *YES)
    done = flask(*options, cwd=sample)
    assert done.exit_code == 0, done.stderr
    hook = (sample / ".git/hooks/pre-commit").read_text()
    assert "$(fixchain_run -d sample_app/migrations check --staged)" in hook
    assert "flask db fixchain hook --install" in done.stdout


# --- Asking and refusing -------------------------------------------------------------------------


def test_it_shows_and_asks_once(project: Project) -> None:
    project.repository.git("remote", "add", "origin", "git@github.com:you/app.git")
    before = tree(project.top)
    command = ("fixchain", "hook", "--install")
    declined = on_terminal(*command, cwd=project.top, answer="n\n")
    assert declined.exit_code == 1
    assert declined.stderr == "Write these files? [y/N]: Nothing was changed.\n"
    assert "+++ b/.git/hooks/pre-commit" in declined.stdout
    assert "+permissions:" in declined.stdout
    assert run(*command, cwd=project.top).exit_code == 3  # nobody is there
    assert tree(project.top) == before
    agreed = on_terminal(*command, cwd=project.top, answer="y\n")
    assert agreed.exit_code == 0
    assert "Written: 4 files." in agreed.stdout
    assert project.hook.exists()


def test_print_changes_nothing_and_can_be_copied(project: Project) -> None:
    project.put(".gitlab-ci.yml", JOBS)
    before = tree(project.top)
    for options in (["--print"], ["--print", "--install", "--yes"]):
        done = fixchain("hook", *options)
        assert done.exit_code == 0
        assert "\nif [ -e migrations/env.py ]; then\n" in done.stdout
        assert "\nfixchain:\n  image:" in done.stdout
        assert "- [ ] " in done.stdout
    assert tree(project.top) == before


def test_without_a_wish_it_names_both(project: Project) -> None:
    done = fixchain("hook")
    assert done.exit_code == 2
    assert "--install" in done.stderr
    assert "--print" in done.stderr


def test_outside_of_git_it_says_so(
    tmp_path: Path, own_git: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(tmp_path / "migrations", "a")
    monkeypatch.chdir(tmp_path)
    for option in ("--install", "--print"):
        done = fixchain("hook", option)
        assert done.exit_code == 3
        assert "no Git repository was found" in done.stderr
        assert "\n     git init\n" in done.stderr


def a_link(path: Path) -> None:
    path.parent.joinpath("other").write_text("other\n")
    path.symlink_to("other")


def a_dead_link(path: Path) -> None:
    path.symlink_to("nowhere")


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (a_link, "it is there already"),
        (a_dead_link, "symbolic link"),
        (Path.mkdir, "cannot be read: Is a directory"),
        (a_pipe, "it is not a regular file"),
    ],
)
def test_what_is_no_file_to_be_written_is_left_alone(
    project: Project, make: Any, reason: str
) -> None:
    (project.top / ".github/workflows").mkdir(parents=True)
    make(project.top / TEMPLATE)
    before = tree(project.top / ".github")[Path(TEMPLATE).name]
    done = fixchain(*YES)
    assert done.exit_code == 3
    assert reason in done.stderr
    assert (project.top / WORKFLOW).is_file()
    assert tree(project.top / ".github")[Path(TEMPLATE).name] == before


def test_a_link_on_the_way_leads_nowhere_else(project: Project, tmp_path: Path) -> None:
    (tmp_path / "elsewhere/workflows").mkdir(parents=True)
    (project.top / ".github").symlink_to(tmp_path / "elsewhere")
    assert set(project.states(*YES).values()) == {"written", "refused"}
    assert not any(path.is_file() for path in (tmp_path / "elsewhere").rglob("*"))


# --- Writing -------------------------------------------------------------------------------------


def edits(place: Path) -> list[Edit]:
    (place / "old").write_bytes(b"old\n")
    (place / "old").chmod(0o640)
    return [
        Edit(place / "old", b"old\n", b"new\n"),
        Edit(place / "a/b/script", None, b"#!/bin/sh\n"),
        Edit(place / "a/file", None, b"new\n"),
    ]


def test_files_are_written_with_their_modes(tmp_path: Path) -> None:
    disk.add_together(edits(tmp_path))
    made = {name: node[:2] for name, node in tree(tmp_path).items() if node.content is not None}
    assert made == {
        "old": (b"new\n", 0o640),
        "a/b/script": (b"#!/bin/sh\n", 0o755),
        "a/file": (b"new\n", 0o644),
    }


@pytest.mark.parametrize("function", ["replace", "fsync", "open", "mkdir"])
@pytest.mark.parametrize("stop", [OSError(28, "full"), KeyboardInterrupt()])
def test_whatever_stops_it_every_file_is_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, stop: BaseException
) -> None:
    """The nth call of a function of the system fails, for each n that there is."""
    todo = edits(tmp_path)
    before = tree(tmp_path)
    real = getattr(os, function)
    for number in range(50):
        calls = count()

        def failing(*args: Any, calls: Any = calls, number: int = number, **options: Any) -> Any:
            if next(calls) == number:
                raise stop
            return real(*args, **options)

        with monkeypatch.context() as patch:
            patch.setattr(os, function, failing)
            try:
                disk.add_together(todo)
            except (CannotWrite, KeyboardInterrupt):
                pass
            else:
                break
        assert {name: node[:2] for name, node in tree(tmp_path).items()} == {
            name: node[:2] for name, node in before.items()
        }
    assert number >= 2
    assert (tmp_path / "old").read_bytes() == b"new\n"


def test_a_file_that_was_changed_meanwhile_stops_it(tmp_path: Path) -> None:
    todo = edits(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a/file").write_bytes(b"somebody's\n")
    before = tree(tmp_path)
    with pytest.raises(StaleSnapshot):
        disk.add_together(todo)
    assert tree(tmp_path) == before
