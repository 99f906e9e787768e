"""The lines that call ``check`` in hooks, in CI jobs and in reviews."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from flask_chainfix.commands.hook_calls import calls_check
from flask_chainfix.common.quoting import script_words, yaml_string


class HookCall(NamedTuple):
    """How to call the console script at the top of a work tree.

    Attributes:
        place: the migrations directory, or the configuration file, relative to the top.
        options: the options that name it; none for the default directory.
        requirement: the requirement with which pip installs the console script.
        programs: the directory of the active virtual environment with the console script, relative
            to the top; ``""`` if there is none, or if others would see it.
        directory: the migrations directory, relative to the top, if ``place`` is a file.
        main: the name of the main branch; ``""`` if it is unknown.
    """

    place: str
    options: tuple[str, ...]
    requirement: str
    programs: str = ""
    directory: str = ""
    main: str = ""

    @property
    def places(self) -> tuple[str, str]:
        """The names of the environment: the one that is used, and its directory."""
        return self.place, self.directory or self.place

    def shell(self, *arguments: str) -> str:
        """A command line for a POSIX shell."""
        return script_words("fixchain", *self.options, *arguments)


class HookKind(NamedTuple):
    """A kind of file.

    Attributes:
        name: its name for people.
        text: the lines for a call.
        where: where they go in an existing file.
        opening: the lines above them in a new file.
        is_in: whether a file already has such lines, ours or others.
    """

    name: str
    text: Callable[[HookCall], str]
    where: str
    opening: str = ""
    is_in: Callable[[bytes], bool] = calls_check


# --- Finding the tool without a PATH and without an active environment ---------------------------
# The program directories of virtual environments, from the top of a work tree.
USUAL = (".venv/bin", "venv/bin", "env/bin", ".venv/Scripts", "venv/Scripts")
# An existing environment is used; neither of the two creates or changes one.
_MANAGERS = {
    "uv": ("uv run --no-sync", '[ -e uv.lock ] && [ -e "${UV_PROJECT_ENVIRONMENT:-.venv}" ]'),
    "poetry": ("poetry run", "[ -e poetry.lock ] && poetry env info --path"),
}


def _places(call: HookCall) -> str:
    """The names under which a shell looks for the tool: editors commit with a bare PATH."""
    known = dict.fromkeys((*([call.programs] if call.programs else []), *USUAL))
    return script_words("fixchain", *(f"{programs}/fixchain" for programs in known))


# --- pre-commit ----------------------------------------------------------------------------------
def _pre_commit(call: HookCall) -> str:
    options = [word if word in ("-c", "-d") else yaml_string(word) for word in call.options]
    return (
        "  - repo: local\n"
        "    hooks:\n"
        "      - id: fixchain\n"
        "        name: migration chain\n"
        "        entry: >-\n"
        f"          sh -c 'for tool in {_places(call._replace(programs=''))}; do\n"
        '          command -v "$tool" >/dev/null && exec "$tool" "$@"; done;\n'
        '          echo "fixchain was not found: activate the environment that has it" >&2;\n'
        "          exit 1' fixchain\n"
        f"        args: [{', '.join([*options, 'check', '--staged'])}]\n"
        "        language: system\n"
        # A commit that only deletes a migration passes no file name.
        "        always_run: true\n"
        "        pass_filenames: false\n"
    )


# --- Git's own hook ------------------------------------------------------------------------------
def _git_hook(call: HookCall) -> str:
    """The lines of Git's hook, which print nothing while nothing is wrong.

    Hooks are not part of a commit, and branches without the migrations must pass. There, files that
    Git ignores may have kept the directory.
    """
    needed = call.place if "-c" in call.options else f"{call.place}/env.py"
    sought = "".join(
        f"        fixchain_is={name}; ! {{ {there} && {run} fixchain --version; }} || return 0\n"
        for name, (run, there) in _MANAGERS.items()
    )
    run = "".join(
        f'        {name}) {run} fixchain "$@" ;;\n' for name, (run, _) in _MANAGERS.items()
    )
    # With `cd` in front of its argument, `checks_only_others` would take these lines to run there.
    return f"""\
# fixchain: begin (a commit that breaks the migration chain is refused)
if [ -e {script_words(needed)} ]; then
    fixchain_find() {{
        for fixchain_is in {_places(call)}; do
            ! command -v "$fixchain_is" || return 0
        done
{sought}\
        return 1
    }}
    fixchain_run() {{
        case $fixchain_is in
{run}\
        *) "$fixchain_is" "$@" ;;
        esac
    }}
    fixchain_find >/dev/null 2>&1 || {{
        echo "fixchain was not found, so the migration chain was not checked: it is neither on the"
        echo "PATH nor in .venv, venv or env, and neither uv nor poetry knows it here."
        echo "Activate the virtual environment that has it, then commit again."
        echo "Or install it:"
        echo "    pip install flask-chainfix"
        echo "Or commit without the check:"
        echo "    git commit --no-verify"
        exit 1
    }} >&2
    fixchain_said=$(fixchain_run {script_words(*call.options, "check", "--staged")}) ||
        {{
            printf '%s\\n' "$fixchain_said"
            if [ -n "${{GIT_PREFIX-}}" ]; then
                echo "Type these commands at the top of the work tree:"
                printf '    %s "$(git rev-parse --show-toplevel)"\\n' cd
            fi
            exit 1
        }} >&2
fi
# fixchain: end
"""


_LONGEST = 10  # seconds that a hanging app may delay a checkout


def post_checkout(command: str, app: str | None, directory: str, places: Sequence[str]) -> HookKind:
    """The hook after a checkout: prints a line if a database is now ahead of the code.

    Its exit status is always 0, and it prints nothing else.

    Args:
        command: the command that runs ours, as it would be typed.
        app: the value of ``FLASK_APP``; ``None`` to leave it unchanged.
        directory: where the command runs, relative to the top of the work tree.
        places: pathspecs of the migrations; if no commit has changed them, nothing is checked.
    """
    named = f"        export FLASK_APP={script_words(app)}\n" if app else ""

    def text(call: HookCall) -> str:
        ours = [call.programs] if call.programs else []
        first, last = (":".join(map(_absolute, each)) for each in (ours, USUAL))
        return f"""\
# fixchain: begin (after a checkout that leaves a database ahead of the code, one line says so)
if [ "$3" = 1 ] &&
    ! git diff --quiet --no-ext-diff "$1" "$2" -- {script_words(*places)}
then
    (
        PATH={first}{":" if first else ""}$PATH:{last}
{named}\
        cd -- {script_words(directory)} &&
            $(command -v timeout >/dev/null && echo timeout {_LONGEST}) {command} unwind --offer
    )
fi </dev/null 2>/dev/null || :
# fixchain: end
"""

    return HookKind("Git hook after a checkout", text, _IN_SCRIPT, "#!/bin/sh\n")


def _absolute(place: str) -> str:
    return script_words(place) if place.startswith("/") else f'"$PWD"/{script_words(place)}'


# --- CI jobs -------------------------------------------------------------------------------------
_MAIN_BRANCHES = ("main", "master", "develop")
_PLAIN_COMMAND = re.compile(r"fixchain (?:[\w ./=<>$@{}+\"-]|:\+)+", re.ASCII)


def _command_in_yaml(command: str) -> str:
    """A command line of ours as a scalar, unquoted if that is safe."""
    return command if _PLAIN_COMMAND.fullmatch(command) else yaml_string(command)


def _workflow(call: HookCall) -> str:
    # GitHub inserts the values of expressions before it parses quotes.
    check = call.shell("check").replace("${{", "$''{{")
    command = f'{check} ${{AGAINST:+--against "$AGAINST"}} --format github'
    known = () if call.main in ("", *_MAIN_BRANCHES) else (yaml_string(call.main),)
    return f"""\
name: fixchain
# What breaks the migration chain fails: a pull request, what a merge queue would land, and the main
# branch itself.
on:
  pull_request:
  merge_group:
  push:
    branches: [{", ".join((*known, *_MAIN_BRANCHES))}]
permissions:
  contents: read
jobs:
  fixchain:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
        with:
          fetch-depth: 0
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - run: pip install {call.requirement}
      - run: {_command_in_yaml(command)}
        env:
          AGAINST: ${{{{ {_AGAINST} }}}}
  again:
    # A check that passed against an older main branch may fail against the current one.
    if: github.event_name == 'push'
    runs-on: ubuntu-latest
    permissions:
      actions: write
      pull-requests: read
    steps:
      - run: |
          gh pr list --base "$GITHUB_REF_NAME" --limit 100 --json headRefOid --jq '.[].headRefOid' |
          while read -r head; do
            gh run list --workflow fixchain.yml --event pull_request --commit "$head" \\
              --status completed --limit 1 --json databaseId --jq '.[].databaseId'
          done |
          while read -r run; do
            gh run rerun "$run" || echo "::notice::run $run cannot be run again"
          done
        env:
          GH_TOKEN: ${{{{ github.token }}}}
          GH_REPO: ${{{{ github.repository }}}}
"""


# The target of a pull request, or of a merge queue.
_AGAINST = (
    "github.base_ref && format('origin/{0}', github.base_ref) || github.event.merge_group.base_sha"
)


def _job(call: HookCall) -> str:
    command = f'{call.shell("check")} "$@" --format junit > fixchain.xml'
    return f"""\
# What breaks the migration chain fails: a merge request, alone and in a merge train, and the
# default branch itself. When that moves, GitLab does not run the pipelines of open merge requests
# again: have it merge by merge trains, or with a semi-linear history and "Pipelines must succeed".
fixchain:
  image: python:3.12
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
    - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH
  variables:
    GIT_DEPTH: "0"
  script:
    - pip install {call.requirement}
    - |
      set --
      if [ -n "${{CI_MERGE_REQUEST_TARGET_BRANCH_NAME-}}" ]; then
        target=origin/$CI_MERGE_REQUEST_TARGET_BRANCH_NAME
        git fetch --quiet origin "+refs/heads/${{target#origin/}}:refs/remotes/$target"
        set -- --against "$target"
      fi
    - {_command_in_yaml(command)}
  artifacts:
    when: always
    reports:
      junit: fixchain.xml
"""


# --- The merge driver for chain locks ------------------------------------------------------------
def merge_driver(call: HookCall) -> dict[str, str]:
    """The settings with which Git merges chain locks by ``merge-lock``, or by lines without it."""
    places = _places(call).replace("%", "%%")  # Git replaces the others
    return {
        "merge.fixchain.name": "chain locks of flask-chainfix",
        "merge.fixchain.driver": (
            f'for tool in {places}; do command -v "$tool" >/dev/null &&'
            ' exec "$tool" merge-lock -- %O %A %B %L %P; done;'
            " git merge-file --marker-size=%L %A %O %B"
        ),
        # The virtual ancestor in a merge with several ancestors is no state of the chain.
        "merge.fixchain.recursive": "text",
    }


# --- Reviews -------------------------------------------------------------------------------------
_CHECKLIST = """\
### Migrations

- [ ] `fixchain check` finds nothing, also with the target branch merged in
- [ ] no migration of the target branch was edited, renamed or deleted
- [ ] `upgrade` and `downgrade` were run on a scratch database (`rehearse`)
"""

PRE_COMMIT = HookKind("pre-commit hook", _pre_commit, "to its list `repos`, indented like the rest")

_IN_SCRIPT = "below its first line, if it is a shell script"

GIT_HOOK = HookKind("Git hook", _git_hook, _IN_SCRIPT, "#!/bin/sh\n")
# Git runs no pre-commit hook for a merge without conflicts. Git's own sample runs it from here.
_RUNS_PRE_COMMIT = re.compile(rb"^(?![ \t]*#).*\bpre-commit\b", re.MULTILINE)
MERGE_HOOK = GIT_HOOK._replace(
    name="Git hook for merges",
    is_in=lambda data: calls_check(data) or _RUNS_PRE_COMMIT.search(data) is not None,
)

WORKFLOW = HookKind("GitHub workflow", _workflow, "to a new file beside it")
JOB = HookKind("GitLab job", _job, "at its end, with a `stage:` if the file lists stages")
CHECKLIST = HookKind("review checklist", lambda _: _CHECKLIST, "at its end")
ATTRIBUTES = HookKind(
    "Git attributes",
    lambda _: "chain.lock merge=fixchain\n",
    "at its end",
    is_in=lambda data: b"merge=fixchain" in data,
)
