"""How a run went, and how what ends it early is told; it runs nothing itself."""

import contextlib
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Protocol, runtime_checkable

from harness.cli.bugs import innermost
from harness.cli.room import is_full
from harness.load.engine import Tally
from harness.real.unsafe import Unsafe
from harness.record import Columns, FlowRow, SpentSummary, Spool, columns_of_spools, spooled


class Progress(Protocol):
    """Shows how far a run is."""

    def watch(self, tally: Tally) -> None:
        """Show this tally from now on, as it grows. It may start a thread, so it is called after
        workers are forked."""


@runtime_checkable
class Telling(Protocol):
    """A progress that has room for more."""

    def tell(self, words: Callable[[], str]) -> None:
        """Show these too, asked anew whenever it is drawn."""


@dataclass(slots=True)
class Course:
    """What finished, and why the run stopped early if it did. Its turns are on disk, in files of
    their own below `room`, so that a long run takes no more memory than a short one, and one that
    is killed has lost next to nothing."""

    room: Path
    tally: Tally = field(default_factory=Tally)
    """Without rows."""
    rounds_finished: int = 0
    stopped: str = ""
    spools: list[Path] = field(default_factory=list)
    """Those of the turns in the tally."""
    spent: SpentSummary | None = None
    """What real providers were asked, where any were."""
    shown: Callable[[str], str] = str
    """Makes of a text what may be seen of it: a provider may say what must not be."""

    def spool(self, name: object) -> Spool:
        """A new one, whose turns will be in the tally."""
        path = self.path_of(name)
        self.spools.append(path)
        return Spool(path)

    def path_of(self, name: object) -> Path:
        self.room.mkdir(parents=True, exist_ok=True)
        return self.room / str(name)

    def turns(self) -> Iterator[FlowRow]:
        """Of the spools that are closed, from disk, in no certain order."""
        for path in self.spools:
            for rows in spooled(path):
                yield from rows.flows

    def columns(self) -> Columns:
        """All of them in the one order of the files, with their spans."""
        return columns_of_spools(self.spools)


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
    """A bug in a scenario or in here, as text: an exception may not survive a pipe. A full disk is
    none, and has no traceback."""

    reason: str
    trace: str

    @staticmethod
    def of(error: Exception) -> "Crash":
        cause = innermost(error)
        if is_full(cause):
            return Crash("a full disk", "")
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
        if isinstance(cause := innermost(error), Unsafe):
            # No bug: it was held back, or its answer says why to go no further.
            course.stopped = course.shown(f"stopped after {_so_far(course, rounds)}: {cause}")
            return
        crash = error.crash if isinstance(error, Crashed) else Crash.of(error)
        print(course.shown(crash.trace), end="", file=sys.stderr)
        by = course.shown(crash.reason)
        course.stopped = f"stopped after {_so_far(course, rounds)} by {by}"


def _so_far(course: Course, rounds: int | None) -> str:
    of = "" if rounds is None else f" of {rounds}"
    return f"{course.rounds_finished}{of} rounds"
