"""Child processes that end when their input does; nothing here knows what they are told.

Their input ends when this process does, whatever ends it, so none is ever left behind. In a process
that Locust has patched, waiting for one here lets the other greenlets run.
"""

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from queue import SimpleQueue
from threading import Thread

from harness.load.pipe import Frames, framed

PATIENCE_S = 5.0
"""How long a child may take to end by itself."""

_CHUNK = 1 << 16


class Child:
    """A running command that speaks in lines; it is sent its first at once."""

    def __init__(self, command: Sequence[str], first_line: bytes) -> None:
        self._process = _started(command)
        assert self._process.stdin is not None
        # A child that has died takes nothing; whoever reads its answers sees that they ended.
        with contextlib.suppress(OSError):
            self._process.stdin.write(first_line + b"\n")
            self._process.stdin.flush()

    def answer(self) -> bytes:
        """The next line, without its end; empty when there is none any more."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip()

    def end(self) -> int:
        """End its input, and then it, by force if it must be. A second time does nothing.

        The answer is its exit code, that of the signal that it died by negated, or 0 where the
        force was ours."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        code = _waited(self._process, PATIENCE_S)
        self._process.stdout.close()
        return code


class FrameChild:
    """A running command that speaks in frames (harness.load.pipe); it is sent its first at once.

    To send never waits: what the child does not take yet is kept for it, in order."""

    def __init__(self, command: Sequence[str], first: bytes) -> None:
        self._process = _started(command, bufsize=0)
        self._outbox: SimpleQueue[bytes | None] = SimpleQueue()
        self._is_heard = False
        self._writing = Thread(target=self._write, daemon=True)
        self._writing.start()
        self.send(first)

    def send(self, body: bytes) -> None:
        """A child that has died takes nothing; whoever reads its frames sees that they ended."""
        self._outbox.put(framed(body))

    def frames(self) -> Iterator[bytes]:
        """As they come, without their lengths, until it has ended. One that was not whole by then
        is dropped. To be read in one place only."""
        assert self._process.stdout is not None
        self._is_heard = True
        frames = Frames()
        with self._process.stdout:
            while chunk := self._process.stdout.read(_CHUNK):
                yield from frames.feed(chunk)

    def close(self) -> None:
        """End its input, after all that it was sent. It may still answer."""
        self._outbox.put(None)

    def kill(self) -> None:
        self._process.kill()

    def end(self, patience_s: float = PATIENCE_S) -> int:
        """End its input, and then it, by force if it must be. A second time does nothing.

        The answer is its exit code, or that of the signal that it died by negated."""
        self.close()
        code = _waited(self._process, patience_s, forced=-9)
        self._writing.join()
        assert self._process.stdout is not None
        if not self._is_heard:
            self._process.stdout.close()
        return code

    def _write(self) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        with contextlib.suppress(OSError):
            while (frame := self._outbox.get()) is not None:
                rest = memoryview(frame)
                while rest:
                    rest = rest[pipe.write(rest) :]
        with contextlib.suppress(OSError):
            pipe.close()


def _started(command: Sequence[str], bufsize: int = -1) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command,
        bufsize=bufsize,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is the parent's to handle; then it ends its children.
    )


def _waited(process: "subprocess.Popen[bytes]", patience_s: float, forced: int = 0) -> int:
    try:
        return process.wait(timeout=patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return forced
