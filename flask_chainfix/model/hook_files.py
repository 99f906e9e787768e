"""The files that call ``check`` in hooks, in CI jobs and in reviews: what belongs into each."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from flask_chainfix.common.dataclass import dataclass
from flask_chainfix.common.quoting import path_word, script_words, yaml_string
from flask_chainfix.model.files import Edit


class HookState(Enum):
    """What has become of a file, or is to become of it."""

    SHOWN = "shown"
    PLANNED = "planned"
    WRITTEN = "written"
    THERE = "there"
    REFUSED = "refused"


@dataclass(frozen=True)
class HookFile:
    """A file that holds a hook, a job or a checklist, or is to hold it.

    Attributes:
        name: what it is, for people.
        path: the file.
        text: the lines that belong there, as somebody would copy them.
        state: what has become of it.
        edit: what creates the file, if it is to be written.
        detail: why it is left alone, or how what is there differs.
    """

    name: str
    path: Path
    text: str
    state: HookState
    edit: Edit | None = None
    detail: str = ""


class Call(NamedTuple):
    """How the console script is called at the top of a work tree.

    Attributes:
        place: the migrations directory, or the configuration file, as seen from there.
        options: what names it to the console script; none for the directory that is the default.
        requirement: what pip installs the console script by.
        programs: the directory of the virtual environment in use that holds the console script, as
            seen from the top; ``""`` where there is none, or where others would read of it.
    """

    place: str
    options: tuple[str, ...]
    requirement: str
    programs: str = ""

    def shell(self, *arguments: str) -> str:
        """A command line for a POSIX shell."""
        return script_words("fixchain", *self.options, *arguments)


class Kind(NamedTuple):
    """A kind of file.

    Attributes:
        name: what it is, for people.
        text: the lines for a call.
        where: where they go in a file that is there already.
        opening: what a new file holds above them.
    """

    name: str
    text: Callable[[Call], str]
    where: str
    opening: str = ""


_CALLS_CHECK = re.compile(
    rb"^(?:# fixchain: begin"
    rb"|[ \-]*\bid: *[\"']?fixchain[\"']? *(?:#|\r?$)"  # a hook of pre-commit
    rb"|(?![ \t]*#).*\bfixchain\b.*\bcheck\b)",
    re.MULTILINE,
)


def calls_check(data: bytes) -> bool:
    """Whether a file has such lines already, ours or somebody's own."""
    return _CALLS_CHECK.search(data) is not None


# --- pre-commit ----------------------------------------------------------------------------------
def _pre_commit(call: Call) -> str:
    options = [word if word in ("-c", "-d") else yaml_string(word) for word in call.options]
    return (
        "  - repo: local\n"
        "    hooks:\n"
        "      - id: fixchain\n"
        "        name: migration chain (fixchain not found? activate its environment)\n"
        "        entry: fixchain\n"
        f"        args: [{', '.join([*options, 'check'])}]\n"
        "        language: system\n"
        # A commit that only deletes a migration passes no file name.
        "        always_run: true\n"
        "        pass_filenames: false\n"
    )


# --- Git's own hook ------------------------------------------------------------------------------
# Where virtual environments have their programs, from the top of a work tree.
_USUAL = (".venv/bin", "venv/bin", "env/bin", ".venv/Scripts", "venv/Scripts")


def _git_hook(call: Call) -> str:
    """Lines that are silent while nothing is wrong.

    Hooks are no part of a commit, and branches without the migrations have to pass.
    """
    return (
        "# fixchain: begin (a commit that breaks the migration chain is refused)\n"
        f"if [ -e {script_words(call.place)} ]; then\n"
        f"{_without_tool(call)}"
        f"    fixchain_said=$({call.shell('check')}) ||"
        " { printf '%s\\n' \"$fixchain_said\" >&2; exit 1; }\n"
        "fi\n"
        "# fixchain: end\n"
    )


def _without_tool(call: Call) -> str:
    """What to say where the tool is not found: editors commit without an active environment."""
    known = dict.fromkeys((*([call.programs] if call.programs else []), *_USUAL))
    activations = "".join(map(_activation, known))
    return f"""\
    command -v fixchain >/dev/null || {{
        echo "fixchain is not on the PATH, so the migration chain was not checked."
        echo "Activate the virtual environment that has it, then commit again."
{activations}\
        echo "Or install it:"
        echo "    pip install flask-chainfix"
        echo "Or commit without the check:"
        echo "    git commit --no-verify"
        exit 1
    }} >&2
"""


def _activation(programs: str) -> str:
    """Names an environment where it is there; the path is quoted for whoever types it."""
    line = f"    . {path_word(f'{programs}/activate')}"
    there = script_words(f"{programs}/fixchain")
    return f"        [ ! -x {there} ] || printf '%s\\n' {script_words(line)}\n"


# --- CI jobs -------------------------------------------------------------------------------------
_PLAIN_COMMAND = re.compile(r"fixchain [\w ./=<>$\"-]+", re.ASCII)


def _command_in_yaml(command: str) -> str:
    """A command line of ours as a scalar, plain where it is harmless."""
    return command if _PLAIN_COMMAND.fullmatch(command) else yaml_string(command)


def _workflow(call: Call) -> str:
    # GitHub puts in the value of an expression before it knows of any quotes.
    check = call.shell("check").replace("${{", "$''{{")
    command = f'{check} --against "origin/$BASE" --format github'
    return (
        "name: fixchain\n"
        "# A pull request that breaks the migration chain fails.\n"
        "on: pull_request\n"
        "permissions:\n"
        "  contents: read\n"
        "jobs:\n"
        "  fixchain:\n"
        "    runs-on: ubuntu-latest\n"
        "    steps:\n"
        "      - uses: actions/checkout@v4\n"
        "        with:\n"
        "          fetch-depth: 0\n"
        "      - uses: actions/setup-python@v5\n"
        "        with:\n"
        '          python-version: "3.12"\n'
        f"      - run: pip install {call.requirement}\n"
        f"      - run: {_command_in_yaml(command)}\n"
        "        env:\n"
        "          BASE: ${{ github.base_ref }}\n"
    )


def _job(call: Call) -> str:
    against = '--against "$CI_MERGE_REQUEST_DIFF_BASE_SHA"'
    command = f"{call.shell('check')} {against} --format junit > fixchain.xml"
    return (
        "# A merge request that breaks the migration chain fails.\n"
        "fixchain:\n"
        "  image: python:3.12\n"
        "  rules:\n"
        '    - if: $CI_PIPELINE_SOURCE == "merge_request_event"\n'
        "  variables:\n"
        '    GIT_DEPTH: "0"\n'
        "  script:\n"
        f"    - pip install {call.requirement}\n"
        f"    - {_command_in_yaml(command)}\n"
        "  artifacts:\n"
        "    when: always\n"
        "    reports:\n"
        "      junit: fixchain.xml\n"
    )


# --- Reviews -------------------------------------------------------------------------------------
_CHECKLIST = """\
### Migrations

- [ ] `fixchain check` finds nothing, also with the target branch merged in
- [ ] no migration of the target branch was edited, renamed or deleted
- [ ] `upgrade` and `downgrade` were run on a scratch database (`rehearse`)
"""

PRE_COMMIT = Kind("pre-commit hook", _pre_commit, "to its list `repos`, indented like the rest")

GIT_HOOK = Kind(
    "Git hook", _git_hook, "below its first line, if it is a shell script", "#!/bin/sh\n"
)

WORKFLOW = Kind("GitHub workflow", _workflow, "to a new file beside it")
JOB = Kind("GitLab job", _job, "at its end, with a `stage:` if the file lists stages")
CHECKLIST = Kind("review checklist", lambda _: _CHECKLIST, "at its end")
KINDS = (PRE_COMMIT, GIT_HOOK, WORKFLOW, JOB, CHECKLIST)
