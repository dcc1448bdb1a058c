"""Running the rounds of a comparison: on the virtual clock, or against a mock process on the real
one. Whatever finished is kept, and no process is left behind."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from harness import clock as clocks
from harness.cli.course import Course, Progress, stopping
from harness.cli.mock_process import mock_process
from harness.cli.ways import socket_ways
from harness.cli.wiring import Setup, in_process_arms, socket_arms
from harness.cli.workers import run_in_workers
from harness.clock import Clock
from harness.load.engine import Tally, round_schedule, run_round

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
            run_in_workers(one_virtual_round, setup, jobs, course, progress)
    return course


def one_virtual_round(setup: Setup, round_: int) -> Tally:
    """The whole round on a virtual loop of its own: it depends on nothing that ran before it."""
    tally = Tally()
    _play_virtual(setup, round_, tally)
    return tally


def _play_virtual(setup: Setup, round_: int, tally: Tally) -> None:
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


def _run_here(setup: Setup, course: Course, progress: Progress) -> None:
    progress.start()
    for round_ in range(setup.rounds):
        before = course.tally.finished
        _play_virtual(setup, round_, course.tally)
        course.rounds_finished += 1
        progress.advance(course.tally.finished - before)


def _run_real(setup: Setup, course: Course, progress: Progress) -> None:
    clock = clocks.RealClock()
    progress.start()
    with mock_process(setup.mocks, setup.mocks_port) as base_url:
        clocks.run("real", _real_rounds(setup, base_url, clock, course, progress))


@contextlib.asynccontextmanager
async def leaving_no_task() -> AsyncIterator[None]:
    """What still runs when the body is cancelled, such as the forks of a turn, ends here: before
    the connections under it close, which would look like a fault."""
    try:
        yield
    finally:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def _real_rounds(
    setup: Setup, base_url: str, clock: Clock, course: Course, progress: Progress
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        ways = await stack.enter_async_context(socket_ways(setup, base_url))
        await stack.enter_async_context(leaving_no_task())
        for round_ in (WARM_UP_ROUND, *range(setup.rounds)):
            arms = socket_arms(setup, round_, clock, ways)
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
