"""Signals end a command in order from its first line on: a message, exit code 3, nothing left."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from flask_chainfix.common import signals
from tests.commands import Done, run
from tests.disk import environment, tree

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")

# The signal comes when a module is looked for, and so at the same moment each time.
AT_IMPORT = """
import os, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), {number})
sys.meta_path.insert(0, Finder())
"""
CONSOLE = """
sys.argv[:] = ["fixchain", "check"]
from flask_chainfix.cli.console import main
main()
"""
IN_APP = """
sys.argv[:] = ["flask", "--app", "sample_app", "db", "fixchain", "check"]
from flask.cli import main
main()
"""


# As in a foreground job, wherever the tests themselves run.
FOREGROUND = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
"""


def started(code: str, place: Path) -> Done:
    return run(sys.executable, "-c", FOREGROUND + code, cwd=place)


@pytest.mark.parametrize(
    ("module", "number"),
    [
        ("flask_chainfix.cli.groups", signal.SIGINT),
        ("click", signal.SIGTERM),
        ("flask_chainfix.disk.writing", signal.SIGHUP),
        ("flask_chainfix.commands.check", signal.SIGINT),
    ],
)
def test_a_signal_while_the_console_script_imports(
    tmp_path: Path, module: str, number: signal.Signals
) -> None:
    environment(tmp_path / "migrations")
    before = tree(tmp_path)
    done = started(AT_IMPORT.format(module=module, number=int(number)) + CONSOLE, tmp_path)
    assert (done.exit_code, done.stdout) == (3, "")
    assert done.stderr == "error: interrupted: nothing was changed\n"
    assert tree(tmp_path) == before


def test_a_signal_while_the_command_of_an_app_imports(sample: Path) -> None:
    code = AT_IMPORT.format(module="flask_chainfix.cli.usage", number=int(signal.SIGTERM))
    done = started(code + IN_APP, sample)
    assert done.exit_code == 3
    assert done.stderr.endswith("error: interrupted: nothing was changed\n")
    assert "Traceback" not in done.stderr


def test_a_signal_in_a_destructor_is_not_lost(tmp_path: Path) -> None:
    """Python prints what is raised there, and goes on."""
    code = """
import os, signal, time
from flask_chainfix.common import signals
class Ends:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
with signals.listening():
    try:
        ends = Ends()
        del ends
        while True:
            time.sleep(0.01)
    except KeyboardInterrupt:
        print("heard")
"""
    done = started(code, tmp_path)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "heard\n", "")


def test_who_is_impatient_does_not_keep_it_from_clearing_away(tmp_path: Path) -> None:
    code = """
import os, signal
from flask_chainfix.common import signals
with signals.listening():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except KeyboardInterrupt:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(os.getpid(), number)
        print("cleared away")
"""
    assert started(code, tmp_path).stdout == "cleared away\n"


@pytest.mark.parametrize("listens", [True, False])
def test_a_signal_waits_while_steps_must_not_be_parted(tmp_path: Path, listens: bool) -> None:
    code = f"""
import os, signal
from contextlib import nullcontext
from flask_chainfix.common import signals
with signals.listening() if {listens} else nullcontext():
    try:
        with signals.held():
            os.kill(os.getpid(), signal.SIGINT)
            print("both steps")
        print("went on")
    except KeyboardInterrupt:
        print("then heard")
"""
    assert started(code, tmp_path).stdout == "both steps\nthen heard\n"


def test_a_handler_that_python_cannot_give_back_is_not_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The handler of a program that Python is embedded in."""
    given = []
    monkeypatch.setattr(signal, "getsignal", lambda _: None)
    monkeypatch.setattr(signal, "signal", lambda *arguments: given.append(arguments))
    with signals.held(), signals.listening():
        pass
    with signals.listening(), signals.held():
        pass
    assert given == []


def test_what_is_ignored_stays_ignored_and_others_are_given_back(tmp_path: Path) -> None:
    code = """
import os, signal
from flask_chainfix.common import signals
signal.signal(signal.SIGHUP, signal.SIG_IGN)
with signals.listening():
    os.kill(os.getpid(), signal.SIGHUP)
    print("nohup")
print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)
"""
    assert started(code, tmp_path).stdout == "nohup\nTrue\nTrue\n"
