"""A child process that takes lines and ends when they end; it knows nothing of what they say.

Its input ends when this process does, whatever ends it, so it is never left behind. In a process
that Locust has patched, waiting for it here lets the other greenlets run.
"""

import contextlib
import subprocess
from collections.abc import Iterable, Sequence

PATIENCE_S = 5.0
"""How long a child may take to end by itself."""


class Child:
    """A running command; it is sent its first line at once."""

    def __init__(self, command: Sequence[str], first_line: bytes) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is the parent's to handle; then it ends its children.
        )
        self.send(first_line)

    def send(self, line: bytes) -> None:
        """A child that has died takes nothing; whoever reads its answers sees that they ended."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(line + b"\n")
            self._process.stdin.flush()

    def answer(self) -> bytes:
        """The next line, without its end; empty when there is none any more."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip()

    def answers(self) -> Iterable[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    def end(self) -> int:
        """End its input, and then it, by force if it must be. A second time does nothing.

        The answer is its exit code, that of the signal that it died by negated, or 0 where the
        force was ours."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            code = self._process.wait(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            code = 0
        self._process.stdout.close()
        return code
