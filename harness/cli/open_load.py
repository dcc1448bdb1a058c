"""Running one arm open-loop: a strategy against the mocks, once or at one rate after another, or a
probe of any URL."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness import clock as clocks
from harness.books import Belief
from harness.cli.course import Course, Progress, stopping
from harness.cli.engines import Link, run_in_engines
from harness.cli.mock_process import mock_process
from harness.cli.real_ways import asking, serving_mocks
from harness.cli.rounds import WARM_UP_ROUND, Ways, leaving_no_task
from harness.cli.scenario_file import source_of
from harness.cli.ways import books_there, socket_way
from harness.cli.wiring import Setup, in_process_arms, probe_arm, socket_arms
from harness.clock import ClockName
from harness.http1 import Sockets
from harness.load.arrivals import Arrivals
from harness.load.books import hold_against_books, judged_of
from harness.load.engine import (
    Arm,
    Due,
    Tally,
    Tell,
    open_schedule,
    run_round,
    share,
)
from harness.record.reconciliation import ReconciliationSummary
from scenarios.http_probe import HttpProbe

Arms = AbstractAsyncContextManager[Arm]

Schedule = Callable[[Arm], Iterable[Due]]
"""When that arm's conversations are due."""

Play = Callable[[int, Schedule, Tally, Tell], None]
"""Plays one schedule to its end, in the weather of that round and in a world of its own."""


WORLD = "~0"
"""That all workers of a load are in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How much, for how long, by how many."""

    rate: float
    """Turns/s, on average."""
    duration_s: float
    """Of arrivals."""
    arrivals: Arrivals = "poisson"
    drain_s: float | None = None
    """How long what is in flight after the last arrival may take; None is as long as it takes."""
    workers: int = 1

    def schedule(self, seed: int, turns_each: int) -> Schedule:
        return lambda arm: open_schedule(
            seed,
            arm,
            turns_each=turns_each,
            rate=self.rate,
            duration_s=self.duration_s,
            pattern=self.arrivals,
        )


def run_load(setup: Setup, load: Load, progress: Progress, room: Path) -> Course:
    """The setup's first strategy. On the real clock by workers, this process only looking on: what
    it draws costs no turn anything. Turns are spooled in `room`."""
    course = Course(room)
    with stopping(course, 1):
        if setup.real is not None:
            with asking(setup.real, course, progress) as real:
                _load_real(setup, load, course, progress, real.ways)
        elif setup.clock == "real":
            mocks = mock_process(setup.mocks, setup.mocks_port)
            work = MockedLoad(setup, load)
            source = source_of(setup.scenario)
            judge = partial(_judged, setup.variants[0].name)
            run_in_engines(work, load.workers, source, mocks, course, progress, judge)
        else:
            schedule = load.schedule(setup.seed, setup.scenario.turns)
            progress.watch(course.tally)
            with course.spool(0) as spool, player(setup, load.drain_s) as play:
                play(0, schedule, course.tally, spool.add)
        course.rounds_finished = 1
    return course


def _load_real(setup: Setup, load: Load, course: Course, progress: Progress, ways: Ways) -> None:
    """In this process, where all that is asked is counted: real providers are asked seldom."""
    clock = clocks.RealClock()

    async def main(base_url: str) -> None:
        async with ways(setup, base_url) as others, leaving_no_task():
            await _warm_up(clock, socket_arms(setup, WARM_UP_ROUND, clock, others))
        # Anew: what it takes to open a connection is what a run on real targets tells of.
        async with ways(setup, base_url) as opened, leaving_no_task():
            (arm,) = socket_arms(setup, 0, clock, opened)
            schedule = load.schedule(setup.seed, setup.scenario.turns)(arm)
            with course.spool(0) as spool:
                await run_round(
                    clock, [arm], schedule, course.tally, tell=spool.add, drain_s=load.drain_s
                )

    progress.watch(course.tally)
    with serving_mocks(setup) as base_url:
        clocks.run("real", main(base_url))


def run_probe(probe: HttpProbe, seed: int, load: Load, progress: Progress, room: Path) -> Course:
    """GET the URL at that rate on the real clock."""
    course = Course(room)
    with stopping(course, 1):
        nowhere = contextlib.nullcontext("")
        run_in_engines(ProbeLoad(probe, seed, load), load.workers, None, nowhere, course, progress)
        course.rounds_finished = 1
    return course


@dataclass(frozen=True, slots=True)
class MockedLoad:
    """One worker's share of a load against served mocks."""

    setup: Setup
    load: Load

    async def __call__(self, link: Link, tally: Tally, tell: Tell) -> None:
        setup, clock = self.setup, clocks.RealClock()
        async with socket_way(setup, f"{link.address}/{WORLD}") as way, leaving_no_task():
            warm = socket_arms(setup, WARM_UP_ROUND, clock, [way])
            link.held.beliefs, link.held.cut = way.beliefs, way.cut
            await _warm_up(clock, warm, link.worker)
            (arm,) = socket_arms(setup, 0, clock, [way])
            schedule = self.load.schedule(setup.seed, setup.scenario.turns)(arm)
            await _play_share(link, self.load, arm, schedule, tally, tell)


@dataclass(frozen=True, slots=True)
class ProbeLoad:
    """One worker's share of a load on a URL."""

    probe: HttpProbe
    seed: int
    load: Load

    async def __call__(self, link: Link, tally: Tally, tell: Tell) -> None:
        async with Sockets() as transport, leaving_no_task():
            arm = probe_arm(self.probe, self.seed, clocks.RealClock(), transport)
            schedule = self.load.schedule(self.seed, self.probe.turns)(arm)
            await _play_share(link, self.load, arm, schedule, tally, tell)


def _judged(
    variant: str, address: str, beliefs: Sequence[Belief], cut: Sequence[str], forgotten: int
) -> ReconciliationSummary | None:
    """All workers' payments against the books that they share."""
    return judged_of(variant, books_there(f"{address}/{WORLD}"), beliefs, cut, forgotten)


async def _play_share(
    link: Link, load: Load, arm: Arm, schedule: Iterable[Due], tally: Tally, tell: Tell
) -> None:
    await run_round(
        clocks.RealClock(),
        [arm],
        share(schedule, link.worker, load.workers),
        tally,
        tell=tell,
        begin=link.begin,
        drain_s=load.drain_s,
    )


@contextlib.contextmanager
def player(setup: Setup, drain_s: float | None = None) -> Iterator[Play]:
    """Plays the setup's first strategy as often as wanted. On the real clock one mock process
    serves them all."""
    if setup.clock == "virtual":

        def play(round_: int, schedule: Schedule, tally: Tally, tell: Tell) -> None:
            _play("virtual", _in_process(setup, round_), schedule, tally, tell, drain_s)

        yield play
        return
    with mock_process(setup.mocks, setup.mocks_port) as base_url:

        def play_there(round_: int, schedule: Schedule, tally: Tally, tell: Tell) -> None:
            there = _on_sockets(setup, round_, base_url)
            _play("real", there, schedule, tally, tell, drain_s)

        yield play_there


def _play(
    clock_name: ClockName,
    making: Arms,
    schedule: Schedule,
    tally: Tally,
    tell: Tell,
    drain_s: float | None,
) -> None:
    clock = clocks.clock(clock_name)

    async def main() -> None:
        async with making as arm, leaving_no_task():
            await run_round(clock, [arm], schedule(arm), tally, tell=tell, drain_s=drain_s)
            await hold_against_books([arm], tally)

    clocks.run(clock_name, main())


@contextlib.asynccontextmanager
async def _in_process(setup: Setup, round_: int) -> AsyncIterator[Arm]:
    yield in_process_arms(setup, round_, clocks.VirtualClock())[0]


@contextlib.asynccontextmanager
async def _on_sockets(setup: Setup, round_: int, base_url: str) -> AsyncIterator[Arm]:
    clock = clocks.RealClock()
    async with socket_way(setup, f"{base_url}/~{round_}") as way:
        await _warm_up(clock, socket_arms(setup, WARM_UP_ROUND, clock, [way]))
        yield socket_arms(setup, round_, clock, [way])[0]


async def _warm_up(clock: clocks.Clock, arms: list[Arm], worker: int = 0) -> None:
    """One unrecorded turn opens a connection and loads code. Each worker's is another user's."""
    one = [Due(0.0, worker, arm, f"warm{worker}", 1) for arm in arms]
    await run_round(clock, arms, one, Tally())
