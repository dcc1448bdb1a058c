"""The collector of a run that Locust conducts, run by `python -m harness.cli.collector`; no user's
verb, and it makes no load.

Standing beside the master, or the only process of Locust, it reads frames of harness.load.pipe from
standard input: an Opening, then what the engines tell, and a Close. It answers with Opened, once a
second with a Look, and with Closed when the run is stored. Turns are on disk as soon as they are
heard, so what a killed collector leaves behind can be read.
"""

import os
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from harness.cli.asked import Asked, targets_of
from harness.cli.conducted_run import (
    checked_run,
    code_of,
    lines_of,
    planned,
    store_run,
    write_report,
)
from harness.cli.exits import INVALID, PASS, USAGE, BadInput
from harness.cli.leftovers import JOURNAL, forget_if_empty, left_in
from harness.cli.outcome import Started
from harness.cli.room import SPOOLS, new_run, room_in
from harness.load.arrivals import poisson
from harness.load.crew import Crew
from harness.load.pipe import (
    Account,
    Close,
    Closed,
    Frames,
    FromCollector,
    FromEngine,
    Gone,
    Heard,
    Look,
    Opened,
    Part,
    Planned,
    ToCollector,
    framed,
)
from harness.load.plan import Plan
from harness.load.standing import Facts, Standing
from harness.record import Spool

LOOK_EVERY_S = 1.0
SETTLED_S = 2.0
"""No step is planned that long after it begins."""
READ_AT_ONCE = 1 << 20

ENDED = "Locust ended before the run was closed"
NO_ACCOUNT = "it gave no account"


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """The first frame."""

    asked: Asked
    argv: list[str]
    """Locust's, without its own name."""
    workers: list[str]
    """Those that there are; others may join later."""


_opening = msgspec.msgpack.Decoder(Opening).decode
_order = msgspec.msgpack.Decoder(ToCollector).decode
_told = msgspec.msgpack.Decoder(FromEngine).decode
_snapshot = msgspec.json.Encoder().encode


class Collector:
    """A run from its first frame to its folder. BadInput where its options cannot be used."""

    def __init__(self, opening: Opening) -> None:
        asked = opening.asked
        self._run, turns = checked_run(asked, opening.argv)
        strategies = [variant.name for variant in self._run.variants]
        self._started = Started.now()
        self.folder = new_run(
            Path(asked.out), self._started.at, self._run.scenario_name, "real", self._run.seed
        )
        self._plan = Plan(
            poisson(self._run.seed, "live", rate=1.0), turns_each=turns, arms=len(strategies)
        )
        self._crew = Crew(opening.workers, self._plan)
        facts = Facts(
            run_id=self.folder.name,
            scenario=self._run.scenario_name,
            strategies=strategies,
            targets=targets_of(asked),
            seed=self._run.seed,
            slos=self._run.slos,
        )
        self._standing = Standing(facts, self._crew)
        self._spools: dict[str, Spool] = {}
        self._heard = False

    def opened(self) -> Opened:
        return Opened(self.folder.name, str(self.folder))

    @property
    def elapsed_s(self) -> float:
        """Since the origin, as far as was heard."""
        return self._crew.elapsed_s

    def take(self, order: Heard | Planned | Gone) -> None:
        match order:
            case Heard():
                self._hear(order.worker, _told(order.frame))
            case Planned():
                self._plan.step(order)
            case Gone():
                self._standing.gone(order)

    def look(self, state: str = "running") -> Look:
        """The run so far."""
        # Nor past the turns that have come, or a stop that is told of later would be overrun.
        self._plan.count(min(self.elapsed_s - SETTLED_S, self._standing.last_due_s))
        return Look(_snapshot(self._standing.snapshot(state)))

    @property
    def is_empty(self) -> bool:
        """Whether no engine has told anything, or ordered anything that has to be closed."""
        return not self._heard and not left_in(self.folder / JOURNAL)

    def discard(self) -> None:
        """Of a run that never began, nothing stays."""
        forget_if_empty(self.folder / JOURNAL)
        self.folder.rmdir()

    def close(self, order: Close) -> tuple[Look, Closed]:
        """Store the run. Every engine that has neither accounted nor gone is lost."""
        for member in self._crew.members:
            gone = Gone(member.name, order.why or NO_ACCOUNT, order.at_s)
            self.take(gone)
        for spool in self._spools.values():
            spool.close()
        ends_s = self._ends_s(order.at_s)
        self._plan.count(ends_s)
        run = planned(self._run, self._plan, ends_s)
        paths = [spool.path for spool in self._spools.values()]
        stored = store_run(run, self._crew, paths, self.folder, self._started, order.why)
        no_page = write_report(stored)
        summary = stored.summary
        look = self._standing.snapshot(
            "stored",
            stored=not no_page,
            reasons=summary.invalid_because,
            slos=summary.slos,
        )
        lines = [*lines_of(stored), *([no_page] if no_page else [])]
        return Look(_snapshot(look)), Closed(lines, code_of(stored))

    def _hear(self, worker: str, told: FromEngine) -> None:
        self._heard = True
        match told:
            case Part():
                if told.records:
                    spool = self._spool(worker)
                    spool.add_records(told.records)
                    spool.flush()
                self._standing.part(worker, told)
            case Account():
                self._standing.account(worker, told)

    def _spool(self, worker: str) -> Spool:
        if worker not in self._spools:
            room = room_in(self.folder)
            room.mkdir(exist_ok=True)
            self._spools[worker] = Spool(room / str(len(self._spools)))
        return self._spools[worker]

    def _ends_s(self, closed_s: float) -> float:
        """When the last turns were due: at the stop, which is planned, or else it is as late as
        anything that was heard of."""
        planned_s = self._plan.ends_s
        return planned_s if planned_s is not None else min(closed_s, self._standing.last_due_s)


def main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # It is the conductor's to end a run.
    # What is read from our output must stay ours.
    out, sys.stdout = sys.stdout.buffer, sys.stderr

    def tell(message: FromCollector) -> None:
        try:
            out.write(framed(msgspec.msgpack.encode(message)))
            out.flush()
        except BrokenPipeError:
            pass  # Nobody reads any more; the run is stored all the same.

    try:
        collect(sys.stdin.fileno(), tell)
    except BadInput as error:
        for problem in error.problems:
            print(f"tollbench: {problem}", file=sys.stderr)
        return USAGE
    except OSError as error:
        print(
            f"tollbench: the run could not be stored ({error}); what was measured until then is in "
            f"its folder, below {SPOOLS}",
            file=sys.stderr,
        )
        return INVALID
    return PASS


def collect(descriptor: int, tell: Callable[[FromCollector], None]) -> None:
    """From the first frame of the input to a stored run."""
    frames = _Input(descriptor)
    opening = frames.next(None)
    if opening is None:
        return
    collector = Collector(_opening(opening))
    tell(collector.opened())
    order = _until_closed(frames, collector, tell)
    if order.why == ENDED and collector.is_empty:
        collector.discard()
        return
    tell(collector.look("stopping"))
    look, closed = collector.close(order)
    tell(look)
    tell(closed)
    if order.why == ENDED:
        print(f"tollbench: {ENDED}: it is kept in {collector.folder}", file=sys.stderr)


def _until_closed(
    frames: "_Input", collector: Collector, tell: Callable[[FromCollector], None]
) -> Close:
    due = time.perf_counter() + LOOK_EVERY_S
    while True:
        frame = frames.next(due)
        if frame is not None:
            order = _order(frame)
            if isinstance(order, Close):
                return order
            collector.take(order)
        elif frames.ended:
            return Close(collector.elapsed_s, ENDED)
        if time.perf_counter() >= due:
            tell(collector.look())
            due = time.perf_counter() + LOOK_EVERY_S


class _Input:
    """Frames from a pipe, waited for until a moment of the stopwatch."""

    def __init__(self, descriptor: int) -> None:
        self.ended = False
        self._descriptor = descriptor
        self._frames = Frames()
        self._whole: list[bytes] = []

    def next(self, until: float | None) -> bytes | None:
        """None where none has come by then, or none comes any more."""
        while not self._whole and not self.ended:
            wait = None if until is None else max(0.0, until - time.perf_counter())
            if not select.select([self._descriptor], [], [], wait)[0]:
                return None
            data = os.read(self._descriptor, READ_AT_ONCE)
            self.ended = not data
            self._whole = list(self._frames.feed(data))[::-1]
        return self._whole.pop() if self._whole else None


if __name__ == "__main__":
    sys.exit(main())
