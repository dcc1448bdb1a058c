"""Running the rounds of a comparison: over worker processes on the virtual clock, or against a mock
process on the real one. Whatever finished is kept, and no process is left behind."""

import contextlib
import multiprocessing
import signal
import sys
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing.context import BaseContext

from harness import clock as clocks
from harness.cli.course import Course, Progress, stopping
from harness.cli.mock_process import mock_process
from harness.cli.wiring import Setup, in_process_arms, socket_arms
from harness.clock import Clock
from harness.load.engine import Tally, round_schedule, run_round
from harness.transport import socket_transport
from mocks.keys import private_key

WARM_UP_ROUND = -1
"""On the real clock a first, unrecorded turn a strategy opens connections and loads code."""


def run_rounds(setup: Setup, jobs: int, progress: Progress) -> Course:
    """Run them all. An interrupt or a bug ends the run early and is told in the course."""
    course = Course()
    with stopping(course, setup.rounds):
        if setup.clock == "real":
            _run_real(setup, course, progress)
        elif jobs == 1:
            _run_here(setup, course, progress)
        else:
            _run_in_workers(setup, jobs, course, progress)
    return course


def one_virtual_round(setup: Setup, round_: int) -> Tally:
    """The whole round on a virtual loop of its own: it depends on nothing that ran before it."""
    tally = Tally()
    clock = clocks.VirtualClock()

    async def main() -> None:
        arms = in_process_arms(setup, round_, clock)
        schedule = round_schedule(
            setup.seed,
            round_,
            arms,
            turns=setup.turns_in(round_),
            turns_each=setup.scenario.turns,
            rate=setup.rate,
        )
        await run_round(clock, arms, schedule, tally)

    clocks.run("virtual", main())
    return tally


def _run_here(setup: Setup, course: Course, progress: Progress) -> None:
    progress.start()
    for round_ in range(setup.rounds):
        _finish(course, one_virtual_round(setup, round_), progress)


def _run_in_workers(setup: Setup, jobs: int, course: Course, progress: Progress) -> None:
    private_key(0)  # Made once, here: forked workers inherit it.
    pool = ProcessPoolExecutor(min(jobs, setup.rounds), _context(), _ignore_interrupt)
    futures: list[Future[Tally]] = []
    try:
        futures = [pool.submit(one_virtual_round, setup, n) for n in range(setup.rounds)]
        progress.start()
        for future in as_completed(futures):
            _finish(course, future.result(), progress)
            futures.remove(future)
    finally:
        # Rounds already in a worker take well under a second to end, and are kept.
        pool.shutdown(cancel_futures=True)
        for future in futures:
            if future.done() and not future.cancelled() and not future.exception():
                _finish(course, future.result(), progress)


def _context() -> BaseContext:
    # A fork inherits the loaded modules; elsewhere each worker takes a second to load them anew.
    return multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")


def _ignore_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _finish(course: Course, tally: Tally, progress: Progress) -> None:
    course.tally.add(tally)
    course.rounds_finished += 1
    progress.advance(tally.finished)


def _run_real(setup: Setup, course: Course, progress: Progress) -> None:
    clock = clocks.RealClock()
    progress.start()
    with mock_process(setup.mocks) as base_url:
        clocks.run("real", _real_rounds(setup, base_url, clock, course, progress))


async def _real_rounds(
    setup: Setup, base_url: str, clock: Clock, course: Course, progress: Progress
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        transports = [await stack.enter_async_context(socket_transport()) for _ in setup.strategies]
        for round_ in (WARM_UP_ROUND, *range(setup.rounds)):
            arms = socket_arms(setup, round_, clock, transports, base_url)
            warm_up = round_ == WARM_UP_ROUND
            schedule = round_schedule(
                setup.seed,
                round_,
                arms,
                turns=1 if warm_up else setup.turns_in(round_),
                turns_each=setup.scenario.turns,
                rate=setup.rate,
            )
            if warm_up:
                await run_round(clock, arms, schedule, Tally())
                continue
            await run_round(clock, arms, schedule, course.tally, lambda: progress.advance(1))
            course.rounds_finished += 1
