"""How a run went, and how what ends it early is told; it runs nothing itself."""

import contextlib
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from harness.load.engine import Tally


class Progress(Protocol):
    """Shows how far a run is. It may start a thread, so it is started after workers are forked."""

    def start(self) -> None: ...
    def advance(self, turns: int) -> None: ...


@dataclass(slots=True)
class Course:
    """What finished, and why the run stopped early if it did."""

    tally: Tally = field(default_factory=Tally)
    rounds_finished: int = 0
    stopped: str = ""


@dataclass(frozen=True, slots=True)
class Crash:
    """A bug in a scenario or in here, as text: an exception may not survive a pipe."""

    reason: str
    trace: str

    @staticmethod
    def of(error: Exception) -> "Crash":
        cause = _innermost(error)
        trace = "".join(traceback.format_exception(cause))
        return Crash(f"{type(cause).__name__}: {cause}", trace)


class Crashed(Exception):
    """A worker process met this crash."""

    def __init__(self, crash: Crash) -> None:
        super().__init__(crash.reason)
        self.crash = crash


@contextlib.contextmanager
def stopping(course: Course, rounds: int) -> Iterator[None]:
    """What ends the body early becomes a reason in the course; a bug's traceback is shown too."""
    try:
        yield
    except KeyboardInterrupt:
        course.stopped = f"interrupted after {course.rounds_finished} of {rounds} rounds"
    except Exception as error:
        crash = error.crash if isinstance(error, Crashed) else Crash.of(error)
        print(crash.trace, end="", file=sys.stderr)
        course.stopped = (
            f"stopped after {course.rounds_finished} of {rounds} rounds by {crash.reason}"
        )


def _innermost(error: Exception) -> Exception:
    # The engine's task group wraps whatever a scenario raised.
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
