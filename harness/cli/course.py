"""How a run went, and how what ends it early is told; it runs nothing itself."""

import contextlib
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

from harness.load.engine import Tally


class Progress(Protocol):
    """Shows how far a run is. It may start a thread, so it is started after workers are forked.
    Starting it again changes nothing."""

    def start(self) -> None: ...
    def advance(self, turns: int) -> None: ...


@dataclass(slots=True)
class Course:
    """What finished, and why the run stopped early if it did."""

    tally: Tally = field(default_factory=Tally)
    rounds_finished: int = 0
    stopped: str = ""


Enough = Callable[[Course], bool]
"""Asked at a look, when all rounds up to it have finished: is that enough?"""


def batches(course: Course, looks: Sequence[int], enough: Enough) -> Iterator[range]:
    """The rounds up to each look, a batch a look, until at a look there is enough. Whoever asks
    for the next batch has finished the one before."""
    for first, end in pairwise((0, *looks)):
        yield range(first, end)
        if enough(course):
            return


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
def stopping(course: Course, rounds: int | None = None) -> Iterator[None]:
    """What ends the body early becomes a reason in the course; a bug's traceback is shown too.
    `rounds` is how many there were to be, where anybody knows."""
    try:
        yield
    except KeyboardInterrupt:
        course.stopped = f"interrupted after {_so_far(course, rounds)}"
    except Exception as error:
        crash = error.crash if isinstance(error, Crashed) else Crash.of(error)
        print(crash.trace, end="", file=sys.stderr)
        course.stopped = f"stopped after {_so_far(course, rounds)} by {crash.reason}"


def _so_far(course: Course, rounds: int | None) -> str:
    of = "" if rounds is None else f" of {rounds}"
    return f"{course.rounds_finished}{of} rounds"


def _innermost(error: Exception) -> Exception:
    # The engine's task group wraps whatever a scenario raised.
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
