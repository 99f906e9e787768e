"""The programs ``fixchain``, ``alembic`` and ``flask`` as forks of one warm interpreter.

They are processes of their own, with their own streams, variables and directory, whoever starts
them: a test, a shell, or Git for a hook. Only what takes longest is done once: their imports. A
small script stands for each of them; it hands its streams to the server and ends as the fork does.
A repair is confirmed in another fork.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import io
import marshal
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback
from functools import cache
from pathlib import Path
from typing import NoReturn

from tests import rehearsing

_MAINS = {
    "fixchain": "flask_chainfix.cli.console",
    "alembic": "alembic.config",
    "flask": "flask.cli",
}
_CLIENT = f"""\
#!{sys.executable} -IS
import _socket, marshal, os, sys

line = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
line.connect(LINE)
handed = [0, 1, 2, os.open(".", os.O_RDONLY)]
numbers = b"".join(number.to_bytes(4, sys.byteorder) for number in handed)
request = marshal.dumps((sys.argv, dict(os.environ), os.umask(0)))
line.sendmsg([request], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, numbers)])
code = int(line.recv(100))
if code < 0:
    os.kill(os.getpid(), -code)
os._exit(code)
"""


@cache
def directory() -> Path:
    """Where these programs are."""
    place = Path(tempfile.mkdtemp(prefix="programs-"))
    atexit.register(shutil.rmtree, place)
    line = str(place / "line")
    for name in _MAINS:
        path = place / name
        path.write_text(_CLIENT.replace("LINE", repr(line)))
        path.chmod(0o755)
    rehearsing.fork_server(line)
    return place


# --- In the server -------------------------------------------------------------------------------


def serve(listener: socket.socket, until: socket.socket) -> None:
    """Fork for each program that is asked for, until the other side of a socket is closed."""
    from flask_chainfix.rehearsal import fresh_process
    from tests.forks import asked_in_a_fork, warm_up

    for module in _MAINS.values():
        importlib.import_module(module)
    warm_up()
    gc.freeze()  # else collecting would copy every page of memory in each fork
    fresh_process.ask = asked_in_a_fork
    waiting = select.poll()
    waiting.register(listener, select.POLLIN)
    waiting.register(until, 0)  # only that it ends
    while all(descriptor == listener.fileno() for descriptor, _ in waiting.poll()):
        line, _ = listener.accept()
        with line:
            if os.fork() == 0:
                listener.close()
                until.close()
                _answer(line)


def _answer(line: socket.socket) -> NoReturn:
    """Fork again, for a process whose parent waits for it and tells how it has ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    request, descriptors, _, _ = socket.recv_fds(line, 1 << 20, 4)
    child = os.fork()
    if child == 0:
        line.close()
        argv, env, umask = marshal.loads(request)
        os.umask(umask)
        _become_program(argv, env, descriptors)
    _, status = os.waitpid(child, 0)
    line.send(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _become_program(argv: list[str], env: dict[str, str], descriptors: list[int]) -> NoReturn:
    os.setsid()
    *streams, place = descriptors
    os.fchdir(place)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    for descriptor in descriptors:
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    tempfile.tempdir = None
    sys.argv[:] = argv
    sys.path[0] = os.path.dirname(argv[0])
    sys.dont_write_bytecode = bool(env.get("PYTHONDONTWRITEBYTECODE"))
    _streams_speak(*env.get("PYTHONIOENCODING", "utf-8").split(":"))
    _run(_MAINS[os.path.basename(argv[0])])


def _streams_speak(encoding: str, errors: str = "strict") -> None:
    sys.stdin = os.fdopen(0, encoding=encoding, errors=errors, closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, encoding=encoding, errors="backslashreplace", closefd=False)
    # Alembic prints to the one that it was imported with.
    assert isinstance(sys.stdout, io.TextIOWrapper)
    sys.stdout.reconfigure(encoding=encoding, errors=errors, line_buffering=sys.stdout.isatty())


def _run(module: str) -> NoReturn:
    code = 1
    try:
        code = _code(importlib.import_module(module).main())
    except SystemExit as stop:
        code = _code(stop.code)
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        os._exit(code if _is_flushed() else 120)  # as Python ends


def _is_flushed() -> bool:
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        return False
    return True


def _code(value: object) -> int:
    if value is None or isinstance(value, int):
        return value or 0
    print(value, file=sys.stderr)
    return 1
