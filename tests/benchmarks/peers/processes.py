"""Every process of the benchmark: started on one core, watched for so long, and ended whatever
happens; it measures nothing but the processor time that one took."""

import contextlib
import ctypes
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.benchmarks.peers.sample import NoFigures

CORES = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else [0]
GENERATOR, SERVER = CORES[0], CORES[-1]
"""The core of whoever asks and that of whoever answers; the same one where there is only one."""

PATIENCE_S = 5.0
"""How long a process may take to end by itself."""

START_S = 30.0
"""How long a server may take to listen."""

QUIET = {
    "ARTILLERY_DISABLE_TELEMETRY": "true",
    "K6_NO_USAGE_REPORT": "true",
    "NO_COLOR": "1",
    "NO_UPDATE_NOTIFIER": "1",
    "DO_NOT_TRACK": "1",
    "COLUMNS": "80",
}
"""Nobody's tool calls home from here, or paints."""

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str
    cpu_s: float
    """Of it and the processes that it waited for."""

    @property
    def last_words(self) -> str:
        """One line for whoever wonders why it gave no figures."""
        lines = (self.err or self.out).strip().splitlines()
        return f"exit code {self.code}{': ' + lines[-1].strip()[:160] if lines else ''}"


def run(
    command: Sequence[str],
    core: int,
    timeout_s: float,
    cwd: Path,
    env: Mapping[str, str] | None = None,
) -> Done:
    """The command to its end. Raises NoFigures when it takes longer than it may."""
    before_s = _children_s()
    with started(command, core, cwd, env) as process:
        try:
            out, err = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise NoFigures(f"did not end within {timeout_s:g} s") from None
    return Done(process.returncode, out, err, _children_s() - before_s)


@contextlib.contextmanager
def started(
    command: Sequence[str],
    core: int,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    muted: bool = False,
) -> Iterator["subprocess.Popen[str]"]:
    """The running command, in a group of its own; all that is left of that group is killed. What a
    muted one prints is dropped: a pipe that nobody reads fills up, and then its writer stands."""
    out = subprocess.DEVNULL if muted else subprocess.PIPE
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env={**os.environ, **QUIET, **(env or {})},
        stdin=subprocess.PIPE,
        stdout=out,
        stderr=out,
        text=True,
        errors="replace",
        start_new_session=True,
        preexec_fn=partial(_settle, core),
    )
    try:
        yield process
    finally:
        _end(process)


def wait_for_port(process: "subprocess.Popen[str]", port: int, start_s: float = START_S) -> None:
    """Returns when somebody listens there. Raises NoFigures when nobody will."""
    until = time.monotonic() + start_s
    while time.monotonic() < until:
        if process.poll() is not None:
            raise NoFigures(f"the server ended at once, with exit code {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return
        time.sleep(0.05)
    raise NoFigures(f"the server did not listen within {start_s:g} s")


def allow_many_files() -> None:
    """Thousands of connections are open at once, and every child inherits this limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _settle(core: int) -> None:
    """In the child, before its command: its core, and an end when the benchmark itself ends."""
    os.sched_setaffinity(0, {core})
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _end(process: "subprocess.Popen[str]") -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError, ValueError):
            process.stdin.close()
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
