"""Rehearsing processes that are forks of one warm interpreter: twenty times as fast to start.

``Process`` stands in for ``subprocess.Popen`` where a rehearsal starts its process. Whatever is
run by an executable starts its own.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO, Any

_POPEN = subprocess.Popen
_ROOT = str(Path(__file__).parent.parent)


class Process:
    """As much of ``subprocess.Popen`` as a rehearsal uses."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        stdin: int,
        stdout: int,
        stderr: IO[bytes],
        env: Mapping[str, str],
        start_new_session: bool,
    ) -> None:
        theirs_in, ours_in = os.pipe()
        ours_out, theirs_out = os.pipe()
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        request = json.dumps({"env": dict(env), "cwd": os.getcwd(), "path": sys.path}).encode()
        handed = [theirs_in, theirs_out, stderr.fileno(), theirs.fileno()]
        socket.send_fds(_server(), [request], handed)
        theirs.close()
        os.close(theirs_in)
        os.close(theirs_out)
        self.stdin, self.stdout = os.fdopen(ours_in, "wb"), os.fdopen(ours_out, "rb")
        self.pid = int(self._line.recv(100))
        self.returncode: int | None = None

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.stdin.close()
        self.stdout.close()
        self.wait()

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self._line.settimeout(timeout)
            try:
                status = int(self._line.recv(100))
            except TimeoutError:
                raise subprocess.TimeoutExpired("rehearsal", timeout or 0) from None
            self._line.close()
            self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


@contextmanager
def running(command: Sequence[str], **options: Any) -> Iterator[Any]:
    """What ``signals.running`` does, with a fork in place of a process."""
    import pytest  # not in the server

    from flask_chainfix.common import signals

    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(subprocess, "Popen", Process)
            process = stack.enter_context(signals.running(command, **options))
        yield process


@cache
def _server() -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        server = _POPEN(
            [sys.executable, __file__, str(theirs.fileno())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,  # which forks may replace by a file or by a terminal
            pass_fds=[theirs.fileno()],
            env={**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONDONTWRITEBYTECODE": "1"},
            start_new_session=True,
        )
    atexit.register(_end, ours, server)
    return ours


def fork_server(line: str) -> None:
    """Have the warm interpreter fork a server of programs, which listens there."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with listener:
        listener.bind(line)
        listener.listen()
        socket.send_fds(_server(), [b"serve"], [listener.fileno()])


def _end(line: socket.socket, server: subprocess.Popen[bytes]) -> None:
    line.close()
    server.communicate()


# --- In the server -------------------------------------------------------------------------------


def _serve(requests: socket.socket) -> None:
    import flask_sqlalchemy  # noqa: F401

    import flask_chainfix.rehearsal.child.main
    from tests import programs
    from tests.forks import load_everything

    load_everything()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.freeze()
    while True:
        request, descriptors, _, _ = socket.recv_fds(requests, 1 << 20, 4)
        if not request:
            return
        if os.fork() == 0:
            if request == b"serve":
                programs.serve(socket.socket(fileno=descriptors[0]), requests)
            elif _is_rehearsing(descriptors):
                requests.close()
                _become(json.loads(request))
                flask_chainfix.rehearsal.child.main.main()
            return
        for descriptor in descriptors:
            os.close(descriptor)


def _is_rehearsing(descriptors: Sequence[int]) -> bool:
    """Fork again, for a process whose parent waits for it and tells how it has ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    *streams, line = descriptors
    child = os.fork()
    if child == 0:
        os.setsid()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        for descriptor in descriptors:
            os.close(descriptor)
        return True
    for stream in streams:
        os.close(stream)
    with socket.socket(fileno=line) as report, suppress(OSError):
        report.send(str(child).encode())
        report.send(str(os.waitpid(child, 0)[1]).encode())
    return False


def _become(request: Mapping[str, object]) -> None:
    """Be where a new process would be."""
    env, path = request["env"], request["path"]
    assert isinstance(env, dict)
    assert isinstance(path, list)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    tempfile.tempdir = None
    os.chdir(str(request["cwd"]))
    sys.path[:] = path


if __name__ == "__main__":
    sys.path[0] = _ROOT
    _serve(socket.socket(fileno=int(sys.argv[1])))
