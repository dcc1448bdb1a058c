"""A run that is watched while it lasts, and the processes it has; read from its progress bar and
from /proc. It asserts nothing."""

import contextlib
import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.cli.command import COMMAND, Done, environment, hear_interrupts

PROC = Path("/proc")
PATIENCE_S = 30.0
_TURNS = re.compile(rb"(\d+)/\d+(?:\x1b\[0m)? turns")


@dataclass(slots=True)
class Watched:
    """A command whose standard error is a terminal, so that it shows how far it is."""

    process: subprocess.Popen[bytes]
    cwd: Path
    terminal: int
    family: set[tuple[int, int]] = field(default_factory=set)
    _shown: bytes = b""

    def until_turns_ended(self, turns: int) -> None:
        """Returns when the bar says so. Notes which processes the run has by then."""
        until(lambda: self._turns() >= turns)
        self.family = family(self.process.pid)

    def interrupt(self, whole_group: bool) -> None:
        """As Ctrl-C in a terminal does it, or as `kill -INT` of the one process."""
        (os.killpg if whole_group else os.kill)(self.process.pid, signal.SIGINT)

    def end(self) -> Done:
        """What came of it. Its terminal is read on, or it would wait for a reader."""
        until(lambda: self._turns() is not None and self.process.poll() is not None)
        out = (self.cwd / "out").read_text("utf-8")
        return Done(self.process.returncode, out, self._shown.decode("utf-8", "replace"), self.cwd)

    def left(self) -> set[tuple[int, int]]:
        """Of the processes noted, those that still run."""
        return {one for one in self.family if running(one)}

    def _turns(self) -> int:
        while select.select([self.terminal], [], [], 0.02)[0]:
            try:
                self._shown += os.read(self.terminal, 65536)
            except OSError:  # The other side has closed it.
                break
        told = _TURNS.findall(self._shown)
        return int(told[-1]) if told else 0


@contextlib.contextmanager
def watched(*args: str, cwd: Path) -> Iterator[Watched]:
    """The command, begun in a process group of its own; whatever is left of it is killed."""
    terminal, slave = os.openpty()
    with (cwd / "out").open("wb") as out:
        process = subprocess.Popen(
            [*COMMAND, *args],
            cwd=cwd,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=slave,
            start_new_session=True,
            preexec_fn=hear_interrupts,
        )
    os.close(slave)
    run = Watched(process, cwd, terminal)
    try:
        yield run
    finally:
        for pid, _ in {*run.left(), *family(process.pid)}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        os.close(terminal)


def until(happened: Callable[[], bool]) -> None:
    """Waits for it, and not for ever."""
    end = time.monotonic() + PATIENCE_S
    while not happened():
        if time.monotonic() > end:
            raise TimeoutError("it did not happen")
        time.sleep(0.02)


def children(pid: int) -> set[tuple[int, int]]:
    """All below the process, each with its start, since a number may be given out anew."""
    return {one for one in family(pid) if one[0] != pid}


def family(pid: int) -> set[tuple[int, int]]:
    """The process and its children."""
    parents = {one: _stat(one)[1] for one in _pids()}
    found, fresh = set[int](), {pid} & parents.keys()
    while fresh:
        found |= fresh
        fresh = {one for one, parent in parents.items() if parent in fresh}
    return {(one, _stat(one)[2]) for one in found}


def running(one: tuple[int, int]) -> bool:
    """A zombie does not."""
    state, _, start = _stat(one[0])
    return start == one[1] and state not in "ZX"


def _pids() -> list[int]:
    return [int(path.name) for path in PROC.iterdir() if path.name.isdigit()]


def _stat(pid: int) -> tuple[str, int, int]:
    """State, parent and start of a process, by proc(5); all blank for one that is gone."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return "X", 0, 0
    fields = text.rpartition(")")[2].split()
    return fields[0], int(fields[1]), int(fields[19])
