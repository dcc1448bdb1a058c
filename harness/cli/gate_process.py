"""A side's process of one round of a gate, and what it says; it knows no other side, and leaves
nothing behind that was begun in it."""

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from typing import IO, TypeVar

import msgspec

from harness.cli.course import Crash, Crashed
from harness.cli.gate_lines import (
    Alive,
    Answer,
    Ask,
    Begin,
    Loaded,
    Played,
    Refused,
    Serve,
    Side,
)
from harness.cli.gate_trees import Tree
from harness.load.child import PATIENCE_S

LOADING_S = 180.0
"""In which a side says nothing: all that a flow imports is imported then."""
SILENCE_S = 60.0
"""Of a side that plays and says again and again that it does."""
LOOK_S = 0.5
"""Whether a side whose output somebody else holds open has ended is looked up so often."""
TOLD_LINES = 20
"""Of what a process that died wrote to its standard error."""

AnswerT = TypeVar("AnswerT", bound=Answer)


class SideDied(Crashed):
    """A side's process ended, or spoke, when or as it should not have."""

    def __init__(self, side: Side, why: str, trace: str = "") -> None:
        super().__init__(Crash(f"{side}: {why}", trace))
        self.why = why


class SideRefused(Crashed):
    """A side cannot play what it is asked."""

    def __init__(self, side: Side, problems: Sequence[str]) -> None:
        super().__init__(Crash(f"{side}: {'; '.join(problems)}", ""))
        self.problems = list(problems)


class SideProcess:
    """A side's process of one round, and what it says."""

    def __init__(self, tree: Tree, ask: Ask) -> None:
        self.side = tree.side
        self._stopped = False
        with contextlib.ExitStack() as stack:
            # What a flow prints is not mixed with what the other prints, and told where it helps.
            self._said = stack.enter_context(tempfile.TemporaryFile())
            self._process = _begun(tree, self._said)
            stack.pop_all()
        self._lines: SimpleQueue[bytes] = SimpleQueue()
        self._reading = Thread(target=self._read, daemon=True)
        self._reading.start()
        self.tell(ask)

    def tell(self, message: Ask | Serve | Begin) -> None:
        """One that has died takes nothing; whoever waits for its answer sees that."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(msgspec.json.encode(message) + b"\n")
            self._process.stdin.flush()

    def answer(self, kind: type[AnswerT]) -> AnswerT:
        """The next, which is of that kind; else SideRefused, Crashed for a bug of the flow, or
        SideDied."""
        told = self._next(LOADING_S if kind is Loaded else SILENCE_S)
        while isinstance(told, Alive):
            told = self._next(SILENCE_S)
        if isinstance(told, Refused):
            raise SideRefused(self.side, told.problems)
        if isinstance(told, kind):
            return told
        # A bug before the round began: nothing was measured.
        if isinstance(told, Played) and told.bug:
            raise Crashed(Crash(f"{self.side}: {told.bug}", told.trace))
        raise SideDied(self.side, other_tollbench(self.side))

    def hang_up(self) -> None:
        """End its input, and with it what it plays."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def end(self) -> Played | None:
        """End its input, and then it, by force if it must be, and whatever it began; the answer is
        its last word, where that was not heard yet. A second time does nothing."""
        self._stop()
        # Held open by what has left its group, its output may never end.
        self._reading.join(PATIENCE_S)
        last = None
        while not self._lines.empty():
            with contextlib.suppress(msgspec.DecodeError):
                told = msgspec.json.decode(self._lines.get(), type=Answer)
                last = told if isinstance(told, Played) else last
        self._said.close()
        return last

    def _next(self, patience_s: float) -> Answer:
        line = self._line(patience_s)
        if not line:
            raise self._died()
        try:
            told: Answer = msgspec.json.decode(line, type=Answer)
        except msgspec.DecodeError:
            raise SideDied(self.side, other_tollbench(self.side)) from None
        return told

    def _line(self, patience_s: float) -> bytes:
        """The next; empty when it has ended, whoever holds its output open."""
        end = time.monotonic() + patience_s
        while (left := end - time.monotonic()) > 0:
            ended = self._process.poll() is not None
            with contextlib.suppress(Empty):
                return self._lines.get(timeout=min(LOOK_S, left))
            if ended:
                return b""
        raise SideDied(
            self.side,
            f"nothing was heard of it for {patience_s:g} s: what it loads does not end, or a turn "
            "holds up the event loop or goes on when it is cut off",
        )

    def _stop(self) -> None:
        """Its group dies as one: what a flow has begun is not left behind."""
        if self._stopped:
            return
        self.hang_up()
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self._stopped = True
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _read(self) -> None:
        """In a thread: a process that has much to say must never wait for us."""
        assert self._process.stdout is not None
        with self._process.stdout as out:
            for line in out:
                self._lines.put(line)
        self._lines.put(b"")

    def _died(self) -> SideDied:
        self._stop()
        self._said.seek(0)
        said = self._said.read().decode("utf-8", "replace").splitlines()[-TOLD_LINES:]
        last = said[-1] if said else f"exit code {self._process.returncode}"
        return SideDied(
            self.side, f"its process ended: {last}", "".join(f"{line}\n" for line in said)
        )


def other_tollbench(side: Side) -> str:
    return (
        "its tollbench is another than the gate's and the two do not understand each other: "
        f"install one version for both, or name a Python that has it by --{side}-python"
    )


def _begun(tree: Tree, said: IO[bytes]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [tree.python, "-P", "-m", "harness.cli.gate_side"],
        cwd=tree.path,
        env=tree.environment(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=said,
        start_new_session=True,  # Ctrl-C is ours to handle; then we end it.
    )
